"""
The CPU time of ``migfix check`` beside that of django-upgrade, on the migrations of the corpus; and that of small
runs, on a tree that is made up or that ``--tree`` names, beside the time that django-upgrade takes to start.

``python benchmarks/check_speed.py`` prints a table; ``--enforce`` exits with 1 when a ratio is above
its limit. Both read the same files; django-upgrade rewrites, so it gets a fresh copy in each round.
The two take turns, and the ratio is the median of the rounds, so a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
MIGFIX = (sys.executable, "-m", "migfix")
CHECK_AIM = 0.25  # what check should need one day; --check-limit holds what it needs today
DJANGO_UPGRADE = (sys.executable, "-m", "django_upgrade")
APPS, MIGRATIONS = 40, 12  # of the tree that is made up

# Users have compiled modules: without them, half a short run is compiling.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

# How many starts of django-upgrade each small run may take, with room for noise. One file takes what a run over
# the project found, else the time to import LibCST and what looks into files, and to read the project.
EMPTY, SECOND, ALONE, EDITED, NOTHING_KEPT = 1.5, 1.5, 2.0, 14.0, 14.0

SCHEMA = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [{}]
    operations = [{}]
"""
MODEL = """migrations.CreateModel("Post", [
        ("id", models.AutoField(primary_key=True)),
        ("title", models.CharField(max_length=100)),
    ])"""
FIELD = 'migrations.AddField("Post", "field_{}", models.IntegerField(null=True))'
DATA = """\
from django.db import migrations


def forwards(apps, schema_editor):
    for post in apps.get_model("{}", "Post").objects.all():
        post.title = post.title.upper()
        post.save()


class Migration(migrations.Migration):
    dependencies = [{}]
    operations = [migrations.RunPython(forwards)]
"""


@dataclass(frozen=True)
class Comparison:
    """Seconds of CPU by round, and the ratio that ``--enforce`` allows."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]
    limit: float

    @property
    def ratio(self) -> float:
        return median(our / their for our, their in zip(self.ours, self.theirs, strict=True))

    @property
    def row(self) -> str:
        verdict = "ok" if self.ratio <= self.limit else "TOO SLOW"
        times = f"{median(self.ours):10.2f}{median(self.theirs):10.2f}"
        return f"{self.name:40}{times}{self.ratio:8.2f}{self.limit:8.2f}  {verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--enforce", action="store_true")
    parser.add_argument("--tree", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--only-small", action="store_true", help="without the corpus")
    parser.add_argument("--check-limit", type=float, default=CHECK_AIM, metavar="RATIO")
    options = parser.parse_args()
    rounds = options.rounds * 3
    comparisons: list[Comparison] = []
    if not options.only_small:
        comparisons += [_compare_check(_corpus(), options.rounds, options.check_limit)]
    comparisons += [_compare_start(rounds), *_compare_small(options.tree, rounds)]
    print(f"{'median CPU seconds':40}{'migfix':>10}{'upgrade':>10}{'ratio':>8}{'limit':>8}")
    for comparison in comparisons:
        print(comparison.row)
    too_slow = any(comparison.ratio > comparison.limit for comparison in comparisons)
    return 1 if options.enforce and too_slow else 0


def _corpus() -> Path:
    fetch = [sys.executable, str(ROOT / "tests" / "corpus" / "fetch.py")]
    return Path(
        subprocess.run(
            fetch, check=True, capture_output=True, text=True, timeout=600
        ).stdout.strip()
    )


def _compare_check(corpus: Path, rounds: int, limit: float) -> Comparison:
    files = [path.relative_to(corpus) for path in sorted(corpus.rglob("migrations/*.py"))]

    def theirs() -> float:
        with tempfile.TemporaryDirectory() as folder:
            for file in files:
                Path(folder, file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(corpus / file, Path(folder, file))
            names = [str(Path(folder, file)) for file in files]
            return _cpu([*DJANGO_UPGRADE, "--target-version", "5.2", *names])

    def ours() -> float:
        return _cpu([*MIGFIX, "check", "--no-cache", str(corpus)])

    return Comparison(f"check, {len(files)} migrations", *_in_turns(ours, theirs, rounds), limit)


def _compare_start(rounds: int) -> Comparison:
    def ours() -> float:
        return _cpu([*MIGFIX, "--version"])

    def theirs() -> float:
        return _cpu([*DJANGO_UPGRADE, "--help"])

    return Comparison("--version beside --help", *_in_turns(ours, theirs, rounds), 1.5)


def _compare_small(trees: Sequence[Path], rounds: int) -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "0001_initial.py")
        empty.touch()
        yield _beside_start(
            "empty file", rounds, EMPTY, lambda: _checked(folder, "--no-cache", empty)
        )
        for tree in trees:
            copy = Path(folder, tree.name)
            shutil.copytree(tree, copy, symlinks=True, ignore=_without_histories)
            yield from _compare_tree(copy, rounds)
        if not trees:
            yield from _compare_tree(_made_up(Path(folder, "made-up")), rounds)


def _without_histories(folder: str, names: list[str]) -> set[str]:
    """A folder .git is all that it takes to be a repository."""
    return set(names) if Path(folder).name == ".git" else {".migfix_cache"}.intersection(names)


def _compare_tree(tree: Path, rounds: int) -> Iterator[Comparison]:
    loops = (b"RunPython", b"\n    for ")
    files = [f for f in sorted(tree.rglob("migrations/[0-9]*.py")) if _holds(f, *loops)]
    file = files[len(files) // 2]
    data = file.read_bytes()

    def after_a_run_over_all(*arguments: object, edited: bool = False) -> float:
        """None of this very command."""
        shutil.rmtree(tree / ".migfix_cache", ignore_errors=True)
        _checked(tree, ".")
        if edited:
            file.write_bytes(data + b"\n# edited\n")
        try:
            return _checked(tree, *arguments)
        finally:
            file.write_bytes(data)

    name = f"{tree.name}, "
    one = f"{name}one file, "
    runs: list[tuple[str, float, Callable[[], float]]] = [
        (f"{name}second run", SECOND, lambda: after_a_run_over_all(".")),
        (f"{one}alone", ALONE, lambda: after_a_run_over_all(file.relative_to(tree))),
        (f"{one}edited", EDITED, lambda: after_a_run_over_all(file.relative_to(tree), edited=True)),
        (f"{one}nothing kept", NOTHING_KEPT, lambda: _checked(tree, "--no-cache", file)),
    ]
    for name, limit, run in runs:
        yield _beside_start(name, rounds, limit, run)


def _made_up(tree: Path) -> Path:
    """A project with a fair number of apps, of which some write data."""
    for app in range(APPS):
        folder = tree / f"app_{app}" / "migrations"
        folder.mkdir(parents=True)
        for name in ("__init__.py", "../__init__.py"):
            (folder / name).touch()
        (folder.parent / "views.py").write_text("import json\n" * 200)
        for number in range(MIGRATIONS):
            before = f'("app_{app}", "{number - 1:04}_step")' if number else ""
            operation = FIELD.format(number) if number else MODEL
            last = number == MIGRATIONS - 1 and app % 4 == 0
            text = DATA.format(f"app_{app}", before) if last else SCHEMA.format(before, operation)
            (folder / f"{number:04}_step.py").write_text(text)
    (tree / "manage.py").touch()
    return tree


def _holds(file: Path, *texts: bytes) -> bool:
    data = file.read_bytes()
    return all(text in data for text in texts)


def _checked(folder: Path | str, *arguments: object) -> float:
    return _cpu([*MIGFIX, "check", *map(str, arguments)], Path(folder))


def _beside_start(name: str, rounds: int, limit: float, ours: Callable[[], float]) -> Comparison:
    def theirs() -> float:
        return _cpu([*DJANGO_UPGRADE, "--help"])

    return Comparison(name, *_in_turns(ours, theirs, rounds), limit)


def _in_turns(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    ours(), theirs()  # compiles and caches
    measured = [(ours(), theirs()) for _ in range(rounds)]
    return [our for our, _ in measured], [their for _, their in measured]


def _cpu(command: Sequence[str], folder: Path = ROOT) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=_ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: there is something to rewrite
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
