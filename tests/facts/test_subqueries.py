"""Which queries inside of a loop's query look at the table of its rows."""

from __future__ import annotations

import pytest

from tests import checking

SORTED = checking.MODELS.replace(
    'related_name="attachments")),\n            ],\n',
    'related_name="attachments")),\n            ],\n            {"ordering": ["post__title"]},\n',
)


@pytest.mark.parametrize(
    ("query", "looks"),
    [
        ('Attachment.objects.filter(name=OuterRef("slug")).values("name")[:1]', True),
        ('Attachment.objects.filter(name=OuterRef("slug")).values("name")', False),
        ('Attachment.objects.order_by("pk").values("name")[:1]', False),
        ('Attachment.objects.order_by("post").values("name")[:1]', True),
        ('Attachment.objects.order_by("post_id").values("name")[:1]', False),
    ],
)
def test_one_row_of_another_table_that_is_sorted_by_this_one(query, looks):
    body = f"for post in Post.objects.filter(slug=Subquery({query})):\n    post.title = 'x'\n    post.save()\n"
    given = "from django.db.models import OuterRef, Subquery\n" + checking.whole(body)
    outcome = checking.outcome_of(given, models=SORTED, select=("MF101",), databases=("sqlite",))
    assert outcome.loops[0].changed is not looks, outcome.loops[0]
    assert not looks or "that for the rows" in outcome.loops[0].reason


@pytest.mark.parametrize(
    ("value", "looks"),
    [
        ("models.functions.Abs('kind', template='(SELECT 1)')", True),
        ("models.functions.Coalesce('kind', 'votes', function='x')", True),
        ("models.functions.Abs('kind', **options)", True),
        ("models.functions.Cast('kind', output_field=models.FloatField())", False),
    ],
)
def test_sql_that_an_expression_is_given(value, looks):
    body = (
        f"for post in Post.objects.filter(rank={value}):\n    post.title = 'x'\n    post.save()\n"
    )
    outcome = checking.outcome_of(checking.whole(body), select=("MF101",), databases=("sqlite",))
    assert outcome.loops[0].changed is not looks, outcome.loops[0]
    assert not looks or "that for the rows" in outcome.loops[0].reason


@pytest.mark.parametrize(
    ("lines", "looks"),
    [
        ("limit = 3\nlimit = limit + 1", False),
        ("limit = 3\nother = 2\nif limit:\n    other = limit\nlimit = max(limit, other)", False),
        ("limit = 3\nif limit:\n    limit = Person.limit(limit)\nlimit = [limit]", True),
        ("limit = limit['kind']", False),
    ],
)
def test_a_name_whose_value_is_made_of_itself(lines, looks):
    body = f"{lines}\nfor post in Post.objects.filter(rank__in=limit):\n    post.title = 'x'\n    post.save()\n"
    outcome = checking.outcome_of(checking.whole(body), select=("MF101",), databases=("sqlite",))
    assert outcome.error is None
    assert outcome.loops[0].changed is not looks, outcome.loops[0]
