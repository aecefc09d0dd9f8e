"""count-in-database: which places in front of a loop ask the database, and which must have the rows."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.findings import Applicability
from tests import checking
from tests.checking import EVERYWHERE, check_rewritten, outcome_of, whole

BODY = "    print(post.title)"
POSTS = "posts = Post.objects.filter(live=True)\n"
COUNTED = {
    "a length": ("n = len(posts)", "n = posts.count()"),
    "a length in a message": ('print(f"{len(posts)} posts")', 'print(f"{posts.count()} posts")'),
    "a length that is compared": (
        "if len(posts) > 9:\n    return",
        "if posts.count() > 9:\n    return",
    ),
    "a length as a test": ("if len(posts):\n    print()", "if posts.exists():\n    print()"),
    "more than none": ("if len(posts) > 0:\n    print()", "if posts.exists():\n    print()"),
    "not none": ("if len(posts) != 0:\n    print()", "if posts.exists():\n    print()"),
    "at least one": ("if len(posts) >= 1:\n    print()", "if posts.exists():\n    print()"),
    "none": ("if len(posts) == 0:\n    return", "if not posts.exists():\n    return"),
    "less than one": ("if len(posts) < 1:\n    return", "if not posts.exists():\n    return"),
    "a comparison that is no test": ("x = len(posts) == 0", "x = posts.count() == 0"),
    "a test": ("if posts:\n    print()", "if posts.exists():\n    print()"),
    "a denied test": ("if not posts:\n    return", "if not posts.exists():\n    return"),
    "one of two tests": (
        "if apps and not posts:\n    return",
        "if apps and not posts.exists():\n    return",
    ),
    "an assertion": ("assert posts, 1", "assert posts.exists(), 1"),
    "a choice": ("x = 1 if posts else 2", "x = 1 if posts.exists() else 2"),
    "bool()": ("x = bool(posts)", "x = posts.exists()"),
    "two places": (
        "if not posts:\n    return\nn = len(posts)",
        "if not posts.exists():\n    return\nn = posts.count()",
    ),
    "two on one line": ("x = (len(posts), len(posts))", "x = (posts.count(), posts.count())"),
    "behind letters of two bytes": ('x = "é", len(posts)', 'x = "é", posts.count()'),
    "another queryset without a name": (
        "x = len(Person.objects.all())",
        "x = Person.objects.all().count()",
    ),
    "another queryset for nothing else": (
        "people = Person.objects.all()\nif people:\n    print()",
        "people = Person.objects.all()\nif people.exists():\n    print()",
    ),
}


@pytest.mark.parametrize(("before", "after"), COUNTED.values(), ids=COUNTED)
def test_rows_are_counted_and_tested_in_the_database(before, after):
    loop = check_rewritten(
        f"{POSTS}{before}\nfor post in posts:\n{BODY}",
        f"{POSTS}{after}\nfor post in posts.iterator():\n{BODY}",
        "MF202",
        "MF401",
        select=("MF202", "MF401"),
    )
    assert (loop.outcome.value, loop.applicability) == ("stream", Applicability.SAFE)


def test_the_loop_streams_where_the_rows_were_only_counted():
    loop = check_rewritten(
        f"{POSTS}if posts:\n    for post in posts:\n        print(post.title)",
        f"{POSTS}if posts.exists():\n    for post in posts.only('title').iterator():\n"
        "        print(post.title)".replace("'", '"'),
        "MF201",
        "MF202",
        "MF401",
    )
    assert loop.outcome.value == "stream"
    assert "asks the database (.exists()) on line 12" in loop.reason


GUARDED = {
    "a test around the loop": ("if posts:\n{deep}", "{update}"),
    "a length": ("if len(posts) > 0:\n{deep}", "{update}"),
    "a length as a test": ("if len(posts):\n{deep}", "{update}"),
    "comments": (
        "# above\nif posts:  # some\n    # the loop\n{deep}\n    # below\ny = 2",
        "# above\n# some\n# below\n# the loop\n{update}\ny = 2",
    ),
    "something above and below": ("x = 1\nif posts:\n{deep}\ny = 2", "x = 1\n{update}\ny = 2"),
    "another test around it": ("if apps:\n    if posts:\n{deeper}", "if apps:\n    {update}"),
    "one of two ways": (
        "if apps:\n    x = 1\nelse:\n    if posts:\n{deeper}\n    y = 2",
        "if apps:\n    x = 1\nelse:\n    {update}\n    y = 2",
    ),
    "an early end": ("if not posts:\n    return\n{loop}", "{update}"),
    "an early end for a length": ("if len(posts) == 0:\n    return\n{loop}", "{update}"),
    "an early end for no length": (
        "if not len(posts):\n    return  # none\n{loop}",
        "# none\n{update}",
    ),
}
KEPT_GUARDS = {
    "something else depends on it": "if posts:\n{deep}\n    print()",
    "something before the loop depends on it": "if posts:\n    print()\n{deep}",
    "another way": "if posts:\n{deep}\nelse:\n    print()",
    "another test beside it": "if apps and posts:\n{deep}",
    "one of two ways": "if not apps:\n    print()\nelif posts:\n{deep}",
    "an early end before more": "if not posts:\n    return\n{loop}\nprint()",
    "an early end with more between": "if not posts:\n    return\nprint()\n{loop}",
    "an early end that says something": "if not posts:\n    return 1\n{loop}",
    "an early end that prints": "if not posts:\n    print()\n    return\n{loop}",
    "an error": "if not posts:\n    raise ValueError\n{loop}",
    "at least two": "if len(posts) > 1:\n{deep}",
}
CONSTANT = "for post in posts:\n    post.kind = 1\n    post.save()"


def _filled(text, loop=CONSTANT, update="posts.update(kind=1)"):
    deep, deeper = indent(loop, " " * 4), indent(loop, " " * 8)
    return POSTS + text.format(loop=loop, deep=deep, deeper=deeper, update=update)


@pytest.mark.parametrize(("before", "after"), GUARDED.values(), ids=GUARDED)
def test_a_test_for_rows_goes_with_the_loop(before, after):
    loop = check_rewritten(_filled(before), _filled(after), "MF101")
    assert loop.outcome.value == "update"
    assert "exists" not in loop.reason


@pytest.mark.parametrize("before", KEPT_GUARDS.values(), ids=KEPT_GUARDS)
def test_a_test_on_which_more_depends_stays(before):
    outcome = outcome_of(whole(_filled(before)))
    after = outcome.edits[-1].after.decode()
    assert ("posts.exists()" in after or "posts.count()" in after) and ".update(" in after
    assert outcome.loops[0].codes == ("MF101", "MF401")


def test_a_test_for_rows_goes_with_the_deletes():
    delete = "for post in posts:\n    post.delete()"
    posts = POSTS.replace("posts", "tokens").replace("Post", "Token").replace("live", "used")
    before = _filled(GUARDED["a test around the loop"][0], delete).replace(POSTS, "")
    check_rewritten(posts + before.replace("post", "token"), f"{posts}tokens.delete()", "MF102")


def test_a_turn_that_would_end_early_updates_nothing():
    check_rewritten(
        f"for live in (True, False):\n    posts = Post.objects.filter(live=live)\n"
        f"    if not posts:\n        continue\n{indent(CONSTANT, ' ' * 4)}",
        "for live in (True, False):\n    posts = Post.objects.filter(live=live)\n    posts.update(kind=1)",
        "MF101",
    )


def test_a_test_for_rows_stays_where_the_loop_does():
    check_rewritten(
        f"{POSTS}if posts:\n    for post in posts:\n        imported.run(post)",
        f"{POSTS}if posts.exists():\n    for post in posts.iterator():\n        imported.run(post)",
        models=checking.SHORT,
        select=("MF202", "MF401"),
    )


def test_a_test_for_rows_goes_though_nothing_may_count():
    check_rewritten(
        _filled(GUARDED["an early end"][0]), _filled("{update}"), "MF101", select=("MF101",)
    )


LISTS = {
    "a list that only the loop reads": (
        "posts = list(Post.objects.all())",
        "posts = Post.objects.all()",
    ),
    "a tuple": ("posts = tuple(Post.objects.all())", "posts = Post.objects.all()"),
    "a list that is counted": (
        "posts = list(Post.objects.all())\nn = len(posts)",
        "posts = Post.objects.all()\nn = posts.count()",
    ),
    "a list in lines": (
        'posts = list(\n    # live\n    Post.objects\n    .filter(live=True)  # all\n)\nprint("x")',
        'posts = (\n    # live\n    Post.objects\n    .filter(live=True)  # all\n)\nprint("x")',
    ),
    "a list in lines with a comma": (
        "posts = list(\n    Post.objects.all(),\n)",
        "posts = (\n    Post.objects.all()\n)",
    ),
}


@pytest.mark.parametrize(("before", "after"), LISTS.values(), ids=LISTS)
def test_a_list_of_the_rows_goes(before, after):
    check_rewritten(
        f"{before}\nfor post in posts:\n    imported.run(post)",
        f"{after}\nfor post in posts.iterator():\n    imported.run(post)",
        models=checking.SHORT,
        select=("MF202", "MF401"),
    )


KEPT_LISTS = {
    "it is changed": "posts = list(Post.objects.all())\nposts.append(None)",
    "one of it is taken": "posts = list(Post.objects.all())\nx = posts[0]",
    "it is bound again": "posts = list(Post.objects.all())\nposts = posts or posts",
    "two names": "posts = others = list(Post.objects.all())",
    "of an iterator": "posts = list(Post.objects.iterator())",
    "of an iterator, counted": "posts = list(Post.objects.iterator())\nn = len(posts)",
    "of a queryset with a name": "all = Post.objects.all()\nposts = list(all)\nfirst = all[0]",
    "rows are made in between": (
        'posts = list(Post.objects.all())\nPost.objects.create(title="x")'
    ),
    "something unknown happens in between": "posts = list(Post.objects.all())\nimported.run()",
    "it is made under a condition": ("posts = []\nif apps:\n    posts = list(Post.objects.all())"),
    "it is made in front of another loop": None,
}


@pytest.mark.parametrize("before", KEPT_LISTS.values(), ids=KEPT_LISTS)
def test_a_list_stays(before):
    if before is None:
        body = "posts = list(Post.objects.all())\nfor i in range(2):\n    for post in posts:\n        x(post)"
    else:
        body = f"{before}\nfor post in posts:\n    imported.run(post)"
    outcome = outcome_of(whole(body), databases=EVERYWHERE)
    assert not outcome.edits
    assert all(loop.outcome.value == "left" for loop in outcome.loops)


LEFT = {
    "rows are made in between": 'n = len(posts)\nPost.objects.create(title="x")',
    "rows are changed in between": "if posts:\n    Post.objects.update(live=False)",
    "something unknown happens in between": "n = len(posts)\nimported.run()",
    "SQL runs in between": 'n = len(posts)\nschema_editor.execute("DELETE FROM shop_post")',
    "one row is taken": "n = len(posts)\nfirst = posts[0]",
    "the rows are handed over": "if posts:\n    imported.run(posts)",
    "a value for a default": "x = posts or []",
    "a choice": "x = posts if apps else None",
    "another queryset of which a row is taken": (
        "people = Person.objects.all()\nif people:\n    print(people[0])\nposts[0]"
    ),
    "another queryset that may be a third": (
        "people = Person.objects.all()\nif apps:\n    people = Tag.objects.all()\nn = len(people)\nposts[0]"
    ),
    "a length for each turn of another loop": "for i in range(3):\n    print(len(posts))",
    "a length in a comprehension": "x = [len(posts) for i in range(3)]",
    "a length in a function": "f = lambda: len(posts)",
    "a test that is repeated": "while posts:\n    break",
    "errors of the query are caught": "try:\n    n = len(posts)\nexcept Exception:\n    return",
    "len is another": "len = imported.len\nn = len(posts)",
    "the queryset may be another": "if apps:\n    posts = Post.objects.all()\nn = len(posts)",
}


@pytest.mark.parametrize("before", LEFT.values(), ids=LEFT)
def test_places_that_need_the_rows_stay(before):
    body = f"{POSTS}{before}\nfor post in posts:\n{BODY}"
    outcome = outcome_of(whole(body), select=("MF202", "MF401"))
    assert not outcome.edits
    assert all(loop.blocked_by == "queryset-reused" for loop in outcome.loops)


QUERYSETS = {
    "an order by another table": 'Post.objects.order_by("author__name")',
    "an order by a relation": 'Post.objects.order_by("author")',
    "an order by an expression": "Post.objects.order_by(x)",
    "a join that may leave out rows": 'Post.objects.select_related("author")',
    "rows that are locked": "Post.objects.select_for_update()",
    "distinct columns": 'Post.objects.distinct("title")',
    "groups": "Post.objects.annotate(n=models.Count('author'))",
    "a union": "Post.objects.union(Post.objects.all())",
    "sets of rows": "Post.objects.all() | Post.objects.all()",
    "a model that is not known": 'apps.get_model(x, "Post").objects.all()',
    "a related manager": "Person.objects.get(pk=1).posts.all()",
}


@pytest.mark.parametrize("queryset", QUERYSETS.values(), ids=QUERYSETS)
@pytest.mark.parametrize("place", ["n = len({})", "if not {}:\n    return"])
def test_querysets_that_count_leaves_something_out_of_stay(queryset, place):
    named = f"posts = {queryset}\n{place.format('posts')}\nfor post in posts:\n{BODY}"
    unnamed = f"{place.format(f'({queryset})')}\nfor post in Post.objects.all():\n{BODY}"
    for body in (named, unnamed):
        assert not outcome_of(whole(body), select=("MF401",)).edits


ORDERED = """
migrations.CreateModel("Post", [
    ("id", models.AutoField(primary_key=True)),
    ("title", models.CharField(max_length=9)),
    ("up", models.ForeignKey("self", models.CASCADE)),
], options={"ordering": [%s]}),
"""


@pytest.mark.parametrize(
    ("ordering", "counted"),
    [('"title"', True), ('"-pk"', True), ('"up"', False), ('"up__up"', False)],
)
def test_the_order_of_the_model_counts(ordering, counted):
    start, end = checking.MODELS.split('        migrations.CreateModel(\n            "Post",', 1)
    models = start + ORDERED % ordering + "    ]\n"
    del end
    body = "posts = Post.objects.all()\nn = len(posts)\nfor post in posts:\n    post.votes"
    outcome = outcome_of(whole(body), models=models, select=("MF202", "MF401"))
    assert (b".count()" in b"".join(edit.after for edit in outcome.edits)) is counted


def test_an_error_of_the_query_is_not_moved_into_a_try():
    body = f"{POSTS}n = len(posts)\ntry:\n    for post in posts:\n        x(post)\nexcept OSError:\n    pass"
    assert not outcome_of(whole(body), select=("MF401",)).edits


def test_a_model_with_rows_in_two_tables_is_joined_by_its_list_alone():
    models = checking.MODELS.rstrip().removesuffix("]") + """
        migrations.CreateModel(
            "Story",
            [("post_ptr", models.OneToOneField("Post", models.CASCADE, parent_link=True, primary_key=True))],
            bases=("shop.post",),
        ),
    ]
"""
    get = 'stories = apps.get_model("shop", "Story").objects.all()'
    body = f"{get}\nn = len(stories)\nfor story in stories:\n    x(story.pk)"
    assert outcome_of(whole(body), models=models, select=("MF202",)).loops
    assert not outcome_of(whole(body), models=models, select=("MF401",)).edits


def test_managers_of_the_project_may_count_in_their_own_way():
    models = checking.MODELS.replace(
        'migrations.CreateModel(\n            "Post",',
        'migrations.CreateModel(\n            managers=[("objects", shop.models.Own())],\n            name="Post",',
    ).replace("from django.db import", "import shop.models\nfrom django.db import")
    models = models.replace('name="Post",\n            [', 'name="Post",\n            fields=[')
    body = f"{POSTS}n = len(posts)\nfor post in posts:\n{BODY}"
    assert not outcome_of(whole(body), models=models, select=("MF401",)).edits


def test_a_loop_that_keeps_its_rows_does_not_ask_twice():
    body = f"{POSTS}kept = []\nif posts:\n    for post in posts:\n        kept.append(post)"
    assert not outcome_of(whole(body)).edits


def test_a_loop_in_turns_is_counted_in_each():
    check_rewritten(
        "for model in (Post, Person):\n    rows = model.objects.all()\n    if not rows:\n"
        "        continue\n    for row in rows:\n        x(row)",
        "for model in (Post, Person):\n    rows = model.objects.all()\n    if not rows.exists():\n"
        "        continue\n    for row in rows.iterator():\n        x(row)",
        "MF202",
        "MF401",
        models=checking.SHORT,
        select=("MF202", "MF401"),
    )


@pytest.mark.parametrize("place", ["print(len(rows))", "if rows:\n        print(1)"])
@pytest.mark.parametrize(
    "around", ["for person in Person.objects.all():", "while Person.objects.exists():"]
)
def test_rows_that_all_turns_share_are_loaded_once(place, around):
    """The first turn loads them, and the others ask nobody."""
    body = "    {}\n    for post in Post.objects.filter(kind=1):\n        print(post.rank)\n"
    shared = f"rows = Token.objects.all()\n{around}\n{body.format(place)}"
    assert not outcome_of(whole(shared), select=("MF401",)).edits
    own = f"{around}\n    rows = Token.objects.all()\n{body.format(place)}"
    assert outcome_of(whole(own), select=("MF401",)).edits


def test_a_progress_bar_is_told_the_number():
    check_rewritten(
        f"from tqdm import tqdm\n{POSTS}for post in tqdm(posts, total=len(posts)):\n{BODY}",
        f"from tqdm import tqdm\n{POSTS}for post in tqdm(stream(posts), total=posts.count()):\n{BODY}",
        "MF203",
        "MF401",
        databases=EVERYWHERE,
        select=("MF202", "MF203", "MF401"),
    )


def test_two_loops_behind_one_test_change_it_once():
    check_rewritten(
        "if Post.objects.filter(kind=1):\n    for post in Post.objects.filter(kind=1):\n"
        "        x(post)\n    for post in Post.objects.filter(kind=2):\n        x(post)",
        "if Post.objects.filter(kind=1).exists():\n    for post in Post.objects.filter(kind=1):\n"
        "        x(post)\n    for post in Post.objects.filter(kind=2):\n        x(post)",
        "MF401",
        select=("MF401",),
    )


@pytest.mark.parametrize("made", ["list", "tuple"])
@pytest.mark.parametrize("test", ["print(len(tags))", "if tags:\n    print()", "x = bool(tags)"])
def test_a_list_of_other_rows_stays_and_is_counted_as_a_list(made, test):
    body = f"tags = {made}(Tag.objects.all())\n{test}\nfor post in Post.objects.all():\n{BODY}"
    outcome = outcome_of(whole(body), select=("MF401", "MF202", "MF203"), databases=EVERYWHERE)
    assert outcome.loops[0].codes == ("MF203",)
    inner = f"tags = {made}(Tag.objects.all())\nfor post in Post.objects.all():\n" + indent(
        f"{test}\nfor item in post.attachments.all():\n    print(item)", "    "
    )
    outcome = outcome_of(whole(inner), select=("MF401",), databases=EVERYWHERE)
    assert not any(loop.changed for loop in outcome.loops)
