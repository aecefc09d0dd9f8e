"""
Measure what a loop over all rows of a table costs the client: memory and time of four ways to write it.

    python benchmarks/streaming.py --rows 250000 1000000 --databases sqlite postgresql mariadb

Each figure comes from a process of its own, inside a transaction as in a migration. Memory is the growth of resident
memory during the loop at its peak (Linux only). The servers are those of the tests, see tests/databases.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from django.db import connections, models, transaction

from migfix.runtime.streaming import stream
from tests import databases

WAYS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "plain loop": lambda posts: posts.all(),
    ".iterator()": lambda posts: posts.iterator(),
    "stream()": lambda posts: stream(posts),
    "stream(mode=spool)": lambda posts: stream(posts, mode="spool"),
}


class Post(models.Model):
    title = models.CharField(max_length=255)
    author = models.CharField(max_length=60)

    class Meta:
        app_label = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000])
    parser.add_argument(
        "--databases", nargs="+", choices=databases.NAMES, default=["sqlite", *databases.SERVERS]
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what a child process does
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(*measured(options.measure, options.databases[0], options.file))
    else:
        print(f"{'database':<12}{'rows':>10}  {'way':<20}{'MiB':>8}{'seconds':>9}")
        for database in options.databases:
            for rows in options.rows:
                compare(database, rows)


def compare(database: str, rows: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        databases.opened(database, Path(folder)) as connection,
    ):
        fill(connection, rows)
        name = str(connection.settings_dict["NAME"])
        for way in WAYS:
            child = [sys.executable, __file__, "--measure", way, "--databases", database]
            output = subprocess.check_output([*child, "--file", name], text=True)
            memory, seconds = map(float, output.split())
            print(f"{database:<12}{rows:>10}  {way:<20}{memory:>8.1f}{seconds:>9.2f}", flush=True)


def fill(connection: Any, rows: int) -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Post)
    text = f"{'x' * 26}%06d"
    for start in range(0, rows, 5000):
        numbers = range(start, min(start + 5000, rows))
        Post.objects.bulk_create(
            [Post(title=text % (n % 10**6), author=text % (n % 997)) for n in numbers]
        )


def measured(way: str, database: str, name: str) -> tuple[float, float]:
    engine = databases.server(database) if database in databases.SERVERS else {}
    entry = {"ENGINE": "django.db.backends.sqlite3", **engine, "NAME": name}
    connections["default"] = databases.connected(entry)
    with transaction.atomic():
        next(iter(Post.objects.all()[:1]))  # imports, the connection
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before, started = resident("VmRSS"), time.perf_counter()
        for post in WAYS[way](Post.objects):
            post.author = "x"
        seconds = time.perf_counter() - started
        return (resident("VmHWM") - before) / 1024, seconds


def resident(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(key))


if __name__ == "__main__":
    main()
