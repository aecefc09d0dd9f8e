"""Which databases a project may run on. Leaving one out wrongly lets a rewrite harm its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.project import databases as read
from migfix.project.discovery import Project

if TYPE_CHECKING:
    from pathlib import Path

ALL_BUT_ORACLE = {"postgresql", "mysql", "mariadb", "sqlite"}
POSTGRESQL = '"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}'


def detect(root: Path) -> frozenset[str]:
    found = read.detect(Project(root, Files()))
    assert found.unknown is None
    return found.names


def project(root: Path, settings: str) -> Path:
    write(root, "manage.py", "")
    write(root, "shop/settings.py", settings)
    return root


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


@pytest.mark.parametrize(
    ("engine", "databases"),
    [
        ("django.db.backends.postgresql", {"postgresql"}),
        ("django.db.backends.postgresql_psycopg2", {"postgresql"}),
        ("django.contrib.gis.db.backends.postgis", {"postgresql"}),
        ("psqlextra.backend", {"postgresql"}),
        ("django_prometheus.db.backends.postgresql", {"postgresql"}),
        ("django.db.backends.mysql", {"mysql", "mariadb"}),
        ("django.db.backends.sqlite3", {"sqlite"}),
        ("django.contrib.gis.db.backends.spatialite", {"sqlite"}),
        ("django.db.backends.oracle", {"oracle"}),
    ],
)
def test_a_literal_engine_that_is_known_is_trusted(
    tmp_path: Path, engine: str, databases: set[str]
) -> None:
    settings = f'DATABASES = {{"default": {{"ENGINE": "{engine}"}}}}'
    assert detect(project(tmp_path, settings)) == databases


TRUSTED = {
    "two databases": (
        'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"},'
        ' "log": {"ENGINE": "django.db.backends.mysql"}}',
        {"postgresql", "mysql", "mariadb"},
    ),
    "either of two, by environment": (
        'import os\nif os.environ.get("CI"):\n'
        '    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}\n'
        f"else:\n    DATABASES = {{{POSTGRESQL}}}",
        {"postgresql", "sqlite"},
    ),
    "a conditional expression": (
        'DATABASES = {"default": {"ENGINE": "django.db.backends.mysql" if X else'
        ' "django.db.backends.sqlite3"}}',
        {"mysql", "mariadb", "sqlite"},
    ),
    "the engine in a constant": (
        'ENGINE = "django.db.backends.postgresql"\nDATABASES = {"default": {"ENGINE": ENGINE}}',
        {"postgresql"},
    ),
    "one database in a constant": (
        'DB = {"ENGINE": "django.db.backends.postgresql"}\nDATABASES = {"default": {**DB}}',
        {"postgresql"},
    ),
    "dict calls": (
        'DATABASES = dict(default=dict(ENGINE="django.db.backends.sqlite3"))',
        {"sqlite"},
    ),
    "keys set one by one": (
        'DATABASES = {}\nDATABASES["default"] = {}\n'
        'DATABASES["default"]["NAME"] = name()\n'
        'DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"',
        {"sqlite"},
    ),
    "an update of one database": (
        f"DATABASES = {{{POSTGRESQL}}}\n"
        'DATABASES["default"].update(ENGINE="django.db.backends.sqlite3")',
        {"postgresql", "sqlite"},
    ),
    "a class of settings": (
        f"class Base(Configuration):\n    DATABASES = {{{POSTGRESQL}}}",
        {"postgresql"},
    ),
    "a property": (
        f"class Base:\n    @property\n    def DATABASES(self):\n        return {{{POSTGRESQL}}}",
        {"postgresql"},
    ),
    "a literal URL": (
        'import dj_database_url\nDATABASES = {"default": dj_database_url.parse("mysql://h/n")}',
        {"mysql", "mariadb"},
    ),
    "engines of other things": (
        f"DATABASES = {{{POSTGRESQL}}}\n"
        'CACHES = {"default": {"ENGINE": "some.cache"}}\nHAYSTACK = {"x": {"ENGINE": f()}}',
        {"postgresql"},
    ),
    "settings.configure": (
        f"settings.configure(DATABASES={{{POSTGRESQL}}})",
        {"postgresql"},
    ),
    "Django's own defaults imported": (
        f"from django.conf.global_settings import *\nDATABASES = {{{POSTGRESQL}}}",
        {"postgresql"},
    ),
    "local settings imported before DATABASES is set": (
        f"from .secret import *\nDATABASES = {{{POSTGRESQL}}}",
        {"postgresql"},
    ),
}


@pytest.mark.parametrize(("settings", "databases"), TRUSTED.values(), ids=TRUSTED)
def test_settings_that_leave_no_doubt(tmp_path: Path, settings: str, databases: set[str]) -> None:
    assert detect(project(tmp_path, settings)) == databases


DOUBTFUL = {
    "no DATABASES at all": "DEBUG = True",
    "no engine": 'DATABASES = {"default": {}}',
    "the engine from the environment": (
        'import os\nDATABASES = {"default": {"ENGINE": os.environ["DB_ENGINE"]}}'
    ),
    "the engine from the environment with a default": (
        "import os\nDATABASES = {'default': "
        "{'ENGINE': os.environ.get('DB', 'django.db.backends.postgresql')}}"
    ),
    "a URL from the environment with a default": (
        "import dj_database_url\n"
        "DATABASES = {'default': dj_database_url.config(default='postgres://h/n')}"
    ),
    "environ's db": (
        "import environ\nenv = environ.Env()\n"
        "DATABASES = {'default': env.db('DATABASE_URL', default='postgres:///n')}"
    ),
    "a parsed URL from the environment": (
        "DATABASES = {'default': dj_database_url.parse(os.environ['DATABASE_URL'])}"
    ),
    "an f-string": 'DATABASES = {"default": {"ENGINE": f"django.db.backends.{DB}"}}',
    "a value from elsewhere": f"from .x import Y\nDATABASES = {{{POSTGRESQL}, **Y}}",
    "a call": "DATABASES = databases()",
    "an overriding update": (
        f"DATABASES = {{{POSTGRESQL}}}\nDATABASES['default'].update(dj_database_url.config())"
    ),
    "a merge": f"DATABASES = {{{POSTGRESQL}}}\nDATABASES |= more()",
    "a key that is computed": f"DATABASES = {{{POSTGRESQL}}}\nDATABASES['default'][key] = value()",
    "one engine set through a name": (
        f"DATABASES = {{{POSTGRESQL}}}\ndb = DATABASES['default']\ndb['ENGINE'] = engine()"
    ),
    "another way to change it": f"DATABASES = {{{POSTGRESQL}}}\nDATABASES.setdefault('x', y())",
    "set through globals": f"DATABASES = {{{POSTGRESQL}}}\nglobals()['DATABASES'] = x()",
    "a name that stands for itself": f"DATABASES = {{{POSTGRESQL}}}\nDATABASES = {{**DATABASES}}",
    "local settings that are not there": (f"DATABASES = {{{POSTGRESQL}}}\nfrom .secret import *"),
    "local settings that may be absent": (
        f"DATABASES = {{{POSTGRESQL}}}\ntry:\n    from .local import *\n"
        "except ImportError:\n    pass"
    ),
    "DATABASES imported from what is not there": (
        f"if X:\n    DATABASES = {{{POSTGRESQL}}}\nelse:\n    from secret import DATABASES"
    ),
    "local settings that are executed": (
        f"DATABASES = {{{POSTGRESQL}}}\nexec(open('local.py').read())"
    ),
    "an engine that is measured": (
        f"DATABASES = {{{POSTGRESQL}}}\nif MEASURED:\n    engine = DATABASES['default'].get('ENGINE')\n"
        "    DATABASES['default']['ENGINE'] = engine.replace('django.', 'django_prometheus.', 1)"
    ),
    "a file that does not parse": f"DATABASES = {{{POSTGRESQL}}}\nprint 'x'",
}


@pytest.mark.parametrize("settings", DOUBTFUL.values(), ids=DOUBTFUL)
def test_any_doubt_means_all_but_oracle(tmp_path: Path, settings: str) -> None:
    write(tmp_path, "shop/local.py", "")
    assert detect(project(tmp_path, settings)) == ALL_BUT_ORACLE


UNKNOWN = {
    "an engine": ('DATABASES = {"default": {"ENGINE": "mssql"}}', "1 names the engine 'mssql'"),
    "an engine of the project": (
        'DATABASES = {"default": {"ENGINE": "shop.db.postgresql"}}',
        "1 names the engine 'shop.db.postgresql'",
    ),
    "an engine of a known package": (
        'DATABASES = {"default": {"ENGINE": "django_prometheus.db.backends.mssql"}}',
        "1 names the engine 'django_prometheus.db.backends.mssql'",
    ),
    "one beside a known one": (
        f'DATABASES = {{{POSTGRESQL},\n"x": {{"ENGINE": "django_cockroachdb"}}}}',
        "2 names the engine 'django_cockroachdb'",
    ),
    "one that is set later": (
        f"DATABASES = {{{POSTGRESQL}}}\nDATABASES['x'] = {{}}\nDATABASES['x']['ENGINE'] = 'mssql'",
        "3 names the engine 'mssql'",
    ),
    "one behind a name": (
        "ENGINE = 'mssql'\nDATABASES = {'default': {'ENGINE': ENGINE}}",
        "1 names the engine 'mssql'",
    ),
    "one of two": (
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql' if X else 'mssql'}}",
        "1 names the engine 'mssql'",
    ),
    "a default": (
        "DATABASES = {'default': {'ENGINE': os.environ.get('ENGINE', 'mssql')}}",
        "1 names the engine 'mssql'",
    ),
    "a default by name": (
        "DATABASES = {'default': {'ENGINE': config('ENGINE', default='mssql')}}",
        "1 names the engine 'mssql'",
    ),
    "the beginning of another": (
        f"DATABASES = {{{POSTGRESQL}}}\n"
        "DATABASES['default']['ENGINE'] = engine.replace('django.', 'shop.')",
        "2 names the engine 'shop.'",
    ),
    "what is taken without one": (
        "DATABASES = {'default': {'ENGINE': os.environ.get('ENGINE') or 'mssql'}}",
        "1 names the engine 'mssql'",
    ),
    "a URL": (
        'DATABASES = {"default": dj_database_url.parse("redshift://h/n")}',
        "1 names a URL of 'redshift'",
    ),
    "a default URL": (
        "DATABASES = {'default': dj_database_url.config(default='mssql://h/n')}",
        "1 names a URL of 'mssql'",
    ),
}


@pytest.mark.parametrize(("settings", "said"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_engine_that_nobody_knows_is_every_doubt(
    tmp_path: Path, settings: str, said: str
) -> None:
    found = read.detect(Project(project(tmp_path, settings), Files()))
    assert found.names == ALL_BUT_ORACLE | {"oracle"}
    assert found.unknown == found.why == f"shop/settings.py:{said}, of which migfix knows nothing"


@pytest.mark.parametrize(
    "settings",
    [
        "DATABASES = {'default': {'ENGINE': ''}}",
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.dummy'}}",
        "DATABASES = {'default': get('default', 'shop')}",
        "DATABASES = {'default': {'ENGINE': os.environ['engine']}}",
        "DATABASES = {'default': {'ENGINE': get('engine', 'ENGINE_OF_SHOP')}}",
        "DATABASES = {'default': {'ENGINE': f'{PACKAGE}.mssql'}}",
    ],
)
def test_what_names_no_engine(tmp_path: Path, settings: str) -> None:
    assert detect(project(tmp_path, settings)) == ALL_BUT_ORACLE


def test_a_default_url_of_oracle_adds_oracle_to_the_doubt(tmp_path: Path) -> None:
    settings = "DATABASES = {'default': env.db(default='oracle://h/n')}"
    assert detect(project(tmp_path, settings)) == ALL_BUT_ORACLE | {"oracle"}


def test_settings_of_every_file_count_whatever_it_is_called(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    write(tmp_path, "deploy/live.py", "DATABASES = {'a': {'ENGINE': 'django.db.backends.mysql'}}")
    assert detect(tmp_path) == {"postgresql", "mysql", "mariadb"}


def test_settings_in_modules_that_import_each_other_are_trusted(tmp_path: Path) -> None:
    project(tmp_path, "from .base import *\nfrom shop.more import *")
    write(tmp_path, "shop/base.py", f"DATABASES = {{{POSTGRESQL}}}")
    write(tmp_path, "shop/more/__init__.py", "")
    assert detect(tmp_path) == {"postgresql"}


def test_the_database_of_the_tests_counts_too(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    sqlite = "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}"
    write(tmp_path, "shop/settings_test.py", sqlite)
    assert detect(tmp_path) == {"postgresql", "sqlite"}


def test_settings_for_tests_alone_do_not_say_where_it_runs(tmp_path: Path) -> None:
    project(tmp_path, "")
    write(tmp_path, "tests/settings.py", f"DATABASES = {{{POSTGRESQL}}}")
    assert detect(tmp_path) == ALL_BUT_ORACLE


def test_a_package_without_manage_py_may_run_anywhere(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    (tmp_path / "manage.py").rename(tmp_path / "shop" / "test_manage.py")
    assert detect(tmp_path) == ALL_BUT_ORACLE


def test_the_manage_py_of_an_example_does_not_make_a_project(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    (tmp_path / "example").mkdir()
    (tmp_path / "manage.py").rename(tmp_path / "example" / "manage.py")
    assert detect(tmp_path) == ALL_BUT_ORACLE


def test_a_published_app_may_run_anywhere(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    write(tmp_path, "pyproject.toml", '[project]\nclassifiers = ["Framework :: Django"]')
    assert detect(tmp_path) == ALL_BUT_ORACLE


@pytest.mark.parametrize(
    ("file", "line", "added"),
    [
        ("requirements.txt", "mysqlclient==2.2", {"mysql", "mariadb"}),
        ("requirements/base.in", "PyMySQL", {"mysql", "mariadb"}),
        ("requirements-dev.txt", "cx_Oracle>=8", {"oracle"}),
        ("pyproject.toml", 'dependencies = ["oracledb>=2"]', {"oracle"}),
        ("Pipfile", 'psycopg2-binary = "*"', {"postgresql"}),
        ("setup.cfg", "    psycopg[binary]>=3", {"postgresql"}),
    ],
)
def test_a_driver_adds_its_database(tmp_path: Path, file: str, line: str, added: set[str]) -> None:
    project(tmp_path, "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}")
    write(tmp_path, file, line)
    assert detect(tmp_path) == {"sqlite"} | added


def test_what_is_installed_in_the_project_folder_says_nothing(tmp_path: Path) -> None:
    project(tmp_path, f"DATABASES = {{{POSTGRESQL}}}")
    other = "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql'}}"
    write(tmp_path, "env/pyvenv.cfg", "")
    write(tmp_path, "env/lib/settings.py", other)
    write(tmp_path, "node_modules/settings.py", other)
    assert detect(tmp_path) == {"postgresql"}


def test_an_empty_folder_may_run_anywhere(tmp_path: Path) -> None:
    assert detect(tmp_path) == ALL_BUT_ORACLE


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"shop/settings.py": f"DATABASES = {{{POSTGRESQL}}}"}, "shop/settings.py says"),
        (
            {
                "shop/settings.py": f"DATABASES = {{{POSTGRESQL}}}",
                "requirements.txt": "mysqlclient",
            },
            "shop/settings.py and the drivers among the requirements say",
        ),
        (
            {"shop/settings.py": "import os\n\nDATABASES = os.environ['X']"},
            "shop/settings.py:3 leaves it open",
        ),
        (
            {"shop/settings.py": "DATABASES = x()\nDATABASES.pop(y)"},
            "shop/settings.py:1 and 1 more place leave it open",
        ),
        (
            {
                "shop/settings.py": "DATABASES = x()",
                "site/settings.py": "x =",
                "settings.py": "x =",
            },
            "settings.py, which cannot be read, and 2 more places leave it open",
        ),
        ({"shop/settings.py": "x ="}, "shop/settings.py, which cannot be read, leaves it open"),
        ({"shop/settings.py": "DEBUG = True"}, "no settings name a database"),
        ({"tests/settings.py": f"DATABASES = {{{POSTGRESQL}}}"}, "no settings name a database"),
        (
            {
                "shop/settings.py": f"DATABASES = {{{POSTGRESQL}}}",
                "setup.cfg": "classifiers = Framework :: Django",
            },
            "other projects may install these apps",
        ),
    ],
)
def test_why_it_may_be_these(files: dict[str, str], why: str, tmp_path: Path) -> None:
    for name, text in {"manage.py": "", **files}.items():
        write(tmp_path, name, text)
    assert read.detect(Project(tmp_path, Files())).why == why


LOOPS = """
from django.db import migrations, models


def fill(apps, schema_editor):
    Order = apps.get_model("shop", "Order")
    for order in Order.objects.all():
        print(order.total)
    for order in Order.objects.all():
        order.total = 1
        order.save()


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)), ("total", models.IntegerField())]),
        migrations.RunPython(fill),
    ]
"""


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("os.environ['X']", "[tool.migfix] rewrites 1 of 2 loops otherwise."),
        ("'django.db.backends.sqlite3'", "Databases: SQLite, as shop/settings.py says."),
    ],
)
def test_it_is_counted_what_one_database_would_change(tmp_path, monkeypatch, engine, told):
    """Rows are streamed by ``.iterator()`` on PostgreSQL; ``update()`` is the same on all."""
    monkeypatch.chdir(tmp_path)
    project(tmp_path, f"import os\nDATABASES = {{'default': {{'ENGINE': {engine}}}}}")
    write(tmp_path, "shop/migrations/0001_initial.py", LOOPS)
    found = CliRunner().invoke(app, ["diff", "."]).stdout
    assert told in " ".join(found.replace("\n#  ", "").split())
    alone = CliRunner().invoke(app, ["diff", ".", "--database", "postgresql"]).stdout
    assert "otherwise" not in alone
    assert ".iterator()" in alone
    assert ("stream(" in found) is ("otherwise" in told)
