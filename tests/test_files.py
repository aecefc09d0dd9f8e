"""Files as they come: odd encodings, line ends, links, permissions. Nothing is ever lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from tests import checking

BEFORE = checking.whole(
    'for post in Post.objects.all():\n    post.title = "é"  # ü\n    post.save()'
)
AFTER = '    # ü\n    Post.objects.update(title="é")\n'


@pytest.fixture
def migrations(tmp_path, monkeypatch):
    """The migrations folder of a small shop in the working folder."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (tmp_path / "pyproject.toml").write_text("[tool.black]\n")
    (folder / "__init__.py").touch()
    (folder / "0001_initial.py").write_text(checking.MODELS)
    monkeypatch.chdir(tmp_path)
    return folder


def migfix(*arguments, **options):
    return CliRunner().invoke(app, list(arguments), **options)


def test_a_file_in_latin_1_with_a_cookie_stays_so(migrations):
    file = migrations / "0002_fill.py"
    file.write_bytes(f"# -*- coding: latin-1 -*-\n{BEFORE}".encode("latin-1"))
    assert migfix("apply", "shop").exit_code == 0
    written = file.read_bytes().decode("latin-1")
    assert written.startswith("# -*- coding: latin-1 -*-\n")
    assert AFTER in written


def test_a_file_with_crlf_and_a_byte_order_mark_keeps_both(migrations):
    file = migrations / "0002_fill.py"
    file.write_bytes(b"\xef\xbb\xbf" + BEFORE.replace("\n", "\r\n").encode())
    assert migfix("apply", "shop").exit_code == 0
    written = file.read_bytes()
    assert written.startswith(b"\xef\xbb\xbffrom django.db")
    assert written.count(b"\n") == written.count(b"\r\n")
    assert AFTER.replace("\n", "\r\n").encode() in written


def test_a_syntax_error_is_one_line_and_the_others_are_done(migrations):
    (migrations / "0002_fill.py").write_text(BEFORE)
    (migrations.parent / "broken.py").write_text("import RunPython from\n")
    result = migfix("apply", "shop/broken.py", "shop")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("migfix: shop/broken.py: line 1, column ")
    assert AFTER in (migrations / "0002_fill.py").read_text()


def test_an_unreadable_migration_makes_the_models_of_its_app_unknown(migrations):
    (migrations / "0002_fill.py").write_text(BEFORE)
    (migrations / "0002_broken.py").write_text("import RunPython from\n")
    result = migfix("check", "shop")
    assert result.exit_code == 2
    assert "MF101" not in result.stdout


def test_an_undecodable_file_is_one_line(migrations):
    (migrations / "0002_fill.py").write_bytes(b"# RunPython \xff\xfe\n")
    result = migfix("check", "shop")
    assert result.exit_code == 2
    assert "shop/migrations/0002_fill.py: cannot be decoded" in result.stderr


def test_a_read_only_file_is_refused_and_keeps_its_bytes(migrations):
    file = migrations / "0002_fill.py"
    file.write_text(BEFORE)
    file.chmod(0o444)
    result = migfix("apply", "shop")
    assert result.exit_code == 2
    assert "0002_fill.py" in result.stderr
    assert file.read_text() == BEFORE


def test_a_symbolic_link_stays_one_and_its_target_is_rewritten(migrations, tmp_path):
    target = tmp_path / "elsewhere.py"
    target.write_text(BEFORE)
    link = migrations / "0002_fill.py"
    link.symlink_to(target)
    assert migfix("apply", "shop/migrations").exit_code == 0
    assert link.is_symlink()
    assert AFTER in target.read_text()


def test_an_empty_folder_is_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert migfix("apply", "empty").exit_code == 0


def test_a_path_that_does_not_exist_is_one_line_and_the_others_are_done(migrations):
    (migrations / "0002_fill.py").write_text(BEFORE)
    result = migfix("apply", "nowhere", "shop")
    assert result.exit_code == 2
    assert [line for line in result.stderr.splitlines() if "nowhere" in line] == [
        "migfix: nowhere: no such file or folder"
    ]
    assert AFTER in (migrations / "0002_fill.py").read_text()


def test_a_write_that_is_interrupted_leaves_the_old_file_and_nothing_else(migrations, monkeypatch):
    file = migrations / "0002_fill.py"
    file.write_text(BEFORE)
    there = sorted(migrations.iterdir())

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    assert migfix("apply", "shop").exit_code == 130
    assert file.read_text() == BEFORE
    assert sorted(migrations.iterdir()) == there


def test_a_folder_of_another_name_and_a_single_file_are_looked_into(migrations):
    other = migrations.rename(migrations.parent / "db_migrations")
    (other / "0002_fill.py").write_text(BEFORE)
    assert "MF101" in migfix("check", "shop").stdout
    assert "MF101" in migfix("check", "shop/db_migrations/0002_fill.py").stdout


def test_a_file_without_runpython_is_looked_into_when_it_is_named(migrations):
    functions = BEFORE.partition("class Migration")[0]
    (migrations / "_fill.py").write_text(functions)
    assert migfix("check", "shop").stdout.count("_fill.py") == 0
    result = migfix("check", "shop/migrations/_fill.py")
    assert "shop/migrations/_fill.py:" in result.stdout


def test_standard_input_is_filtered(migrations):
    result = migfix(
        "apply", "-", "--stdin-filename", "shop/migrations/0002_fill.py", input=BEFORE.encode()
    )
    assert result.exit_code == 0
    assert AFTER in result.stdout
    assert not (migrations / "0002_fill.py").exists()


def test_several_processes_find_what_one_finds(migrations):
    (migrations / "0002_fill.py").write_text(BEFORE)
    other = migrations.parent.parent / "stall" / "migrations"
    other.mkdir(parents=True)
    for name in ("0001_initial.py", "0002_fill.py"):
        (other / name).write_text((migrations / name).read_text().replace('"shop"', '"stall"'))
    one = migfix("check", ".", "--output-format", "json", "-j", "1")
    two = migfix("check", ".", "--output-format", "json", "-j", "2")
    assert one.stdout == two.stdout
    assert one.stdout.count('"outcome": "update"') == 2


IMPORTING = """
from django.db import migrations
from shop.text import credit


def forwards(apps, schema_editor):
    for post in apps.get_model("shop", "Post").objects.all():
        post.title = credit(post.slug)
        post.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.mark.parametrize("imported", ["shop.text", "..text"])
def test_an_imported_function_that_only_computes_lets_the_columns_be_narrowed(migrations, imported):
    (migrations.parent / "text.py").write_text(
        "import re\n\ndef credit(slug):\n    return clean(slug.title())\n\n"
        "def clean(text):\n    return re.sub('-', ' ', text)\n"
    )
    (migrations / "0002_fill.py").write_text(IMPORTING.replace("shop.text", imported))
    assert "MF201" in migfix("check", "shop").stdout


@pytest.mark.parametrize(
    "text",
    [
        "from shop.models import Post\n\ndef credit(slug):\n    Post.objects.update(body='')\n",
        "from elsewhere import credit\n",
        "import functools\n\n@functools.singledispatch\ndef credit(slug):\n    return slug\n",
        "def credit(slug):\n    return helper(slug)\n",
        "class credit:\n    pass\n",
        "def credit(slug\n",
    ],
)
def test_an_imported_function_that_may_do_more_keeps_every_column(migrations, text):
    (migrations.parent / "text.py").write_text(text)
    (migrations / "0002_fill.py").write_text(IMPORTING)
    result = migfix("check", "shop").stdout
    assert "MF201" not in result
    assert "MF203" in result


OF_THE_USER = """
from django.conf import settings
from django.db import migrations


def forwards(apps, schema_editor):
    for user in apps.get_model({model}).objects.all():
        user.age = 1
        user.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.mark.parametrize(
    "model", ["settings.AUTH_USER_MODEL", '*settings.AUTH_USER_MODEL.split(".")']
)
@pytest.mark.parametrize(
    ("value", "code"), [('"shop.Person"', "MF101"), ("USER", "MF203"), ("", "MF203")]
)
def test_a_model_that_the_settings_name(migrations, model, value, code):
    if value:
        (migrations.parent / "settings.py").write_text(f"AUTH_USER_MODEL = {value}\n")
    (migrations / "0002_fill.py").write_text(OF_THE_USER.format(model=model))
    assert f": {code} " in migfix("check", "shop").stdout


def test_a_helper_module_is_one_file_however_the_folder_is_named(migrations):
    (migrations / "_fill.py").write_text(
        "def fill(Post):\n    for post in Post.objects.all():\n"
        "        post.kind = 1\n        post.save()\n"
    )
    (migrations / "0002_fill.py").write_text(
        IMPORTING.replace("shop.text import credit", "._fill import fill").replace(
            IMPORTING[IMPORTING.index("    for") : IMPORTING.index("\n\n\nclass")],
            '    fill(apps.get_model("shop", "Post"))',
        )
    )
    for folder in ("shop", str(migrations.parent.resolve())):
        report = json.loads(migfix("check", folder, "--output-format", "json").stdout)
        assert report["summary"]["files"] == 3
        assert [file["path"].rpartition("/")[2] for file in report["files"]] == ["_fill.py"]


READING = checking.whole("for post in Post.objects.all():\n    imported.run(post)")


def one_helper(migrations, module):
    """The project names one module for the helper, and has the same migration in two apps."""
    root = migrations.parent.parent
    (root / "pyproject.toml").write_text(f'[tool.black]\n[tool.migfix]\nhelper = "{module}"\n')
    other = root / "blog" / "migrations"
    other.mkdir(parents=True)
    for folder in (migrations, other):
        (folder / "__init__.py").touch()
        (folder / "0002_fill.py").write_text(READING)
    (other.parent / "__init__.py").touch()
    return [migrations / "0002_fill.py", other / "0002_fill.py"]


@pytest.mark.parametrize(
    ("module", "path"), [("common.streams", "common/streams.py"), ("streams", "streams.py")]
)
def test_a_project_may_name_one_module_for_the_helper(migrations, module, path):
    files = one_helper(migrations, module)
    root = migrations.parent.parent
    (root / "common").mkdir()
    (root / "common" / "__init__.py").touch()
    assert migfix("apply", ".", "--database", "mysql").exit_code == 0
    assert '\n"""\nGo over many rows without' in (root / path).read_text()
    assert not list(root.rglob("_migfix*.py"))
    for file in files:
        assert f"\nfrom {module} import stream\n" in file.read_text()
    assert migfix("diff", ".", "--database", "mysql").stdout == ""


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("streams", "'streams', which is a module there already"),
        ("typing", "would hide 'typing'"),
        ("os.path", "would hide 'os'"),
        ("django.x", "would hide 'django'"),
        ("libcst", "'libcst', which is a module there already"),
        ("shop", "'shop', which is a module there already"),
        ("shop.migrations.helper", "Django would take for a migration"),
    ],
)
def test_a_module_for_the_helper_that_is_something_else(migrations, module, said):
    files = one_helper(migrations, module)
    mine = migrations.parent.parent / "streams.py"
    mine.write_text("stream = None\n")
    (migrations.parent / "__init__.py").touch()
    result = migfix("apply", ".", "--database", "mysql")
    assert (result.exit_code, said in result.stderr) == (2, True), result.output
    assert mine.read_text() == "stream = None\n"
    assert all(file.read_text() == READING for file in files)


def test_an_older_helper_is_left_to_those_that_import_it(migrations):
    files = one_helper(migrations, "streams")
    older = migrations.parent.parent / "streams.py"
    older.write_text('"""Written by migfix, once."""\n')
    assert migfix("apply", ".", "--database", "mysql").exit_code == 0
    assert "\nfrom streams_2 import stream\n" in files[0].read_text()


def test_a_package_for_the_helper_must_be_there(migrations):
    files = one_helper(migrations, "common.streams")
    result = migfix("apply", ".", "--database", "mysql")
    assert result.exit_code == 2
    assert "there is no package 'common'" in result.stderr
    assert files[0].read_text() == READING
