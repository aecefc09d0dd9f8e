"""With --settings, migrations run with the project's own code, and never on its database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from migfix.findings import Verdict
from tests.verify.proving import proof_of

pytestmark = pytest.mark.behaviour

_SETTINGS = """
from pathlib import Path

SECRET_KEY = "x"
USE_TZ = True
PROJECT = Path(__file__).parent / "project.sqlite3"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": PROJECT},
    "replica": {"ENGINE": "django.db.backends.sqlite3", "NAME": PROJECT},
}
INSTALLED_APPS = ["shop.apps.Shop"]
LOGGING = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": PROJECT.with_name("log")}},
    "root": {"handlers": ["file"]},
}
"""
_APPS = """
from django.apps import AppConfig
from django.db import connection


class Shop(AppConfig):
    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS shop_ready (n integer)")
        {ready}
"""
_CODE = """
from datetime import datetime, timezone

from django.db import models
from django.db.models.signals import post_save
from django.utils.timezone import now


class ShoutedField(models.CharField):
    def pre_save(self, instance, add):
        return getattr(instance, self.attname).upper()


class Rows(models.QuerySet):
    def delete(self):
        return self.update(gone=True)


class Manager(models.Manager.from_queryset(Rows)):
    use_in_migrations = True


class Stamped:
    def save(self, *args, **kwargs):
        self.seen = datetime.now(timezone.utc)
        self.changed = now()
        self.count = (self.count or 0) + 1
        super().save(*args, **kwargs)


def note(sender, instance, **kwargs):
    if sender.__name__ == "Heard":
        sender.objects.filter(pk=instance.pk).update(noted=True)


post_save.connect(note)
"""
_INITIAL = """
import shop.code
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Shouted", [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", shop.code.ShoutedField(max_length=20)),
            ("n", models.IntegerField()),
        ]),
        migrations.CreateModel("Soft", [
            ("id", models.BigAutoField(primary_key=True)),
            ("gone", models.BooleanField(default=False)),
        ], managers=[("objects", shop.code.Manager())]),
        migrations.CreateModel("Stamped", [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.IntegerField()),
            ("count", models.IntegerField(default=0)),
            ("seen", models.DateTimeField(null=True)),
            ("changed", models.DateTimeField(null=True)),
        ], bases=(shop.code.Stamped, models.Model)),
        migrations.CreateModel("Heard", [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.IntegerField()),
            ("noted", models.BooleanField(default=False)),
        ]),
    ]
"""


def _project(folder: Path, ready: str = "pass") -> None:
    (folder / "shop").mkdir()
    (folder / "conf.py").write_text(_SETTINGS)
    (folder / "shop" / "apps.py").write_text(_APPS.format(ready=ready))
    (folder / "shop" / "code.py").write_text(_CODE)
    (folder / "shop" / "models.py").write_text("from shop import code\n")


def _module(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def forwards(apps, schema_editor):\n    get = apps.get_model\n{lines}"


@dataclass(frozen=True)
class _Planted:
    before: str
    after: str


def _each(model: str) -> str:
    return f'for row in get("shop", "{model}").objects.all():\n    row.n = 5\n    row.save()'


def _update(model: str) -> str:
    return f'get("shop", "{model}").objects.update(n=5)'


_PLANTED = {
    "a field has a pre_save()": _Planted(_each("Shouted"), _update("Shouted")),
    "a manager deletes softly": _Planted(
        'for row in get("shop", "Soft").objects.all():\n    row.delete()',
        'get("shop", "Soft").objects.all().delete()',
    ),
    "a base has a save()": _Planted(_each("Stamped"), _update("Stamped")),
    "a receiver hears every model": _Planted(_each("Heard"), _update("Heard")),
}


@pytest.mark.parametrize("what", _PLANTED)
def test_what_the_projects_code_does_is_seen(what: str, tmp_path: Path) -> None:
    _project(tmp_path)
    before, after = _module(_PLANTED[what].before), _module(_PLANTED[what].after)
    proof = proof_of(tmp_path, before, after, models=_INITIAL, settings="conf")
    assert proof.verdict is Verdict.DIFFERENT, proof
    blind = proof_of(tmp_path, before, after, models=_INITIAL)
    assert blind.verdict is Verdict.EQUAL, blind


@pytest.mark.parametrize("use_tz", [True, False])
def test_the_projects_code_has_our_clock(use_tz: bool, tmp_path: Path) -> None:
    _project(tmp_path)
    settings = (tmp_path / "conf.py").read_text()
    (tmp_path / "conf.py").write_text(settings.replace("USE_TZ = True", f"USE_TZ = {use_tz}"))
    code = (tmp_path / "shop" / "code.py").read_text()
    moment = "datetime.now(timezone.utc)" if use_tz else "datetime.now()"
    (tmp_path / "shop" / "code.py").write_text(code.replace("datetime.now(timezone.utc)", moment))
    before = _module(_each("Stamped"))
    proof = proof_of(tmp_path, before, f"{before}\n", models=_INITIAL, settings="conf")
    assert proof.verdict is Verdict.EQUAL, proof


def test_settings_that_ask_for_their_connection_do_not_keep_it(tmp_path: Path) -> None:
    _project(tmp_path)
    with (tmp_path / "conf.py").open("a") as settings:
        settings.write("from django.db import connection\nVENDOR = connection.vendor\n")
    before = _module(_each("Heard"))
    proof = proof_of(tmp_path, before, f"{before}\n", models=_INITIAL, settings="conf")
    assert proof.verdict is Verdict.EQUAL, proof
    assert not (tmp_path / "project.sqlite3").exists()


@pytest.mark.parametrize(
    ("ready", "refused"),
    [
        ("pass", False),
        ("import sqlite3, conf; sqlite3.connect(conf.PROJECT).execute('DROP TABLE t')", True),
    ],
)
def test_the_projects_database_is_not_touched(ready: str, refused: bool, tmp_path: Path) -> None:
    _project(tmp_path, ready)
    with closing(sqlite3.connect(tmp_path / "project.sqlite3")) as connection:
        connection.execute("CREATE TABLE t (n)")
    stored = (tmp_path / "project.sqlite3").read_bytes()
    before = _module(_each("Heard"))
    proof = proof_of(tmp_path, before, f"{before}\n", models=_INITIAL, settings="conf")
    assert (tmp_path / "project.sqlite3").read_bytes() == stored
    assert not (tmp_path / "log").exists()
    if refused:
        assert "connects to the database" in proof.reason
    else:
        assert proof.verdict is Verdict.EQUAL, proof
