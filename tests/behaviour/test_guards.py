"""Receivers of every model's signals: which of them do nothing for historical models, in Django and for migfix."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.history.state import ModelState
from migfix.project.signals import ALL
from migfix.reading.names.module import Module
from migfix.source import Source
from migfix.worlds import ProjectFacts
from tests.rewritten import rewritten
from tests.running import Case, run, write_project

pytestmark = pytest.mark.behaviour

MODELS = """
import shop.base
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("n", models.IntegerField(default=0)),
                ("title", models.CharField(max_length=40, default="", choices=[("x", "X")])),
                ("parent", models.ForeignKey("self", models.CASCADE, null=True, related_name="%(class)s_parts")),
            ],
            bases=(shop.base.Mixin, models.Model),
        ),
        migrations.CreateModel(
            name="Rush",
            fields=[("order_ptr", models.OneToOneField(
                "Order", models.CASCADE, primary_key=True, parent_link=True))],
            bases=("shop.order",),
        ),
        migrations.CreateModel("Aside", [("id", models.BigAutoField(primary_key=True))],
                               bases=(shop.base.Apart, models.Model)),
    ]
"""
BASE = """
class Root:
    def rooted(self):
        return 1


class Mixin(Root):
    label = "x"

    def mixed(self):
        self.noted = 1

    @property
    def telling(self):
        print("acted")


class Apart:
    pass
"""
INDEXED = """
from typing import Protocol, TypeVar, runtime_checkable

try:
    from typing import Protocol as SomeProtocol
except ImportError:
    from typing_extensions import Protocol as SomeProtocol

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.signals import class_prepared, post_init, post_save, pre_save
from django.dispatch import receiver

from shop import handlers
from shop.base import Apart, Mixin, Root

T = TypeVar("T")


class Indexed:
    def indexed(self):
        return 1

    def order_parts(self):
        return 1

    def title(self):
        return 1

    def label(self):
        return 1

    def noted(self):
        return 1

    def orders(self):
        return 1


class Order(Indexed, models.Model):
    class Meta:
        app_label = "shop"


class Other:
    pass


class Checking(type):
    def __instancecheck__(self, instance):
        return True


class Checked(metaclass=Checking):
    pass


@runtime_checkable
class Saving(Protocol):
    def save(self): ...


@runtime_checkable
class Keyed(Protocol[T]):
    def save(self): ...


@runtime_checkable
class Later(SomeProtocol):
    def save(self): ...


FLAG = []


AnIndexed = Indexed
BOTH = (Indexed, Mixin)
"""
HANDLERS = """
class Kept:
    pass


def kept(sender, instance, **kwargs):
    if not isinstance(instance, Kept):
        return
    print("acted")


def acting(sender, instance, **kwargs):
    print("acted")
"""
FORWARDS = """
def forwards(apps, schema_editor):
    for order in apps.get_model("shop", "Order").objects.all():
        order.n = 1
        order.save()
"""
ROWS = {"shop_order": [{"id": n, "n": 0, "title": "x", "parent_id": None} for n in (1, 2)]}


def receiving(
    body: str, given: str = "sender, instance, **kwargs", signal: str = "pre_save"
) -> str:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    return f"\n\n@receiver({signal})\ndef index({given}):\n{inner}"


def guarded(test: str) -> str:
    return receiving(f"if {test}:\n    return\nprint('acted')")


SILENT = {
    "a class of the project": guarded("not isinstance(instance, Indexed)"),
    "its subclass": guarded("not issubclass(sender, Indexed)"),
    "a model of today": guarded("not isinstance(instance, Order)"),
    "the class of the object": guarded("not issubclass(type(instance), (Indexed, Order))"),
    "the attribute of the object": guarded("not issubclass(instance.__class__, Indexed)"),
    "another name": guarded("not isinstance(instance, AnIndexed)"),
    "one of two tests": guarded("kwargs['raw'] or not isinstance(instance, Indexed)"),
    "a test before": receiving(
        '"""Texts."""\nif kwargs.get("raw", False):\n    return None\n'
        "if not isinstance(instance, Indexed):\n    return\nprint('acted')"
    ),
    "all in the test": receiving("if isinstance(instance, Indexed):\n    print('acted')"),
    "both in the test": receiving("if kwargs['created'] and isinstance(instance, Indexed):\n    print('acted')",
                                  signal="post_save"),
    "another branch": receiving(
        "if isinstance(instance, Indexed):\n    print('acted')\nelif sender is Order:\n    print('acted')\n"
        "else:\n    pass"
    ),
    "one class": guarded("sender is not Order"),
    "another class": guarded("sender != Order"),
    "some classes": guarded("sender not in (Order, Other)"),
    "a list of classes": guarded("type(instance) not in [Order]"),
    "the module": guarded('sender.__module__ == "__fake__"'),
    "some modules": guarded('instance.__module__ in ("__fake__", "x")'),
    "the start of the module": guarded('sender.__module__.startswith("__fake__")'),
    "another module": receiving('if sender.__module__ != "__fake__":\n    print("acted")'),
    "names of its own": receiving(
        "model = sender\nfound = False\nif not issubclass(model, Indexed):\n    return found\nprint('acted')"
    ),
    "what is handed over": receiving(
        "instance = kwargs['instance']\nif not isinstance(instance, Indexed):\n    return\nprint('acted')",
        "sender, **kwargs",
    ),
    "what is handed over, by get": receiving(
        "if not isinstance(kwargs.get('instance'), Indexed):\n    return\nprint('acted')", "**kwargs"
    ),
    "an import inside": receiving(
        "from shop.handlers import Kept\nif not isinstance(instance, Kept):\n    return\nprint('acted')"
    ),
    "a test of the state before": guarded("instance._state.adding or not isinstance(instance, Indexed)"),
    "a setting before": guarded("settings.DEBUG or not isinstance(instance, Indexed)"),
    "a name before": guarded("sender.__name__ == 'Order' or not isinstance(instance, Indexed)"),
    "another file": "\n\npost_save.connect(handlers.kept)\n",
    "by the keyword": "\n\npost_save.connect(receiver=handlers.kept, weak=False)\n",
    "a function of the file": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n"
        "    print('acted')\n\n\npost_save.connect(index)\n"
    ),
    "a method that it lacks": guarded("not hasattr(instance, 'indexed')"),
    "a method that its class lacks": guarded("not hasattr(sender, 'indexed')"),
    "a method that it has and one that it lacks": receiving(
        "if isinstance(instance, Indexed) or hasattr(instance, 'indexed') and hasattr(instance, 'mixed'):\n"
        "    print('acted')"
    ),
    "an attribute by getattr": receiving("if getattr(instance, 'indexed', None):\n    print('acted')"),
    "an attribute with a default that is true": receiving(
        "if getattr(instance, 'unindexed', True):\n    return\nprint('acted')"
    ),
    "a class of which one other model is": guarded("not isinstance(instance, Apart)"),
    "a function of the name of a method": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n"
        "    print('acted')\n\n\nclass Index:\n    def index(self):\n        print('acted')\n"
        "\n\npost_save.connect(index)\n"
    ),
    "rows that are made": receiving(
        "if isinstance(instance, Indexed):\n    print('acted')", signal="post_init"
    ),
    "classes that are made": receiving(
        "if issubclass(sender, Indexed) and 'fake' in sender.__module__:\n    print('acted')",
        "sender, **kwargs",
        "class_prepared",
    ),
}  # fmt: skip
HEARD = {
    "the mixin of the migration": guarded("not isinstance(instance, Mixin)"),
    "the base of the mixin": guarded("not isinstance(instance, Root)"),
    "one of several": guarded("not isinstance(instance, (Indexed, Root))"),
    "several by a name": guarded("not isinstance(instance, BOTH)"),
    "a class of Django": guarded("not isinstance(instance, models.Model)"),
    "a method of the mixin": guarded("not hasattr(instance, 'mixed')"),
    "a method of its base": guarded("not hasattr(instance, 'rooted')"),
    "an attribute of the mixin": guarded("not hasattr(instance, 'label')"),
    "a field": guarded("not hasattr(instance, 'title')"),
    "the rows that point here": guarded("not hasattr(instance, 'order_parts')"),
    "a method of every model": guarded("not hasattr(instance, 'save')"),
    "a method of every model's class": guarded("not hasattr(sender, 'mro')"),
    "how classes are made": guarded("not hasattr(sender, 'add_to_class')"),
    "the key": guarded("not hasattr(instance, 'id')"),
    "a method of a field": guarded("not hasattr(instance, 'get_title_display')"),
    "the test the other way": guarded("isinstance(instance, Indexed)"),
    "a test of all": receiving("if not isinstance(instance, Indexed):\n    print('acted')"),
    "something before": receiving("print('acted')\nif not isinstance(instance, Indexed):\n    return"),
    "something in the test": guarded("print('acted') or not isinstance(instance, Indexed)"),
    "something in the branch": receiving(
        "if not isinstance(instance, Indexed):\n    print('acted')\n    return"
    ),
    "something given back": receiving("if not isinstance(instance, Indexed):\n    return print('acted')"),
    "the other module": guarded('sender.__module__ != "__fake__"'),
    "part of the module": guarded('sender.__module__.startswith("shop")'),
    "some other modules": guarded('sender.__module__ in ("shop", "x")'),
    "the class itself": guarded("sender is Order"),
    "the class by its name": guarded("sender.__name__ != 'Order'"),
    "a name that is given anew": receiving(
        "Indexed = Root\nif not isinstance(instance, Indexed):\n    return\nprint('acted')"
    ),
    "an object that is given anew": receiving(
        "instance = handlers\nif not hasattr(instance, 'indexed'):\n    print('acted')"
    ),
    "a class with an instance check": guarded("not isinstance(instance, Checked)"),
    "a protocol": guarded("not isinstance(instance, Saving)"),
    "a name of the function around": (
        "\n\ndef watch(Indexed):\n    @receiver(pre_save, weak=False)\n    def index(sender, instance, **kwargs):\n"
        "        if not isinstance(instance, Indexed):\n            return\n        print('acted')\n"
        "\n\nwatch(Root)\n"
    ),
    "a decorator of the project": guarded("not isinstance(instance, Indexed)").replace(
        "@receiver", "from shop.handlers import receiver\n\n\n@receiver"
    ),
    "a generic protocol": guarded("not isinstance(instance, Keyed)"),
    "a protocol by another way": guarded("not isinstance(instance, Later)"),
    "a function of a function": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n    print('acted')\n"
        "\n\ndef ready():\n    def index(sender, **kwargs):\n        print('acted')\n\n"
        "    post_save.connect(index, weak=False)\n\n\nready()\n"
    ),
    "a parameter of a function": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n    print('acted')\n"
        "\n\ndef ready(index):\n    post_save.connect(index, weak=False)\n\n\nready(handlers.acting)\n"
    ),
    "a function that is defined again": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n    print('acted')\n"
        "\n\nif True:\n    def index(sender, **kwargs):\n        print('acted')\n\n\npost_save.connect(index)\n"
    ),
    "a method of the name of a function": (
        "\n\ndef index(sender, **kwargs):\n    if not issubclass(sender, Indexed):\n        return\n"
        "    print('acted')\n\n\nclass Index:\n    def index(**kwargs):\n        print('acted')\n"
        "\n    post_save.connect(index, weak=False)\n"
    ),
    "a class that is given anew": guarded("not isinstance(instance, Indexed)")
    + "\n\ndef setup():\n    global Indexed\n    Indexed = Root\n\n\nsetup()\n",
    "another isinstance": guarded("not isinstance(instance, Indexed)")
    + "\n\ndef isinstance(*given):\n    return True\n",
    "another type": guarded("not issubclass(type(instance), Indexed)").replace(
        "\n\n@receiver", "\n\ndef type(x):\n    return Indexed\n\n\n@receiver"
    ),
    "a parameter called type": receiving(
        "if type(instance) is not Order:\n    return\nprint('acted')", "instance, type=lambda x: Order, **kwargs"
    ),
    "names of a module": guarded("not isinstance(instance, Kept)").replace(
        "@receiver", "from shop.handlers import Kept\nfrom shop.stars import *\n\n\n@receiver"
    ),
    "a truth of its own": guarded("not instance"),
    "a name that has its own truth": guarded("FLAG"),
    "a default that has its own truth": receiving("if flag:\n    return\nprint('acted')", "flag=FLAG, **kwargs"),
    "a method that it should lack": guarded("hasattr(instance, 'indexed')"),
    "a method that its class has": guarded("not hasattr(sender, 'mixed')"),
    "rows that point here by its own name": guarded("not hasattr(sender, 'rush')"),
    "a lacking attribute with a default that is true": receiving(
        "if getattr(instance, 'indexed', True):\n    print('acted')"
    ),
    "a test of something that looking for runs": guarded("not hasattr(instance, 'telling')"),
    "a parameter of the name": receiving(
        "if not isinstance(instance, Indexed):\n    return\nprint('acted')",
        "sender, instance, Indexed=Root, **kwargs",
    ),
    "another decorator": receiving("if not isinstance(instance, Indexed):\n    return").replace(
        "\ndef index", "\n@handlers.noisy\ndef index"
    ),
    "a test that depends": guarded("kwargs['update_fields']"),
    "one of two tests that depends": guarded("kwargs['update_fields'] and not isinstance(instance, Indexed)"),
    "an imported function": "\n\npost_save.connect(handlers.acting)\n",
    "a lambda": "\n\npost_save.connect(lambda **kwargs: print('acted'), weak=False)\n",
}  # fmt: skip
NOISY = HANDLERS + (
    "\n\ndef receiver(signal):\n    def connect(function):\n"
    "        signal.connect(lambda **kwargs: print('acted'), weak=False)\n    return connect\n"
    "\n\ndef noisy(function):\n    def called(**kwargs):\n        print('acted')\n"
    "        return function(**kwargs)\n    kept.noisy = called\n    return called\n"
)


def files(receiver: str) -> dict[str, str]:
    return {
        "shop/__init__.py": "",
        "shop/base.py": BASE,
        "shop/handlers.py": NOISY,
        "shop/stars.py": "from shop.base import Root as Kept\n",
        "shop/models.py": INDEXED + receiver,
    }


def heard_by_some(folder: Path, given: dict[str, str], models: str = MODELS) -> bool:
    """Is it taken for one that may act on some historical model?"""
    path = write_project(folder, models, FORWARDS, given)
    return bool(ProjectFacts(path, Files()).receivers)


def heard(
    folder: Path, given: dict[str, str], models: str = MODELS, forwards: str = FORWARDS
) -> bool:
    """Is it taken for one that may act on orders?"""
    path = write_project(folder, models, forwards, given)
    facts = ProjectFacts(path, Files())
    module = Module(Source.of(path, path.read_bytes()), facts.library)
    (world,) = facts.worlds(module)
    order = world.state.model("shop", "Order")
    assert isinstance(order, ModelState)
    return facts.listener(module)(ALL, order, world.state) is not None


def acts(given: dict[str, str], forwards: str = FORWARDS) -> bool:
    """Does it for the rows of the loop? That migrations are recorded saves rows, too."""
    without, found = (
        run(Case(MODELS, rows, "sqlite-memory", given), forwards) for rows in ({}, ROWS)
    )
    return without.output.count("acted") < found.output.count("acted")


@pytest.mark.parametrize("name", SILENT)
def test_receivers_that_turn_historical_models_away(name, tmp_path):
    assert not acts(files(SILENT[name]))
    assert not heard(tmp_path, files(SILENT[name]))


@pytest.mark.parametrize("name", HEARD)
def test_receivers_that_hear_historical_models(name, tmp_path):
    assert acts(files(HEARD[name]))
    assert heard(tmp_path, files(HEARD[name]))


# What is not known of the project: the same guard turns nobody away any more.
UNSURE = {
    "bases that are not written out": ("bases=(shop.base.Mixin, models.Model)", "bases=shop.base.BASES"),
    "a base that is called": ("bases=(shop.base.Mixin, models.Model)", "bases=(shop.base.base(), models.Model)"),
    "the fourth argument": (
        "            bases=(shop.base.Mixin, models.Model),\n        ),",
        "        ),\n        migrations.CreateModel('Late', [], {}, (shop.base.late(),)),",
    ),
}  # fmt: skip
MADE = """
def base():
    return Mixin


def late():
    return models.Model


BASES = (Mixin, models.Model)
"""


@pytest.mark.parametrize("name", UNSURE)
def test_bases_that_are_not_known(name, tmp_path):
    given = files(SILENT["a class of the project"])
    given["shop/base.py"] = f"from django.db import models\n{BASE}{MADE}"
    before, after = UNSURE[name]
    assert before in MODELS
    assert heard_by_some(tmp_path, given, MODELS.replace(before, after))


@pytest.mark.parametrize(
    "code",
    [
        "from django.db.migrations import state\nstate.ModelState('shop', 'Order', [], bases=(Indexed, ))",
        "from django.db import migrations\nclass Create(migrations.CreateModel):\n    pass",
        "from django.db.migrations import Operation\nclass AlterBases(Operation):\n    bases = ()",
        "Mixin.__bases__ += (Indexed,)",
    ],
)
def test_models_that_other_code_makes(code, tmp_path):
    given = files(SILENT["a class of the project"]) | {"shop/making.py": code}
    assert heard_by_some(tmp_path, given)


@pytest.mark.parametrize(
    "test", ["not isinstance(instance, Indexed)", "not hasattr(instance, 'indexed')"]
)
@pytest.mark.parametrize("code", ["Mixin.__bases__ += (Indexed,)", "setattr(Mixin, 'indexed', 1)"])
def test_a_base_that_other_code_changes(test, code, tmp_path):
    given = files(guarded(test)) | {"shop/making.py": f"from shop.base import Mixin\n{code}\n"}
    assert heard(tmp_path, given) == ("__bases__" in code or "hasattr" in test)


ANOTHER_ATTRIBUTE = {
    "set": FORWARDS.replace("order.n = 1", "order.n = 1; order.orders = 1"),
    "asked for": FORWARDS.replace("all()", "annotate(orders=models.Value(1))").replace(
        "\ndef", "from django.db import models\n\n\ndef", 1
    ),
}


def test_an_attribute_that_a_method_of_its_base_gives_to_rows(tmp_path):
    given = files(guarded("not hasattr(instance, 'noted')"))
    forwards = FORWARDS.replace("order.n = 1", "order.mixed()")
    assert acts(given, forwards)
    assert heard(tmp_path, given, forwards=forwards)


@pytest.mark.parametrize("name", ANOTHER_ATTRIBUTE)
def test_an_attribute_that_the_migration_gives_to_its_rows(name, tmp_path):
    given = files(guarded("not hasattr(instance, 'orders')"))
    assert not acts(given)
    assert not heard(tmp_path, given)
    forwards = ANOTHER_ATTRIBUTE[name]
    assert acts(given, forwards)
    assert heard(tmp_path, given, forwards=forwards)


PACKAGE = "class Mixin(missing.Base):"  # which knows no class of the project


@pytest.mark.parametrize(
    ("base", "is_heard"),
    [
        (PACKAGE, False),
        ("from shop.missing import Base\nclass Mixin(Base):", True),
        ("class Mixin(made()):", True),
    ],
)
def test_a_base_whose_source_is_not_found(base, is_heard, tmp_path):
    given = files(SILENT["a class of the project"])
    given["shop/base.py"] = "import missing\n" + BASE.replace("class Mixin(Root):", base)
    assert heard(tmp_path, given) == is_heard


def test_models_of_an_app_without_migrations(tmp_path):
    given = files(SILENT["a class of the project"])
    given["legacy/models.py"] = (
        "from shop.models import Indexed\nclass Thing(Indexed, models.Model): ...\n"
    )
    assert heard_by_some(tmp_path, given)


def test_other_models_than_those_of_django(tmp_path):
    given = files(SILENT["a class of the project"])
    models = MODELS.replace(
        "from django.db import migrations, models",
        "from django.db import migrations\nfrom shop import models",
    )
    assert heard(
        tmp_path,
        given,
        models.replace("bases=(shop.base.Mixin, models.Model)", "bases=(models.Model,)"),
    )


def test_a_class_that_is_imported_by_two_names(tmp_path):
    """``src`` is on the path and a package as well."""
    given = {f"src/{name}": text for name, text in files(SILENT["a class of the project"]).items()}
    given["src/__init__.py"] = ""
    given["src/shop/base.py"] = (
        "from shop.models import Indexed as Root\nclass Mixin(Root):\n    pass\n"
    )
    given["src/shop/models.py"] = given["src/shop/models.py"].replace(
        "from shop.base import Mixin, Root", ""
    )
    models = MODELS.replace("shop.base", "src.shop.base")
    assert heard(tmp_path, given, models)


def test_a_loop_under_receivers_that_turn_its_rows_away():
    _, outcome = rewritten(MODELS, FORWARDS, files=files(SILENT["a class of the project"]))
    assert outcome.loops[0].codes == ("MF101",), outcome.loops
    _, outcome = rewritten(MODELS, FORWARDS, files=files(HEARD["a method of the mixin"]))
    assert "MF101" not in outcome.loops[0].codes, outcome.loops
