"""Loops that go over the rows of several models: by turns of a list that is written out, or by calls."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from migfix import pipeline
from migfix.settings import Settings
from tests import checking

FIXED = """
for row in Model.objects.all():
    row.name = "x"
    row.save()
"""


def loops_of(functions: str, run: str = "forwards", **options):
    """What is said of the loops of a migration with ``RunPython(run)``."""
    source = (
        "import functools\nimport imported\nfrom django.db import migrations\n\n"
        f"{dedent(functions)}\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        f"    operations = [migrations.RunPython({run})]\n"
    )
    return checking.outcome_of(source, select=("MF101",), **options).loops


def forwards(
    header: str, *, module: str = "", before: str = "", inside: str = "", body: str = FIXED
) -> str:
    """``forwards`` with two models by name and the loop over rows in a loop with this header."""
    lines = [
        "def forwards(apps, editor):",
        '    Person = apps.get_model("shop", "Person")',
        '    Tag = apps.get_model("shop", "Tag")',
        indent(dedent(before).strip("\n"), "    "),
        f"    {header}",
        indent(f"{dedent(inside)}{body}", "        "),
    ]
    return "\n".join([dedent(module), *lines])


def by_call(calls: str, parameters: str = "Model", before: str = "") -> str:
    """A function of the file that holds the loop, and the calls of it."""
    return (
        f"{before}def fix({parameters}):\n{indent(FIXED, '    ')}\n"
        "def forwards(apps, editor):\n"
        '    Person = apps.get_model("shop", "Person")\n'
        '    Tag = apps.get_model("shop", "Tag")\n'
        f"{indent(dedent(calls), '    ')}"
    )


BY_NAME = 'Model = apps.get_model("shop", name)'
DECIDED = {
    "models": forwards("for Model in (Person, Tag):"),
    "a list": forwards("for Model in [Person, Tag]:"),
    "a name for a list": forwards("for Model in both:", before="both = [Person, Tag]"),
    "names": forwards('for name in ["Person", "Tag"]:', inside=BY_NAME),
    "sorted": forwards('for name in sorted({"Person", "Tag"}):', inside=BY_NAME),
    "pairs": forwards(
        'for app, name in [("shop", "Person"), ("shop", "Tag")]:',
        inside="Model = apps.get_model(app, name)",
    ),
    "labels": forwards(
        "for label in MODELS:",
        module='MODELS = ["shop.Person", "shop.Tag"]\n',
        inside="Model = apps.get_model(label)",
    ),
    "a list that is read elsewhere": forwards(
        "for name in MODELS:",
        module='MODELS = ["Person", "Tag"]\ndef other(apps, editor):\n    for m in list(MODELS): print(m)\n',
        inside=BY_NAME,
    ),
    "a dict of lists": forwards(
        "for app, names in MODELS.items():",
        module='MODELS = {"shop": ["Person", "Tag"]}\n',
        inside="for name in names:\n    Model = apps.get_model(app, name)",
        body=indent(FIXED, "    "),
    ),
    "a name for a name": forwards(
        "for name in (PERSON, TAG):", module='PERSON = "Person"\nTAG = "Tag"\n', inside=BY_NAME
    ),
    "models in a loop over many things": forwards(
        "for Model in (Person, Tag):",
        inside=f"for n in {list('abcdefghijk')}:",
        body=indent(FIXED, "    "),
    ),
    "calls with models": by_call("fix(Person)\nfix(Tag)"),
    "calls with names": by_call(
        'fix(apps, "Person")\nfix(apps, "Tag")', "apps, name, Model=None"
    ).replace("Model.objects", 'apps.get_model("shop", name).objects'),
    "calls in a loop": by_call("for Model in (Person, Tag):\n    fix(Model)"),
    "calls with keywords": by_call("fix(Model=Person)\nfix(Model=Tag)"),
}  # fmt: skip


@pytest.mark.parametrize("functions", DECIDED.values(), ids=DECIDED)
def test_one_decision_for_every_model(functions):
    (loop,) = loops_of(functions)
    assert loop.codes == ("MF101",), loop
    assert loop.model == "shop.Person"


@pytest.mark.parametrize(
    "functions",
    [forwards("for Model in (Person, Post):"), by_call("fix(Person)\nfix(Post)")],
    ids=["turns", "calls"],
)
def test_a_model_without_the_field(functions):
    named = 'Tag = apps.get_model("shop", "Tag")'
    functions = functions.replace(named, 'Post = apps.get_model("shop", "Post")')
    (loop,) = loops_of(functions)
    assert (loop.codes, loop.blocked_by) == ((), "field-unknown")


def test_models_that_would_be_written_differently():
    functions = forwards("for Model in (Person, Tag):").replace('Tag")', 'Stamped")')
    functions = functions.replace('"Tag"', '"Stamped"')
    assert loops_of(functions, unsafe=True)[0].blocked_by == "states-differ"
    reason = loops_of(functions, unsafe=True)[0].reason
    assert reason == "the rewrite would differ between shop.Person and shop.Stamped"


def test_what_may_differ_for_one_model_makes_the_rewrite_unsafe():
    models = checking.MODELS.replace(
        """                ("parent", models.ForeignKey("self", models.CASCADE, null=True)),
            ],
""",
        """                ("parent", models.ForeignKey("self", models.CASCADE, null=True)),
            ],
            options={"managed": False},
""",
    )
    functions = forwards("for Model in (Person, Tag):")
    (loop,) = loops_of(functions, models=models)
    assert (loop.codes, loop.blocked_by) == ((), "model-unverified")
    assert loops_of(functions, models=models, unsafe=True)[0].codes == ("MF101",)


UNKNOWN = {
    "a list that grows": forwards(
        "for Model in both:", before="both = [Person]\nboth.append(imported.Model)"
    ),
    "a list that grows under another name": forwards(
        "for Model in both:", before="both = more = [Person]\nmore.append(imported.Model)"
    ),
    "a list that is handed over": forwards(
        "for Model in both:", before="both = [Person]\nimported.extend(both)"
    ),
    "a list with an item that is set": forwards(
        "for Model in both:", before="both = [Person, Tag]\nboth[0] = imported.Model"
    ),
    "a list that is bound again": forwards(
        "for Model in both:", before="both = [Person]\nboth += [imported.Model]"
    ),
    "a list in a branch": forwards(
        "for Model in both:", before="both = [Person]\nif editor:\n    both = imported.models"
    ),
    "a list with a star": forwards("for Model in [Person, *imported.models]:"),
    "a list with something else": forwards("for Model in (Person, imported.Model):"),
    "a generator": forwards("for Model in (m for m in (Person, Tag)):"),
    "an empty list": forwards("for Model in []:"),
    "a list of the module that grows": forwards(
        "for name in MODELS:",
        module='MODELS = ["Person"]\nif imported.x:\n    MODELS.append(imported.name)\n',
        inside=BY_NAME,
    ),
    "an inner list that grows": forwards(
        "for app, names in MODELS.items():",
        module=(
            'MODELS = {"shop": ["Person"]}\nfor names in MODELS.values():\n'
            "    names.append(imported.name)\n"
        ),
        inside="for name in names:\n    Model = apps.get_model(app, name)",
        body=indent(FIXED, "    "),
    ),
    "an inner list that grows in the loop": forwards(
        'for names in (["Person"], ["Tag"]):',
        inside="names.append(imported.name)\nfor name in names:\n    Model = apps.get_model('shop', name)",
        body=indent(FIXED, "    "),
    ),
    "a list of the same name in a function around": """
MODELS = ["Person"]
def forwards(apps, editor):
    MODELS = imported.models
    def inner():
        for name in MODELS:
            for row in apps.get_model("shop", name).objects.all():
                row.name = "x"
                row.save()
    inner()
""",
    "a name of the same name in a function around": """
NAME = "Person"
def forwards(apps, editor):
    NAME = imported.name
    def inner():
        for row in apps.get_model("shop", NAME).objects.all():
            row.name = "x"
            row.save()
    inner()
""",
    "a variable that is bound again": forwards(
        'for name in ["Person", "Tag"]:', inside=f"name = imported.x(name)\n{BY_NAME}"
    ),
    "a variable that may be bound again": forwards(
        'for name in ["Person", "Tag"]:', inside=f"if editor:\n    name = imported.x\n{BY_NAME}"
    ),
    "a variable after its loop": forwards(
        'for name in ["Person", "Tag"]:\n        pass\n    if True:', inside=BY_NAME
    ),
    "pairs of another shape": forwards(
        'for app, (name, x) in [("shop", ("imported", "Person"))]:',
        inside="Model = apps.get_model(app, name)",
    ),
    "more names than can be followed": forwards(
        f"for name in {['Person', 'Tag'] * 11}:", inside=BY_NAME
    ),
    "more calls than can be followed": by_call(
        "\n".join(f"fix({'Person' if n else 'Tag'}, '{n}')" for n in range(21)), "Model, n"
    ),
    "calls in more turns than can be followed": by_call(
        f"for n in {list('abcdefghijk')}:\n    fix(Person, n)\n    fix(Tag, n)", "Model, n"
    ),
    "a name of a function around that differs": by_call(
        """
late()
outer(apps, "Person")
""",
        "apps, Model",
        before="""
def outer(apps, name):
    def inner():
        fix(apps, name)
    inner()

def late():
    outer(imported.apps, imported.name)

""",
    ).replace("Model.objects", "apps.get_model('shop', Model).objects"),
    "calls of a function with many turns": by_call("fix(Person)\nfix(Tag)").replace(
        "    for row", f"    for n in {list('abcdefghijk')}:\n     for row"
    ),
    "pairs with a star": forwards(
        'for x, name in [(*imported.some, "Person")]:', inside=BY_NAME
    ),
    "a variable of a comprehension": (
        "NAME = 'Person'\n"
        + by_call("[fix(apps, NAME) for NAME in imported.names]", "apps, Model").replace(
            "Model.objects", "apps.get_model('shop', Model).objects"
        )
    ),
    "a call with something else": by_call("fix(Person)\nfix(imported.Model)"),
    "a call with a star": by_call("fix(Person)\nfix(*imported.models)"),
    "a call with a default": by_call("fix(Person)\nfix()", "Model=imported.Model"),
    "the function as a value": by_call("fix(Person)\nimported.run(fix)"),
    "a decorator": by_call("fix(Person)\nfix(Tag)", before="@imported.swap\n"),
    "a parameter that is bound again": by_call("fix(Person)\nfix(Tag)").replace(
        "for row", "Model = imported.swap(Model)\n    for row"
    ),
    "a name by a default": by_call("fix(apps, 'Person')\nfix(apps)", "apps, Model='Tag'").replace(
        "Model.objects", "apps.get_model('shop', Model).objects"
    ),
    "recursion": by_call(
        "fix(apps, 'Person')", "apps, Model"
    ).replace("Model.objects", "apps.get_model('shop', Model).objects").replace(
        "def fix(apps, Model):", "def fix(apps, Model):\n    fix(apps, Model + 'x')"
    ),
}  # fmt: skip


@pytest.mark.parametrize("functions", UNKNOWN.values(), ids=UNKNOWN)
def test_a_model_that_may_be_another_decides_nothing(functions):
    loops = loops_of(functions)
    assert [loop.codes for loop in loops] in ([], [()])
    assert [loop.blocked_by for loop in loops] in ([], ["model-unknown"])


def test_a_loop_is_rewritten_in_every_turn():
    checking.check_rewritten(
        """
        for Model in (Person, Tag):
            for row in Model.objects.filter(name="y"):
                row.name = "x"
                row.save()
        """,
        """
        for Model in (Person, Tag):
            Model.objects.filter(name="y").update(name="x")
        """,
        select=("MF101",),
    )


def test_a_function_that_calls_itself_with_ever_more_ends():
    functions = """
def fix(rows):
    for row in rows:
        row.name = "x"
        row.save()
    fix(rows.filter(name="y"))

def forwards(apps, editor):
    fix(apps.get_model("shop", "Person").objects.all())
"""
    assert not any(loop.changed for loop in loops_of(functions))


MAKER = """
def make(name):
    def made(apps, editor):
        for row in apps.get_model("shop", name).objects.all():
            row.name = "x"
            row.save()
    return made
"""


@pytest.mark.parametrize(
    ("run", "codes", "blocked_by"),
    [
        ('make("Person")', ("MF101",), None),
        ('functools.partial(fix, name="Person")', ("MF101",), None),
        ('make("Person"), make("Tag")', (), "model-unknown"),
        ("make(imported.name)", (), "model-unknown"),
        ("functools.partial(fix, name=imported.name)", (), "model-unknown"),
    ],
)
def test_a_name_that_the_operation_gives(run, codes, blocked_by):
    fix = MAKER.replace("def make(name):", "").replace("return made", "").replace("made(", "fix(")
    fix = dedent(fix).replace("editor", "editor, name")
    (loop,) = loops_of(f"{MAKER}\n{fix}", run=run)
    assert (loop.codes, loop.blocked_by) == (codes, blocked_by)


def test_a_loop_that_goes_over_something_else_in_another_operation():
    other = "forwards), migrations.RunPython(lambda apps, editor: fix(imported.Model)"
    (loop,) = loops_of(by_call("fix(Person)"), run=other)
    assert (loop.codes, loop.blocked_by) == ((), "states-differ")


CREATE = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Person", [
            ("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9)),
        ]),
    ]
"""
STAMP = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("crm", "0001_initial")]
    operations = [
        migrations.AddField("Person", "stamp", models.DateTimeField(auto_now=True)),
    ]
"""
FILL = """
from django.db import migrations
from shop.migrations._fill import fill

def fix(apps, label, name):
    for row in apps.get_model(label, name).objects.all():
        row.name = "x"
        row.save()

def forwards(apps, editor):
    CALLS

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("crm", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
HELPER = """
def fill(apps, label, name):
    for row in apps.get_model(label, name).objects.all():
        row.name = "x"
        row.save()
"""


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize(
    "calls",
    [
        'for label in ("shop", "crm"):\n        fix(apps, label, "Person")',
        'fix(apps, "shop", "Person")\n    fix(apps, "crm", "Person")',
        'label = "crm"\n    fix(apps, label, "Person")',
        'fill(apps, "crm", "Person")',
    ],
)
def test_the_states_of_models_that_are_named_in_turns(calls, stamped, tmp_path):
    """A migration of the other app may or may not have run: ``save()`` then also fills its field."""
    (tmp_path / "manage.py").touch()
    files = {"shop/0001_initial": CREATE, "crm/0001_initial": CREATE, "shop/_fill": HELPER}
    files["shop/0002_fill"] = FILL.replace("CALLS", calls)
    files |= {"crm/0002_stamp": STAMP} if stamped else {}
    for name, text in files.items():
        path = (tmp_path / name.replace("/", "/migrations/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for folder in (path.parent, path.parents[1]):
            (folder / "__init__.py").touch()
    settings = Settings(select=frozenset({"MF101"}), databases=frozenset({"sqlite"}))
    outcomes = pipeline.run([tmp_path], settings, rewrite=False)
    changed = {loop.changed for outcome in outcomes for loop in outcome.loops}
    assert changed == {not stamped}
