"""What is said of the costs of a loop as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.findings import Costs
from migfix.pipeline import run_source
from migfix.selection import Selection
from migfix.settings import Settings, known_codes
from tests import checking

ALL = "Post.objects.all()"


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (f"for post in {ALL}:\n    post.kind = 1\n    post.save()", ("all", 1, True, False)),
        (f"for post in {ALL}:\n    print(post.pk)", ("all", 0, True, False)),
        ("for post in Post.objects.iterator():\n    post.save()", ("a chunk", 1, True, False)),
        ("for post in list(Post.objects.iterator()):\n    post.save()", ("all", 1, True, False)),
        (f"for post in {ALL}:\n    if post.kind:\n        post.save()", ("all", 1, False, False)),
        (
            f"for post in {ALL}:\n    post.views = Post.objects.count()\n    post.save()",
            ("all", 2, True, False),
        ),
        (
            f"for post in {ALL}:\n    for kind in 'ab':\n        post.save()",
            ("all", 1, True, True),
        ),
        (f"for post in {ALL}:\n    unknown(post)", ("all", 0, True, True)),
        (f"for post in {ALL}:\n    post.delete()", ("all", 1, True, True)),
        (f"for post in {ALL}:\n    print(post.author.pk, post.author.pk)", ("all", 1, True, False)),
        (f"for post in {ALL}:\n    print(post.author_id)", ("all", 0, True, False)),
        (
            "for post in Post.objects.select_related('author'):\n    print(post.author.pk)",
            ("all", 0, True, True),
        ),
    ],
)
def test_costs(loop: str, expected: tuple[str, int, bool, bool], tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_initial.py").write_text(checking.MODELS)
    settings = Settings(frozenset(known_codes()), databases=frozenset({"postgresql"}))
    apart = Selection(apart=True)
    text = checking.whole(loop).encode()
    outcome = run_source(text, folder / "0002_fill.py", settings, rewrite=False, selection=apart)
    (found,) = outcome.loops
    assert found.costs == Costs(*expected)
