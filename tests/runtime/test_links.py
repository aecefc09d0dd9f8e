"""A batch of links leaves what one `add()` after another leaves, on every database, the numbers of the pairs included."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connection, migrations, models
from django.db.models.signals import m2m_changed
from django.test.utils import CaptureQueriesContext

from tests.databases import MODES, ONE_SQLITE
from tests.running import read_tables
from tests.runtime.helper import link_in_batches
from tests.runtime.historical import made

pytestmark = [
    pytest.mark.usefixtures("together"),
    pytest.mark.parametrize("database", ONE_SQLITE, indirect=True),
]

KEY = ("id", models.BigAutoField(primary_key=True))
OPERATIONS = [
    migrations.CreateModel("Tag", [KEY]),
    migrations.CreateModel("Word", [("code", models.CharField(max_length=9, primary_key=True))]),
    migrations.CreateModel(
        "Post",
        [
            KEY,
            ("tags", models.ManyToManyField("shop.Tag", related_name="posts")),
            ("words", models.ManyToManyField("shop.Word")),
            ("near", models.ManyToManyField("self")),
            ("behind", models.ManyToManyField("self", symmetrical=False)),
        ],
    ),
    migrations.CreateModel(
        "Vote",
        [
            KEY,
            ("post", models.ForeignKey("shop.Post", models.CASCADE)),
            ("tag", models.ForeignKey("shop.Tag", models.CASCADE)),
            ("n", models.IntegerField(default=3)),
        ],
    ),
    migrations.AddField(
        "Post", "voted", models.ManyToManyField("shop.Tag", through="shop.Vote", related_name="+")
    ),
]
COUNT = 8
Loop = Callable[[Any, Apps], None]


def shop() -> Apps:
    """A historical registry whose tables are there, and hold rows."""
    apps = made(OPERATIONS, connection)
    get = partial(apps.get_model, "shop")
    for name in ("Tag", "Post"):
        get(name).objects.bulk_create([get(name)(id=n) for n in range(1, COUNT + 1)])
    get("Word").objects.bulk_create([get("Word")(code=code) for code in "abc"])
    return apps


def drop(apps: Apps) -> None:
    with connection.schema_editor() as editor:
        for name in ("Vote", "Post", "Word", "Tag"):
            editor.delete_model(apps.get_model("shop", name))


def error_of(loop: Loop, apps: Apps, *, batched: bool) -> Exception | None:
    plain = nullcontext(SimpleNamespace(of=lambda manager: manager))
    around: Any = link_in_batches() if batched else plain
    try:
        with around as links:
            loop(links, apps)
    except Exception as error:
        return error
    return None


def same(loop: Loop, mode: str = "autocommit", raises: type[Exception] | None = None) -> None:
    """Both ways leave the same rows and the same kind of error; the plain one is as said."""
    found = []
    for batched in (False, True):
        apps, left = shop(), {}
        before = read_tables(connection)
        try:
            with MODES[mode]():
                error = error_of(loop, apps, batched=batched)
                if error is not None and mode == "transaction":
                    connection.set_rollback(True)
                else:
                    left = read_tables(connection)
        except DatabaseError as deferred:
            error = deferred
        assert left != before or raises
        found.append((type(error), left))
        drop(apps)
    assert issubclass(found[0][0], raises or type(None))
    assert found[0] == found[1]


def by_rows(links: Any, apps: Apps) -> None:
    tags = list(apps.get_model("shop", "Tag").objects.order_by("pk"))
    for post in apps.get_model("shop", "Post").objects.order_by("pk"):
        links.of(post.tags).add(tags[0])
        links.of(post.tags).add(tags[post.pk % 3].pk)


def by_the_other_end(links: Any, apps: Apps) -> None:
    first = apps.get_model("shop", "Tag").objects.order_by("pk")[0]
    for post in apps.get_model("shop", "Post").objects.order_by("pk"):
        links.of(first.posts).add(post)
        links.of(post.tags).add(first)
        links.of(first.posts).add(post.pk)


def pairs_that_are_there(links: Any, apps: Apps) -> None:
    """Whose numbers are used up, or not."""
    posts = list(apps.get_model("shop", "Post").objects.order_by("pk"))
    for post in posts[::2]:
        post.tags.add(1)
    for post in posts:
        links.of(post.tags).add(1)
        links.of(post.tags).add(2)
        links.of(post.tags).add(1)
    links.of(posts[0].tags).add(3)


def all_kinds(links: Any, apps: Apps) -> None:
    posts = list(apps.get_model("shop", "Post").objects.order_by("pk"))
    for post in posts[1:]:
        links.of(post.words).add("b" if post.pk % 2 else "a")
        links.of(post.near).add(posts[0])
        links.of(post.behind).add(posts[0])
        links.of(post.voted).add(1)
        links.of(post.voted).add(post.pk, through_defaults={"n": 5})
        links.of(post.tags).add()
        links.of(post.tags).add(1, 2)


def prefetched(links: Any, apps: Apps) -> None:
    Post = apps.get_model("shop", "Post")
    posts = list(Post.objects.order_by("pk").prefetch_related("tags"))
    for post in posts:
        links.of(post.tags).add(post.pk)
    if hasattr(links, "flush"):
        links.flush()
    assert all(post.tags.count() == len(post.tags.all()) == 1 for post in posts)


@pytest.mark.parametrize("mode", ["autocommit", "transaction"])
def test_a_batch_leaves_what_add_leaves(database, mode):
    for loop in (by_rows, by_the_other_end, pairs_that_are_there, all_kinds, prefetched):
        same(loop, mode)


def gone(links: Any, apps: Apps) -> None:
    for post in apps.get_model("shop", "Post").objects.order_by("pk"):
        links.of(post.tags).add(99 if post.pk == 4 else 1)


def of_another_model(links: Any, apps: Apps) -> None:
    for post in apps.get_model("shop", "Post").objects.order_by("pk"):
        links.of(post.tags).add(post if post.pk == 4 else 1)


def unsaved(links: Any, apps: Apps) -> None:
    Post = apps.get_model("shop", "Post")
    for post in [*Post.objects.order_by("pk")[:3], Post()]:
        links.of(post.tags).add(1)


@pytest.mark.parametrize("mode", ["autocommit", "transaction"])
def test_a_pair_that_fails(database, mode):
    """MariaDB ignores a pair of a row that is gone; PostgreSQL takes no number back that a batch has used."""
    if (database.vendor, mode) != ("postgresql", "autocommit"):
        same(gone, mode, raises=None if database.vendor == "mysql" else DatabaseError)
    else:
        apps = shop()
        assert isinstance(error_of(gone, apps, batched=True), DatabaseError)
        posts = apps.get_model("shop", "Tag").objects.get(pk=1).posts
        assert [post.pk for post in posts.order_by("pk")] == [1, 2, 3]
        drop(apps)
    same(of_another_model, mode, raises=TypeError)
    same(unsaved, mode, raises=ValueError)


def test_few_statements_write_many_pairs(database):
    apps = shop()
    with CaptureQueriesContext(connection) as queries, link_in_batches() as links:
        for post in apps.get_model("shop", "Post").objects.order_by("pk"):
            links.of(post.tags).add(1)
    assert sum("INSERT" in query["sql"] for query in queries.captured_queries) <= 2
    assert apps.get_model("shop", "Tag").objects.get(pk=1).posts.count() == COUNT


def test_receivers_hear_of_each(database):
    apps, heard = shop(), []
    through = apps.get_model("shop", "Post").tags.through

    def hear(action: str, instance: Any, **_: Any) -> None:
        heard.append((action, instance.pk, through.objects.count()))

    m2m_changed.connect(hear, sender=through)
    try:
        with link_in_batches() as links:
            for post in apps.get_model("shop", "Post").objects.order_by("pk")[:2]:
                links.of(post.tags).add(1)
    finally:
        m2m_changed.disconnect(hear, sender=through)
    assert heard == [("pre_add", 1, 0), ("post_add", 1, 1), ("pre_add", 2, 1), ("post_add", 2, 2)]
