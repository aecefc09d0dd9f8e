"""
The CPU time of ``migfix check`` beside that of django-upgrade, on the migrations of the corpus.

``python benchmarks/check_speed.py`` prints a table; ``--enforce`` exits with 1 when a ratio is above
its limit. Both read the same files; django-upgrade rewrites, so it gets a fresh copy in each round.
The two take turns, and the ratio is the median of the rounds, so a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
MIGFIX = (sys.executable, "-m", "migfix")
CHECK_AIM = 0.25  # what check should need one day; --check-limit holds what it needs today
DJANGO_UPGRADE = (sys.executable, "-m", "django_upgrade")


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
        return f"{self.name:32}{times}{self.ratio:8.2f}{self.limit:8.2f}  {verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--enforce", action="store_true")
    parser.add_argument("--check-limit", type=float, default=CHECK_AIM, metavar="RATIO")
    options = parser.parse_args()
    corpus = _corpus()
    comparisons = [
        _compare_check(corpus, options.rounds, options.check_limit),
        _compare_start(options.rounds * 3),
    ]
    print(f"{'median CPU seconds':32}{'migfix':>10}{'upgrade':>10}{'ratio':>8}{'limit':>8}")
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


def _in_turns(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    ours(), theirs()  # compiles and caches
    measured = [(ours(), theirs()) for _ in range(rounds)]
    return [our for our, _ in measured], [their for _, their in measured]


def _cpu(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: there is something to rewrite
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
