"""What is done beside receivers of saves that hear historical models, on each database."""

from __future__ import annotations

import pytest

from migfix.expressions.preconditions import gates
from migfix.settings import Settings
from tests import checking
from tests.behaviour.test_signals_sent import PERSON, POST
from tests.databases import PARAMETERS
from tests.rewritten import ALL, rewritten
from tests.running import Case, run

pytestmark = [pytest.mark.behaviour, pytest.mark.parametrize("database", PARAMETERS)]

COLUMNS = Settings(select=frozenset({"MF201"}), unsafe_fixes=True)
ROWS = {
    "Person": [PERSON],
    "Post": [{**POST, "id": n, "title": f"T{n}", "slug": f"s{n}", "body": "Body", "code": str(n)} for n in (1, 2, 3)],
}  # fmt: skip
LISTENING = """
from django.db.models import signals


def heard(sender, instance, **kwargs):
    if sender.__name__ == "{model}":
        Post = instance._meta.apps.get_model("shop", "Post")
        {action}


signals.{signal}.connect(heard)
"""
SAVES = (
    "for post in Post.objects.order_by('pk'):\n    post.title = post.title.lower()\n    post.save()"
)
MAKES = (
    "for post in Post.objects.order_by('pk'):\n    post.note = post.title\n    post.save(update_fields=['note'])\n"
    "    Tag.objects.create(name=post.title)"
)
# Each tag gets the number of posts that were written before it was made.
COUNTS = "sender.objects.filter(pk=instance.pk).update(name=str(Post.objects.filter(note__isnull=False).count()))"


def files(signal, model, action):
    listening = LISTENING.format(signal=signal, model=model, action=action)
    return {"shop/__init__.py": "", "shop/models.py": listening}


def both(database, body, given, settings=ALL):
    """What migfix says, its text, and what both versions leave."""
    before = checking.whole(body)
    after, outcome = rewritten(checking.MODELS, before, settings, given)
    case = Case(checking.MODELS, ROWS, database, given)
    old, new = run(case, before), run(case, after)
    assert old.error is None, old.error
    assert old.tables != old.start
    return outcome, after, old, new


def test_a_column_that_is_set_before_a_full_save_is_written(database):
    given = files("pre_save", "Post", "instance.body = instance.title")
    outcome, after, old, new = both(database, SAVES, given, COLUMNS)
    assert outcome.loops[0].blocked_by == "signals"
    assert old.tables == new.tables
    narrowed = after.replace("Post.objects.order_by", "Post.objects.only('title').order_by")
    lost = run(Case(checking.MODELS, ROWS, database, given), narrowed)
    assert lost.error is None
    assert lost.tables != old.tables


def test_a_column_that_is_read_after_a_save_is_fetched(database):
    action = "Post.objects.filter(pk=instance.pk).update(note=instance.body)"
    outcome, after, old, new = both(database, SAVES, files("post_save", "Post", action), COLUMNS)
    assert "it may read any column, by a query for each row" in outcome.loops[0].reason
    assert ".only(" in after
    assert old.tables == new.tables


def test_rows_do_not_wait_where_the_making_of_others_is_heard(database, monkeypatch):
    given = files("post_save", "Tag", COUNTS)
    outcome, after, old, new = both(database, MAKES, given)
    assert "in_batches" not in after, outcome.loops[0]
    assert old.tables == new.tables
    monkeypatch.setattr(gates, "_heard", lambda *given: iter(()))
    _, after, old, new = both(database, MAKES, given)
    assert "in_batches" in after
    assert old.tables != new.tables
