"""Loops that add to many-to-many relations, one by one and in batches: equal tables, the numbers of pairs included."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.settings import Settings
from tests.behaviour.test_batches import MODELS as POSTS
from tests.behaviour.test_batches import migration, posts
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = pytest.mark.behaviour

MODELS = POSTS + """
migrations.AddField("Post", "readers", models.ManyToManyField("shop.Writer", related_name="read")),
migrations.AddField("Post", "marked", models.ManyToManyField("shop.Word", related_name="+")),
"""
ONLY = Settings(select=frozenset({"MF304"}))
BODIES = {
    "a row of a relation": "post.readers.add(post.writer)",
    "pairs that come again": "post.readers.add(post.pk % 2 + 1)\npost.readers.add(1)\npost.readers.add(post.writer_id)",
    "two relations, on some ways": (
        "if post.pk % 3:\n    post.readers.add(1)\n"
        "post.marked.add(Word.objects.filter(post_id=post.pk).order_by('pk')[0])"
    ),
    "the other end": "first.read.add(post)\nif post.pk == 9:\n    break",
}
BEFORE = "first = Writer.objects.get(pk=1)"


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_batches_leave_what_single_calls_leave(name, database):
    code = migration(BODIES[name], before=BEFORE)
    outcome, both = run_rewritten(MODELS, code, posts(20), database=database)
    assert "MF304" in outcome.loops[0].codes
    assert both.after.queries < both.before.queries


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_more_pairs_than_a_batch_takes(database):
    """Some of which are there by then: by the loop before, which is left alone."""
    code = migration(
        "post.readers.add(post.writer_id)", before="Post.objects.get(pk=7).readers.add(1, 2)"
    )
    outcome, both = run_rewritten(MODELS, code, posts(1050), database=database)
    assert "MF304" in outcome.loops[0].codes
    assert both.after.queries < both.before.queries / 10


WRONG = {
    "the relation": "print(post.readers.count())\npost.readers.add(1)\nprint(post.readers.count())",
    "its other end": "post.readers.add(1)\nprint(first.read.count())",
    "a join": "post.readers.add(1)\nprint(Post.objects.filter(readers=1).count())",
    "a removal": "post.readers.add(1)\npost.readers.remove(1)",
    "a row that goes": "post.readers.add(1)\nif post.pk % 2:\n    post.delete()",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("database", ["sqlite-memory"])
def test_what_is_refused_would_differ(name, database):
    original = migration(WRONG[name], before=BEFORE)
    _, outcome = rewritten(MODELS, original, ONLY)
    assert not outcome.changed
    loop = indent(
        f"for post in Post.objects.order_by('pk'):\n{indent(WRONG[name], '    ')}", "    "
    )
    naive = "\n".join(f"    {line}" for line in loop.splitlines())
    naive = naive.replace("post.readers.add(1)", "links.of(post.readers).add(1)")
    naive = original.replace(loop, f"    with link_in_batches() as links:\n{naive}")
    assert "links.of" in naive
    naive = "from ._migfix import link_in_batches\n" + naive
    with pytest.raises((Different, AssertionError)):
        run_both(MODELS, original, naive, posts(9), database=database, expect="anything")
