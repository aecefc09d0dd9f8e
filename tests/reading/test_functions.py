"""Which functions a RunPython reaches, and what their parameters stand for."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from migfix.history.state import ProjectState
from migfix.reading.kinds.values import Apps
from migfix.reading.names.functions import Entry, Reach
from migfix.reading.names.module import Module
from migfix.source import Source
from tests import checking


def models_found(functions, run="migrations.RunPython(forwards)"):
    """The model of each loop found in the functions; None for a loop over rows of an unknown model."""
    source = (
        "import functools\nimport imported\nfrom django.db import migrations, models, transaction\n\n"
        f"{dedent(functions)}\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        f"    operations = [{run}]\n"
    )
    return [loop.model for loop in checking.outcome_of(source, select=("MF202",)).loops]


FILL = """
def fill(apps, name):
    for row in apps.get_model("shop", name).objects.all():
        print(row)

"""
BY_MODEL = """
def fill(model):
    for row in model.objects.all():
        print(row)

"""
KNOWN = {
    "a name as an argument": FILL + "def forwards(apps, editor):\n    fill(apps, 'Post')",
    "a name by keyword": FILL + "def forwards(apps, editor):\n    fill(apps, name='Post')",
    "a name through two functions": FILL
    + "def between(apps, name): fill(apps, name)\n\n"
    + "def forwards(apps, editor):\n    between(apps, 'Post')",
    "a model as an argument": BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))",
    "a model by a dotted name": BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop.Post'))",
    "a name for a model": BY_MODEL
    + "def forwards(apps, editor):\n    P = apps.get_model('shop', 'post')\n    fill(P)",
    "two calls with one model": BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))\n"
    "    fill(apps.get_model('shop', 'Post'))",
    "a lambda": "forwards = lambda apps, editor: fill(apps.get_model('shop', 'Post'))\n" + BY_MODEL,
    "recursion": """
def forwards(apps, editor, again=True):
    for row in apps.get_model("shop", "Post").objects.all():
        print(row)
    if again:
        forwards(apps, editor, False)
""",
    "a nested function": """
def forwards(apps, editor):
    def inner():
        for row in apps.get_model("shop", "Post").objects.all():
            print(row)
    inner()
""",
    "a nested function with the model outside": """
def forwards(apps, editor):
    Post = apps.get_model("shop", "Post")
    def inner():
        for row in Post.objects.all():
            print(row)
    inner()
""",
    "a constant for the name": "NAME = 'Post'\n"
    + """
def forwards(apps, editor):
    for row in apps.get_model("shop", NAME).objects.all():
        print(row)
""",
    "an atomic function": """
@transaction.atomic
def forwards(apps, editor):
    for row in apps.get_model("shop", "Post").objects.all():
        print(row)
""",
    "a function that is used before it is defined": (
        "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))\n" + BY_MODEL
    ),
}  # fmt: skip


@pytest.mark.parametrize("functions", KNOWN.values(), ids=KNOWN)
def test_a_model_that_comes_in_through_calls(functions):
    assert models_found(functions) == ["shop.Post"]


@pytest.mark.parametrize(
    "run",
    [
        "migrations.RunPython(code=forwards)",
        "migrations.RunPython(migrations.RunPython.noop, forwards)",
        "migrations.RunPython(lambda apps, editor: forwards(apps, editor))",
        "migrations.RunPython(functools.partial(forwards, extra=1))",
        "migrations.RunPython(make(1))",
        "migrations.RunPython(named)",
    ],
)
def test_ways_to_name_the_function(run):
    functions = """
def forwards(apps, editor, extra=None):
    for row in apps.get_model("shop", "Post").objects.all():
        print(row)

def make(n):
    def made(apps, editor):
        forwards(apps, editor)
    return made

named = functools.partial(forwards)

"""
    assert models_found(functions, run) == ["shop.Post"]


UNKNOWN = {
    "what a maker gives to others, too": (
        "def make():\n    def made(model):\n        for row in model.objects.all(): print(row)\n"
        "    return made\n\n"
        "def forwards(apps, editor):\n    make()(apps.get_model('shop', 'Post'))\n"
        "    imported.run(make())"
    ),
    "stars": BY_MODEL + "def forwards(apps, editor):\n    fill(*[apps.get_model('shop', 'Post')])",
    "double stars": BY_MODEL
    + "def forwards(apps, editor):\n    fill(**{'model': apps.get_model('shop', 'Post')})",
    "an unknown decorator": "@imported.swap"
    + BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))",
    "the function as a value": BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))\n    imported.run(fill)",
    "a default": """
def fill(apps, model=None):
    for row in model.objects.all():
        print(row)

def forwards(apps, editor):
    fill(apps)
""",
    "a parameter that is bound again": """
def forwards(apps, editor):
    apps = imported.apps
    for row in apps.get_model("shop", "Post").objects.all():
        print(row)
""",
    "a function that is bound again": BY_MODEL
    + "fill = imported.wrap(fill)\n\ndef forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))",
    "a function that is defined twice": BY_MODEL
    + "def forwards(apps, editor):\n    fill(apps.get_model('shop', 'Post'))\n\n"
    + "if imported.x:\n    def fill(model): pass\n",
    "a model that is bound in a branch": """
def forwards(apps, editor):
    Post = apps.get_model("shop", "Post")
    if editor:
        Post = imported.Post
    for row in Post.objects.all():
        print(row)
""",
    "the registry of today": """
from django.apps import apps as today

def forwards(apps, editor):
    for row in today.get_model("shop", "Post").objects.all():
        print(row)
""",
    "a local name of a function": BY_MODEL
    + "def forwards(apps, editor):\n    fill = imported.x\n    fill(apps.get_model('shop', 'Post'))",
}  # fmt: skip


@pytest.mark.parametrize("functions", UNKNOWN.values(), ids=UNKNOWN)
def test_a_model_that_may_be_another_is_not_known(functions):
    assert "shop.Post" not in models_found(functions)


def test_a_function_that_no_operation_reaches_has_no_loops():
    assert models_found(KNOWN["a nested function"] + FILL) == ["shop.Post"]
    other = "def other(apps, editor):\n    for row in apps.get_model('shop', 'Post').objects.all(): print(row)"
    assert models_found(f"def forwards(apps, editor): pass\n\n{other}") == []


def test_a_function_that_is_imported_inside_of_another_is_called_from_there():
    source = b"""
def forwards(apps, editor):
    from ._helpers import fill
    fill(apps)
"""
    reach = Reach(Module(Source.of(Path("0001.py"), source)), ProjectState())
    reach.follow([Entry(ast.Name(id="forwards", ctx=ast.Load()))])
    assert [(c.path, c.arguments.positional) for c in reach.imported] == [
        ("._helpers.fill", (Apps(),))
    ]


ASIDE = """
def forwards(apps, schema_editor):
    {}


def aside(apps, schema_editor):
    for post in apps.get_model("shop", "Post").objects.all():
        print(post)
"""


@pytest.mark.parametrize("body", ["for n in [1]: print(n)", "print(1)"])
def test_beside_a_function_that_is_reached_others_are_left_alone(body):
    assert models_found(ASIDE.format(body)) == []


def test_where_no_function_can_be_told_all_that_might_be_meant_are_looked_at():
    found = models_found(ASIDE.format("print(1)"), "migrations.RunPython(imported.forwards)")
    assert found == ["shop.post"]
