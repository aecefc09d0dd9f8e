"""Loops that update rows by their keys, one by one and in batches: equal tables on every database."""

from __future__ import annotations

from textwrap import indent

import pytest
from django.db import DatabaseError

from migfix.settings import Settings
from tests.behaviour.test_batches import MODELS, migration, posts
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = pytest.mark.behaviour

ONLY = Settings(select=frozenset({"MF303"}))
BODIES = {
    "a value from Python": "Post.objects.filter(pk=post.pk).update(slug=post.title.lower()[::-1])",
    "all kinds of columns": (
        "Post.objects.filter(id=post.pk).update(\n    price=post.price * 2 + 1, data={'was': post.pk, 'ä': [None]},\n"
        "    address='2001:0db8:0000::00ff' if post.pk % 2 else None, body='', writer=post.writer)"
    ),
    "on some ways": (
        "if post.pk % 3 == 0:\n    continue\n"
        "Post.objects.filter(pk=post.pk).update(slug=str(post.pk))\n"
        "if post.pk % 3 == 1:\n    Post.objects.filter(pk=post.pk).update(slug='second')"
    ),
    "rows of others, twice, and gone": "Post.objects.filter(pk=post.pk // 2 + 7).update(slug=str(post.pk))",
    "rows of another table": (
        "Writer.objects.filter(pk=post.writer_id).update(posts_seen=post.pk)\npost.body = post.title\npost.save()"
    ),
    "a unique column that moves": "Post.objects.filter(pk=post.pk).update(place=post.place - 1)",
    "queries of other tables": (
        "last = Word.objects.filter(post_id=post.pk).order_by('pk').last()\n"
        "Post.objects.filter(pk=post.pk).update(slug=last.text if last else '')"
    ),
    "values of rows in memory": (
        "Post.objects.filter(pk=post.pk).update(slug=f'a{post.slug}')\n"
        "Post.objects.filter(pk=post.pk).update(slug=f'b{post.slug}')\nprint(post.slug)"
    ),
    "break": "Post.objects.filter(pk=post.pk).update(slug='x')\nif post.pk == 4:\n    break",
    "another column that is loaded again": (
        "Post.objects.filter(pk=post.pk).update(slug=post.title.lower()[::-1])\ndel post.title\nprint(post.title)"
    ),
    "no key": "Post.objects.filter(pk=None if post.pk % 2 else post.pk).update(slug='x')",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_batches_leave_what_single_updates_leave(name, database):
    outcome, both = run_rewritten(MODELS, migration(BODIES[name]), posts(25), database=database)
    assert "MF303" in outcome.loops[0].codes
    assert both.after.queries <= both.before.queries + 2


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_thousands_of_rows(database):
    """More than a batch, and than one statement is for."""
    body = "Post.objects.filter(pk=post.pk).update(slug=post.title[::-1], data={'n': post.pk})"
    outcome, both = run_rewritten(
        MODELS, migration(body, "Post.objects.all()"), posts(1100), database=database
    )
    assert "MF303" in outcome.loops[0].codes
    assert both.after.queries < both.before.queries / 20


@pytest.mark.parametrize(
    "value", ["None if post.pk == 20 else 'x'", "post.title * (20 if post.pk == 20 else 1)"]
)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_row_that_fails(database, value):
    """Outside of a transaction those before it are updated, and those after it are not."""
    code = migration(f"Post.objects.filter(pk=post.pk).update(slug={value})") + (
        "\n\nclass Migration(migrations.Migration):\n    atomic = False\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )
    code = code.replace(
        "import IntegrityError, models", "import IntegrityError, migrations, models"
    )
    takes = database.startswith("sqlite") and "title" in value
    expect = "changes" if takes else DatabaseError
    _, both = run_rewritten(MODELS, code, posts(25), database=database, expect=expect)
    if not takes:
        assert sum("slug=''" not in row for row in both.after.tables["shop_post"]) == 19


WRONG = {
    "a query of the table": (
        "print(Post.objects.filter(slug='').count())\nPost.objects.filter(pk=post.pk).update(slug='x')",
        "Post.objects.order_by('pk')",
    ),
    "a row that is read again": (
        "Post.objects.filter(pk=post.pk).update(slug='x')\npost.refresh_from_db()\nprint(post.slug)",
        "Post.objects.order_by('pk')",
    ),
    "a column that is loaded later": (
        "Post.objects.filter(pk=post.pk + 1).update(slug=f'{post.slug}-{post.pk}')",
        "Post.objects.order_by('pk').only('title')",
    ),
    "a column that is taken away": (
        "Post.objects.filter(pk=post.pk).update(slug='x')\ndel post.slug\nprint(post.slug)",
        "Post.objects.order_by('pk')",
    ),
    "a column that is taken away by name": (
        "Post.objects.filter(pk=post.pk).update(slug='x')\ndelattr(post, 'slug')\nprint(post.slug)",
        "Post.objects.order_by('pk')",
    ),
    "a join": (
        "print(Word.objects.filter(post__slug='x').count())\nPost.objects.filter(pk=post.pk).update(slug='x')",
        "Post.objects.order_by('pk')",
    ),
    "a relation": (
        "print([p.slug for p in post.writer.posts.order_by('pk')])\nPost.objects.filter(pk=post.pk).update(slug='x')",
        "Post.objects.order_by('pk')",
    ),
    "a save of the row": (
        "Post.objects.filter(pk=post.pk).update(slug='x')\npost.save(update_fields=['slug'])",
        "Post.objects.order_by('pk')",
    ),
    "what the update says": (
        "print(Post.objects.filter(pk=post.pk + 20).update(slug='x'))",
        "Post.objects.order_by('pk')",
    ),
    "an error that is caught": (
        "try:\n    with transaction.atomic():\n"
        "        Post.objects.filter(pk=post.pk).update(place=post.pk // 2)\n"
        "except IntegrityError:\n    pass",
        "Post.objects.order_by('pk')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_what_is_refused_would_differ(name, database):
    body, rows = WRONG[name]
    original = migration(body, rows)
    _, outcome = rewritten(MODELS, original, ONLY)
    assert not outcome.changed
    loop = indent(f"for post in {rows}:\n{indent(body, '    ')}", "    ")
    naive = "\n".join(f"    {line}" for line in loop.splitlines()).replace(
        "Post.objects.filter(pk=post.pk", "batch.filter(pk=post.pk"
    )
    naive = original.replace(loop, f"    with update_by_key(Post.objects) as batch:\n{naive}")
    naive = "from ._migfix import update_by_key\n" + naive
    assert "batch.filter" in naive
    with pytest.raises(Different):
        run_both(MODELS, original, naive, posts(20), database=database, expect="anything")
