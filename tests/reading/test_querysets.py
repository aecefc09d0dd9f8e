"""What an expression stands for: models, managers, querysets and rows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from migfix.history.state import FieldState, ModelState, ProjectState
from migfix.reading.kinds.values import Manager, Model, Pair, RawRows, Row, Rows, SchemaEditor
from migfix.reading.names.functions import Entry, Reach
from migfix.reading.names.module import Module
from migfix.source import Source

PERSON = ModelState("shop", "Person", (FieldState("name", "django.db.models.CharField"),))
POST = ModelState(
    "shop",
    "Post",
    (
        FieldState(
            "author",
            "django.db.models.ForeignKey",
            {"related_name": "posts"},
            target=("shop", "person"),
        ),
        FieldState("tags", "django.db.models.ManyToManyField", target=("shop", "tag")),
    ),
    managers={"live": "shop.managers.Live"},
)
TAG = ModelState(
    "shop", "Tag", (FieldState("post", "django.db.models.ForeignKey", target=("shop", "post")),)
)
STATE = ProjectState({model.key: model for model in (PERSON, POST, TAG)})
KEY, PERSON_KEY, TAG_KEY = ("shop", "post"), ("shop", "person"), ("shop", "tag")


def value_of(expression, above=""):
    """What ``use(expression)`` is called with, at the end of a migration's function."""
    lines = "".join(f"    {line}\n" for line in above.splitlines())
    source = (
        "from django.apps import apps as today\nfrom shop.models import Post as Real\n"
        f"NAME = 'Post'\ndef forwards(apps, editor):\n{lines}    use({expression})\n"
    )
    module = Module(Source.of(Path("0001.py"), source.encode()))
    reach = Reach(module, STATE)
    reach.follow([Entry(ast.Name(id="forwards", ctx=ast.Load()))])
    function = next(iter(reach.functions.values()))
    call = module.functions["forwards"].body[-1].value
    return reach.resolver(function).value(call.args[0])


POSTS = "Post = apps.get_model('shop', 'Post')"


@pytest.mark.parametrize(
    "text",
    [
        "apps.get_model('shop', 'Post')",
        "apps.get_model('shop', 'POST')",
        "apps.get_model('shop.Post')",
        "apps.get_model(app_label='shop', model_name='Post')",
        "apps.get_model('shop', NAME)",
    ],
)
def test_a_model(text):
    assert value_of(text) == Model(KEY)


@pytest.mark.parametrize(
    "text", ["apps.get_model('shop', x)", "apps.get_model(f'shop', NAME + '')"]
)
def test_a_model_by_a_name_that_is_not_written_out(text):
    assert value_of(text) == Model(None)


def test_the_manager_of_what_is_imported_and_cannot_be_read():
    assert value_of("Real") is None
    unread = Model(None, real=True, is_plain=False)
    assert value_of("Real.objects") == Manager(unread, "objects")


def test_the_registry_of_today_has_none():
    assert value_of("today.get_model('shop', 'Post')") is None


@pytest.mark.parametrize("name", ["objects", "_default_manager", "_base_manager", "live"])
def test_a_manager(name):
    assert value_of(f"Post.{name}", POSTS) == Manager(Model(KEY), name)


def test_a_manager_that_the_model_does_not_have():
    assert value_of("Post.published", POSTS) is None


QUERYSETS = {
    "Post.objects.all()": ["all"],
    "Post.objects.filter(x=1).exclude(y=2)[:3]": ["filter", "exclude", "[]"],
    "Post.objects.all() | Post.objects.all()": ["all", "|"],
    "Post.objects.using('x').iterator()": ["using", "iterator"],
    "list(Post.objects.all())": ["all", "list()"],
    "Post.objects.filter(author=None).author": None,
    "Post.objects.for_me()": None,
    "Post.objects": None,
    "Post.objects.count()": None,
    "sorted(Post.objects.all())": None,
    "Post.objects.all() or []": None,
    "Post.objects.all() if x else []": None,
    "[p for p in Post.objects.all()]": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "steps"), QUERYSETS.items())
def test_a_queryset_and_its_steps(text, steps):
    value = value_of(text, POSTS)
    if steps is None:
        assert not isinstance(value, Rows)
    else:
        assert isinstance(value, Rows)
        assert value.model == Model(KEY)
        assert [step.name for step in value.steps] == steps


def test_rows():
    assert value_of("Post.objects.get()", POSTS) == Row(Model(KEY))
    assert value_of("Post.objects.filter().first()", POSTS) == Row(Model(KEY), may_be_none=True)
    assert value_of("Post.objects.get_or_create()", POSTS) == Pair(Row(Model(KEY)))
    assert value_of("row", f"{POSTS}\nrow, new = Post.objects.get_or_create()") == Row(Model(KEY))
    assert value_of("new", f"{POSTS}\nrow, new = Post.objects.get_or_create()") is None
    assert value_of("Post.objects.all()[0]", POSTS) == Row(Model(KEY))


def test_relations_of_a_row():
    row = f"{POSTS}\nrow = Post.objects.get()"
    assert value_of("row.author", row) == Row(Model(PERSON_KEY))
    assert value_of("row.author.posts", row) == Manager(Model(KEY), "posts", related=True)
    assert value_of("row.tags", row) == Manager(Model(TAG_KEY), "tags", related=True)
    assert value_of("row.tag_set", row) == Manager(Model(TAG_KEY), "tag_set", related=True)
    assert value_of("row.title", row) is None


def test_the_variable_of_a_loop_over_rows_is_none_after_it():
    assert value_of("row", f"{POSTS}\nfor row in Post.objects.all():\n    pass") is None


def test_raw_rows_and_cursors():
    raw = value_of("Post.objects.raw('x')", POSTS)
    assert isinstance(raw, RawRows)
    assert (raw.model, raw.live, raw.what) == (Model(KEY), False, "raw SQL")
    streaming = value_of("Post.objects.raw('x').iterator()", POSTS)
    assert isinstance(streaming, RawRows)
    assert (streaming.model, streaming.live) == (Model(KEY), True)
    fetched = value_of("editor.connection.cursor().fetchall()")
    assert isinstance(fetched, RawRows)
    assert (fetched.model, fetched.live, fetched.what) == (None, False, "a cursor")


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("editor", "editor"),
        ("editor.connection", "connection"),
        ("editor.connection.cursor()", "cursor"),
        ("editor.connection.cursor(1)", "other"),
        ("editor.connection.cursor(name='x')", "other"),
        ("editor.connection.connection", "other"),
        ("editor.connection.connection.cursor()", "other"),
        ("editor.connection.chunked_cursor()", "other"),
        ("editor.connection.cursor().cursor", "other"),
        ("editor.connection.cursor().execute('x')", "other"),
        ("editor.cursor()", "other"),
    ],
)
def test_the_schema_editor_its_connection_and_its_cursors(expression, part):
    assert value_of(expression) == SchemaEditor(part)


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("connection", "connection"),
        ("connection.cursor()", "cursor"),
        ("connections", "connections"),
        ("connections['other']", "connection"),
        ("connections[alias].cursor()", "cursor"),
        ("connections.cursor()", "other"),
    ],
)
def test_connections_that_are_imported(expression, part):
    assert value_of(expression, "from django.db import connection, connections") == SchemaEditor(
        part
    )


@pytest.mark.parametrize(
    "above",
    [
        "posts = Post.objects.all()\nposts = use()",
        "posts, other = Post.objects.all(), 1",
        "posts = Post.objects.all()\nposts += 1",
        "with Post.objects.all() as posts: pass",
        "if apps: posts = Post.objects.all()\nelse: posts = Post.objects.none()",
    ],
)
def test_a_name_that_is_something_else(above):
    assert not isinstance(value_of("posts", f"{POSTS}\n{above}"), Rows)


def test_names_for_names():
    assert isinstance(value_of("c", f"{POSTS}\na = Post.objects\nb = a.all()\nc = b"), Rows)


def test_names_in_circles_end():
    assert value_of("a", "for a in []:\n    b = a\n    a = b") is None
