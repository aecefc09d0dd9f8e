"""Documents in a list for ``bulk_update()``: batches where nothing changes them later, and nothing where it may."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.databases import PARAMETERS
from tests.rewritten import rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Order", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=50)),
    ("n", models.IntegerField(default=0)),
    ("props", models.JSONField(default=dict)),
    ("more", models.JSONField(null=True)),
]),
"""
WHOLE = """
from django.db import migrations, transaction
import collections, copy, json, random
DEFAULT = {"a": {"b": 1}}
MAPPING = {}
def get_default():
    return {"a": {"b": 1}}
def fill(props):
    props["x"] = 1
def forwards(apps, schema_editor):
    Order = apps.get_model("shop", "Order")
    filling = collections.defaultdict(int)
    seen = []
    last = None
    shared = {"a": [1]}
    rows = []
    for row in Order.objects.all():
%s
        rows.append(row)
%s
    Order.objects.bulk_update(rows, ["props", "more"])
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
ROWS = {
    "Order": [
        {
            "id": n,
            "name": f"n{n}",
            "props": {"a": {"b": n}, "m": {"k": n}},
            "more": None if n % 2 else {"q": n},
        }
        for n in range(1, 70)  # more than bulk_update() itself writes
    ]
}


def whole(body: str, after: str = "") -> str:
    """A loop with this body, around ``rows.append(row)``."""
    return WHOLE % (indent(body, " " * 8), indent(after, " " * 8))


STAYING = {
    "a part that is set": 'row.props["x"] = row.pk',
    "a deeper part": 'row.props["a"]["b"] = [1]',
    "a document of its own": 'row.props = {"x": row.name, "y": {"z": [1]}}',
    "one that changes then": 'row.props = {"x": row.name}\nrow.props["y"] = {"k": 1}',
    "one for all": "row.props = DEFAULT",
    "one for all that the function made": "row.props = shared",
    "a name for it": 'props = row.props\nprops["x"] = 1\nrow.props = props',
    "a name for it or another": 'props = row.props or {}\nprops["x"] = 1\nrow.props = props',
    "more parts": 'row.props.update({"x": 1})',
    "a part taken from a copy": 'params = dict(row.props or {})\nfound = params.pop("a", None)\nif found is None:\n    continue\nrow.props = params',
    "a part for another column": 'row.more = row.props.pop("m", None)',
    "a copy of all": 'row.props = copy.deepcopy(DEFAULT)\nrow.props["x"] = 1',
    "what a function gives": "row.props = get_default()",
    "each of its parts": 'for key, item in row.props.items():\n    item["x"] = 1',
    "something else that is kept": 'seen.append(row.pk)\nrow.props["x"] = 1',
    "on some ways": 'if row.props:\n    row.props["x"] = row.n\nelse:\n    row.props = {}',
    "most of it anew": 'row.props = {**row.props, "x": 1}',
    "its parts anew": "row.props = {k: str(v) for k, v in row.props.items()}",
    "a number of the row": 'row.props["x"] = row.n',
    "one that grows": 'counts = {}\ncounts["a"] = 1\nrow.props = counts',
    "a part with a default": 'row.props.get("a", {})["z"] = 1',
    "in a try": 'try:\n    row.props["q"] = 1\nexcept KeyError:\n    pass',
    "some rows alone": 'if not row.more:\n    continue\nrow.more["q"] = row.name',
    "nothing": "row.more = None",
    "a text": "row.more = row.name",
    "a number": "row.more = 5",
    "a copy by list": "row.more = list(row.props)",
    "a truth": "row.more = False",
    "a copy by dict, some rows alone": 'params = dict(row.props or {})\nif "a" not in params:\n    continue\nparams["x"] = "s"\nrow.props = params',
    "a copy by dict": 'params = dict(row.props)\nparams["x"] = "s"\nrow.props = params',
    "parts of a constant": "new, more = MAPPING[row.name]\nrow.name = new\nrow.props.update(more)",
    "parts that others know": "row.props.update(shared)",
}
CHANGING = {
    "shared that changes": 'row.props = DEFAULT\nrow.props["x"] = row.pk',
    "shared that changes later": 'row.props["x"] = row.pk\nrow.props = shared',
    "a part that changes": 'row.props = {"a": shared}\nrow.props["a"]["x"] = 1',
    "list": 'shared["a"].append(row.pk)\nrow.props = shared',
    "list2": "shared.update(x=row.pk)\nrow.props = shared",
    "last": 'if last: last["x"] = 1\nrow.props = {}\nlast = row.props',
    "last2": 'if row.pk > 1: prev["x"] = 1\nrow.props = {}\nprev = row.props',
    "last3": 'if row.pk > 1: row.props = prev\nrow.props["x"] = row.pk\nprev = row.props',
    "kept": 'seen.append(row.props)\nseen[0]["x"] = row.pk',
    "function that changes": "fill(shared)\nrow.props = shared",
    "copy": 'row.props = copy.copy(shared)\nrow.props["a"].append(row.pk)',
    "copy2": 'row.props = dict(shared)\nrow.props["a"].append(row.pk)',
    "spread": 'row.props = {**shared}\nrow.props["a"].append(row.pk)',
    "put": 'row.props["a"] = shared\nrow.props["a"]["x"] = row.pk',
    "get": 'd = {"a": shared}\nd["a"]["x"] = row.pk\nrow.props = d',
    "shuffle": 'row.props = shared\nrandom.shuffle(shared["a"])',
    "aug": 'row.props = shared\nrow.props["a"] += [row.pk]',
    "default": 'row.props.setdefault("x", shared)["y"] = row.pk',
    "tuple": 'row.props, row.more = shared, shared\nrow.props["x"] = row.pk',
    "other": 'row.more = shared\nrow.props = row.more\nrow.props["x"] = row.pk',
    "walrus": 'row.props = (d := shared)\nd["x"] = row.pk',
    "del": 'row.props = shared\ndel row.props["a"]',
    "setattr": 'setattr(row, "props", shared)\nrow.props["x"] = row.pk',
    "for": "row.props = shared\nfor k, v in row.props.items():\n    v.append(row.pk)",
    "method": "row.props = shared\nadd = row.props.update\nadd(x=row.pk)",
    "class": 'row.props = shared\nfor row.props["x"] in [row.pk]:\n    pass',
    "comp var": 'row.props = {k: v for k, v in shared.items()}\nrow.props["a"].append(1)',
    "lambda": "f = lambda: shared.update(x=row.pk)\nf()\nrow.props = shared",
    "nested def": 'def f():\n    shared["x"] = row.pk\nf()\nrow.props = shared',
    "with name": 'props = row.props\nif row.pk > 3:\n    props = shared\nprops["x"] = row.pk\nrow.props = props',
    "alias kept": 'seen.append(row.props)\nfor one in seen:\n    one["x"] = row.pk',
    "alias kept 2": 'seen.append(row.props)\nfirst = seen[0]\nfirst["x"] = row.pk',
    "global": 'row.props = DEFAULT\nDEFAULT["x"] = row.pk',
    "swap": 'row.more = shared\nrow.props["m"] = row.more\nrow.props["m"]["x"] = row.pk',
    "module": 'row.props = DEFAULT["a"]\nDEFAULT["a"]["b"] = row.pk',
    "sort": 'row.props = shared["a"]\nshared["a"].append(row.pk)\nrow.props.sort()',
    "ior": 'row.props = shared\nrow.props |= {"x": row.pk}',
    "ior2": 'row.props = shared\np = row.props\np |= {"x": row.pk}',
    "cond": 'd = shared if row.pk > 1 else {}\nd["x"] = row.pk\nrow.props = d',
    "setitem": 'row.props = shared\nrow.props.__setitem__("x", row.pk)',
    "map": 'row.props = shared\nlist(map(shared["a"].append, [row.pk]))',
    "upd deep": 'row.props.update(shared)\nrow.props["a"].append(row.pk)',
    "upd deep2": "row.props.update(shared)\nfor v in row.props.values():\n    v.append(row.pk)",
    "dict deep": 'p = dict(shared)\np["x"] = 1\np["a"].append(row.pk)\nrow.props = p',
}
CHANGING |= {
    "a list that is repeated": "row.more = shared['a']\nif row.pk > 60:\n    row.more *= 0",
    "a shared list that is repeated": "row.more = shared['a']\nshared['a'] *= 2",
    "a dict that fills itself": "row.more = filling\nx = filling[row.name]",
    "a dict of the turn that fills itself": (
        "import collections\nd = collections.defaultdict(int)\nrow.more = d\nx = d[row.name]"
    ),
    "by way of another column": "row.name = shared\nrow.props = row.name\nrow.props['x'] = row.pk\nrow.name = 'x'",
    "a copy with a memory": "row.props = copy.deepcopy(DEFAULT, shared)\nrow.props['x'] = row.pk",
    "a method of all dicts": "seen.append(row.props)\nif row.pk > 60:\n    list(map(dict.clear, seen))",
}
AFTER = {
    "an object of the turn": 'props["x"] = 1',
    "an object of the turn by another method": "props.update(x=1)",
    "a part of an object of the turn": 'props["a"]["x"] = 1',
    "a list that is repeated": "row.props['l'] = []\nrow.props['l'] *= 2",
    "the row": 'row.props["x"] = 1',
    "a name for it": 'props["x"] = 1',
    "more parts": "row.props.update(x=1)",
}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("name", STAYING)
def test_documents_that_stay_are_written_in_batches(name, database):
    before = whole(STAYING[name])
    after, outcome = rewritten(MODELS, before)
    assert "MF301" in outcome.loops[0].codes, outcome.loops
    assert "batch.update(row, final=True)" in after
    run_both(MODELS, before, after, ROWS, database=database, expect="anything")


@pytest.mark.parametrize("name", CHANGING)
def test_documents_that_may_change_later_stay_in_their_list(name):
    _, outcome = rewritten(MODELS, whole(CHANGING[name]))
    assert "MF301" not in outcome.loops[0].codes, outcome.loops
    (answer,) = [each for each in outcome.loops[0].answers if each.code == "MF301"]
    assert "may change the value of props, more before bulk_update()" in answer.reason


@pytest.mark.parametrize("name", AFTER)
def test_documents_that_change_once_their_row_is_in_the_list(name):
    for made in ("row.props", "dict(row.props)", "{}", "copy.deepcopy(DEFAULT)"):
        _, outcome = rewritten(MODELS, whole(f"row.props = props = {made}", AFTER[name]))
        assert "MF301" not in outcome.loops[0].codes, outcome.loops
        _, outcome = rewritten(MODELS, whole(f"props = {made}\nrow.props = props", AFTER[name]))
        assert "MF301" not in outcome.loops[0].codes, outcome.loops


def test_a_document_that_changes_in_a_later_turn_of_an_inner_loop():
    body = "for i in (1, 2):\n    if i == 2:\n        row.props['x'] = i\n        break\n    rows.append(row)"
    before = whole(body).replace("        rows.append(row)\n\n", "\n", 1)
    assert before.count("rows.append(row)") == 1
    _, outcome = rewritten(MODELS, before)
    assert "MF301" not in outcome.loops[0].codes, outcome.loops


@pytest.mark.parametrize("option", ["decoder=shop.Decoder", "encoder=shop.Encoder"])
def test_a_document_with_code_of_its_own(option):
    models = MODELS.replace("JSONField(default=dict)", f"JSONField(default=dict, {option})")
    _, outcome = rewritten(models, whole('row.props["x"] = 1'))
    assert "MF301" not in outcome.loops[0].codes, outcome.loops


def test_a_size_of_the_batches_that_runs_code():
    before = whole('row.props["x"] = 1').replace('"more"])', '"more"], batch_size=size())')
    _, outcome = rewritten(MODELS, before)
    assert "MF301" not in outcome.loops[0].codes, outcome.loops
