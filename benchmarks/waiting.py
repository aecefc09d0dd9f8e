"""
Measure how long another writer waits for one UPDATE or DELETE of every row, and for the same in windows.

    python benchmarks/waiting.py --rows 10000 100000 1000000 --chart docs/waiting.svg

Another client updates rows by chance, one at a time in autocommit, while the statement runs; what is printed is the
longest that it waited, and what the statement took. The servers are those of the tests, see tests/databases.py.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.db import connection, models
from django.db.models.functions import Lower

from benchmarks.chart import Line, Panel, chart
from migfix.runtime.windows import delete_in_windows, update_in_windows
from tests import databases

NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}
SERIES = {
    "postgresql": "SELECT n, md5(n::text), '', 0 FROM generate_series(1, {0}) n",
    "mysql": "SELECT seq, md5(seq), '', 0 FROM seq_1_to_{0}",
}


class Post(models.Model):
    title = models.CharField(max_length=40)
    slug = models.CharField(max_length=40)
    seen = models.IntegerField(default=0)

    class Meta:
        app_label = "waiting"


STATEMENTS: dict[str, Callable[[], object]] = {
    "update()": lambda: Post.objects.update(slug=Lower("title")),
    "update_in_windows()": lambda: update_in_windows(Post.objects, slug=Lower("title")),
    "delete()": lambda: Post.objects.all().delete(),
    "delete_in_windows()": lambda: delete_in_windows(Post.objects),
}


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--databases", nargs="+", choices=NAMES, default=[*NAMES])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draws the updates as SVG")
    options = parser.parse_args()
    panels = []
    for name in options.databases:
        lines = {statement: Line(statement, []) for statement in STATEMENTS}
        with tempfile.TemporaryDirectory() as folder, databases.opened(name, Path(folder)):
            with connection.schema_editor() as editor:
                editor.create_model(Post)
            for rows in options.rows:
                rounds = [_round(rows) for _ in range(options.rounds)]
                for statement, line in lines.items():
                    waited, took = (median(e[statement][i] for e in rounds) for i in (0, 1))
                    line.points.append((rows, waited * 1000))
                    print(
                        f"{name:<12}{rows:>9}  {statement:<21} waited {waited:.3f} s, took {took:.2f} s",
                        flush=True,
                    )
        panels.append(Panel(NAMES[name], [line for line in lines.values() if "upd" in line.label]))
    if options.chart:
        title = "How long another writer waits for an update of every row"
        options.chart.write_text(chart(title, panels, "the longest wait", "ms"))


def _round(rows: int) -> dict[str, tuple[float, float]]:
    found = {}
    for name, run in STATEMENTS.items():
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {Post._meta.db_table}")
            series = SERIES[connection.vendor].format(rows)
            cursor.execute(f"INSERT INTO {Post._meta.db_table} (id, title, slug, seen) {series}")
            cursor.execute(
                "VACUUM ANALYZE"
                if connection.vendor == "postgresql"
                else "ANALYZE TABLE waiting_post"
            )
            cursor.fetchall() if cursor.description else None
        found[name] = _measured(run, rows)
    return found


def _measured(run: Callable[[], object], rows: int) -> tuple[float, float]:
    """The longest that another writer waited, and how long it took."""
    waits: list[float] = []
    is_over = threading.Event()
    entry = dict(connection.settings_dict)

    def write() -> None:
        other = databases.connected(entry)
        chance = random.Random(1)
        while not is_over.is_set():
            began = time.monotonic()
            with other.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {Post._meta.db_table} SET seen = seen + 1 WHERE id = %s",
                    [chance.randint(1, rows)],
                )
            waits.append(time.monotonic() - began)
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    began = time.monotonic()
    run()
    took = time.monotonic() - began
    is_over.set()
    writer.join()
    return max(waits), took


if __name__ == "__main__":
    main()
