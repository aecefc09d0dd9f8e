"""
Measure what `migfix apply` gains: data migrations as they were and as it leaves them, each run by `manage.py migrate`.

    python benchmarks/memory.py --rows 250000 1000000 4000000 --chart docs/memory.svg

Memory is the growth of the client's resident memory at its peak, from the start of the RunPython function on (Linux
only; the greatest of the rounds). The versions of a loop take turns, and times are given as the median of their
ratios to the plain loop's, so a busy machine disturbs little. On a machine that does much else the time of the CPU is the
better measure: that of the client and, where the server runs on this machine, of its thread for the connection. The
servers are those of the tests, see tests/databases.py; the databases are created for the run and dropped at its end.

Beside each figure stands what the server alone needs for the same, in a loop that it runs itself: the distance to the
limit. Versions besides `plain` and `migfix` are `streamed`, which is `migfix` without the batches of MF301, and those
written by hand: `iterator`, the helper as `stream` and `spool`:

    python benchmarks/memory.py --loops save --versions plain streamed migfix --saves 100000
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.chart import Line, Panel, chart
from migfix.disk.files import Files
from migfix.reading.cutting import FUNCTIONS
from migfix.reading.vendored import helper_text
from tests import databases
from tests.blog import (
    ASSIGN,
    DATA_MIGRATION,
    READ,
    SAVE,
    WIDE,
    WIDE_ROWS,
    Blog,
    Measured,
    rewritten,
)

LOOPS = {"read": READ, "assign": ASSIGN, "save": SAVE, "wide": WIDE}
HELPER = helper_text(FUNCTIONS, Files())
BY_HAND = {
    "iterator": "{}.iterator()",
    "stream": "stream({})",
    "spool": 'stream({}, mode="spool")',
}
# The same without a client, so that its time is what the database takes: it reads every row, and runs an UPDATE for each
# row that is saved.
IN_SERVER = {
    "postgresql": {
        "read": (
            "DO $$ DECLARE post record; BEGIN"
            " FOR post IN SELECT * FROM blog_blogpost LOOP NULL; END LOOP; END $$"
        ),
        "assign": "UPDATE blog_blogpost SET author = 'Sharon'",
        "save": (
            "DO $$ DECLARE post record; BEGIN FOR post IN SELECT id, title FROM blog_blogpost LOOP"
            " UPDATE blog_blogpost SET author = md5(post.title) WHERE id = post.id; END LOOP; END $$"
        ),
        "wide": "SELECT sum(length(text)) FROM blog_page",
    },
    "mariadb": {
        "read": (
            "BEGIN NOT ATOMIC FOR post IN (SELECT * FROM blog_blogpost) DO"
            " SET @title = post.title; END FOR; END"
        ),
        "assign": "UPDATE blog_blogpost SET author = 'Sharon'",
        "save": (
            "BEGIN NOT ATOMIC FOR post IN (SELECT id, title FROM blog_blogpost) DO"
            " UPDATE blog_blogpost SET author = md5(post.title) WHERE id = post.id; END FOR; END"
        ),
        "wide": "SELECT sum(length(text)) FROM blog_page",
    },
}
SERVER = "server"
VERSIONS = ("plain", *BY_HAND, "streamed", "migfix")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
ENOUGH = 180  # seconds, after which no further round of a loop begins


@dataclass(frozen=True)
class Result:
    """The rounds of one loop over so many rows of one database, by version."""

    database: str
    loop: str
    rows: int
    rounds: dict[str, list[Measured]]

    def mebibytes(self, version: str) -> float:
        return max(0.0, *(each.mebibytes for each in self.rounds[version]))

    def seconds(self, version: str) -> float:
        return median(each.seconds for each in self.rounds[version])

    def cpu(self, version: str) -> tuple[float, float]:
        """Seconds of the CPU, of the client and of the server."""
        rounds = self.rounds[version]
        return median(each.cpu for each in rounds), median(each.server_cpu for each in rounds)

    def ratios(self, version: str) -> tuple[float, float]:
        """How often time and CPU time, of both together, go into the plain loop's."""
        pairs = list(zip(self.rounds[version], self.rounds["plain"], strict=True))
        return (
            median(plain.seconds / ours.seconds for ours, plain in pairs),
            median(
                (plain.cpu + plain.server_cpu) / (ours.cpu + ours.server_cpu)
                for ours, plain in pairs
            ),
        )

    def cell(self, version: str) -> str:
        memory, seconds = self.mebibytes(version), self.seconds(version)
        text = f"{memory:.1f} MiB, " if memory < 10 else f"{memory:.0f} MiB, "
        text += f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
        client, server = self.cpu(version)
        notes = [f"cpu {client:.2f} + {server:.2f} s"]
        if version != "plain" and "plain" in self.rounds:
            wall, cpu = self.ratios(version)
            notes.append(f"{wall:.2g} times as fast, cpu {cpu:.2g}")
        if SERVER in self.rounds:
            alone = self.seconds(SERVER), self.cpu(SERVER)[1]
            notes.append(f"server alone {alone[0]:.2f} s, cpu {alone[1]:.2f} s")
        return f"{text} ({'; '.join(notes)})"


def main() -> None:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("stopped"))  # drops the databases
    results = []
    for result in _results(options):
        results.append(result)
        for version in options.versions:
            name = f"{result.database:<12}{result.loop:<8}{result.rows:>9}  {version:<10}"
            print(name, result.cell(version), file=sys.stderr, flush=True)
    print(table(results, options.versions))
    if options.chart:
        options.chart.write_text(_chart(results))


def _options() -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000], help="for loop `read`")
    parser.add_argument(
        "--saves", type=int, nargs="+", default=[50_000], help="for `assign`, `save`"
    )
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=[*LOOPS])
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=["plain", "migfix"])
    parser.add_argument("--databases", nargs="+", choices=NAMES, default=[*NAMES])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draws `read` as SVG")
    options = parser.parse_args()
    for name in databases.SERVERS.keys() & set(options.databases):
        if reason := databases.unavailable(name):
            parser.error(reason)
    return options


def _results(options: argparse.Namespace) -> Iterator[Result]:
    for name in options.databases:
        with (
            tempfile.TemporaryDirectory(prefix="migfix-benchmark-") as folder,
            databases.opened(name, Path(folder)) as connection,
        ):
            blog = Blog(connection, Path(folder))
            for loop in options.loops:
                projects = {
                    version: _project(blog, name, loop, version)
                    for version in [*options.versions, *([SERVER] if name in IN_SERVER else [])]
                }
                for rows in _sizes(loop, options):
                    rounds = _rounds(blog, loop, rows, projects, options.rounds)
                    yield Result(name, loop, rows, rounds)


def _sizes(loop: str, options: argparse.Namespace) -> Sequence[int]:
    sizes = {"read": options.rows, "wide": [WIDE_ROWS]}
    found: Sequence[int] = sizes.get(loop, options.saves)
    return found


def _project(blog: Blog, database: str, loop: str, version: str) -> Path:
    if version in ("migfix", "streamed"):
        options = ["--ignore", "MF301"] if version == "streamed" else []
        before = blog.project(f"{loop}-before", LOOPS[loop])
        return rewritten(before, f"{loop}-{version}", *options)
    if version == SERVER:
        body = f"    schema_editor.connection.cursor().execute({IN_SERVER[database][loop]!r})\n"
        return blog.project(f"{loop}-{version}", body)
    project = blog.project(f"{loop}-{version}", LOOPS[loop])
    if version in BY_HAND:
        migration = project / DATA_MIGRATION
        source = migration.read_text()
        rows = source[source.index(" in ") + 4 : source.index(".all():") + len(".all()")]
        source = source.replace(rows, BY_HAND[version].format(rows))
        migration.write_text(f"from ._migfix import stream\n{source}")
        migration.with_name("_migfix.py").write_bytes(HELPER)
    return project


def _rounds(
    blog: Blog, loop: str, rows: int, projects: dict[str, Path], number: int
) -> dict[str, list[Measured]]:
    rounds: dict[str, list[Measured]] = {version: [] for version in projects}
    started = time.monotonic()
    for done in range(number):
        if done and time.monotonic() - started > ENOUGH:
            break
        for version, project in projects.items():
            if loop == "wide":
                blog.fill_wide()
            elif loop != "read" or (not done and version == next(iter(projects))):
                blog.fill(rows)
            rounds[version].append(blog.migrate(project))
    clients = (measured for version, measured in rounds.items() if version != SERVER)
    printed = {each.printed for measured in clients for each in measured}
    assert len(printed) == 1, f"the versions of {loop} do not see the same rows: {printed}"
    return rounds


def table(results: Iterable[Result], versions: Sequence[str]) -> str:
    """Return Markdown: a line for each loop, size and version, a column for each database."""
    cells: dict[tuple[str, int, str], dict[str, str]] = {}
    for result in results:
        for version in (each for each in versions if each in result.rounds):
            line = cells.setdefault((result.loop, result.rows, version), {})
            line[result.database] = result.cell(version)
    names = [name for name in NAMES if any(name in line for line in cells.values())]
    lines = [["loop", "rows", "", *(NAMES[name] for name in names)], ["---"] * (3 + len(names))]
    for (loop, rows, version), line in cells.items():
        lines.append([loop, f"{rows:,}", version, *(line.get(name, "") for name in names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _chart(results: Sequence[Result]) -> str:
    panels = []
    for name in NAMES:
        reads = [each for each in results if (each.database, each.loop) == (name, "read")]
        lines = [
            Line(label, [(each.rows, each.mebibytes(version)) for each in reads])
            for version, label in (("plain", "as written"), ("migfix", "after migfix apply"))
        ]
        if reads:
            panels.append(Panel(NAMES[name], lines))
    measured = "growth of the client's memory at its peak"
    return chart("Memory of a data migration that reads every row", panels, measured, "MiB")


if __name__ == "__main__":
    main()
