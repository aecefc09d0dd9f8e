"""What is said to be gained is what the loop costs and its rewrite does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes
from tests import checking


@pytest.mark.parametrize(
    ("loop", "databases", "expected"),
    [
        (
            "for post in Post.objects.all():\n    post.kind = 1\n    post.save()",
            "postgresql",
            "queries: for each row -> 1; rows held: all -> none",
        ),
        (
            "for post in Post.objects.iterator():\n    post.kind = 1\n    post.save()",
            "postgresql",
            "queries: for each row -> 1; rows held: a chunk -> none",
        ),
        (
            "for post in Post.objects.iterator():\n    post.kind = 1\n    post.save()",
            "mysql",
            "queries: for each row -> 1; rows held: all in the driver -> none",
        ),
        (
            "posts = Post.objects.all()\nfor post in posts:\n    post.kind = 1\n"
            "Post.objects.bulk_update(posts, ['kind'])",
            "postgresql",
            "queries: those of bulk_update() -> 1; rows held: all -> none",
        ),
        (
            "for post in Post.objects.all():\n    post.delete()",
            "postgresql",
            "queries: for each row -> one delete(); rows held: all -> none",
        ),
        (
            "for post in Post.objects.all():\n    print(post.pk)",
            "postgresql",
            "columns loaded: 17 -> 15; rows held: all -> a chunk",
        ),
        (
            "for post in Post.objects.iterator():\n    print(post.pk)",
            "postgresql",
            "columns loaded: 17 -> 15",
        ),
        (
            "for post in Post.objects.iterator():\n    print(post.pk)",
            "mysql",
            "columns loaded: 17 -> 15; rows held: all in the driver -> a chunk",
        ),
        (
            "for post in Post.objects.all():\n    post.rank = len(post.body)\n    post.slug = call(post)\n"
            "    post.save()",
            "postgresql",
            "rows held: all -> a chunk",
        ),
        (
            "for post in Post.objects.all():\n    post.slug = post.title.swapcase()\n    post.save()",
            "postgresql",
            "columns loaded: 17 -> 3; queries that save: for each row -> for each batch; "
            "rows held: all -> a chunk",
        ),
        (
            "for post in Post.objects.all():\n"
            "    Post.objects.filter(pk=post.pk).update(slug=post.title.swapcase())",
            "postgresql",
            "columns loaded: 17 -> 2; queries that update: for each row -> for each batch; "
            "rows held: all -> a chunk",
        ),
        (
            "for post in Post.objects.all():\n    Person.objects.create(name=post.title, age=1)",
            "postgresql",
            "columns loaded: 17 -> 2; queries that insert: for each row -> for each batch; "
            "rows held: all -> a chunk",
        ),
    ],
)
def test_what_it_gains(loop: str, databases: str, expected: str, shop: Path):
    settings = Settings(frozenset(known_codes()), databases=frozenset({databases}))
    text = checking.whole(loop).encode()
    outcome = run_source(text, shop / "0002_fill.py", settings, rewrite=True)
    (found,) = outcome.loops
    assert "; ".join(map(str, found.gains)) == expected
