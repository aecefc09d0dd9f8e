"""Rows that a name holds for several uses, loaded narrow where they are made: the same tables and output."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.findings import FileOutcome
from migfix.settings import Settings
from tests.behaviour.test_batches import DATABASES, MODELS, migration, posts
from tests.rewritten import run_rewritten
from tests.running import Both

pytestmark = pytest.mark.behaviour

ALONE = Settings(select=frozenset({"MF201"}))
WRITE = 'Post.objects.bulk_update(page, ["slug", "data"])'
TURN = """\
for post in page:
    post.slug = post.title.lower()
    if post.data is not None:
        post.data["seen"] = post.pk
"""
PAGES = {
    "pages by key": (
        "last = 0\nwhile True:\n"
        "    page = list(Post.objects.filter(pk__gt=last).order_by('pk')[:7])\n"
        "    if not page:\n        break\nTURN    WRITE\n    last = page[-1].pk\n"
    ),
    "pages of those that are left": (
        "while True:\n    page = Post.objects.filter(slug='').order_by('pk')[:7]\n"
        "    if not page:\n        break\nTURN    WRITE\n"
    ),
    "rows of keys": (
        "keys = list(Post.objects.values_list('pk', flat=True))\n"
        "for start in range(0, len(keys), 7):\n"
        "    page = Post.objects.filter(pk__in=keys[start:start + 7]).order_by('pk')\n"
        "    writers = Writer.objects.filter(\n"
        "        models.Exists(page.filter(writer_id=models.OuterRef('pk')))\n    )\n"
        "    print(page.count(), sorted(writers.values_list('name', flat=True)))\n"
        "TURN    WRITE\n    print(len(page), sorted(page.values_list('body')))\n"
    ),
    "joined rows": (
        "for number in range(3):\n"
        "    page = Post.objects.select_related('writer').filter(writer__pk=number).order_by('pk')\n"
        "    if page.exists():\n"
        "        for post in page:\n            post.slug = post.writer.name\n"
        "            print(len(page))\n        WRITE\n"
    ),
    "a foreign key to a new row": (
        "for number in range(3):\n"
        "    page = Post.objects.filter(writer__pk=number).order_by('pk')\n"
        "    writer = Writer(name=f'new {number}')\n"
        "    for post in page:\n        post.writer = writer\n"
        "    writer.save()\n"
        "    Post.objects.bulk_update(page, ['writer'])\n"
    ),
    "saves": (
        "for number in range(3):\n"
        "    page = Post.objects.filter(writer__pk=number).order_by('pk')\n"
        "    for post in page:\n        post.slug = f'{len(page)}'\n        post.save()\n"
    ),
}


def ran(body: str, count: int, settings: Settings, database: str) -> tuple[FileOutcome, Both]:
    """What becomes of a migration that does this to so many posts, and what both versions of it leave."""
    head, end, _ = migration("pass").partition('"Word")\n')
    before = f"{head}{end}{indent(body, '    ')}"
    return run_rewritten(MODELS, before, posts(count), settings, database=database)


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", PAGES)
def test_pages(name, database):
    body = PAGES[name].replace("TURN", indent(TURN, "    ")).replace("WRITE", WRITE)
    outcome, both = ran(body, 30, ALONE, database)
    changed = [loop for loop in outcome.loops if loop.changed]
    assert changed, outcome.loops
    assert {code for loop in changed for code in loop.codes} == {"MF201"}
    assert both.after.queries == both.before.queries


BATCHES = Settings(select=frozenset({"MF201", "MF301"}))
SAVED = {
    "by key": PAGES["pages by key"].replace("WRITE", "").replace("[:7]", "[:size]"),
    "by number": (
        "for start in range(0, Post.objects.count(), size):\n"
        "    for post in Post.objects.order_by('pk')[start : start + size]:\nBODY"
    ),
    "of those that are left": (
        "while True:\n    page = Post.objects.filter(slug='').order_by('pk')[:size]\n"
        "    if not page:\n        break\nTURN"
    ),
}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", SAVED)
def test_pages_that_are_written_in_batches(name, database):
    turn = f"{TURN}    post.save()\n    print(post.pk)\n"
    body = SAVED[name].replace("TURN", indent(turn, "    "))
    body = body.replace("BODY", indent(turn.partition("\n")[2], "    "))
    outcome, both = ran(f"size = int('20')\n{body}", 70, BATCHES, database)
    assert "MF301" in {code for loop in outcome.loops for code in loop.codes}, outcome.loops
    assert both.after.queries < both.before.queries


READ_IN_PARTS = {
    "a paginator": (
        "from django.core.paginator import Paginator\n"
        "pages = Paginator(Post.objects.order_by('pk'), 1000)\n"
        "for number in pages.page_range:\n    for post in pages.page(number):\n"
    ),
    "keys": (
        "keys = list(Post.objects.order_by('pk').values_list('pk', flat=True))\n"
        "for start in range(0, len(keys), 7):\n"
        "    for post in Post.objects.filter(pk__in=keys[start:start + 7]):\n"
    ),
}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", READ_IN_PARTS)
def test_parts_that_are_batches(name, database):
    body = f"{READ_IN_PARTS[name]}        post.slug = post.title.lower()\n        post.save()\n"
    outcome, both = ran(body, 30, Settings(select=frozenset({"MF301"})), database)
    assert {code for loop in outcome.loops for code in loop.codes} == {"MF301"}
    assert both.after.queries < both.before.queries
