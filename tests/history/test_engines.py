"""Which databases an app's own migrations rule out, and that they do fail there."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.history.engines import Engines
from migfix.history.graph import History
from migfix.project.discovery import Project
from tests.databases import PARAMETERS
from tests.running import Case, run

MYSQL = {"mysql", "mariadb"}
OTHERS = {*MYSQL, "sqlite"}
HEADER = """
import django.contrib.postgres.fields
import django.contrib.postgres.search
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = {dependencies}
    operations = [
        {operations}
    ]
"""
KEY = '("id", models.BigAutoField(primary_key=True))'


def created(field: str, name: str = "Order", options: str = "{}") -> str:
    fields = f'[{KEY}, ("x", {field}), ("y", models.IntegerField())]'
    return f'migrations.CreateModel("{name}", {fields}, {options}),'


PLAIN = created("models.IntegerField()")
INDEX = 'models.Index(fields=["y"], name="by_y")'
RULING_OUT = {
    "an array of texts": (created("ArrayField(models.CharField(max_length=9))"), OTHERS),
    "an array of decimals": (
        created("ArrayField(models.DecimalField(max_digits=5, decimal_places=2), size=3)"), MYSQL),
    "an array by its keyword": (created("ArrayField(base_field=models.SlugField())"), OTHERS),
    "an array by its path": (
        created("django.contrib.postgres.fields.ArrayField(models.CharField(max_length=9))"), OTHERS),
    "an array of arrays": (created("ArrayField(ArrayField(models.CharField(max_length=9)))"), OTHERS),
    "an array that is added": (
        f'{PLAIN}migrations.AddField("order", "z", ArrayField(models.CharField(max_length=9), null=True)),', OTHERS),
    "an index made beside other work": (f'{PLAIN}AddIndexConcurrently("order", {INDEX}),', OTHERS),
    "an array in the database": (
        f"migrations.SeparateDatabaseAndState(database_operations=["
        f'{created("ArrayField(models.CharField(max_length=9))")}]),', OTHERS),
    "an array of numbers": (created("ArrayField(models.IntegerField())"), MYSQL),
    "an array of long texts": (created("ArrayField(models.TextField())"), MYSQL),
    "a range": (created("django.contrib.postgres.fields.IntegerRangeField()"), MYSQL),
    "pairs": (created("django.contrib.postgres.fields.HStoreField()"), MYSQL),
    "words": (created("django.contrib.postgres.search.SearchVectorField()"), MYSQL),
}  # fmt: skip
NOTHING = {
    "an array in the state": (
        "migrations.SeparateDatabaseAndState(state_operations=["
        f'{created("ArrayField(models.CharField(max_length=9))")}]),'
    ),
    "an array that nobody makes": created("ArrayField(models.CharField(max_length=9))", options='{"managed": False}'),
    "an array of some databases": created(
        "ArrayField(models.CharField(max_length=9))", options='{"required_db_vendor": "postgresql"}'),
    "an index": f'{PLAIN}migrations.AddIndex("order", GinIndex(fields=["y"], name="by_y")),',
    "an extension": f"{PLAIN}TrigramExtension(),",
}  # fmt: skip


def source(operations: str, dependencies: str = "[]") -> str:
    return HEADER.format(operations=operations, dependencies=dependencies)


@pytest.fixture
def ruled_out(tmp_path: Path):
    """The databases that ``shop.0001_initial`` cannot run on, in a project of these files."""

    def find(files: dict[str, str]) -> set[str]:
        (tmp_path / "manage.py").touch()
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        project = Project(tmp_path, Files())
        migration = project.migration(tmp_path / "shop" / "migrations" / "0001_initial.py")
        return {*Engines(History(project)).ruled_out(migration)}

    return find


@pytest.mark.parametrize("name", RULING_OUT)
def test_what_rules_databases_out(name, ruled_out):
    operations, expected = RULING_OUT[name]
    assert ruled_out({"shop/migrations/0001_initial.py": source(operations)}) == expected


@pytest.mark.behaviour
@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("name", RULING_OUT)
def test_the_databases_fail_that_are_ruled_out(name, database):
    operations, expected = RULING_OUT[name]
    if name == "pairs" and database == "postgresql":
        pytest.skip("needs the extension hstore")
    engine = database.partition("-")[0]
    case = Case(source(operations), {}, database)
    data = "def forwards(apps, schema_editor): ..."
    if engine in expected:
        with pytest.raises(Exception, match=r"syntax|concurrently|Unknown data type"):
            run(case, data)
    else:
        assert run(case, data).error is None


@pytest.mark.parametrize("name", NOTHING)
def test_what_rules_nothing_out(name, ruled_out):
    assert ruled_out({"shop/migrations/0001_initial.py": source(NOTHING[name])}) == set()


ARRAY = created("ArrayField(models.CharField(max_length=9))")
LATER = source(
    f'migrations.AddField("order", "z", {"ArrayField(models.SlugField())"}),',
    '[("shop", "0001_initial")]',
)


def test_a_later_migration_of_the_app(ruled_out):
    files = {
        "shop/migrations/0001_initial.py": source(PLAIN),
        "shop/migrations/0002_more.py": LATER,
    }
    assert ruled_out(files) == OTHERS


def test_an_app_that_is_depended_on(ruled_out):
    """Which may be there on some databases alone."""
    files = {
        "shop/migrations/0001_initial.py": source(PLAIN, '[("core", "0001_initial")]'),
        "core/migrations/0001_initial.py": source(ARRAY),
    }
    assert ruled_out(files) == set()


IN_CLASS = "    operations = [\n"
UNUSUAL = {
    "another list under a condition": lambda text: text + "    if x:\n        operations = []\n",
    "a list that is emptied": lambda text: text + "    operations.clear()\n",
    "a list that is emptied later": lambda text: text + "\nif x:\n    Migration.operations = []\n",
    "a class under a condition": lambda text: text.replace("class Migration", "if x:\n  pass\nclass Migration"),
    "a class with methods": lambda text: text + "    def apply(self, *args): ...\n",
    "a class with another base": lambda text: text.replace("(migrations.Migration)", "(Base)"),
    "a decorator": lambda text: text.replace("class Migration", "@some\nclass Migration"),
    "a star import": lambda text: text.replace("class Migration", "from x import *\nclass Migration"),
    "an operation of its own": lambda text: text.replace("migrations.CreateModel", "CreateModel"),
    "an operation that is not known": lambda text: text.replace(IN_CLASS, IN_CLASS + "        made(),\n"),
    "options that are called": lambda text: text.replace("{})", "dict(managed=False))"),
    "options by a name alone": lambda text: text.replace("{})", "OPTIONS)"),
    "an option in two texts": lambda text: text.replace("{})", "{'man' 'aged': False})"),
    "options by a name": lambda text: text.replace("{})", "options=OPTIONS)"),
    "a squash that is not known": lambda text: text + "    replaces = [x for x in y]\n",
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_migration_that_may_be_otherwise_elsewhere(name, ruled_out):
    assert ruled_out({"shop/migrations/0001_initial.py": source(ARRAY)}) == OTHERS
    changed = UNUSUAL[name](source(ARRAY))
    assert changed != source(ARRAY)
    assert ruled_out({"shop/migrations/0001_initial.py": changed}) == set()


@pytest.mark.parametrize(
    "operation",
    [
        "class Own(migrations.SeparateDatabaseAndState):\n    def database_forwards(self, *args): ...\n",
        "class Own(migrations.SeparateDatabaseAndState):\n    pass\n",
    ],
)
def test_an_operation_of_the_project_around_it(operation, ruled_out):
    text = source(f"Own(database_operations=[{ARRAY}]),").replace(
        "class Migration", f"{operation}class Migration"
    )
    assert ruled_out({"shop/migrations/0001_initial.py": text}) == set()


@pytest.mark.parametrize(
    "code",
    [
        "MIGRATION_MODULES = {'shop': 'lite'}\n",
        "router.routers.append(Router())\n",
        "Router.allow_migrate = f\n",
    ],
)
def test_code_that_may_send_the_app_elsewhere(code, ruled_out):
    assert (
        ruled_out({"shop/migrations/0001_initial.py": source(ARRAY), "site/conf.py": code}) == set()
    )


def test_two_folders_of_one_app(ruled_out):
    files = {
        "shop/migrations/0001_initial.py": source(ARRAY),
        "other/shop/migrations/0001_initial.py": source(PLAIN),
    }
    assert ruled_out(files) == set()


def test_a_migration_that_a_squash_replaces(ruled_out):
    squash = source(PLAIN).replace(
        "    atomic", '    replaces = [("shop", "0001_initial"), ("shop", "0002_more")]\n    atomic'
    )
    files = {
        "shop/migrations/0001_initial.py": source(PLAIN),
        "shop/migrations/0002_more.py": LATER,
        "shop/migrations/0001_squashed_0002.py": squash,
    }
    assert ruled_out(files) == set()


BY_DB = "    def allow_migrate(self, db, app_label, **hints):\n        return db == 'default'\n"
BY_MODEL = "    def allow_migrate(self, db, app_label, model_name=None, **hints):\n        return model_name != 'order'\n"
BY_HINT = (
    "    def allow_migrate(self, db, app_label, **hints):\n        return not hints.get('x')\n"
)
NAMED = "DATABASE_ROUTERS = ['site.routers.Router']\n"


@pytest.mark.parametrize(
    ("settings", "router", "same"),
    [
        (NAMED, "class Router:\n    def db_for_read(self, model, **hints): ...\n", True),
        (NAMED, f"class Router:\n{BY_DB}", True),
        (NAMED, f"class Base:\n{BY_DB}class Router(Base): ...\n", True),
        (NAMED, f"class Router:\n{BY_MODEL}", False),
        (NAMED, f"class Router:\n{BY_HINT}", False),
        (NAMED, "class Router:\n    allow_migrate = other\n", False),
        (NAMED, "class Router:\n    def __getattr__(self, name): ...\n", False),
        (NAMED, "class Router(missing.Router): ...\n", False),
        (NAMED, "@made\nclass Router: ...\n", False),
        (NAMED, "Router = made()\n", False),
        ("DATABASE_ROUTERS = []\n", "", True),
        ("DATABASE_ROUTERS = ROUTERS\n", "", False),
        (f"{NAMED}DATABASE_ROUTERS += ['x.Router']\n", "class Router: ...\n", False),
        (f"{NAMED}DATABASE_ROUTERS.append('x.Router')\n", "class Router: ...\n", False),
        ("from x import DATABASE_ROUTERS\n", "", False),
        ("globals()['DATABASE_ROUTERS'] = x\n", "", False),
        ("DATABASE_ROUTERS = [\n", "", False),
    ],
)
def test_routers_may_send_apps_to_several_databases(settings, router, same, tmp_path):
    files = {
        "manage.py": "",
        "site/__init__.py": "",
        "site/settings.py": settings,
        "site/routers.py": f"import missing\n{router}",
        "shop/migrations/0001_initial.py": source(ARRAY),
        "shop/migrations/__init__.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project = Project(tmp_path, Files())
    engines = Engines(History(project))
    migration = project.migration(tmp_path / "shop" / "migrations" / "0001_initial.py")
    assert engines.ruled_out(migration) == (OTHERS if same else set())
    place = project.shown(tmp_path / "site" / "settings.py")
    doubt = f"{place} may route elsewhere what only PostgreSQL has"
    assert engines.doubt(migration) == (None if same else doubt)
    (tmp_path / "shop/migrations/0001_initial.py").write_text(source(PLAIN))
    plain = Engines(History(Project(tmp_path, Files())))
    assert plain.doubt(migration) is None
