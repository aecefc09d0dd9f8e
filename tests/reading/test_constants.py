"""Constants by name: of other modules of the project, of classes, and of the turn of a loop."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.pipeline import run_source
from migfix.settings import Settings
from tests.checking import MODELS

CONSTANTS = """
from shop.other import *
import os
DONE = "done"
ONE = 1
NAMES = ["a"]
TWICE = "a"
TWICE = "b"
SHARED = "a"
COMPUTED = "a".upper()
if os.environ:
    SHADOWED = "a"
from shop.enums import Status as Again
def change():
    global SHARED
    SHARED = "b"
"""
ENUMS = """
import enum
from enum import Enum, IntEnum
from django.db import models
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from elsewhere import Odd, swap

class Status(models.TextChoices):
    DONE = "done", "Done"
    OPEN = "open", _("Open")
    BARE = "bare"
    ODD = "odd", swap()
    AUTO = enum.auto()
    NUMBER = 5, "Five"

class Level(models.IntegerChoices):
    LOW = 1, "Low"
    TEXT = "2", "Two"

class Short(IntEnum):
    ONE = 1

class Plain(Enum):
    A = "a"

class Mixed(str, Enum):
    A = "a"

class Own(TextChoices):
    A = "a", "A"
    def __eq__(self, other):
        return True

class Mapped(TextChoices):
    A = "a", "A"
    def shown(self):
        return self.label

@swap
class Decorated(models.TextChoices):
    A = "a", "A"

class Inherited(Odd):
    A = "a"

class Meta(metaclass=Odd):
    A = "a"

class Changed:
    A = "a"
Changed.A = 5

class Handed:
    A = "a"
setattr(Handed, "A", 5)

class Twice:
    A = "a"
    A = 5
"""
LATE = """
class Late:
    A = "a"
from elsewhere import *
"""
OF_APP = """
from django.db import models
from .enums import Status
from shop import enums

class Order(models.Model):
    DONE = "done"
    LIST = ["a"]
    field = models.TextField()
    class Kind(models.TextChoices):
        A = "a", "A"
"""
FILES = {
    "shop/constants.py": CONSTANTS,
    "shop/enums.py": ENUMS,
    "shop/late.py": LATE,
    "shop/models/__init__.py": "from .order import Order",
    "shop/models/order.py": OF_APP.replace(".enums", "..enums"),
    "shop/settings.py": 'DONE = "done"',
    "shop/hidden.py": 'DONE = "done"',
    "shop/__init__.py": "from elsewhere import hidden",
    "shop/migrations/0001_initial.py": MODELS,
    "shop/migrations/__init__.py": "",
    "manage.py": "",
}
MIGRATION = """
from django.db import migrations
{imports}

def forwards(apps, schema_editor):
    Post = apps.get_model("shop", "Post")
{before}
    for post in Post.objects.all():
{body}

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
TEST = """\
        if post.{field} == {value}:
            post.votes = 1
            post.save()
"""
SET = """\
        post.{field} = {value}
        post.save()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("constants")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def loop_of(project):
    """What is said of a loop whose body names a constant."""

    def found(body, value, imports="", before="", field="title"):
        source = MIGRATION.format(
            imports=imports,
            before=indent(before, "    "),
            body=body.format(field=field, value=value),
        )
        settings = Settings(select=frozenset({"MF101"}), databases=frozenset({"sqlite"}))
        path = project / "shop" / "migrations" / "0002_fill.py"
        outcome = run_source(source.encode(), path, settings, rewrite=True)
        assert outcome.error is None, outcome.traceback or outcome.error
        return outcome.loops[-1]

    return found


TEXTS = [
    ("from shop.constants import DONE", "DONE"),
    ("from shop.constants import DONE as X", "X"),
    ("from shop import constants", "constants.DONE"),
    ("import shop.constants", "shop.constants.DONE"),
    ("from ..constants import DONE", "DONE"),
    ("from shop.models import Order", "Order.DONE"),
    ("from shop.models import Order", "Order.Kind.A"),
    ("from ..models import Order", "Order.DONE"),
    ("from shop.models.order import Status", "Status.DONE"),
    ("from shop.models.order import enums", "enums.Status.DONE"),
    ("from shop.enums import Status", "Status.DONE"),
    ("from shop.enums import Status", "Status.DONE.value"),
    ("from shop.enums import Status", "Status.OPEN"),
    ("from shop.enums import Status", "Status.BARE"),
    ("from shop.enums import Plain", "Plain.A.value"),
    ("from shop.enums import Mixed", "Mixed.A.value"),
    ("from shop.enums import Mapped", "Mapped.A"),
    ("from shop.hidden import DONE", "DONE"),
    ('class Status:\n    DONE = "done"', "Status.DONE"),
    ('DONE = "done"', "DONE"),
]


@pytest.mark.parametrize(("imports", "value"), TEXTS)
def test_a_text_that_is_known(imports, value, loop_of):
    assert loop_of(TEST, value, imports).changed
    assert loop_of(SET, value, imports).changed
    assert loop_of(TEST, value, imports, field="kind").blocked_by == "condition"


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("from shop.constants import ONE", "ONE"),
        ("from shop.enums import Level", "Level.LOW"),
        ("from shop.enums import Short", "Short.ONE"),
        ("from shop.enums import Short", "Short.ONE.value"),
        ("from shop import enums", "enums.Level.LOW"),
    ],
)
def test_a_number_that_is_known(imports, value, loop_of):
    assert loop_of(TEST, value, imports, field="kind").changed
    assert loop_of(SET, value, imports, field="kind").changed
    assert loop_of(TEST, value, imports).blocked_by == "condition"


def test_imports_and_constants_of_the_function(loop_of):
    assert loop_of(TEST, "DONE", before="from shop.constants import DONE").changed
    assert loop_of(TEST, "DONE", before='DONE = "done"').changed


TURNS = """
from django.db import migrations

def forwards(apps, schema_editor):
    Post = apps.get_model("shop", "Post")
    for title, votes in {pairs}:
        for post in Post.objects.all():
            if post.title == title:
                post.votes = votes
                post.save()

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.mark.parametrize(
    ("pairs", "blocked_by"),
    [
        ('[("a", 1), ("b", 2)]', None),
        ('[("a", 1), (5, 2)]', "condition"),
        ('[("a", 1), ("b", "x")]', "evaluated-without-rows"),
        ('[("a", 1), (title, 2)]', "condition"),
        (str([("a", n) for n in range(21)]), "condition"),
    ],
)
def test_values_that_the_turns_give(pairs, blocked_by, project):
    settings = Settings(select=frozenset({"MF101"}), databases=frozenset({"sqlite"}))
    path = project / "shop" / "migrations" / "0002_fill.py"
    source = TURNS.format(pairs=pairs).encode()
    (loop,) = run_source(source, path, settings, rewrite=True).loops
    assert (loop.changed, loop.blocked_by) == (blocked_by is None, blocked_by)


UNKNOWN = [
    ("", "DONE"),
    ("from elsewhere import DONE", "DONE"),
    ("from shop.constants import MISSING", "MISSING"),
    ("from shop.constants import TWICE", "TWICE"),
    ("from shop.constants import SHARED", "SHARED"),
    ("from shop.constants import COMPUTED", "COMPUTED"),
    ("from shop import hidden", "hidden.DONE"),
    ("from shop import settings", "settings.DONE"),
    ("from shop.settings import DONE", "DONE"),
    ("from django.conf import settings", "settings.DONE"),
    ("from shop.enums import Status", "Status.ODD"),
    ("from shop.enums import Status", "Status.AUTO"),
    ("from shop.enums import Status", "Status.NUMBER"),
    ("from shop.enums import Status", "Status.MISSING"),
    ("from shop.enums import Status", "Status.DONE.label"),
    ("from shop.enums import Status", "Status.DONE.value.lower"),
    ("from shop.enums import Level", "Level.TEXT"),
    ("from shop.enums import Plain", "Plain.A"),
    ("from shop.enums import Mixed", "Mixed.A"),
    ("from shop.enums import Own", "Own.A"),
    ("from shop.enums import Decorated", "Decorated.A"),
    ("from shop.enums import Inherited", "Inherited.A"),
    ("from shop.enums import Meta", "Meta.A"),
    ("from shop.enums import Changed", "Changed.A"),
    ("from shop.enums import Handed", "Handed.A"),
    ("from shop.enums import Twice", "Twice.A"),
    ("from shop.late import Late", "Late.A"),
    ("from shop.models import Order", "Order.LIST"),
    ("from shop.models import Order", "Order.field"),
    ('class Status:\n    DONE = "done"\nStatus.DONE = 5', "Status.DONE"),
    ('class Status:\n    DONE = "done"\nclass Status:\n    DONE = 5', "Status.DONE"),
    ("from shop.constants import DONE\nDONE = 5", "DONE"),
    (
        "if forwards:\n    from shop.constants import DONE\nelse:\n    from shop.constants import ONE as DONE",
        "DONE",
    ),
]


@pytest.mark.parametrize(("imports", "value"), UNKNOWN)
def test_what_is_not_certainly_one_value_is_no_condition(imports, value, loop_of):
    assert loop_of(TEST, value, imports).blocked_by == "condition"


@pytest.mark.parametrize(
    "before",
    [
        "DONE = schema_editor",
        "if schema_editor:\n    from shop.constants import DONE",
        "for DONE in schema_editor:\n    pass",
    ],
)
def test_a_name_of_the_function_hides_the_import(before, loop_of):
    assert (
        loop_of(TEST, "DONE", "from shop.constants import DONE", before).blocked_by == "condition"
    )


def test_a_class_of_the_function_hides_the_import(loop_of):
    before = "class Status:\n    DONE = 5"
    imports = "from shop.enums import Status"
    assert loop_of(TEST, "Status.DONE", imports, before).blocked_by == "condition"


def test_a_value_that_does_not_fit(loop_of):
    loop = loop_of(SET, "DONE", "from shop.constants import DONE", field="kind")
    assert loop.blocked_by == "evaluated-without-rows"


def test_a_value_that_may_not_be_there(loop_of):
    loop = loop_of(SET, "enums.MISSING", "from shop import enums")
    assert loop.blocked_by == "evaluated-without-rows"


NESTED = """
from django.db import migrations
from shop.constants import DONE

def forwards(apps, schema_editor):
    {before}
    def inner():
        for post in apps.get_model("shop", "Post").objects.all():
            if post.title == DONE:
                post.votes = 1
                post.save()
    inner()

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.mark.parametrize(
    ("before", "blocked_by"),
    [
        ("pass", None),
        ("from elsewhere import x as DONE", "condition"),
        ("class DONE: pass", "condition"),
        ("if schema_editor: DONE = 'done'", "condition"),
    ],
)
def test_a_name_of_the_function_around(before, blocked_by, project):
    settings = Settings(select=frozenset({"MF101"}), databases=frozenset({"sqlite"}))
    path = project / "shop" / "migrations" / "0002_fill.py"
    for imported in ("", "from shop.constants import DONE\n"):
        source = NESTED.format(before=before).replace("from shop.constants import DONE\n", imported)
        (loop,) = run_source(source.encode(), path, settings, rewrite=True).loops
        expected = blocked_by if imported else "condition"
        assert (loop.changed, loop.blocked_by) == (expected is None, expected)
