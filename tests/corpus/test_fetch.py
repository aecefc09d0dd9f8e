"""What is kept of a package, and what happens without a network."""

from __future__ import annotations

from zipfile import ZipFile

import pytest

from tests.corpus import fetch

FILES = {
    "shop_app-1.dist-info/METADATA": (
        "Name: Shop_App\n"
        "Classifier: Framework :: Django\n"
        "Requires-Dist: psycopg>=3\n"
        "Requires-Dist: ruff; extra == 'dev'\n"
    ),
    "shop/__init__.py": "",
    "shop/apps.py": "",
    "shop/views.py": "",
    "shop/fields.py": "",
    "shop/utils/__init__.py": "",
    "shop/utils/text.py": "",
    "shop/conf/settings_base.py": "",
    "shop/static/data.json": "",
    "shop/migrations/__init__.py": "",
    "shop/migrations/helpers.py": "",
    "shop/migrations/0001_initial.py": (
        "import shop.fields\nfrom shop.utils import (\n    other,\n    text,\n)\n"
    ),
    "shop/tests/migrations/0001_initial.py": "",
}


@pytest.fixture
def project(tmp_path):
    wheel = tmp_path / "shop_app-1-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    fetch._unpack(wheel, tmp_path / "corpus")
    return tmp_path / "corpus" / "shop-app"


def test_only_what_concerns_the_migrations_is_unpacked(project):
    unpacked = {path.relative_to(project).as_posix() for path in project.rglob("*.py")}
    unwanted = {"shop/views.py", "shop/tests/migrations/0001_initial.py"}
    assert unpacked == {name for name in FILES if name.endswith(".py")} - unwanted | {"manage.py"}


def test_the_project_says_what_the_package_said(project):
    assert (project / "pyproject.toml").read_text() == (
        "[project]\n"
        'name = "shop-app"\n'
        "classifiers = ['Framework :: Django']\n"
        "dependencies = ['psycopg>=3']\n"
        "\n[tool.black]\n"
    )


def test_without_a_network_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("MIGFIX_CORPUS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(fetch.CorpusUnavailable, match="arches"):
        fetch.corpus()
    assert not list(tmp_path.iterdir())


def test_a_process_that_comes_second_takes_the_folder_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("MIGFIX_CORPUS", str(tmp_path))
    monkeypatch.setattr(fetch, "_download", lambda into: [into])
    folders = []

    def unpack_while_another_finishes(wheel, into):
        into.mkdir()
        if not folders:
            folders.append(into)
            folders.append(fetch.corpus())
            (folders[-1] / "first").touch()

    monkeypatch.setattr(fetch, "_unpack", unpack_while_another_finishes)
    assert fetch.corpus() == folders[-1]
    assert [path.name for path in folders[-1].iterdir()] == ["first"]
