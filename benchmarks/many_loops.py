"""
What ``migfix check`` does for migrations with many loops or functions, and for twice as many.

``python benchmarks/many_loops.py`` prints a table of the calls of functions that Python counts, in millions,
which are the same in every run, whatever else the machine does. ``--enforce`` exits with 1 where twice as many
loops take more than a little over twice as many calls, or far too many seconds of the processor. What a file
with one of them takes, start included, is taken off before the two are compared.
"""

from __future__ import annotations

import argparse
import pstats
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

RATIO_LIMIT = 2.3  # of twice as many; 4 where all are compared with all
SECONDS_PER_THING = 0.15  # counted calls take about twice as long, and a busy machine as long again

_INITIAL = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Post",
            [
                ("id", models.AutoField(primary_key=True)),
                ("title", models.CharField(max_length=100)),
                ("kind", models.IntegerField()),
            ],
        )
    ]
"""
_MODEL = '    Post = apps.get_model("blog", "Post")\n'


def loops_in_one_function(number: int) -> str:
    """One function with so many loops."""
    function = "def forwards(apps, schema_editor):\n" + _MODEL + "".join(map(_loop, range(number)))
    return _migration(function, ["forwards"])


def called_functions(number: int) -> str:
    """So many functions of one loop each, all called by one."""
    functions = [f"def fill{n}(apps):\n{_MODEL}{_loop(n)}" for n in range(number)]
    calls = "".join(f"    fill{n}(apps)\n" for n in range(number))
    main = f"def forwards(apps, schema_editor):\n{calls}"
    return _migration("\n\n".join([*functions, main]), ["forwards"])


def operations(number: int) -> str:
    """So many ``RunPython``, each with a function of its own."""
    functions = [f"def fill{n}(apps, schema_editor):\n{_MODEL}{_loop(n)}" for n in range(number)]
    return _migration("\n\n".join(functions), [f"fill{n}" for n in range(number)])


def calls_of_itself(number: int) -> str:
    """A function that calls itself at so many places."""
    calls = "".join(f"    if level > {n}:\n        fill(apps, {n})\n" for n in range(number))
    functions = f"def fill(apps, level):\n{_MODEL}{_loop(0)}{calls}"
    main = "def forwards(apps, schema_editor):\n    fill(apps, 3)\n"
    return _migration(f"{functions}\n\n{main}", ["forwards"])


SHAPES: Mapping[str, Callable[[int], str]] = {
    "loops in one function": loops_in_one_function,
    "functions, called by one": called_functions,
    "functions of RunPython": operations,
    "calls of a function by itself": calls_of_itself,
}


def _loop(kind: int) -> str:
    header = f"    for post in Post.objects.filter(kind={kind}):\n"
    return f"{header}        post.title = post.title.strip()\n        post.save()\n"


def _migration(functions: str, run: list[str]) -> str:
    steps = "".join(f"        migrations.RunPython({name}),\n" for name in run)
    head = 'class Migration(migrations.Migration):\n    dependencies = [("blog", "0001_initial")]\n'
    start = "from django.db import migrations"
    return f"{start}\n\n\n{functions}\n\n{head}    operations = [\n{steps}    ]\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--enforce", action="store_true")
    options = parser.parse_args()
    number = options.number
    print(f"{'million calls':32}{number:>10}{2 * number:>10}{'ratio':>8}{'limit':>8}{'seconds':>9}")
    too_slow = [not _is_fast(name, shape, number) for name, shape in SHAPES.items()]
    return 1 if options.enforce and any(too_slow) else 0


def _is_fast(name: str, shape: Callable[[int], str], number: int) -> bool:
    (one, _), (some, _), (more, seconds) = (_checked(shape(n)) for n in (1, number, 2 * number))
    ratio = (more - one) / (some - one)
    fast = ratio <= RATIO_LIMIT and seconds <= SECONDS_PER_THING * 2 * number
    verdict = "ok" if fast else "TOO SLOW"
    calls = f"{some / 1e6:10.2f}{more / 1e6:10.2f}"
    print(f"{name:32}{calls}{ratio:8.2f}{RATIO_LIMIT:8.2f}{seconds:9.2f}  {verdict}", flush=True)
    return fast


def _checked(migration: str) -> tuple[int, float]:
    """The calls of functions that a check of this migration takes, and seconds of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "blog", "migrations")
        package.mkdir(parents=True)
        for name in (package / "__init__.py", package.parent / "__init__.py"):
            name.touch()
        (package / "0001_initial.py").write_text(_INITIAL)
        (package / "0002_fill.py").write_text(migration)
        return _profiled(folder)


def _profiled(folder: str) -> tuple[int, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    profile = str(Path(folder, "profile"))
    profiled = [sys.executable, "-m", "cProfile", "-o", profile, "-m", "migfix"]
    done = subprocess.run(
        [*profiled, "check", "--no-cache", folder], capture_output=True, text=True, timeout=600
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Can rewrite" not in done.stdout or "internal error" in done.stdout:
        sys.exit(f"migfix check failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return calls, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
