"""loop-to-update: what becomes one update(), and what must not."""

from __future__ import annotations

from functools import partial

import pytest

from tests import checking

check_rewritten = partial(checking.check_rewritten, select=("MF101",))
check_refused = partial(checking.check_refused, select=("MF101",))


def test_a_foreign_key_to_a_row_that_was_fetched():
    check_rewritten(
        """
        bob = Person.objects.get(name="bob")
        sharon = Person.objects.get(name="sharon")
        for post in Post.objects.filter(author=bob):
            post.author = sharon
            post.save()
        """,
        """
        bob = Person.objects.get(name="bob")
        sharon = Person.objects.get(name="sharon")
        Post.objects.filter(author=bob).update(author=sharon)
        """,
        "MF101",
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1", "1"),
        ("-1", "-1"),
        ("None", "None"),
        ('"12"', '"12"'),
        ("post.rank", 'models.F("rank")'),
        ("post.kind + 1", 'models.F("kind") + 1'),
    ],
)
def test_values_of_an_integer_column(value, written):
    check_rewritten(
        f"""
        for post in Post.objects.all():
            post.kind = {value}
            post.save()
        """,
        f"Post.objects.update(kind={written})",
    )
