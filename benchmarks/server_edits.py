"""
Random edits of real projects: what `migfix server` finds is what `check` finds in the tree as saved, at every step.

``python benchmarks/server_edits.py PROJECT...`` works on a copy of each project, with a few of its migrations that save rows
in loops. It prints the steps that were equal and the resident memory after each tenth of them, and ends with an error at the
first step that is not equal. The memory is that of both in one process; ``--looks-only`` compares nothing and shows that of
the server alone.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.server.typist import ANYWHERE, Typist


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("projects", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--looks-only", action="store_true")
    options = parser.parse_args()
    for project in options.projects:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(project, Path(folder) / project.name))
            _edit(copy, options)


def _edit(project: Path, options: argparse.Namespace) -> None:
    steps, seed = options.steps, options.seed
    with_loops = sorted(
        path
        for path in project.rglob("migrations/0*.py")
        if all(word in path.read_text() for word in ("RunPython", "    for ", ".save("))
    )
    chosen = random.Random(seed).sample(with_loops, min(options.files, len(with_loops)))
    modules = [path for each in chosen for path in each.parents[1].glob("models.py")]
    typist = Typist(project, seed, chosen, modules or chosen)
    done: list[str] = []
    said: set[str] = set()
    for step in range(1, steps + 1):
        done.append(typist.step(ANYWHERE))
        try:
            said.add(str(typist.look() if options.looks_only else typist.compare()))
        except AssertionError as error:
            sys.exit("\n".join([*done, f"{project.name}: not equal: {error}"]))
        if step % max(1, steps // 10) == 0:
            done_so_far = "looked at" if options.looks_only else "equal"
            print(f"{project.name}: {step} steps {done_so_far}, {_resident()} MiB", flush=True)
    print(f"{project.name}: {len(said)} different findings")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // 2**20


if __name__ == "__main__":
    main()
