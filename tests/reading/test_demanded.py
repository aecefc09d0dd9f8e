"""Models without which a function fails before it does anything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from migfix.history.state import ProjectState
from migfix.reading.names.demanded import demanded
from migfix.reading.names.functions import Entry, Reach
from migfix.reading.names.module import Module
from migfix.source import Source

ORDER = 'Order = apps.get_model("shop", "Order")'
FOUND = {
    ORDER: {"shop.order"},
    '"""What it does."""\n' + ORDER: {"shop.order"},
    'Order = apps.get_model("shop.Order")': {"shop.order"},
    'Order = apps.get_model(app_label="shop", model_name="Order")': {"shop.order"},
    "Order = apps.get_model(APP, 'Order')": {"shop.order"},
    'orders = apps.get_model("shop", "Order").objects': {"shop.order"},
    'both = apps.get_model("shop", "Order"), apps.get_model("shop", "Tag")': {"shop.order", "shop.tag"},
    f'alias = schema_editor.connection.alias\n{ORDER}': {"shop.order"},
    f'{ORDER}\nTag = apps.get_model("shop", "Tag")': {"shop.order", "shop.tag"},
    # It may not be asked for, or not of the history, or something may have been done before.
    f"if apps:\n    {ORDER}": set(),
    f"try:\n    {ORDER}\nexcept LookupError:\n    return": set(),
    f"for _ in range(0):\n    {ORDER}": set(),
    f"save_all()\n{ORDER}": set(),
    f"saved = save_all()\n{ORDER}": set(),
    f"saved = [save() for save in all_saves]\n{ORDER}": set(),
    f"with atomic():\n    {ORDER}": set(),
    f"apps = other\n{ORDER}": set(),
    f"return\n{ORDER}": set(),
    f"saved = all_saves[0]\n{ORDER}": set(),
    'Order = other.get_model("shop", "Order")': set(),
    'Order = apps and apps.get_model("shop", "Order")': set(),
    'Order = apps.get_model("shop", "Order") if apps else None': set(),
    'Order = lambda: apps.get_model("shop", "Order")': set(),
    'Order = apps.get_model(name(), "Order")': set(),
    'Order, Tag = apps.get_model("shop", "Order"), None': set(),
}  # fmt: skip


def keys(body: str, top: str = "", entry: str = "forwards") -> set[str]:
    lines = "\n    ".join(body.splitlines())
    text = f'APP = "shop"\ndef forwards(apps, schema_editor):\n    {lines}\n    return 1\n{top}'
    module = Module(Source.of(Path("m.py"), text.encode()))
    way = ast.parse(entry, mode="eval").body
    reach = Reach(module, ProjectState())
    reach.follow([Entry(way)])
    return {".".join(key) for key in demanded(way, reach)}


@pytest.mark.parametrize("body", FOUND)
def test_models_that_are_asked_for_first(body):
    assert keys(body) == FOUND[body]


@pytest.mark.parametrize(
    ("top", "entry"),
    [
        ("forwards = other(forwards)", "forwards"),
        ("if apps:\n    def forwards(apps, schema_editor): pass", "forwards"),
        ("def other(a): forwards(a, None)", "lambda apps, schema_editor: forwards(apps, 1)"),
        ("", "partial(forwards, None)"),
        ("def other(a, b): forwards(None, b)", "other"),
    ],
)
def test_a_function_that_may_be_another_or_be_called_otherwise(top, entry):
    assert keys(ORDER, top, entry) == set()


def test_a_decorator_may_catch_what_it_raises():
    assert keys("pass", f"@quiet\ndef late(apps, schema_editor):\n    {ORDER}", "late") == set()
    assert keys("pass", f"def late(apps, schema_editor):\n    {ORDER}", "late") == {"shop.order"}
