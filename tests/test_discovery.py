"""Which files a path means, and which project a migration belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.project import discovery
from migfix.project.discovery import Discovery, Project

MIGRATION = "from django.db import migrations\n\nclass Migration(migrations.Migration):\n    dependencies = [{}]\n"


def discover(paths: list[Path], exclude: list[str] = ()) -> Discovery:
    return discovery.discover(paths, Files(), exclude)


def project_of(path: Path) -> Project:
    return discovery.project_of(path, Files())


def app_label(folder: Path) -> str:
    return discovery.app_label(folder, Files())


@pytest.fixture
def write(tmp_path):
    def write(path: str, text: str = "") -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    return write


def test_a_folder_gives_the_files_of_its_migrations_packages(tmp_path, write):
    first = write("shop/migrations/0001_initial.py")
    second = write("blog/history/0001_initial.py", MIGRATION.format(""))
    write("shop/migrations/__init__.py")
    write("shop/models.py", "class Order: pass")
    assert discover([tmp_path]).files == (second, first)


def test_a_file_is_taken_whatever_its_name_and_once(tmp_path, write):
    path = write("notes.py")
    inside = write("migrations/0001_initial.py")
    assert discover([path, path, tmp_path, inside], ["0001*"]).files == (inside, path)


def test_a_path_that_is_not_there_is_reported(tmp_path):
    assert discover([tmp_path / "gone"]).problems == (
        (tmp_path / "gone", "no such file or folder"),
    )


@pytest.mark.parametrize("folder", [".hidden", "node_modules", "__pycache__", "env"])
def test_folders_of_others_are_skipped(tmp_path, write, folder):
    write("env/pyvenv.cfg")
    write(f"{folder}/shop/migrations/0001_initial.py")
    assert discover([tmp_path]).files == ()


@pytest.mark.parametrize(
    "pattern", ["legacy", "legacy/", "legacy/*", "./legacy", "0001_*.py", "*/migrations"]
)
def test_excluded_patterns_match_names_and_paths_from_the_working_folder(
    tmp_path, write, monkeypatch, pattern
):
    monkeypatch.chdir(tmp_path)
    write("legacy/migrations/0001_initial.py")
    assert len(discover([Path()]).files) == 1
    assert discover([Path()], [pattern]).files == ()


def test_the_nearest_manage_py_marks_the_project(tmp_path, write):
    write("pyproject.toml")
    write("backend/manage.py")
    write("backend/shop/pyproject.toml")
    path = write("backend/shop/migrations/0001_initial.py")
    assert project_of(path).root == tmp_path / "backend"


def test_a_repository_without_manage_py_above_is_taken_as_a_whole(tmp_path, write):
    (tmp_path / ".git").mkdir()
    write("packages/a/pyproject.toml")
    path = write("packages/a/shop/migrations/0001_initial.py", MIGRATION.format(""))
    write("packages/b/blog/migrations/0001_initial.py", MIGRATION.format(""))
    project = project_of(path)
    assert project.root == tmp_path
    assert {package.app_label for package in project.packages} == {"shop", "blog"}


def test_the_top_package_decides_where_no_file_marks_a_project(tmp_path, write):
    for folder in ("site", "site/shop", "site/shop/migrations"):
        write(f"{folder}/__init__.py")
    path = write("site/shop/migrations/0001_initial.py")
    assert project_of(path).root == tmp_path
    assert discovery.module_name(path, Files()) == "site.shop.migrations.0001_initial"


def test_a_project_inside_the_project_keeps_its_apps_to_itself(tmp_path, write):
    write("manage.py")
    write("shop/migrations/0001_initial.py", MIGRATION.format(""))
    write("docs/migrations/__init__.py")
    write("docs/migrations/notes.py")
    write("examples/manage.py")
    write("examples/shop/migrations/0001_initial.py", MIGRATION.format(""))
    packages = project_of(tmp_path).packages
    assert [package.folder for package in packages] == [tmp_path / "shop/migrations"]


def test_the_files_decide_on_the_label_of_their_app(tmp_path, write):
    write("shop/apps.py", "class C:\n    name = 'shop'\n")
    write("shop/migrations/0001_initial.py", MIGRATION.format(""))
    write("shop/migrations/0002_next.py", MIGRATION.format("('store', '0001_initial')"))
    assert app_label(tmp_path / "shop/migrations") == "store"


def test_a_first_migration_of_another_app_does_not_decide(tmp_path, write):
    write("shop/migrations/0001_initial.py", MIGRATION.format(""))
    write(
        "shop/migrations/0002_a.py",
        MIGRATION.format("('auth', '0001_initial'), ('shop', '0001_initial')"),
    )
    assert app_label(tmp_path / "shop/migrations") == "shop"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("class C(AppConfig):\n    name = 'site.shop'\n    label = 'store'\n", "store"),
        ("class C(AppConfig):\n    name = 'site.things'\n", "things"),
        ("class C(AppConfig):\n    name = NAME\n", "shop"),
        ("class (", "shop"),
    ],
)
def test_else_the_app_config_and_then_the_folder_decide(tmp_path, write, text, label):
    write("shop/apps.py", text)
    write(
        "shop/migrations/0001_initial.py",
        MIGRATION.format("('auth', '0002_x')"),
    )
    assert app_label(tmp_path / "shop/migrations") == label
