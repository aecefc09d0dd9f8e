"""Projects written into a temporary folder, one text per file."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.history import History
from migfix.history.environment import Environment
from migfix.history.state import FieldState, ModelState, ProjectState
from migfix.project.discovery import Project, project_of

HEADER = """\
import uuid
import django.db.models.deletion
import django.contrib.postgres.fields
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q


def forwards(apps, schema_editor):
    pass


"""


@dataclass(frozen=True)
class Written:
    """A project on disk. Its apps have an ``__init__.py`` as soon as they have a migration."""

    root: Path

    def file(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def migration(
        self,
        key: str,
        operations: str,
        dependencies: str = "",
        extra: str = "",
        top: str = "",
        folder: str = "migrations",
    ) -> Path:
        """``key`` is ``app.0001_name``; ``operations`` the text between the brackets."""
        app, _, name = key.partition(".")
        for package in (app, f"{app}/{folder}"):
            self.file(f"{package}/__init__.py", "")
        body = f"dependencies = [{dependencies}]\noperations = [\n{operations}\n]\n{extra}"
        text = (
            HEADER
            + top
            + "\n\nclass Migration(migrations.Migration):\n"
            + textwrap.indent(body, "    ")
        )
        return self.file(f"{app}/{folder}/{name}.py", text)

    def history(self, environment: Environment | None = None) -> History:
        return History(self.project, environment)

    @property
    def project(self) -> Project:
        return project_of(self.root, Files())

    def states(
        self, key: str, labels: str = "shop", index: int = 99, folder: str = "migrations"
    ) -> tuple[ProjectState, ...]:
        """The states at the end of a migration, or at an index of its operations."""
        app, _, name = key.partition(".")
        project = self.project
        migration = project.migration(self.root / app / folder / f"{name}.py")
        return History(project).states_at(migration, index, frozenset(labels.split()))

    def state(
        self, key: str, labels: str = "shop", index: int = 99, folder: str = "migrations"
    ) -> ProjectState:
        (state,) = self.states(key, labels, index, folder)
        return state


@pytest.fixture
def written(tmp_path: Path) -> Written:
    (tmp_path / "manage.py").touch()
    return Written(tmp_path)


ORDER = """migrations.CreateModel("Order", fields=[
    ("id", models.AutoField(primary_key=True)),
    ("name", models.CharField(max_length=10)),
    ("total", models.IntegerField(null=True)),
    ("slug", models.SlugField(unique=True)),
]),
"""


@pytest.fixture
def after(written: Written) -> Callable[[str], ProjectState]:
    """The state after operations that follow the creation of ``shop.Order``."""

    def replay(operations: str) -> ProjectState:
        written.migration("shop.0001_initial", ORDER)
        written.migration("shop.0002_next", operations, '("shop", "0001_initial")')
        return written.state("shop.0002_next")

    return replay


@pytest.fixture
def order(after: Callable[[str], ProjectState]) -> Callable[[str], ModelState]:
    """The model ``shop.Order`` after operations."""

    def replay(operations: str) -> ModelState:
        model = after(operations).model("shop", "Order")
        assert isinstance(model, ModelState), model
        return model

    return replay


@pytest.fixture
def field() -> Callable[[ModelState, str], FieldState]:
    def find(model: ModelState, name: str) -> FieldState:
        found = model.field(name)
        assert found is not None
        return found

    return find
