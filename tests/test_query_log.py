"""DEBUG in the settings: found where it is certainly on, and said once by check."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.project.discovery import project_of
from migfix.project.query_log import debug_setting
from tests import checking

MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")'


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "files",
    [
        {"manage.py": MANAGE.format("site.settings"), "site/settings.py": "\nDEBUG = True\n"},
        {"manage.py": "", "site/settings.py": "\nDEBUG: bool = True\n"},
        {"manage.py": MANAGE.format("unknown.settings"), "conf/settings/base.py": "\nDEBUG = True"},
    ],
)
def test_debug_is_found(files, tmp_path):
    write(tmp_path, files)
    found = debug_setting(project_of(tmp_path, Files()))
    assert found == f"{list(files)[1]}:2"


@pytest.mark.parametrize(
    "files",
    [
        {"manage.py": "", "site/settings.py": "DEBUG = False\n"},
        {"manage.py": "", "site/settings.py": 'DEBUG = env.bool("DEBUG", True)\n'},
        {"manage.py": "", "site/settings.py": "DEBUG = True\nif PRODUCTION:\n    DEBUG = False\n"},
        {"manage.py": "", "site/settings.py": "TEMPLATES = {'DEBUG': True}\n"},
        {"manage.py": "", "site/settings.py": "DEBUG = True ("},
        {"manage.py": "", "site/settings/local.py": "DEBUG = True\n"},
        {
            "manage.py": MANAGE.format("site.settings.production"),
            "site/settings/production.py": "DEBUG = False\n",
            "site/settings/base.py": "DEBUG = True\n",
        },
    ],
)
def test_debug_may_be_off(files, tmp_path):
    write(tmp_path, files)
    assert debug_setting(project_of(tmp_path, Files())) is None


NOTE = "site/settings.py:1 sets DEBUG = True: Django keeps the last 9,000 statements"
LOOPS = {
    "saves": ("for post in Post.objects.all():\n    imported.run(post)\n    post.save()", True),
    "asks": (
        "for post in Post.objects.all():\n    imported.run(post, Tag.objects.get(pk=1))",
        True,
    ),
    "sends nothing": ("for post in Post.objects.all():\n    imported.run(post.title)", False),
    "becomes one query": (
        "for post in Post.objects.all():\n    post.kind = 1\n    post.save()",
        False,
    ),
}


@pytest.mark.parametrize(("body", "noted"), LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("database", ["postgresql", "mysql"])
def test_check_says_once_which_loops_are_logged(body, noted, database, tmp_path):
    write(
        tmp_path,
        {
            "manage.py": MANAGE.format("site.settings"),
            "site/settings.py": "DEBUG = True\n",
            "shop/__init__.py": "",
            "shop/migrations/__init__.py": "",
            "shop/migrations/0001_initial.py": checking.SHORT,
            "shop/migrations/0002_fill.py": checking.whole(body),
            "shop/migrations/0003_more.py": checking.whole(body).replace(
                "0001_initial", "0002_fill"
            ),
        },
    )
    result = CliRunner().invoke(app, ["check", str(tmp_path), "--database", database])
    logged = noted and database == "postgresql"  # the helper clears the log by itself
    assert result.output.count(NOTE) == logged
    assert ("of 2 loops in memory" in result.output) == logged
    applied = CliRunner().invoke(app, ["apply", str(tmp_path), "--database", database])
    assert NOTE not in applied.output


def test_nothing_is_said_where_debug_is_off(tmp_path):
    body = LOOPS["saves"][0]
    write(tmp_path, {"shop/migrations/0002_fill.py": checking.whole(body)})
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert "DEBUG" not in result.output
