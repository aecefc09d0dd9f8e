"""
The memory of data migrations, as written and as `migfix apply` leaves them, run by `manage.py migrate`.

The article's headline: under one limit of memory the loop over a large table dies, and what migfix makes of it runs to
its end and leaves the same data. As they are written the loops hold 50 MiB or more of these rows, and as they are
rewritten three at most, so that the limit is far from both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.blog import ASSIGN, OUT_OF_MEMORY, SAVE_SOME, WIDE, Blog, Failed, rewritten
from tests.databases import PARAMETERS, opened

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc"),
]

ROWS = 100_000
LIMIT = 24  # MiB above what the process uses when the loop starts
ON_DISK = [parameter for parameter in PARAMETERS if parameter.values != ("sqlite-memory",)]


@pytest.fixture(params=ON_DISK)
def blog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blog]:
    with opened(request.param, tmp_path) as connection:
        yield Blog(connection, tmp_path)


def _posts(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT title, author FROM blog_blogpost ORDER BY id")
        return list(cursor.fetchall())


def _saved(title: str, author: str) -> tuple[str, str]:
    """What SAVE_SOME makes of a post."""
    digest = md5(title.encode()).hexdigest()
    return title, digest if digest.startswith("000") else author


@pytest.mark.parametrize(
    ("body", "change"),
    [(ASSIGN, lambda title, author: (title, "Sharon")), (SAVE_SOME, _saved)],
    ids=["becomes an update", "streams"],
)
def test_the_loop_dies_of_a_limit_that_its_rewrite_keeps(blog, body, change):
    blog.fill(ROWS)
    before = _posts(blog.connection)
    project = blog.project("written", body)
    with pytest.raises(Failed, match=OUT_OF_MEMORY):
        blog.migrate(project, limit=LIMIT)
    assert _posts(blog.connection) == before

    measured = blog.migrate(rewritten(project, "rewritten"), limit=LIMIT)

    assert measured.mebibytes < LIMIT

    after = _posts(blog.connection)
    assert after == [change(*post) for post in before]
    assert len(after) == ROWS
    assert after != before


def test_the_memory_of_a_rewritten_loop_does_not_grow_with_the_rows(blog):
    project = rewritten(blog.project("written", SAVE_SOME), "rewritten")
    growths = []
    for rows in (20_000, 200_000):
        blog.fill(rows)
        growths.append(blog.migrate(project).mebibytes)
    assert growths[1] - growths[0] < 2


def test_wide_rows_are_counted_in_bytes(blog):
    blog.fill_wide()
    project = rewritten(blog.project("written", WIDE), "rewritten")
    assert blog.migrate(project).mebibytes < 15  # of 200, in 2,000 rows
