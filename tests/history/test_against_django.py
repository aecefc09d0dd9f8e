"""The states are those of Django's own MigrationLoader, which runs in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from migfix.history import History
from migfix.history.state import ModelState
from migfix.project.discovery import MigrationFile
from tests.processes import ran

CONTRIB = ["admin", "auth", "contenttypes", "flatpages", "redirects", "sessions", "sites"]

ASK_DJANGO = """
import json, sys
import django
from django.conf import settings
apps = json.loads(sys.argv[1])
settings.configure(
    INSTALLED_APPS=apps, SITE_ID=1, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    AUTH_USER_MODEL=sys.argv[2],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.db.migrations.loader import MigrationLoader
state = MigrationLoader(None).project_state()
def described(key, name, field):
    target = field.remote_field.model if field.remote_field else None
    return [name, type(field).__name__, field.null, bool(field.unique), field.primary_key,
            target.lower().replace("self", key) if isinstance(target, str) else None]
print(json.dumps({
    ".".join(key): {
        "fields": [described(".".join(key), *item) for item in model.fields.items()],
        "bases": [base.lower() if isinstance(base, str) else "" for base in model.bases],
        "options": sorted(key for key, value in model.options.items() if value),
    } for key, model in state.models.items()
}))
"""


def of_django(root: Path, apps: list[str], user: str = "auth.User") -> dict[str, object]:
    command = [sys.executable, "-c", ASK_DJANGO, json.dumps(apps), user]
    done = ran(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of_ours(history: History, labels: list[str]) -> dict[str, object]:
    """All that may have run before a migration that needs nothing: the last of its states."""
    nothing = MigrationFile(history.project.root / "nothing.py", "0001_nothing", "nothing")
    models = history.states_at(nothing, 0, labels)[-1].models
    assert not [model for model in models.values() if not isinstance(model, ModelState)]
    return {
        model.label.lower(): described(model)
        for model in models.values()
        if isinstance(model, ModelState) and model.app_label in labels
    }


def described(model: ModelState) -> Mapping[str, object]:
    return {
        "fields": [
            [
                field.name,
                field.kind,
                field.null,
                field.unique,
                field.primary_key,
                ".".join(field.target) if isinstance(field.target, tuple) else None,
            ]
            for field in model.fields
            if field.name != "_order"
        ],
        "bases": [".".join(base) if isinstance(base, tuple) else "" for base in model.bases],
        "options": sorted(key for key, value in model.options.items() if value),
    }


@pytest.fixture
def nothing(written):
    written.file(
        "nothing.py",
        "from django.db import migrations\nclass Migration(migrations.Migration): pass\n",
    )
    return written


def test_the_contrib_apps_of_django(nothing):
    django = of_django(nothing.root, [f"django.contrib.{label}" for label in CONTRIB])
    ours = of_ours(nothing.history(), CONTRIB)
    assert len(ours) == 9
    assert ours == django


KEY = '("id", models.AutoField(primary_key=True)),'


def test_every_operation_in_one_project(nothing):
    nothing.migration(
        "shop.0001_initial",
        f"""
migrations.CreateModel("Order", [{KEY}
    ("name", models.CharField(max_length=10, unique=True)),
    ("old", models.IntegerField(null=True)),
    ("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)),
], options={{"ordering": ["name"], "verbose_name": "x"}}),
migrations.CreateModel("Line", [{KEY}
    ("order", models.ForeignKey("Order", models.CASCADE)),
    ("parent", models.ForeignKey("self", models.SET_NULL, null=True)),
    ("number", models.IntegerField()),
], options={{"unique_together": {{("order", "number")}}}}),
migrations.CreateModel("Plain", [{KEY}]),
migrations.CreateModel("Rush", [
    ("plain_ptr", models.OneToOneField(auto_created=True, on_delete=django.db.models.deletion.CASCADE,
     parent_link=True, primary_key=True, serialize=False, to="shop.plain")),
], bases=("shop.plain",)),
migrations.CreateModel("Gone", [{KEY}]),
""",
        "migrations.swappable_dependency(settings.AUTH_USER_MODEL)",
    )
    nothing.migration(
        "shop.0002_all",
        """
migrations.DeleteModel("Gone"),
migrations.RenameModel("Order", "Purchase"),
migrations.RenameField("Line", "order", "purchase"),
migrations.AddField("purchase", "added", models.DateField(null=True)),
migrations.AlterField("purchase", "name", models.TextField()),
migrations.RemoveField("purchase", "old"),
migrations.AlterModelOptions("purchase", {"verbose_name": "y"}),
migrations.AlterModelTable("line", "lines"),
migrations.AddIndex("line", models.Index(fields=["number"], name="i")),
migrations.RenameIndex("line", new_name="j", old_name="i"),
migrations.AddConstraint("line", models.UniqueConstraint(fields=["number"], name="u")),
migrations.RemoveConstraint("line", "u"),
migrations.SeparateDatabaseAndState(
    database_operations=[migrations.AddField("line", "no", models.IntegerField())],
    state_operations=[migrations.AddField("line", "yes", models.IntegerField())]),
migrations.RunSQL("SELECT 1", state_operations=[migrations.RemoveField("line", "number")]),
migrations.RunPython(forwards),
""",
        '("shop", "0001_initial"), ("blog", "0001_initial")',
    )
    nothing.migration(
        "blog.0001_initial",
        f"""
migrations.CreateModel("Tag", [{KEY}]),
migrations.CreateModel("Post", [{KEY}
    ("order", models.ForeignKey("shop.Order", models.CASCADE, null=True)),
    ("tags", models.ManyToManyField("Tag")),
    ("uuid", models.UUIDField(default=uuid.uuid4)),
]),
""",
        '("shop", "0001_initial")',
    )
    nothing.migration(
        "blog.0002_rename", 'migrations.RenameModel("Tag", "Label"),', '("blog", "0001_initial")'
    )
    check(nothing, ["shop", "blog"])


def test_a_squashed_app_and_a_user_model_of_the_project(nothing):
    nothing.file("settings.py", 'AUTH_USER_MODEL = "people.Person"\n')
    nothing.migration("people.0001_initial", f'migrations.CreateModel("Person", [{KEY}]),')
    nothing.migration("shop.0001_initial", f'migrations.CreateModel("Order", [{KEY}]),')
    nothing.migration(
        "shop.0002_user",
        'migrations.AddField("order", "user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)),',
        '("shop", "0001_initial"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)',
    )
    nothing.migration(
        "shop.0001_squashed",
        f"""migrations.CreateModel("Order", [{KEY}
    ("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE))]),""",
        "migrations.swappable_dependency(settings.AUTH_USER_MODEL)",
        extra='replaces = [("shop", "0001_initial"), ("shop", "0002_user")]',
    )
    nothing.migration(
        "shop.0003_more",
        'migrations.AddField("order", "n", models.IntegerField()),',
        '("shop", "0001_squashed")',
    )
    nothing.file(
        "people/models.py",
        "from django.db import models\nclass Person(models.Model):\n    USERNAME_FIELD = 'id'\n    REQUIRED_FIELDS = []\n    is_anonymous = is_authenticated = True\n",
    )
    check(nothing, ["shop", "people"], "people.Person")


def check(written, labels: list[str], user: str = "auth.User") -> None:
    contrib = ["django.contrib.auth", "django.contrib.contenttypes"]
    django = of_django(written.root, [*contrib, *labels], user)
    ours = of_ours(written.history(), labels)
    django = {key: each for key, each in django.items() if key.partition(".")[0] in labels}
    assert sorted(ours) == sorted(django)
    for key, model in ours.items():
        assert model == django[key]


def test_a_folder_of_migrations_beside_the_one_that_is_loaded(nothing):
    for folder, model in (("migrations", "Order"), ("migrations_old", "Sale")):
        nothing.migration(
            "shop.0001_initial", f'migrations.CreateModel("{model}", [{KEY}]),', folder=folder
        )
    django = of_django(nothing.root, ["shop"])
    assert list(django) == ["shop.order"]
    assert of_ours(nothing.history(), ["shop"]) == django
