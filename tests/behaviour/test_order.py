"""Rows of equal order: which rewrites of a query bring them in another one, and that none is called safe there.

Small tables hide it: databases sort them in memory and find them in one way.
"""

from __future__ import annotations

import pytest

from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten
from tests.running import Different, run_both

pytestmark = [pytest.mark.behaviour]

MODELS = """
    migrations.CreateModel("A", [
        ("id", models.BigAutoField(primary_key=True)),
        ("s", models.CharField(max_length=40, default="")),
        ("w", models.CharField(max_length=400, default="")),
        ("i", models.IntegerField(default=0, db_index=True)),
        ("m", models.IntegerField(default=0)),
        ("n", models.IntegerField(null=True)),
        ("x", models.TextField(default="")),
    ]),
    migrations.CreateModel("B", [
        ("id", models.BigAutoField(primary_key=True)),
        ("v", models.IntegerField(default=0)),
        ("name", models.CharField(max_length=60, default="")),
    ]),
"""


def rows(apps, connection):
    a = apps.get_model("shop", "A")
    a.objects.bulk_create(
        a(s=f"s{i % 11}", w="w" * (i % 300), m=i % 7, i=(i * 7) % 13, x="x" * (i % 50))
        for i in range(2000)
    )
    settle(connection)


def settle(connection):
    """The plan of one query is the same in both runs: no server counts the rows in between."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
        elif connection.vendor == "mysql":
            cursor.execute("ALTER TABLE shop_a STATS_AUTO_RECALC=0")
            cursor.execute("ANALYZE TABLE shop_a")
            cursor.fetchall()


def migration(source: str, body: str, before: str = "", after: str = "") -> str:
    inside = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        "from django.db.models import F, Window\nfrom django.db.models.functions import RowNumber\n\n\n"
        "def forwards(apps, schema_editor):\n"
        '    A = apps.get_model("shop", "A")\n    B = apps.get_model("shop", "B")\n'
        f"    {before or 'pass'}\n    for a in {source}:\n{inside}    {after or 'pass'}\n"
    )


LAST = {
    "body": "d[a.m] = a.pk",
    "before": "d = {}",
    "after": "B.objects.bulk_create([B(v=v, name=k) for k, v in sorted(d.items())])",
}
COUNTED = {
    "body": "k += 1\na.n = k\na.save(update_fields=['n'])",
    "before": "k = 0",
}
NUMBERED = {
    "body": "l.append(B(v=a.pk))",
    "before": "l = []",
    "after": "B.objects.bulk_create(l)",
}
BY_DEFAULT = {
    "body": "k = sum(map(lambda c, k=k: k + 1, 'a'))\na.n = k\na.save(update_fields=['n'])",
    "before": "k = 0",
}
DEPENDING = {"last": LAST, "counted": COUNTED, "numbered": NUMBERED, "by default": BY_DEFAULT}


@pytest.mark.parametrize(
    ("database", "source", "rewrite"),
    [
        pytest.param("mariadb", 'A.objects.order_by("s")', '.only("m")', marks=pytest.mark.mariadb),
        pytest.param("mariadb", 'A.objects.order_by("m")', '.only("m")', marks=pytest.mark.mariadb),
        pytest.param(
            "postgresql",
            'A.objects.order_by("i")',
            ".iterator()",
            marks=pytest.mark.postgresql,
        ),
    ],
)
def test_a_rewrite_of_the_query_alone_changes_the_order_of_ties(database, source, rewrite):
    before = migration(source, **LAST)
    run_both(MODELS, before, before, rows, database=database)
    with pytest.raises(Different):
        run_both(MODELS, before, migration(source + rewrite, **LAST), rows, database=database)


@pytest.mark.mariadb
def test_ties_show_by_a_default_that_reads_what_an_earlier_turn_left():
    before = migration('A.objects.order_by("m")', **BY_DEFAULT)
    narrowed = migration('A.objects.order_by("m").only("m")', **BY_DEFAULT)
    with pytest.raises(Different):
        run_both(MODELS, before, narrowed, rows, database="mariadb")


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", DEPENDING.values(), ids=DEPENDING)
@pytest.mark.parametrize("key", ["s", "i", "m"])
def test_ties_that_show(database, body, key):
    check_equal(migration(f'A.objects.order_by("{key}")', **body), database)


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("rest", [".filter(i__lt=9)", ".filter(m=3)"])
def test_rows_without_an_order(database, rest):
    """No index holds what is loaded, so that the rows are read as before."""
    check_equal(migration(f"A.objects{rest}", **COUNTED), database, only=("n",))


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_slice_among_ties(database):
    check_equal(migration('A.objects.order_by("i")[:300]', **COUNTED), database)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_window_over_ties(database):
    source = "A.objects.annotate(r=Window(RowNumber(), order_by=F('m').desc())).order_by('pk')"
    check_equal(migration(source, "a.n = a.r if a.r > 1 else 0\na.save()"), database)


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("key", ["s", "i", "m"])
def test_ties_that_do_not_show(database, key):
    body = "a.n = len(a.s) + a.m\na.s = a.s.title()\na.save(update_fields=['n', 's'])"
    before = migration(f'A.objects.order_by("{key}")', body)
    after, outcome = rewritten(MODELS, before)
    assert outcome.loops[0].only, outcome.loops[0].reason
    run_both(MODELS, before, after, rows, database=database)


def check_equal(before: str, database: str, only: tuple[str, ...] | None = None) -> None:
    """What is called safe leaves what the loop leaves; perhaps nothing is."""
    after, outcome = rewritten(MODELS, before)
    assert outcome.loops[0].only == only, outcome.loops[0]
    run_both(MODELS, before, after, rows, database=database)


def test_rows_that_move_in_the_index_that_an_iterator_walks():
    """SQLite meets them again, without an end, where the query asks for no more than the index holds."""
    before = (
        'def forwards(apps, schema_editor):\n    C = apps.get_model("shop", "C")\n'
        '    for c in C.objects.iterator():\n        c.code = c.code[:1] + "z" + c.code[1:].title()\n'
        '        c.save(update_fields=["code"])\n'
    )
    models = """
        migrations.CreateModel("C", [
            ("id", models.BigAutoField(primary_key=True)),
            ("code", models.CharField(max_length=40, db_index=True)),
            ("text", models.TextField(default="")),
        ]),
    """
    some = {"C": [{"code": f"{i:05}", "text": "x" * 300} for i in range(4000)]}
    after, outcome = rewritten(models, before)
    assert outcome.loops[0].only is outcome.loops[0].defer is None, after
    run_both(models, before, after, some)
    with pytest.raises(Different):
        run_both(models, before, before.replace(".iterator()", '.only("code").iterator()'), some)


JOINED = """
    migrations.CreateModel("Post", [
        ("id", models.BigAutoField(primary_key=True)),
        ("title", models.CharField(max_length=20)),
        ("body", models.TextField()),
    ]),
    migrations.CreateModel("Comment", [
        ("id", models.BigAutoField(primary_key=True)),
        ("post", models.ForeignKey("shop.Post", models.CASCADE)),
        ("text", models.CharField(max_length=100)),
        ("note", models.TextField(default="")),
    ]),
"""
OVER_A_JOIN = """
def forwards(apps, schema_editor):
    for comment in apps.get_model("shop", "Comment").objects.all(){}:
        print(comment.pk)
"""


def joined_rows(apps, connection):
    post, comment = apps.get_model("shop", "Post"), apps.get_model("shop", "Comment")
    post.objects.bulk_create(post(title=f"t{i}", body=f"{i:09}" * 100) for i in range(11_000))
    comment.objects.bulk_create(
        comment(post_id=i * 7919 % 11_000 + 1, text="z" * (i % 90)) for i in range(12_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.postgresql
def test_fewer_columns_make_a_join_begin_at_the_other_table():
    before = OVER_A_JOIN.format('.select_related("post")')
    how = {"database": "postgresql", "expect": "no changes"}
    run_both(JOINED, before, before, joined_rows, **how)
    narrowed = OVER_A_JOIN.format('.select_related("post").only("post__title")')
    with pytest.raises(Different):
        run_both(JOINED, before, narrowed, joined_rows, **how)


@pytest.mark.parametrize(
    "joined",
    [
        '.select_related("post")',
        '.filter(post__title__gt="a")',
        '.filter(post__in=apps.get_model("shop", "Post").objects.filter(title__gt="a"))',
        ".extra(where=[\"EXISTS (SELECT 1 FROM shop_post WHERE title > 'a')\"])",
    ],
)
def test_a_join_without_an_order_is_not_narrowed_where_the_order_shows(joined):
    for source, shows in ((joined, True), (f'{joined}.order_by("pk")', False), ("", False)):
        told = OVER_A_JOIN.format(source).replace("comment.pk", "comment.text")
        _, outcome = rewritten(JOINED, told)
        found = outcome.loops[0]
        assert bool(found.only or found.defer) is not shows, found
    untold = OVER_A_JOIN.format(joined).replace("print(comment.pk)", "comment.text.title()")
    _, outcome = rewritten(JOINED, untold)
    assert outcome.loops[0].only or outcome.loops[0].defer


COVERED = """
    migrations.CreateModel("D", [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=50, default="")),
        ("n", models.IntegerField(default=0)),
        ("text", models.TextField(default="")),
    ], options={"indexes": [models.Index(fields=["name", "n"], name="covering")]}),
"""
SOME = {"D": [{"name": "zyxwvutsrq"[i % 10] + str(i), "text": "x" * 3000} for i in range(1, 60)]}


def numbering(body: str, before: str = "", module: str = "") -> str:
    """A migration in which a turn sees what earlier ones have done, by ``body``."""
    lines = [*before.splitlines(), "for d in D.objects.all():"]
    lines += [f"    {line}" for line in [*body.splitlines(), "d.save()"]]
    inside = "".join(f"    {line}\n" for line in lines)
    return (
        f"import re\nfrom collections import defaultdict\n\n{module}\n\ndef forwards(apps, schema_editor):\n"
        f'    D = apps.get_model("shop", "D")\n{inside}'
    )


FILLED = "A = defaultdict(int)"
GROWING = "def count(seen):\n    seen += [1]\n    return len(seen)\n"
GROWING_DEFAULT = "def count(seen=[]):\n    seen += [1]\n    return len(seen)\n"
NUMBERS = "a = iter(range(99))"
EARLIER_TURNS = {
    "a list that a function adds to": numbering("d.n = count(seen)", "seen = []", GROWING),
    "a default that a function adds to": numbering("d.n = count()", "", GROWING_DEFAULT),
    "another name for a list": numbering("own = a\nown += [d.name]\nd.n = len(a)", "a = []"),
    "a set of the file": numbering("own = A\nown |= {d.name}\nd.n = len(A)", "", "A = set()"),
    "a dict of the file": numbering("own = A\nown |= {d.name: 1}\nd.n = len(A)", "", "A = {}"),
    "a list in a dict": numbering(
        "for key, own in a.items():\n    own += [d.name]\n    d.n = len(own)", "a = {1: []}"
    ),
    "map(append)": numbering("list(map(a.append, [d.name]))\nd.n = len(a)", "a = []"),
    "map(list.append)": numbering("list(map(list.append, [a], d.name))\nd.n = len(a)", "a = []"),
    "filter(append)": numbering("list(filter(a.append, [d.name]))\nd.n = len(a)", "a = []"),
    "map(pop)": numbering("d.n = list(map(a.pop, [0]))[0]", "a = [*range(99)]"),
    "map(setdefault)": numbering("d.n = list(map(a.setdefault, [d.name], [len(a)]))[0]", "a = {}"),
    "sorted(key=append)": numbering("sorted([d.name], key=a.append)\nd.n = len(a)", "a = []"),
    "min(key=append)": numbering("min([d.name], key=a.append)\nd.n = len(a)", "a = []"),
    "re.sub(append)": numbering('re.sub("1", a.append, d.name + "1")\nd.n = len(a)', "a = []"),
    "zip()": numbering("d.n = dict(zip([d.name], a))[d.name]", NUMBERS),
    "map()": numbering("d.n = len(list(map(int, a)))", NUMBERS),
    "filter()": numbering("d.n = len(list(filter(None, a)))", NUMBERS),
    "a starred element": numbering("d.n = len([*a])", NUMBERS),
    "a starred argument": numbering("d.n = max(0, 0, *a)", NUMBERS),
    "join()": numbering('d.n = len("".join(a))', "a = iter(['a', 'b'])"),
    "extend()": numbering("own = []\nown.extend(a)\nd.n = len(own)", NUMBERS),
    "update()": numbering("own = set()\nown.update(a)\nd.n = len(own)", NUMBERS),
    "issubset()": numbering("d.n = 1 if {5}.issubset(a) else 0", NUMBERS),
    "an iterator in a list": numbering("d.n = len([*a[0]])", "a = [iter(range(99))]"),
    "an iterator or a list": numbering("d.n = len([*a])", "a = iter(range(99)) if D else []"),
    "an item of a defaultdict": numbering("A[d.name]\nd.n = len(A)", "", FILLED),
    "an item of one with another name": numbering("a = A\na[d.name]\nd.n = len(A)", "", FILLED),
    "an item of one in a dict": numbering(
        "a[1][d.name]\nd.n = len(a[1])", "a = {1: defaultdict(int)}"
    ),
    "an item of one, or of a dict": numbering(
        "a = A if d.n < 9 else {}\na[d.name]\nd.n = len(A)", "", FILLED
    ),
    "an item in a lambda": numbering(
        "d.n = max([d.name], key=lambda name: A[name]) and len(A)", "", FILLED
    ),
    "an iterator of the file": numbering("d.n = len([*A])", "", "A = iter(range(99))"),
}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("name", EARLIER_TURNS)
def test_what_earlier_turns_have_changed(name, database):
    before = EARLIER_TURNS[name]
    after, outcome = rewritten(COVERED, before)
    assert outcome.loops[0].only is None, after
    run_both(COVERED, before, after, SOME, database=database)
    if database != "postgresql":  # which reads a table whose pages it has to look at anyway
        few = before.replace(".all()", '.only("name", "n")')
        with pytest.raises(Different):
            run_both(COVERED, before, few, SOME, database=database)


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize(
    "body",
    [
        "d.n += len(d.name.split('1'))",
        "own = []\nown += [d.name]\nd.n = len(own)",
        "own = {}\nfor key in d.name:\n    own[key] = 0\n    own[key] += 1\nd.n = len(own)",
        "own = defaultdict(int)\nown[d.name]\nd.n = len(own)",
        "d.n = sum(1 for a, b in zip(d.name, d.name) if a == b)",
        "d.name = ''.join(reversed(d.name))",
        "counts = {key: len(d.name) for key in d.name}\nd.n = max(counts.values())",
        "text = ''\nfor part in d.name:\n    text += part\nd.n = len(text)",
    ],
)
def test_what_the_turn_itself_has_made(body, database):
    check_narrowed(numbering(body), database)


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", ["d.n = 1 + A.get(d.name, 0)", "d.n = 1 + len(A)"])
def test_what_asks_a_defaultdict_for_no_item(body, database):
    check_narrowed(numbering(body, "", FILLED), database)


def check_narrowed(before: str, database: str) -> None:
    after, outcome = rewritten(COVERED, before)
    assert outcome.loops[0].only, outcome.loops[0].reason
    run_both(COVERED, before, after, SOME, database=database)
