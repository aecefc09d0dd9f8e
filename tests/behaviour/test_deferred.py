"""Rows with deferred columns, of which a full save() writes those that the turn has read before it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Doc", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=50, default="")),
    ("text", models.CharField(max_length=50, default="")),
    ("n", models.IntegerField(null=True)),
    ("m", models.IntegerField(default=0)),
    ("updated", models.DateTimeField(auto_now=True)),
    ("data", models.JSONField(null=True)),
    ("file", models.FileField(null=True)),
    ("kept", models.FileField(default="")),
    ("cost", models.DecimalField(max_digits=30, decimal_places=15, default=0)),
]),
"""


def ROWS(apps, connection):
    doc = apps.get_model("shop", "Doc")
    for m, n in enumerate((None, 0, 3, -2, 5)):
        doc.objects.create(name=f"a{m}", text=f"b{m}", n=n, m=m)
    doc.objects.update(updated=datetime(2001, 1, 1, tzinfo=timezone.utc))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_doc SET file = NULL, data = 'null' WHERE m < 4")


FUNCTION = """
def named(doc):
    if doc.n:
        return repr(doc.data)[:9]
    return "none"


def put(doc):
    doc.save()


def forwards(apps, schema_editor):
    Doc = apps.get_model("shop", "Doc")
    for doc in Doc.objects.only("name", "n"):
"""
ENDING = "doc.name = doc.name.title()\ndoc.save()"


def whole(body: str) -> str:
    return FUNCTION + "".join(f"        {line}\n" for line in body.splitlines())


SOMETIMES = {
    "in a branch": "if doc.n:\n    print(doc.data)\n" + ENDING,
    "behind and": "if doc.n and doc.updated:\n    doc.name = doc.name.title()\ndoc.save()",
    "behind or": "if doc.n or doc.data:\n    doc.name = doc.name.title()\ndoc.save()",
    "behind a comparison": "if (doc.n or 0) < 1 < len(repr(doc.data)):\n    doc.name += '!'\ndoc.save()",
    "in a choice": "doc.name = repr(doc.data)[:9] if doc.n else 'none'\ndoc.save()",
    "in a choice of a file": "doc.name = str(doc.file) if doc.n else 'none'\ndoc.save()",
    "in a choice of a decimal": "doc.name = str(doc.cost) if doc.n else 'none'\ndoc.save()",
    "in a try": "try:\n    1 / (doc.n or 0)\n    print(doc.data)\nexcept ZeroDivisionError:\n    pass\n"
    + ENDING,
    "in a loop": "for _ in range(doc.n or 0):\n    print(doc.data)\n" + ENDING,
    "in a while": "left = doc.n or 0\nwhile left > 0:\n    print(doc.data)\n    left -= 1\n"
    + ENDING,
    "in a comprehension": "print([doc.updated for _ in range(doc.n or 0)])\n" + ENDING,
    "in its condition": "print([1 for _ in [1] if doc.n if doc.updated])\n" + ENDING,
    "in a generator": "print(any(doc.updated for _ in range(doc.n or 0)))\n" + ENDING,
    "in a match": "match doc.n:\n    case None:\n        pass\n    case _ if doc.data:\n        pass\n"
    + ENDING,
    "in a lambda": "show = lambda: doc.updated\nif doc.n:\n    show()\n" + ENDING,
    "by getattr()": "if doc.n:\n    print(getattr(doc, 'data'))\n" + ENDING,
    "in a function": "doc.name = named(doc)\ndoc.save()",
    "in a function inside": "def show():\n    print(doc.updated)\nif doc.n:\n    show()\n" + ENDING,
    "after one of two saves": "if doc.n is None:\n    doc.save()\n    continue\nprint(doc.updated)\n"
    + ENDING,
    "between two saves": "doc.save()\nprint(doc.updated)\n" + ENDING,
    "in the save's own expression": "print(doc.save(), doc.data)\n" + ENDING,
    "in an assertion's message": "assert doc.name, doc.updated\n" + ENDING,
    "for a constant": "if doc.n and doc.data is None:\n    doc.name = 'x'\ndoc.save()",
    "set, what save() then overwrites": "doc.name = 'x'\nif doc.n:\n    doc.updated = None\ndoc.save()",
}


@pytest.mark.parametrize("body", SOMETIMES.values(), ids=SOMETIMES)
def test_what_some_turns_load_is_written_by_these_alone(body):
    before = whole(body)
    after, outcome = rewritten(MODELS, before)
    assert not {"MF101", "MF301"} & {*outcome.loops[0].codes}
    run_both(MODELS, before, after, ROWS)


CERTAIN = {
    "a read before": ("print(doc.updated)\n" + ENDING, "MF301"),
    "a read before and in some turns": (
        "print(doc.updated)\nif doc.n:\n    print(doc.updated)\n" + ENDING,
        "MF301",
    ),
    "an attribute that is no column": ("doc.seen = 1\n" + ENDING, "MF301"),
    "a test": ("if doc.updated is None:\n    print()\n" + ENDING, "MF301"),
    "the test of the save": ("doc.name = 'x'\nif doc.updated:\n    doc.save()", "MF301"),
    "a file that is never NULL, in a choice": (
        "doc.name = str(doc.kept) if doc.n else 'none'\ndoc.save()",
        "MF301",
    ),
    "the first of two tests": ("if doc.updated and doc.n:\n    print()\n" + ENDING, "MF301"),
    "the middle of a comparison": ("if 0 < doc.m < (doc.n or 0):\n    print()\n" + ENDING, "MF301"),
    "a document": ("doc.name = repr(doc.data)[:9]\ndoc.save()", "MF301"),
    "a file in a message": ("doc.name = f'{doc.file}'\ndoc.save()", "MF301"),
    "a turn without a save before": (
        "if doc.n is None:\n    continue\nprint(doc.updated)\n" + ENDING,
        "MF301",
    ),
    "a read after the save": (ENDING + "\nprint(doc.updated)", "MF301"),
    "a column that is written back": (
        "doc.name = doc.text.title() if doc.n else 'none'\ndoc.save()",
        "MF301",
    ),
    "one that is written back, in SQL": (
        "if doc.n:\n    doc.name = doc.text + '!'\nelse:\n    doc.name = 'none'\ndoc.save()",
        "MF101",
    ),
    "a column set in some turns": ("doc.name = 'x'\nif doc.n:\n    doc.m = 9\ndoc.save()", "MF101"),
    "a document set in some turns": (
        "doc.name = 'x'\nif doc.n:\n    doc.data = {'a': 1}\ndoc.save()",
        "MF101",
    ),
    "the fields that are named": (
        "if doc.n:\n    print(doc.updated)\ndoc.name = doc.name.title()\ndoc.save(update_fields=['name'])",
        "MF301",
    ),
}


@pytest.mark.parametrize(("body", "code"), CERTAIN.values(), ids=CERTAIN)
def test_what_each_turn_loads_is_known(body, code):
    outcome, _ = run_rewritten(MODELS, whole(body), ROWS)
    assert code in outcome.loops[0].codes


# Each evaluates all of it, or the part that names the column, whenever it is.
READING = [
    "x = doc.updated.year",
    "x = ''\nx += str(doc.updated)",
    "x: str = str(doc.updated)",
    "x = '' + str(doc.updated)",
    "x = {1: doc.updated}",
    "x = f'{doc.updated}'",
    "x = [doc.updated]",
    "x = {doc.updated}",
    "x = (doc.updated, 1)",
    "print(x := doc.updated)",
    "x = 'abc'[len(str(doc.updated)):]",
    "x = [1, 2][doc.updated is None]",
    "print(*str(doc.updated))",
    "x = -doc.updated.year",
    "print(end=str(doc.updated))",
    "x = 1 if doc.updated else 2",
    "while doc.updated is None:\n    break",
    "for x in str(doc.updated):\n    pass",
    "match doc.updated:\n    case None:\n        pass",
    "x = [1 for y in str(doc.updated)]",
    "x = {1 for y in str(doc.updated)}",
    "x = {1: 2 for y in str(doc.updated)}",
]


@pytest.mark.parametrize("line", READING)
def test_expressions_that_are_certain_to_read(line):
    outcome, _ = run_rewritten(MODELS, whole(f"{line}\n{ENDING}"), ROWS)
    assert "MF301" in outcome.loops[0].codes


def test_what_is_loaded_at_once_may_be_read_in_some_turns():
    before = whole("if doc.n:\n    print(doc.updated)\n" + ENDING)
    outcome, _ = run_rewritten(MODELS, before.replace('"n")', '"n", "updated")'), ROWS)
    assert "MF301" in outcome.loops[0].codes


def test_a_decimal_where_the_database_keeps_it():
    before = whole(SOMETIMES["in a choice of a decimal"])
    settings = Settings(select=frozenset({"MF301"}), databases=frozenset({"postgresql"}))
    assert rewritten(MODELS, before, settings)[1].changed


def test_what_is_said_of_a_column_that_some_turns_load():
    for name in ("in a branch", "set, what save() then overwrites"):
        settings = Settings(select=frozenset({"MF301"}))
        reason = rewritten(MODELS, whole(SOMETIMES[name]), settings)[1].loops[0].reason
        assert "where the turn has loaded it, which line" in reason


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_nothing_is_written_that_was_not_loaded(database):
    before = whole("if doc.n and doc.updated:\n    doc.name = repr(doc.data)[:9]\ndoc.save()")
    after, _ = rewritten(MODELS, before)
    run_both(MODELS, before, after, ROWS, database=database)


PAIRS = """
migrations.CreateModel("Tag", [("id", models.BigAutoField(primary_key=True))]),
migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True))]),
migrations.CreateModel("Tagging", [
    ("id", models.BigAutoField(primary_key=True)),
    ("note", models.TextField(default="")), ("a", models.TextField(default="")),
    ("b", models.TextField(default="")), ("c", models.TextField(default="")),
    ("tag", models.ForeignKey("shop.Tag", models.CASCADE)),
    ("order", models.ForeignKey("shop.Order", models.CASCADE)),
]),
migrations.AddField(
    "order", "tags", models.ManyToManyField("shop.Tag", through="shop.Tagging", related_name="orders")
),
"""


@pytest.mark.parametrize("line", ["tagging.order.tags.clear()", "tagging.tag.orders.set([])"])
def test_a_pair_that_its_relation_deletes_is_saved_anew(line):
    before = f"""
def forwards(apps, schema_editor):
    Tagging = apps.get_model("shop", "Tagging")
    for tagging in Tagging.objects.order_by("pk"):
        tagging.note += "!"
        {line}
        tagging.save()
"""
    rows = {
        "Tag": [{"id": 1}, {"id": 2}],
        "Order": [{"id": 1}, {"id": 2}],
        "Tagging": [{"tag_id": t, "order_id": o, "a": "x"} for t in (1, 2) for o in (1, 2)],
    }
    text, outcome = rewritten(PAIRS, before)
    assert not {"MF201", "MF301"} & set(outcome.loops[0].codes)
    naive = before.replace('order_by("pk")', 'order_by("pk").only("note", "order", "tag")')
    with pytest.raises(AssertionError):  # DatabaseError: save() does not insert it
        run_both(PAIRS, before, naive, rows)
    run_both(PAIRS, before, text, rows)
