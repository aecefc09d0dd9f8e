"""Comments inside of what is rewritten move above it, and line ends stay as they were."""

from __future__ import annotations

from collections import Counter

import pytest

from migfix.rewriting.ends import with_line_ends
from migfix.source import Source, comments_in
from tests.checking import EVERYWHERE, check_rewritten, outcome_of, project, whole

SAVE = "    post.slug = post.title.strip()\n    post.save()\n"
PLACES = {
    "a header": "for post in Post.objects.filter(  # a\n    title='ab'  # b\n    # c\n):  # d\n" + SAVE,
    "a header in parentheses": "for post in (  # a\n    # b\n    Post.objects.all()  # c\n):  # d\n    print(post.title)\n",
    "a target": "for (  # a\n    post  # b\n) in Post.objects.all():\n    print(post.title)\n",
    "a list in the header": "for post in list(  # a\n    Post.objects.all()  # b\n):\n    print(post.title)\n",
    "a list before the loop": "posts = list(  # a\n    Post.objects.all()  # b\n    # c\n)  # d\nfor post in posts:\n    print(post.title)\n",
    "an iterator": "for post in Post.objects.all().iterator(  # a\n    chunk_size=10  # b\n):\n    print(post.title)\n",
    "an enumeration": "for i, post in enumerate(  # a\n    Post.objects.all(),  # b\n    1,  # c\n):\n    print(post.title, i)\n",
    "a type and a linter": "for post in Post.objects.all():  # type: Post\n    post.kind = 1  # noqa: E501\n    post.save()\n",
    "a formatter": "# fmt: off\nfor post in Post.objects.all():\n    post.kind = 1\n    post.save()\n# fmt: on\n",
    "an else": "for post in Post.objects.all():\n    print(post.title)\n# a\nelse:  # b\n    # c\n    print(1)\n",
    "tests of rows": "posts = Post.objects.all()\nif schema_editor:\n    pass\nelif len(  # a\n    # b\n    posts):\n    print(2)\nfor post in posts:\n    print(post.title)\n",
    "a save": "for post in Post.objects.all():\n    post.slug = post.title.strip()\n    post.save(  # a\n        # b\n        update_fields=['slug']  # c\n        # d\n    )  # e\n    # f\n",
    "a save in parentheses": "for post in Post.objects.all():\n    post.slug = post.title.strip()\n    (post  # a\n      # b\n      .save)()\n",
    "a save on the line of its loop": "for post in Post.objects.all(): post.slug = post.title.strip(); post.save(  # a\n )\n",
    "a list for bulk_update": "posts = [\n    # a\n]  # b\nfor post in Post.objects.all():\n    post.slug = post.title.strip()\n    posts.append(  # c\n        post  # d\n    )\nPost.objects.bulk_update(  # e\n    posts,  # f\n    ['slug'],\n)  # g\n",
    "a new row": "for post in Post.objects.all():\n    Tag.objects.create(  # a\n        name=post.title,  # b\n    )  # c\n",
    "a new row that is saved": "for post in Post.objects.all():\n    Tag(  # a\n        name=post.title  # b\n    ).save(  # c\n        # d\n    )  # e\n",
    "a list for bulk_create": "tags = []  # a\nfor post in Post.objects.all():\n    tags.append(  # b\n        Tag(name=post.title)  # c\n    )\nTag.objects.bulk_create(  # d\n    tags  # e\n)\n",
    "a cursor": "with schema_editor.connection.cursor() as cursor:  # a\n    # b\n    cursor.execute(  # c\n        'SELECT id FROM shop_post'  # d\n    )\n    for row in cursor.fetchall(  # e\n    ):  # f\n        print(row)  # g\n    # h\n",
    "a delete": "for post in Post.objects.filter(  # a\n    kind=1\n):  # b\n    # c\n    post.delete(  # d\n    )  # e\n    # f\n# g\n",
    "branches": "for post in Post.objects.all():\n    # a\n    if post.kind == 1:  # b\n        # c\n        post.votes = 1\n    # d\n    else:  # e\n        post.votes = 2  # f\n    # g\n    post.save()\n",
}  # fmt: skip


@pytest.mark.parametrize("unsafe", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_comments_that_stay(place, unsafe):
    given = whole(PLACES[place])
    outcome = outcome_of(given, unsafe=unsafe, databases=EVERYWHERE)
    assert all(loop.blocked_by != "not-written" for loop in outcome.loops)
    if outcome.edits:
        written = outcome.edits[-1].after.decode()
        compile(written, "0002", "exec")
        assert not Counter(comments_in(given)) - Counter(comments_in(written))
    else:
        assert not unsafe


def test_where_comments_of_a_call_go():
    check_rewritten(
        "posts = Post.objects.filter(title='ab')\nprint(len(\n    # why we count\n    posts))\n"
        "for post in posts:\n    print(post.title)",
        "posts = Post.objects.filter(title='ab')\n# why we count\nprint(posts.count())\n"
        'for post in posts.only("title").iterator():\n    print(post.title)',
    )


def test_where_comments_of_a_save_go():
    check_rewritten(
        "for post in Post.objects.all():\n    post.slug = post.title.strip()\n"
        "    post.save(  # signals are off\n        update_fields=[\n            'slug',  # only this\n"
        "        ]\n        # really\n    )",
        'with update_in_batches("slug") as batch:\n    for post in Post.objects.all():\n'
        "        post.slug = post.title.strip()\n        # signals are off\n        # only this\n"
        "        # really\n        batch.save(post)",
        select=("MF301",),
    )


def test_where_comments_above_a_bulk_update_go():
    rows = "changed = []\nfor post in Post.objects.all():\n    post.slug = post.title.strip()\n    changed.append(post)\n\n"
    check_rewritten(
        f"# Each post gets a slug\n{rows}# Write them,\n# all at once\nPost.objects.bulk_update(changed, ['slug'])",
        "# Each post gets a slug\n# Write them,\n# all at once\n"
        'with update_in_batches("slug") as batch:\n    for post in Post.objects.all():\n'
        "        post.slug = post.title.strip()\n        batch.update(post)",
        select=("MF301",),
    )


def test_where_comments_above_a_bulk_update_go_that_is_one_query():
    check_rewritten(
        "changed = []\nfor post in Post.objects.all():\n    post.kind = 1\n    changed.append(post)\n"
        "# Write them\nPost.objects.bulk_update(changed, ['kind'])\nprint(1)",
        "# Write them\nPost.objects.update(kind=1)\nprint(1)",
    )


@pytest.mark.parametrize(
    "comment", ["# fmt: skip", "# isort: on", "# noqa", "# endregion", "# type: ignore"]
)
def test_comments_that_speak_to_a_tool_stay_where_they_are(comment):
    given = (
        "changed = []\nfor post in Post.objects.all():\n    post.kind = 1\n    changed.append(post)\n"
        f"# Write them\n{comment}\nPost.objects.bulk_update(changed, ['kind'])"
    )
    check_rewritten(given, f"Post.objects.update(kind=1)\n# Write them\n{comment}")


# Lines


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("statement", ["post.kind = 1", "post.slug = post.title.strip()"])
def test_line_ends(newline, statement):
    body = f"for post in Post.objects.all():\n    {statement}\n    post.save()\n"
    given = whole(body).replace("\n", newline)
    written = outcome_of(given).edits[-1].after.decode()
    assert set(_ends(written)) == {newline}
    compile(written, "0002", "exec")


def _ends(text):
    return [line[len(line.rstrip("\r\n")) :] for line in text.splitlines(keepends=True)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a\r\nb\n", "a\nx\nb\n", "a\r\nx\r\nb\n"),
        ("a\nb\r\n", "a\nb\n", "a\nb\r\n"),
        ("a\rb\r\nc", "a\nb\nc", "a\rb\r\nc"),
        ("a\r\nb\nc", "a\nc", "a\r\nc"),
        ("a\r\nb\nc", "c\na", "c\r\na"),
    ],
)
def test_line_ends_of_several_kinds(before, after, expected):
    source = Source.of(project() / "0002_fill.py", before.encode())
    assert with_line_ends(after, source) == expected


ODD = {
    "a semicolon behind what goes": "posts = [];\nfor post in Post.objects.all():\n    post.slug = post.title.strip(); posts.append(post);\nPost.objects.bulk_update(posts, ['slug']);\n",
    "a backslash behind what goes": "posts = [] \\\n\nfor post in Post.objects.all():\n    post.slug = post.title.strip(); posts.append(post)\nPost.objects.bulk_update(posts, ['slug']) \\\n\n",
    "a backslash behind the loop": "for post in Post.objects.all():\n    post.slug = post.title.strip()\n    post.save() \\\n\n",
    "a header over lines": "for post in \\\n    Post.objects \\\n    .filter(kind=1) \\\n    .all():\n    print(post.title)\n",
    "a value over lines": "posts = \\\n    list(Post.objects.all())\nfor post in posts: \\\n    print(post.title)\n",
    "a huge number": "for post in Post.objects.filter(kind=0x" + "f" * 6000 + "):\n    print(post.title)\n",
    "a name with letters": "for pöst in Post.objects.all():  # é\n    pöst.slug = pöst.title.strip(  # ü\n    ); pöst.save()\n",
}  # fmt: skip


@pytest.mark.parametrize("last", ["", " \\\n\n", ";\n", "\n\x0c\n"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_lines(odd, last):
    source = whole(ODD[odd]).rstrip("\n") + last
    outcome = outcome_of(source, databases=EVERYWHERE, unsafe=True)
    assert outcome.changed
    written = outcome.edits[-1].after
    compile(written, "0002", "exec")
    assert outcome_of(written, databases=EVERYWHERE, unsafe=True).changed is False


def test_a_loop_on_one_line_of_a_file_with_tabs():
    body = "for post in Post.objects.all(): post.slug = post.title.strip(); post.save()\n"
    source = whole(body).replace("    ", "\t")
    written = outcome_of(source, select=("MF301",)).edits[-1].after.decode()
    assert '\n\twith update_in_batches("slug") as batch:\n\t\tfor post in' in written


def test_sums_of_sums():
    """The value would be written out a million times."""
    doubled = "".join(f"    a{n} = a{n - 1} + a{n - 1}\n" for n in range(1, 21))
    body = f"for post in Post.objects.all():\n    a0 = post.votes\n{doubled}    post.votes = a20\n    post.save()\n"
    outcome = outcome_of(whole(body), unsafe=True, select=("MF101",))
    assert not outcome.changed
    assert "would be written out as an expression of" in outcome.loops[0].reason


@pytest.mark.parametrize(
    "rows", ["Post.objects.raw('SELECT * FROM shop_post')", "cursor.fetchall()"]
)
def test_updates_in_a_loop_over_rows_of_sql(rows):
    body = (
        "cursor = schema_editor.connection.cursor()\ncursor.execute('SELECT id FROM shop_post')\n"
        f"for row in {rows}:\n    Post.objects.filter(votes=1).update(kind=2)\n"
    )
    outcome = outcome_of(whole(body), unsafe=True, select=("MF101", "MF102"))
    assert [loop.blocked_by for loop in outcome.loops] == ["raw-sql"]
