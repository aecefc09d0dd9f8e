"""
The CPU time that `migfix server` takes for a change of one migration, in projects of any size.

``python benchmarks/server_speed.py PROJECT...`` opens migrations with loops, a few from each project, and types in each: a
character in a line, a line in a function, an operation. What is printed is what the server's thread for files needs from
the text to the findings, in milliseconds: the median and the worst of all files and changes.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from migfix import pipeline
from migfix.disk.files import Files
from migfix.server.desk import Desk
from migfix.settings import Overrides, settings_for

CHANGES: dict[str, Callable[[str, int], str]] = {
    "a character": lambda text, n: text + f"\n# {n}\n",
    "a line": lambda text, n: "\n" * (n + 1) + text,
    "an operation": lambda text, n: text.replace(
        "operations = [", f"operations = [migrations.RunSQL('SELECT {n}'),", 1
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="+", type=Path)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--times", type=int, default=4)
    options = parser.parse_args()
    print(f"{'':24}{'median':>8}{'worst':>8}")
    for project in options.projects:
        _measure(project.resolve(), options.files, options.times)


def _measure(project: Path, files: int, times: int) -> None:
    disk = Files()
    found = pipeline.run([project], settings_for(project, Overrides(), disk), disk, rewrite=False)
    with_loops = [each.path for each in found if each.loops]
    print(f"{project.name}: {len(found)} migrations, {len(with_loops)} of them with loops")
    taken: dict[str, list[float]] = {"opened first": [], **{name: [] for name in CHANGES}}
    chosen = random.Random(1).sample(with_loops, min(files, len(with_loops)))
    desk = Desk()
    for number, path in enumerate(chosen):
        text = path.read_text()
        first = _cpu(desk, path, text)
        if number == 0:
            taken["opened first"].append(first)
        for name, change in CHANGES.items():
            taken[name] += [_cpu(desk, path, change(text, n)) for n in range(times)]
        desk.put(path, text)
    for name, each in taken.items():
        print(f"  {name:22}{median(each) * 1000:8.0f}{max(each) * 1000:8.0f}")
    print(f"  memory at the peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def _cpu(desk: Desk, path: Path, text: str) -> float:
    gc.collect()
    before = time.process_time()
    desk.put(path, text)
    desk.look(path)
    return time.process_time() - before


if __name__ == "__main__":
    main()
