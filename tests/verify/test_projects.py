"""Whole projects that verify runs with their own settings, each with what once kept it from running."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app

pytestmark = pytest.mark.behaviour

_SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = {apps!r}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}}}
"""
_INITIAL = """
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = {before!r}
    operations = [
        migrations.CreateModel("{model}", [
            ("id", models.AutoField(primary_key=True)),
            ("n", models.IntegerField(default=0)),
            {more}
        ]),
    ]
"""
_DATA = """
from django.db import migrations


def forwards(apps, schema_editor):
    Item = apps.get_model("shop", "Item")
    {body}


class Migration(migrations.Migration):
    dependencies = {before!r}
    operations = [migrations.RunPython(forwards)]
"""
_SET = "for item in Item.objects.all():\n        item.n = 3\n        item.save()"
_USER = "from django.contrib.auth.models import AbstractBaseUser\n\n\nclass User(AbstractBaseUser):\n    pass\n"


def settings(*apps: str, more: str = "") -> str:
    return _SETTINGS.format(apps=[*apps]) + more


def initial(model: str = "Item", more: str = "", before: object = ()) -> str:
    return _INITIAL.format(model=model, more=more, before=[*before])  # type: ignore[misc]


def data(
    body: str = _SET, before: tuple[tuple[str, str], ...] = (("shop", "0001_initial"),)
) -> str:
    return _DATA.format(body=body, before=[*before])


def packages(files: Mapping[str, str]) -> Mapping[str, str]:
    return {"shop/__init__.py": "", "shop/migrations/__init__.py": "", **files}


PROJECTS = {
    "a package whose folder has manage.py": (
        "squad.settings",
        {
            "squad/__init__.py": "",
            "squad/http.py": "raise RuntimeError('imported as http')",
            "squad/django.py": "raise RuntimeError('imported as django')",
            "squad/manage.py": "",
            "squad/settings.py": settings("squad.shop"),
            **{
                f"squad/{name}": text
                for name, text in packages(
                    {
                        "shop/migrations/0001_initial.py": initial(),
                        "shop/migrations/0002_set.py": data(),
                    }
                ).items()
            },
        },
    ),
    "a module that is called as one of Python's": (
        "settings",
        packages(
            {
                "settings.py": settings("shop"),
                "calendar.py": "raise RuntimeError('imported as calendar')",
                "shop/migrations/0001_initial.py": initial(),
                "shop/migrations/0002_set.py": data(),
            }
        ),
    ),
    "content types that a manager remembers": (
        "settings",
        packages(
            {
                "settings.py": settings(
                    "django.contrib.auth", "django.contrib.contenttypes", "shop"
                ),
                "shop/migrations/0001_initial.py": initial(),
                "shop/migrations/0002_set.py": data(
                    'ContentType = apps.get_model("contenttypes", "ContentType")\n'
                    '    Permission = apps.get_model("auth", "Permission")\n'
                    "    kind = ContentType.objects.get_for_model(Item)\n"
                    '    Permission.objects.get_or_create(codename="sell", content_type=kind)\n'
                    f"    {_SET}",
                    (
                        ("shop", "0001_initial"),
                        ("auth", "0001_initial"),
                        ("contenttypes", "0002_remove_content_type_name"),
                    ),
                ),
            }
        ),
    ),
    "an app that migrate runs before without a dependency": (
        "settings",
        packages(
            {
                "settings.py": settings("audit", "shop"),
                "audit/__init__.py": "",
                "audit/migrations/__init__.py": "",
                "audit/migrations/0001_initial.py": initial("Log"),
                "shop/migrations/0001_initial.py": initial(),
                "shop/migrations/0002_set.py": data(
                    'Log = apps.get_model("audit", "Log")\n    for item in Item.objects.all():\n'
                    "        Log.objects.create(n=item.n)"
                ),
            }
        ),
    ),
    "a migration that a squash replaces": (
        "settings",
        packages(
            {
                "settings.py": settings("shop"),
                "shop/migrations/0001_initial.py": initial(),
                "shop/migrations/0002_set.py": data(),
                "shop/migrations/0001_squashed_0002_set.py": initial().replace(
                    "    operations",
                    '    replaces = [("shop", "0001_initial"), ("shop", "0002_set")]\n    operations',
                ),
            }
        ),
    ),
    "users of the settings, whatever their file is called": (
        "conf",
        packages(
            {
                "conf.py": settings(
                    "django.contrib.auth",
                    "django.contrib.contenttypes",
                    "people",
                    "shop",
                    more='AUTH_USER_MODEL = "people.User"\n',
                ),
                "people/__init__.py": "",
                "people/models.py": _USER,
                "people/migrations/__init__.py": "",
                "people/migrations/0001_initial.py": initial("User"),
                "shop/migrations/0001_initial.py": initial(
                    more='("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)),'
                ).replace("[]", "[migrations.swappable_dependency(settings.AUTH_USER_MODEL)]", 1),
                "shop/migrations/0002_set.py": data(),
            }
        ),
    ),
}


@pytest.mark.parametrize(("module", "files"), PROJECTS.values(), ids=PROJECTS)
def test_it_runs(
    module: str, files: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["verify", ".", "--settings", module, "--database", "sqlite"])
    assert "Verified 1 loops: 1 equal, 0 different, 0 not run." in result.stdout, result.output
    assert result.exit_code == 0
