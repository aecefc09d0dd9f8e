"""server-side-cursor: loops that need the helper, in which mode, and loops that do not."""

from __future__ import annotations

import pytest

from migfix.pipeline import run_source
from migfix.settings import Settings
from tests import checking
from tests.checking import EVERYWHERE, POSTGRESQL, check_refused, check_rewritten

SELECT = ("MF202", "MF203")
SPOOLED = 'stream(Post.objects.all(), mode="spool")'
PLAIN = "stream(Post.objects.all())"


@pytest.mark.parametrize("databases", [("mysql",), ("mariadb", "postgresql"), EVERYWHERE])
def test_rows_of_mysql_are_streamed_by_the_helper(databases):
    check_rewritten(
        "for post in Post.objects.all():\n    post.title = 'x'\n    post.save()",
        f"for post in {PLAIN}:\n    post.title = 'x'\n    post.save()",
        "MF203",
        databases=databases,
        select=SELECT,
    )


def test_sqlite_needs_the_helper_where_the_body_writes():
    check_rewritten(
        "for post in Post.objects.all():\n    post.save()",
        f"for post in {PLAIN}:\n    post.save()",
        "MF203",
        databases=("sqlite",),
        select=SELECT,
    )


QUERYSETS = {
    "a name": ("posts = Post.objects.all()", "posts", "stream(posts)"),
    "a list": ("", "list(Post.objects.all())", PLAIN),
    "a name in parentheses": ("posts = Post.objects.all()", "(posts)", "stream(posts)"),
    "on lines of its own": ("", "(\n    Post.objects\n    .all()\n)", PLAIN),
    "with a comment": (
        "",
        "(\n    # all\n    Post.objects.all()\n)",
        "stream(\n    (\n        # all\n        Post.objects.all()\n    )\n)",
    ),
    "numbered": ("", "enumerate(Post.objects.all())", f"enumerate({PLAIN})"),
    "an or": (
        "",
        "Post.objects.all() | Post.objects.all()",
        "stream(Post.objects.all() | Post.objects.all())",
    ),
    "values": ("", 'Post.objects.values("pk")', 'stream(Post.objects.values("pk"))'),
    "streaming in vain": ("", "Post.objects.all().iterator()", PLAIN),
    "streaming in chunks in vain": ("", "Post.objects.all().iterator(chunk_size=5)", PLAIN),
}


@pytest.mark.parametrize("case", QUERYSETS.values(), ids=QUERYSETS)
def test_querysets_that_go_through_the_helper(case):
    above, rows, streamed = case
    target = "i, post" if "enumerate" in rows else "post"
    check_rewritten(
        f"{above}\nfor {target} in {rows}:\n    print(post)",
        f"{above}\nfor {target} in {streamed}:\n    print(post)".strip("\n"),
        "MF203",
        databases=EVERYWHERE,
        select=SELECT,
    )


def test_columns_are_narrowed_inside_of_the_helper():
    check_rewritten(
        "for post in Post.objects.all():\n    print(post.title)",
        'for post in stream(Post.objects.only("title")):\n    print(post.title)',
        "MF201",
        "MF203",
        databases=EVERYWHERE,
    )


ON_POSTGRESQL = {
    "locked rows": (
        "for post in Post.objects.select_for_update():\n    print(post)",
        "stream(Post.objects.select_for_update())",
    ),
    "prefetched rows": (
        'for post in Post.objects.prefetch_related("author"):\n    print(post.author.name)',
        'stream(Post.objects.prefetch_related("author"))',
    ),
    "saved rows with others prefetched": (
        'for post in Post.objects.prefetch_related("author", "attachments"):\n    post.save()',
        'stream(Post.objects.prefetch_related("author", "attachments"))',
    ),
    "rows that are only read, with their parents": (
        'for row in Tag.objects.prefetch_related("parent"):\n    print(row.parent)',
        'stream(Tag.objects.prefetch_related("parent"))',
    ),
    "saved rows behind a filter, with others prefetched": (
        'for post in Post.objects.filter(q).prefetch_related("author"):\n    post.save()',
        'stream(Post.objects.filter(q).prefetch_related("author"))',
    ),
    "a change of the schema": (
        "for post in Post.objects.all():\n    schema_editor.execute('x')",
        SPOOLED,
    ),
    "a cursor": (
        "cursor = schema_editor.connection.cursor()\n"
        "for post in Post.objects.all():\n    cursor.execute('x')",
        SPOOLED,
    ),
    "a transaction of each row": (
        "from django.db import transaction\nfor post in Post.objects.all():\n"
        "    with transaction.atomic():\n        post.save()",
        SPOOLED,
    ),
    "a commit": (
        "from django.db import transaction as t\nfor post in Post.objects.all():\n    t.commit()",
        SPOOLED,
    ),
}


@pytest.mark.parametrize("case", ON_POSTGRESQL.values(), ids=ON_POSTGRESQL)
def test_what_an_open_cursor_of_postgresql_does_not_survive(case):
    body, streamed = case
    given = checking.whole(body)
    outcome = checking.outcome_of(given, select=SELECT, databases=POSTGRESQL)
    assert outcome.loops[0].codes == ("MF203",), outcome.loops[0]
    assert f" in {streamed}:" in checking.after_of(outcome, given)


PREFETCHED = {
    "others are written": "for post in {rows}:\n    post.author.save()",
    "others are changed in memory": "for post in {rows}:\n    post.author.name = 'x'",
    "rows are deleted": "for post in {rows}:\n    post.delete()",
    "rows get away": "for post in {rows}:\n    imported.run(post)",
    "anything runs": "for post in {rows}:\n    imported.run()",
}


@pytest.mark.parametrize("text", PREFETCHED.values(), ids=PREFETCHED)
def test_prefetched_rows_that_later_chunks_would_see_changed(text):
    rows = 'Post.objects.prefetch_related("author")'
    check_refused(text.replace("{rows}", rows), "prefetch", databases=EVERYWHERE, select=SELECT)


@pytest.mark.parametrize(
    "rows",
    [
        'Tag.objects.prefetch_related("parent")',
        'Tag.objects.prefetch_related("tag_set")',
        'Post.objects.prefetch_related("author__posts")',
        "Post.objects.prefetch_related(models.Prefetch('author'))",
        "Post.objects.prefetch_related(apps.x)",
        'apps.get_model("shop", apps.x).objects.prefetch_related("author")',
    ],
)
def test_saved_rows_that_may_be_prefetched_too(rows):
    check_refused(
        f"for row in {rows}:\n    row.save()", "prefetch", databases=EVERYWHERE, select=SELECT
    )


def test_prefetching_that_django_does_by_chunks_already():
    check_refused(
        'for post in Post.objects.prefetch_related("author").iterator(5):\n    print(post)',
        "prefetch",
        databases=EVERYWHERE,
        select=("MF203",),
    )


def test_a_loop_that_streams_where_it_runs_is_left_alone():
    check_refused(
        "for post in Post.objects.iterator():\n    post.save()",
        "already-streams",
        databases=("sqlite", "postgresql"),
        select=SELECT,
    )


def test_a_name_that_is_taken():
    check_refused(
        "stream = 1\nfor post in Post.objects.all():\n    print(post)",
        "name-clash",
        databases=EVERYWHERE,
        select=("MF203",),
    )


def test_the_plain_iterator_is_preferred():
    outcome = checking.outcome_of(
        checking.whole("for post in Post.objects.all():\n    print(post)"), select=("MF203",)
    )
    assert not outcome.changed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("posts = []\nfor post in Post.objects.all():\n    posts.append(post)", "keeps-rows"),
        ("for post in Post.objects.all()[:5]:\n    print(post)", "few-rows"),
        ("for post in sorted(Post.objects.all(), key=id):\n    print(post)", "keeps-rows"),
        ("for post in Post.objects.all():\n    yield post", "leaves-function"),
        (
            "from shop.models import Post as Real\nfor post in Real.objects.all():\n    print(post)",
            "real-model",
        ),
    ],
)
def test_rows_that_the_helper_would_not_help(body, reason):
    check_refused(body, reason, databases=EVERYWHERE, select=("MF203",))


def test_an_iterator_made_before_is_no_queryset_any_more():
    check_refused(
        "posts = Post.objects.iterator()\nfor post in posts:\n    print(post)",
        "already-streams",
        databases=EVERYWHERE,
        select=SELECT,
    )


@pytest.mark.parametrize("databases", [None, frozenset({"postgresql"}), frozenset({"sqlite"})])
def test_a_loop_that_streams_already_may_not_on_mysql(databases):
    """Where the databases are not certain, the report says what would make them so."""
    settings = Settings(select=frozenset({"MF202", "MF203"}), databases=databases)
    body = "for post in Post.objects.iterator():\n    print(post.title)"
    path = checking.project() / "0002_fill.py"
    outcome = run_source(checking.whole(body).encode(), path, settings, rewrite=False)
    (loop,) = outcome.loops
    assert loop.blocked_by == "already-streams"
    assert ("--database" in loop.reason) == (databases is None)


# --- one loop over the rows of several models ----------------------------------------------------

OF_EACH = checking.PREAMBLE + """
    show(Tag)
    show({})


def show(Model):
    for row in Model.objects.all():
        print(vars(row))
""" + checking.ENDING  # fmt: skip


def shown(second: str, *select: str):
    outcome = checking.outcome_of(OF_EACH.format(second), select=select)
    return outcome.loops[0], outcome.edits[-1].after.decode() if outcome.edits else ""


def test_a_loop_whose_rows_are_wide_in_one_model_alone_gets_the_helper():
    loop, after = shown("Post", *SELECT)
    assert loop.codes == ("MF203",)
    assert "for row in stream(Model.objects.all()):" in after


def test_a_loop_that_needs_the_helper_for_no_model_streams_by_iterator():
    loop, after = shown("Person", *SELECT)
    assert loop.codes == ("MF202",)
    assert "for row in Model.objects.all().iterator():" in after


def test_the_helper_is_not_taken_where_it_is_not_needed():
    loop, _ = shown("Person", "MF203")
    assert loop.codes == ()


def test_a_loop_that_streams_already_is_wide_in_one_model_alone():
    source = OF_EACH.format("Post").replace("all()", "all().iterator()")
    (loop,) = checking.outcome_of(source, select=SELECT).loops
    assert loop.codes == ()
