"""stream-rows: which loops read their rows with .iterator(), and which must keep the list."""

from __future__ import annotations

from functools import partial

import pytest

from migfix.findings import Applicability
from tests import checking
from tests.checking import EVERYWHERE, check_refused

SELECT = ("MF202",)
check_rewritten = partial(checking.check_rewritten, models=checking.SHORT)
BODY = "    imported.run(post)"
STREAMED = {
    "all rows": ("", "Post.objects.all()", "Post.objects.all().iterator()"),
    "a name for the queryset": (
        "posts = Post.objects.filter(live=1)",
        "posts",
        "posts.iterator()",
    ),
    "a name for a name": (
        "posts = Post.objects.filter(live=1)\nlive = posts",
        "live",
        "live.iterator()",
    ),
    "a queryset that is chained on before": (
        "posts = Post.objects.all()\nposts = posts.filter(live=True)",
        "posts",
        "posts.iterator()",
    ),
    "a queryset that is queried anew elsewhere": (
        "posts = Post.objects.all()\nposts.filter(live=1).update(live=0)\nx = posts.values('pk')",
        "posts",
        "posts.iterator()",
    ),
    "a count before the loop": (
        "posts = Post.objects.all()\nif posts.count() > 3 and posts.exists():\n    pass",
        "posts",
        "posts.iterator()",
    ),
    "values": ("", 'Post.objects.values("pk")', 'Post.objects.values("pk").iterator()'),
    "flat values": (
        "",
        'Post.objects.values_list("pk", flat=True)',
        'Post.objects.values_list("pk", flat=True).iterator()',
    ),
    "a list of the rows": ("", "list(Post.objects.all())", "Post.objects.all().iterator()"),
    "numbered rows": (
        "",
        "enumerate(Post.objects.all(), 1)",
        "enumerate(Post.objects.all().iterator(), 1)",
    ),
    "an iterator over rows": ("", "iter(Post.objects.all())", "iter(Post.objects.all().iterator())"),
    "a progress bar with a total": (
        "from tqdm import tqdm",
        "tqdm(Post.objects.all(), total=9)",
        "tqdm(Post.objects.all().iterator(), total=9)",
    ),
}  # fmt: skip
# A cursor may find these in another way, and other ones first.
UNSORTED = {
    "joined rows": (
        "",
        'Post.objects.select_related("author")',
        'Post.objects.select_related("author").iterator()',
    ),
    "united querysets": (
        "",
        "Post.objects.union(Post.objects.all())",
        "Post.objects.union(Post.objects.all()).iterator()",
    ),
    "an or": (
        "",
        "Post.objects.filter(kind=1) | Post.objects.filter(kind=2)",
        "(Post.objects.filter(kind=1) | Post.objects.filter(kind=2)).iterator()",
    ),
    "the rows of one row": (
        'bob = Person.objects.get(name="bob")',
        "bob.posts.all()",
        "bob.posts.all().iterator()",
    ),
    "a filter by an index": (
        "",
        'Post.objects.filter(author_id=1)',
        'Post.objects.filter(author_id=1).iterator()',
    ),
    "an order with ties": (
        "",
        'Post.objects.order_by("kind")',
        'Post.objects.order_by("kind").iterator()',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMED.values(), ids=STREAMED)
def test_rows_are_streamed(case):
    above, rows, streamed = case
    target = "i, post" if "enumerate" in rows else "post"
    check_rewritten(
        f"{above}\nfor {target} in {rows}:\n{BODY}",
        f"{above}\nfor {target} in {streamed}:\n{BODY}".strip("\n"),
        "MF202",
        select=SELECT,
    )


@pytest.mark.parametrize("case", UNSORTED.values(), ids=UNSORTED)
def test_rows_whose_order_a_cursor_may_change_are_streamed_where_it_does_not_show(case):
    above, rows, streamed = case
    check_rewritten(
        f"{above}\nfor post in {rows}:\n    x = post.title",
        f"{above}\nfor post in {streamed}:\n    x = post.title".strip("\n"),
        "MF202",
        select=SELECT,
    )
    if "pk" not in rows:
        loop = f"{above}\nfor post in {rows}:\n{BODY}"
        check_refused(loop, "row-order", models=checking.SHORT, select=SELECT)
        taken = f"{above}\nfor post in stream({rows}):\n{BODY}".strip("\n")
        check_rewritten(loop, taken, "MF203", select=("MF202", "MF203"))


BY_KEY = 'Post.objects.filter(author__isnull=True).order_by("pk")'


@pytest.mark.parametrize(
    ("values", "is_total"),
    [
        ('values("title", "author__name")', True),
        ('values_list("title", flat=True)', True),
        ("values()", True),
        ('values("attachments")', False),
        ('values("title", "attachments__name")', False),
        ('values_list(models.F("attachments"))', False),
        ("values(*names)", False),
        ("values(name=names)", False),
    ],
)
def test_a_key_sorts_rows_of_values_that_no_join_repeats(values, is_total):
    loop = f"rows = {BY_KEY}.{values}\nfor i, post in enumerate(rows):\n    print(i, post)"
    if is_total:
        streamed = loop.replace("(rows)", "(rows.iterator())")
        check_rewritten(loop, streamed, "MF202", models=checking.SHORT, select=SELECT)
    else:
        refused = check_refused(loop, "row-order", models=checking.SHORT, select=SELECT)
        assert "may come more than once" in refused.reason


@pytest.mark.parametrize(
    ("steps", "is_total"),
    [
        ("annotate(n=models.Count('attachments')).filter(n__gt=1)", True),
        ("alias(n=models.Max('attachments__id')).filter(n=1).filter(title='x')", True),
        ("annotate(n=models.Count('attachments')).filter(n__gt=1, attachments__name='x')", False),
        ("annotate(n=models.F('attachments__name')).filter(n='x')", False),
        ("annotate(n=models.FilteredRelation('attachments')).filter(n__name='x')", False),
    ],
)
def test_a_key_sorts_annotated_rows_that_no_join_repeats(steps, is_total):
    loop = f"rows = Post.objects.{steps}.order_by('pk')\nfor i, post in enumerate(rows):\n    print(i, post)"
    found = checking.outcome_of(checking.whole(loop), models=checking.SHORT, select=SELECT).loops[0]
    assert (found.codes == ("MF202",)) is is_total, found
    assert is_total or found.blocked_by == "row-order"


KEYED, KIND = 'Post.objects.order_by("pk")', 'Post.objects.order_by("kind")'
LIVE = "Post.objects.filter(live=True)"


@pytest.mark.parametrize(
    ("rows", "is_total"),
    [
        (f"{KIND} | {KEYED}", True),
        (f"{KEYED} | {LIVE}", True),
        (f"{LIVE} | {KEYED}", True),
        (f"{KEYED} | Post.objects.order_by()", True),
        (f'({KIND} | {LIVE}).order_by("pk")', True),
        (f"{KEYED} | {KIND}", False),
        (f"{KEYED} & {KIND}", False),
        (f"{KEYED} | ({LIVE} | {KIND})", False),
        (f'{KEYED} | Post.objects.extra(order_by=["kind"])', False),
        (f"{KEYED} | Post.objects.none()", False),
        (f"{KEYED} | others", False),
    ],
)
def test_the_right_one_of_two_querysets_sorts_their_rows(rows, is_total):
    loop = f"for post in {rows}:\n    print(post.pk)"
    outcome = checking.outcome_of(checking.whole(loop), models=checking.SHORT, select=SELECT)
    assert outcome.loops[0].blocked_by == (None if is_total else "row-order")


BODIES = {
    "saves": "post.title = 'x'\npost.save()",
    "deletes": "post.delete()",
    "a break, a return and an else": "if post.live:\n    break\nelif post.kind:\n    return",
    "a raise": "raise ValueError(post)",
    "other queries": "Tag.objects.create(name=post.title)\nlen(Tag.objects.all())",
    "a generator of the file": "list(words(post))",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_under_an_open_cursor_of_postgresql(body):
    given = checking.whole(
        "for post in Post.objects.all():\n" + "\n".join(f"    {line}" for line in body.split("\n"))
    ).replace("\n\ndef forwards", "\n\ndef words(post):\n    yield post.title\n\n\ndef forwards")
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert outcome.loops[0].codes == ("MF202",), outcome.loops[0]


AROUND = {
    "a try": "try:\n    {loop}\nexcept ValueError:\n    pass",
    "a condition": "if True:\n    {loop}\nelse:\n    pass",
    "a transaction": "from django.db import transaction\nwith transaction.atomic():\n    {loop}",
    "a loop over something else": "for alias in ['a']:\n    {loop}",
    "a loop over a few models": "for kind in (1, 2):\n    {loop}",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_loops_inside_of_other_statements(around):
    loop = "for post in Post.objects.exclude(kind=0):\n        imported.run(post)"
    outcome = checking.outcome_of(
        checking.whole(around.replace("{loop}", loop)), select=SELECT, models=checking.SHORT
    )
    assert outcome.loops[0].codes == ("MF202",), outcome.loops[0]


def test_loops_over_written_out_names_are_no_parents():
    check_rewritten(
        """
        for old, new in {"a": "b"}.items():
            for post in Post.objects.filter(title=old):
                imported.run(post, new)
        """,
        """
        for old, new in {"a": "b"}.items():
            for post in Post.objects.filter(title=old).iterator():
                imported.run(post, new)
        """,
        select=SELECT,
    )


REUSED = {
    "a second loop": "{rows}\n{loop}\nfor x in posts: pass",
    "a loop before": "{rows}\nfor x in posts: pass\n{loop}",
    "a length": "{rows}\n{loop}\nprint(len(posts))",
    "a length before, and a row": "{rows}\nprint(len(posts), posts[0])\n{loop}",
    "a count after": "{rows}\n{loop}\nprint(posts.count())",
    "an exists after": "{rows}\n{loop}\nif posts.exists(): pass",
    "the first": "{rows}\n{loop}\nprint(posts.first())",
    "an index": "{rows}\n{loop}\nprint(posts[0])",
    "a slice": "{rows}\n{loop}\nprint(posts[:3])",
    "an in": "{rows}\n{loop}\nprint(None in posts)",
    "a truth test that something follows": "{rows}\nif posts:\n    imported.run()\n{loop}",
    "a negated truth test": "{rows}\n{loop}\nif not posts:\n    pass",
    "a function": "{rows}\n{loop}\nimported.run(posts)",
    "bulk_update": "{rows}\n{loop}\nPost.objects.bulk_update(posts, ['title'])",
    "a subquery": "{rows}\n{loop}\nTag.objects.filter(pk__in=posts)",
    "a return": "{rows}\n{loop}\nreturn posts",
    "an attribute": "{rows}\napps.posts = posts\n{loop}",
    "a list": "{rows}\nmore = [posts]\n{loop}",
    "an alias": "{rows}\nmore = posts\n{loop}\nprint(len(more))",
    "one of two names": "more = posts = Post.objects.all()\n{loop}\nprint(len(more))",
    "the name behind the name": "more = Post.objects.all()\nposts = more\n{loop}\nprint(len(more))",
    "a lambda": "{rows}\nmore = lambda: len(posts)\n{loop}\nmore()",
    "a nested function": "{rows}\ndef more():\n    return posts.count()\n{loop}\nmore()",
    "a comprehension": "{rows}\n{loop}\nprint([x for x in posts])",
    "a generator expression": "{rows}\nmore = (x for x in posts)\n{loop}\nlist(more)",
    "the body": "{rows}\nfor post in posts:\n    print(post, len(posts))",
    "a loop around": "{rows}\nfor x in range(2):\n    for post in posts:\n        print(post, x)",
    "a while around": "{rows}\nwhile apps:\n    for post in posts:\n        print(post)",
    "a list before": "posts = list(Post.objects.all())\nposts.sort()\n{loop}",
    "a tuple before": "posts = tuple(Post.objects.all())\nprint(posts[0])\n{loop}",
    "stars": "{rows}\n{loop}\nprint(*posts)",
    "a format": "{rows}\n{loop}\nprint(f'{posts}')",
    "unpacking": "{rows}\n{loop}\nx, *y = posts",
    "another attribute": "{rows}\n{loop}\nprint(posts._result_cache)",
}


@pytest.mark.parametrize("text", REUSED.values(), ids=REUSED)
def test_rows_that_something_else_reads_too_stay_a_list(text):
    text = text.replace("{rows}", "posts = Post.objects.all()")
    text = text.replace("{loop}", "for post in posts:\n    imported.run(post)")
    given = checking.whole(text)
    for databases in (checking.POSTGRESQL, EVERYWHERE):
        outcome = checking.outcome_of(given, select=("MF202", "MF203"), databases=databases)
        held = [loop for loop in outcome.loops if loop.model == "shop.Post"]
        assert held
        assert {(loop.changed, loop.blocked_by) for loop in held} == {(False, "queryset-reused")}


UNKNOWN = {
    "bound in one branch": "posts = Post.objects.all()\nif apps:\n    posts = posts.filter(live=1)",
    "bound in a loop": "posts = Post.objects.all()\nfor x in []:\n    posts = None",
    "bound by a with": "posts = Post.objects.all()\nwith apps as posts:\n    pass",
    "bound in a test": "posts = Post.objects.all()\nif (posts := apps):\n    pass",
    "global": "global posts\nposts = Post.objects.all()",
    "nonlocal": "posts = Post.objects.all()\ndef f():\n    nonlocal posts\n    posts = None\nf()",
    "deleted": "posts = Post.objects.all()\ndel posts",
}


@pytest.mark.parametrize("above", UNKNOWN.values(), ids=UNKNOWN)
def test_a_name_that_may_be_another_queryset_is_no_loop_over_rows(above):
    outcome = checking.outcome_of(checking.whole(f"{above}\nfor post in posts:\n{BODY}"))
    assert not outcome.changed


def callers(call, function):
    return checking.whole(call).replace("\n\ndef forwards", f"\n\n{function}\n\n\ndef forwards")


FILL = "def fill(posts):\n    for post in posts:\n        imported.run(post)"


def test_a_queryset_that_the_caller_has_no_name_for():
    given = callers("fill(Post.objects.all())", FILL)
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert checking.after_of(outcome, given) == given.replace("in posts:", "in posts.iterator():")


HANDED_OVER = [
    "posts = Post.objects.all()\nfill(posts)",
    "posts = Post.objects.all()\nfill(posts=posts)",
    "posts: object = Post.objects.all()\nfill(posts)\nposts.filter(kind=1).update(kind=2)",
    "for kind in (1, 2):\n    posts = Post.objects.filter(kind=kind).order_by('pk')\n    fill(posts)",
    "posts = Post.objects.all()\nfill(posts)\nposts = Post.objects.filter(kind=1)\nfill(posts)",
]


@pytest.mark.parametrize("call", HANDED_OVER)
def test_a_queryset_that_the_caller_hands_over(call):
    given = callers(call, FILL)
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert checking.after_of(outcome, given) == given.replace("in posts:", "in posts.iterator():")


CHAINED = {
    "chained": "def known(posts):\n    return list(posts.filter(kind=1))",
    "kept in a dictionary": (
        "def known(posts):\n    found = {}\n    for post in Post.objects.filter(pk__in=posts.values('pk')):\n"
        "        found[post.pk] = 1\n    return found"
    ),
    "nothing given back": "def known(posts):\n    print(posts.filter(kind=1).count())",
}


@pytest.mark.parametrize("name", CHAINED)
def test_a_queryset_that_another_function_chains(name):
    fill = FILL.replace("    for", "    titles = known(posts)\n    for", 1)
    known = CHAINED[name].replace("Post.objects", "apps.get_model('shop', 'Post').objects")
    given = callers("posts = Post.objects.all()\nfill(posts)", f"{known}\n\n\n{fill}")
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert "in posts.iterator():" in checking.after_of(outcome, given)


READ_BY_OTHERS = {
    "read": "def known(posts):\n    return len(posts)",
    "read beside a chain": "def known(posts):\n    print(posts.filter(kind=1))\n    return list(posts)",
    "given back": "def known(posts):\n    return posts",
    "chained and given back": "def known(posts):\n    return posts.filter(kind=1)",
    "chained and given back by a name": "def known(posts):\n    found = posts.filter(kind=1)\n    return found",
    "given back later": "def known(posts):\n    yield posts.filter(kind=1)",
    "handed on": "def known(posts):\n    imported.run(posts)",
    "another object under its name": "def known(posts):\n    posts = posts.filter(kind=1)\n    posts.all()",
    "a function in the function": "def known(posts):\n    def later():\n        return list(posts)\n    return []",
    "decorated": "@imported.decorate\ndef known(posts):\n    return list(posts.filter(kind=1))",
}


@pytest.mark.parametrize("name", READ_BY_OTHERS)
def test_a_queryset_that_another_function_may_read(name):
    fill = FILL.replace("    for", "    titles = known(posts)\n    for", 1)
    given = callers(
        "posts = Post.objects.all()\nfill(posts)", f"{READ_BY_OTHERS[name]}\n\n\n{fill}"
    )
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert not outcome.changed
    assert outcome.loops[-1].blocked_by == "queryset-reused"


@pytest.mark.parametrize(
    "call",
    [
        "posts = Post.objects.all()\nfill(posts)\nprint(len(posts))",
        "posts = Post.objects.all()\nfill(posts=posts)\nfill(posts)",
        "posts = Post.objects.all()\nfill(posts)\nposts.count()",
        "posts = Post.objects.all()\nfor name in imported.names():\n    fill(posts)",
        "posts = Post.objects.all()\nwhile imported.more():\n    fill(posts)",
        "posts = Post.objects.all()\n[fill(posts) for name in imported.names()]",
        "kept = posts = Post.objects.all()\nfill(posts)\nprint(list(kept))",
        "posts = Post.objects.all()\nkept = posts\nfill(posts)",
        "posts = Post.objects.all()\nfill(posts)\nimported.run(posts)",
        "posts = Post.objects.all()\ndef later():\n    return list(posts)\nfill(posts)\nlater()",
        "share(Post.objects.all())",
    ],
)
def test_a_queryset_that_the_caller_may_use_again(call):
    share = "\n\n\ndef share(posts):\n    fill(posts)\n    print(len(posts))"
    outcome = checking.outcome_of(callers(call, FILL + share), select=SELECT)
    assert [loop.blocked_by for loop in outcome.loops] == ["queryset-reused"]


def test_the_reason_says_where_rows_are_used_again():
    def reason(body):
        loops = checking.outcome_of(checking.whole(body), select=SELECT).loops
        return loops[-1].reason

    posts = "posts = Post.objects.all()\n"
    again = reason(f"{posts}for post in posts:\n    print(post)\nprint(len(posts))")
    assert again == "the queryset's rows are used again on line 14"
    nested = reason(
        f"{posts}for x in imported.names():\n    for post in posts:\n        print(post)"
    )
    assert nested == "an outer loop makes this one go over the rows of `posts` again"


def test_the_reason_names_a_queryset_that_the_caller_may_use_again():
    call = "posts = Post.objects.all()\nfill(posts)\nprint(len(posts))"
    loops = checking.outcome_of(callers(call, FILL), select=SELECT).loops
    assert [loop.reason for loop in loops] == [
        "`posts` is made elsewhere, where its rows may be used again"
    ]


def test_a_queryset_of_the_function_around():
    outcome = checking.outcome_of(
        checking.whole("""
            posts = Post.objects.all()
            def fill():
                for post in posts:
                    imported.run(post)
            fill()
            print(len(posts))
            """),
        select=SELECT,
    )
    assert not outcome.changed


REFUSED = {
    "a few rows of each parent": (
        "for bob in Person.objects.all().iterator():\n    for post in bob.posts.all():\n        print(post)",
        "per-parent",
    ),
    "a few rows of each value from elsewhere": (
        "for x in imported.names():\n    for post in Post.objects.filter(title=x):\n        print(post)",
        "per-parent",
    ),
    "a few rows of each parent, through names": (
        "for bob in imported.names():\n    a = bob.x\n    b = Post.objects.filter(author=a)\n"
        "    c = b.filter(live=1)\n    for post in c:\n        print(post)",
        "per-parent",
    ),
    "rows that may be prefetched": (
        "bob = Person.objects.prefetch_related('posts').get()\nfor post in bob.posts.all():\n    print(post)",
        "per-parent",
    ),
    "rows that may be prefetched, by a name": (
        "bob = Person.objects.prefetch_related('posts').get()\nposts = bob.posts.all()\n"
        "live = posts\nfor post in live:\n    print(post)",
        "per-parent",
    ),
    "rows of a row of unknown origin": (
        "bob = imported.bob\nbob = Person.objects.first() if apps else Person.objects.last()\n"
        "for post in Person.objects.all()[0].posts.all():\n    print(post)",
        "per-parent",
    ),
    "a page": ("for post in Post.objects.all()[:99]:\n    print(post)", "few-rows"),
    "a page by steps": ("for post in Post.objects.all()[::2]:\n    print(post)", "few-rows"),
    "one row": ("for post in Post.objects.filter(pk=1):\n    print(post)", "few-rows"),
    "dates": ("for x in Post.objects.dates('day', 'year'):\n    print(x)", "few-rows"),
    "no rows": ("for post in Post.objects.none():\n    print(post)", "few-rows"),
    "sorted": ("for post in sorted(Post.objects.all(), key=id):\n    print(post)", "keeps-rows"),
    "reversed": ("for post in reversed(Post.objects.all()):\n    print(post)", "keeps-rows"),
    "a set": ("for post in set(Post.objects.all()):\n    print(post)", "keeps-rows"),
    "kept in a list": (
        "posts = []\nfor post in Post.objects.all():\n    posts.append(post)",
        "keeps-rows",
    ),
    "kept in a dict": (
        "posts = {}\nfor post in Post.objects.all():\n    posts[post.pk] = post",
        "keeps-rows",
    ),
    "handed out": ("for post in Post.objects.all():\n    yield post", "leaves-function"),
    "streaming already": ("for post in Post.objects.iterator():\n    print(post)", "already-streams"),
    "a progress bar that wants the length": (
        "import tqdm\nfor post in tqdm.tqdm(Post.objects.all()):\n    print(post)",
        "output",
    ),
    "locked rows": (
        "for post in Post.objects.select_for_update():\n    print(post)",
        "locked-rows",
    ),
    "prefetched rows": (
        "for post in Post.objects.prefetch_related('author'):\n    print(post)",
        "prefetch",
    ),
    "a schema editor in the body": (
        "for post in Post.objects.all():\n    schema_editor.execute('x')",
        "schema-change",
    ),
    "a cursor in the body": (
        "from django.db import connection\nfor post in Post.objects.all():\n"
        "    with connection.cursor() as c:\n        c.execute('x')",
        "schema-change",
    ),
    "a cursor from above": (
        "from django.db import connection\nc = connection.cursor()\nfor post in Post.objects.all():\n"
        "    c.execute('x')",
        "schema-change",
    ),
    "a cursor in a function of the file": (
        "for post in Post.objects.all():\n    sql()",
        "schema-change",
    ),
    "a transaction in the body": (
        "from django.db import transaction\nfor post in Post.objects.all():\n"
        "    with transaction.atomic():\n        post.save()",
        "transaction",
    ),
    "a commit in the body": (
        "import django.db.transaction as t\nfor post in Post.objects.all():\n    t.commit()",
        "transaction",
    ),
    "something to do on commit": (
        "from django.db.transaction import on_commit\nfor post in Post.objects.all():\n"
        "    on_commit(print)",
        "transaction",
    ),
    "a function of the file with a transaction": (
        "for post in Post.objects.all():\n    whole()",
        "transaction",
    ),
    "an imported model": (
        "from shop.models import Post as Real\nfor post in Real.objects.all():\n    print(post)",
        "real-model",
    ),
    "a model by a variable name": (
        "for post in apps.get_model('shop', apps.x).objects.all():\n    print(post)",
        "model-unknown",
    ),
    "raw rows": ("for post in Post.objects.raw('SELECT 1'):\n    print(post)", "raw-sql"),
}  # fmt: skip
FUNCTIONS = """
from django.db import transaction


def sql():
    transaction.get_connection().cursor().execute("x")


@transaction.atomic
def whole():
    pass
"""


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_rows_that_are_not_streamed(case):
    body, reason = case
    given = checking.whole(body).replace("\n\ndef forwards", f"{FUNCTIONS}\n\ndef forwards")
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    loop = outcome.loops[-1]
    assert not loop.changed, loop
    assert loop.blocked_by == reason, loop


def test_an_async_function():
    given = callers(
        "fill(Post)", f"async def fill(Post):\n    for post in Post.objects.all():\n    {BODY}"
    )
    outcome = checking.outcome_of(given, select=SELECT, models=checking.SHORT)
    assert [loop.blocked_by for loop in outcome.loops] == ["leaves-function"]


@pytest.mark.parametrize("model", ["ContentType", "Group"])
def test_small_tables_of_django_are_not_streamed(model):
    label = {"ContentType": "contenttypes", "Group": "auth"}[model]
    check_refused(
        f"for row in apps.get_model('{label}', '{model}').objects.all():\n    print(row)",
        "few-rows",
        select=SELECT,
    )


# --- databases -----------------------------------------------------------------------------------

ON_SQLITE = {
    "saves": "post.save()",
    "deletes": "post.delete()",
    "updates": "Post.objects.update(title='x')",
    "writes to other tables": "Tag.objects.create(name='x')",
    "relations that are changed": "post.attachments.all().delete()",
    "unknown calls": "imported.run()",
    "rows that get away": "x = post or None",
    "functions that are handed over": "list(map(save, [post]))",
    "unknown context managers": "with imported.x:\n        pass",
}


@pytest.mark.parametrize("body", ON_SQLITE.values(), ids=ON_SQLITE)
def test_sqlite_would_show_a_loop_its_own_writes(body):
    given = checking.whole(f"for post in Post.objects.all():\n    {body}").replace(
        "\n\ndef forwards", "\n\ndef save(row):\n    row.save()\n\n\ndef forwards"
    )
    outcome = checking.outcome_of(given, databases=("sqlite",), select=SELECT)
    assert outcome.loops[0].blocked_by == "query-in-body", outcome.loops[0]


@pytest.mark.parametrize(
    "body",
    [
        "print(post.title)",
        "x = Post.objects.filter(title=post.title).count()",
        "names.append(post.title.upper())",
        "x = [a.name for a in post.attachments.all()]",
    ],
)
def test_a_loop_that_only_reads_streams_on_sqlite_and_oracle(body):
    check_rewritten(
        f"names = []\nfor post in Post.objects.all():\n    {body}",
        f"names = []\nfor post in Post.objects.all().iterator():\n    {body}",
        databases=("sqlite", "oracle", "postgresql"),
        select=SELECT,
    )


@pytest.mark.parametrize("database", ["mysql", "mariadb"])
def test_mysql_and_mariadb_do_not_stream(database):
    check_refused(
        "for post in Post.objects.all():\n    print(post)",
        "does-not-stream",
        databases=("postgresql", database),
        select=SELECT,
    )


WIDE = {
    "a text": "",
    "a text among the columns that are named": '.only("title", "body")',
    "values": ".values()",
    "a text among the values": '.values_list("pk", "note")',
    "a text that is not left out": '.defer("note")',
}


@pytest.mark.parametrize("steps", WIDE.values(), ids=WIDE)
def test_rows_that_may_be_wide_are_left_to_the_helper(steps):
    body = f"for post in Post.objects.all(){steps}:\n    imported.run(post)"
    loop = check_refused(body, "does-not-stream", select=SELECT)
    assert ".iterator() holds 2,000 rows at a time" in loop.reason


SLIM = {
    "columns that are named": '.only("title")',
    "texts that are left out": '.defer("body", "note")',
    "values": '.values("title")',
}


@pytest.mark.parametrize("steps", SLIM.values(), ids=SLIM)
def test_texts_that_are_not_loaded_do_not_matter(steps):
    checking.check_rewritten(
        f"for post in Post.objects.all(){steps}:\n    imported.run(post)",
        f"for post in Post.objects.all(){steps}.iterator():\n    imported.run(post)",
        "MF202",
        select=SELECT,
    )


def test_texts_that_migfix_leaves_out_do_not_matter():
    checking.check_rewritten(
        'for post in Post.objects.order_by("pk"):\n    print(post.title)',
        'for post in Post.objects.order_by("pk").only("title").iterator():\n    print(post.title)',
        "MF201",
        "MF202",
    )


@pytest.mark.parametrize(
    ("options", "wide"), [("max_length=5000", False), ("max_length=5001", True), ("", True)]
)
def test_long_columns_count_as_texts(options, wide):
    models = checking.SHORT.replace("max_length=900, ", options, 1)
    outcome = checking.outcome_of(
        checking.whole("for post in Post.objects.all():\n    imported.run(post)"),
        models=models,
        select=("MF202", "MF203"),
    )
    assert outcome.loops[0].codes == (("MF203",) if wide else ("MF202",))


def test_a_loop_that_streams_says_why_it_is_no_update():
    body = "for post in Post.objects.order_by('pk'):\n    post.title = post.slug.title()\n    post.save()\n"
    (loop,) = checking.outcome_of(checking.whole(body), select=("MF101", "MF202")).loops
    update, stream = loop.answers
    assert loop.codes == ("MF202",)
    assert (update.code, update.applied, update.blocked_by) == ("MF101", False, "value")
    assert "post.slug.title()" in update.reason
    assert (stream.code, stream.applied, stream.blocked_by) == ("MF202", True, None)


def test_what_is_not_applied_is_said_with_what_may_differ():
    body = "for each in Attachment.objects.all():\n    each.name = 'x'\n    each.save()\n"
    (loop,) = checking.outcome_of(checking.whole(body), select=("MF101",)).loops
    (answer,) = loop.answers
    assert (answer.code, answer.applied, answer.applicability) == (
        "MF101",
        False,
        Applicability.UNSAFE,
    )
    assert "but save() turns a NULL `file` into an empty name" in answer.reason
