"""What a project's own Django says, set up by ``--settings``, and what migfix makes of it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from migfix.disk.files import Files
from migfix.history.loaded import LoadedHistory
from migfix.history.state import Unknown
from migfix.project.discovery import MigrationPackage
from migfix.project.loaded import Loaded
from tests.databases import PARAMETERS
from tests.processes import Completed, ran
from tests.verify.proving import url_of

SETTINGS = """
    SECRET_KEY = "x"
    INSTALLED_APPS = ["shop"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/db"}}
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    USE_TZ = True
"""
MODELS = """
    from django.db import models

    class Order(models.Model):
        name = models.CharField(max_length=50)
        note = models.TextField()
        paid = models.BooleanField(default=False)
"""
FIRST = """
    from django.db import migrations, models

    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel("Order", [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=50)),
                ("note", models.TextField()),
            ]),
        ]
"""
# What it comes to stands in no text.
ADDING = """
    from django.db import migrations, models

    def added():
        return [
            migrations.AddField("order", name, models.BooleanField(default=False))
            for name in "paid".split()
        ]

    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = added()
"""
LOOP = """
    from django.db import migrations

    def forwards(apps, schema_editor):
        for order in apps.get_model("shop", "Order").objects.all():
            order.paid = True
            order.save()

    class Migration(migrations.Migration):
        dependencies = [("shop", "0002_paid")]
        operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
"""
WHOLE = {
    "manage.py": "",
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/models.py": MODELS,
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": FIRST,
    "shop/migrations/0002_paid.py": ADDING,
    "shop/migrations/0003_loop.py": LOOP,
}
WRITTEN_OUT = """
    from django.db import migrations, models

    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.AddField("order", "paid", models.BooleanField(default=False))]
"""


def made(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


def run(folder: Path, command: str, *options: str) -> Completed[str]:
    return ran(
        [sys.executable, "-m", "migfix", command, "shop/migrations", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def loop(folder: Path, *options: str) -> Any:
    """The one loop of the project as check tells of it, with its settings."""
    result = run(folder, "check", "--settings=shop.settings", "--output-format=json", *options)
    assert result.stderr == "", result.stderr
    files = json.loads(result.stdout)["files"]
    return next(each for file in files for each in file["loops"])


def as_written(folder: Path, *options: str) -> Any:
    """The same by the source alone."""
    files = json.loads(run(folder, "check", "--output-format=json", *options).stdout)["files"]
    return next(each for file in files for each in file["loops"])


def blocked(found: Any) -> set[str]:
    return {each["blocked_by"] for each in found["parts"]}


def is_heard(found: Any) -> bool:
    """Is it not rewritten as it would be, for a receiver?"""
    told = [each["reason"] for each in found["parts"]]
    return found["outcome"] != "update" and any(
        "connects a receiver" in each or "hears historical" in each for each in told
    )


def test_operations_of_a_function_are_known(tmp_path: Path) -> None:
    made(tmp_path, WHOLE)
    assert "model-unknown" in blocked(as_written(tmp_path))
    assert (loop(tmp_path)["outcome"], loop(tmp_path)["applicability"]) == ("update", "safe")


@pytest.mark.parametrize(
    "asks",
    [
        "connection.vendor == 'sqlite'",
        "'orders' not in connection.introspection.table_names()",
        "os.environ.get('SHOP') is None",
        "'test' not in sys.argv",
        "settings.DATABASES['default']['ENGINE'].endswith('sqlite3')",
    ],
)
def test_operations_that_depend_on_where_they_run_stay_unknown(tmp_path: Path, asks: str) -> None:
    """Which they are on the machine that migrates is not known here."""
    imports = "import os, sys\nfrom django.conf import settings\nfrom django.db import connection\n"
    text = imports + dedent(ADDING).replace("return [", f"return {asks} and [")
    made(tmp_path, {**WHOLE, "shop/migrations/0002_paid.py": ""})
    (tmp_path / "shop/migrations/0002_paid.py").write_text(text)
    found = loop(tmp_path)
    assert (found["outcome"], found["blocked_by"]) != ("update", None)
    assert any(each["blocked_by"] == "model-unknown" for each in found["parts"])


def test_operations_by_what_another_module_asked_stay_unknown(tmp_path: Path) -> None:
    """It was imported before, as the models were."""
    flags = "import os\nSHOP = os.environ.get('SHOP') is None\n"
    text = "from shop.flags import SHOP\n" + dedent(ADDING).replace("return [", "return SHOP and [")
    models = "from shop import flags\n" + dedent(MODELS)
    made(tmp_path, {**WHOLE, "shop/flags.py": flags, "shop/models.py": models})
    (tmp_path / "shop/migrations/0002_paid.py").write_text(text)
    assert "model-unknown" in blocked(loop(tmp_path))
    (tmp_path / "shop/flags.py").write_text("SHOP = True\n")
    assert loop(tmp_path)["outcome"] == "update"


def test_an_operation_with_ways_of_its_own_stays_unknown(tmp_path: Path) -> None:
    own = """
        from django.db import migrations, models

        class Add(migrations.AddField):
            def state_forwards(self, app_label, state):
                super().state_forwards(app_label, state)
                state.models["shop", "order"].options["db_table"] = "another"

        def added():
            return [Add("order", n, models.BooleanField(default=False)) for n in "paid".split()]

        class Migration(migrations.Migration):
            dependencies = [("shop", "0001_initial")]
            operations = added()
    """
    made(tmp_path, {**WHOLE, "shop/migrations/0002_paid.py": own})
    assert any(each["blocked_by"] == "model-unknown" for each in loop(tmp_path)["parts"])


def test_a_field_that_writes_itself_as_another_class_stays_unknown(tmp_path: Path) -> None:
    """Its ``pre_save()`` runs in migrations, whatever it is written as."""
    lying = """
        from django.db import migrations, models

        class Always(models.BooleanField):
            def pre_save(self, instance, add):
                return False

            def deconstruct(self):
                name, _, args, kwargs = super().deconstruct()
                return name, "django.db.models.BooleanField", args, kwargs

        def added():
            return [migrations.AddField("order", n, Always(default=False)) for n in "paid".split()]

        class Migration(migrations.Migration):
            dependencies = [("shop", "0001_initial")]
            operations = added()
    """
    made(tmp_path, {**WHOLE, "shop/migrations/0002_paid.py": lying})
    assert any(each["blocked_by"] == "model-unknown" for each in loop(tmp_path)["parts"])


# Receivers

SENDERS = """
    from django.apps import AppConfig, apps
    from django.db.models.signals import post_save

    def index(sender, instance, **kwargs):
        print(instance.note)

    class Shop(AppConfig):
        name = "shop"

        def ready(self):
            options = {"sender": self.get_model("order")}
            post_save.connect(index, **options)
"""
KNOWN = {**WHOLE, "shop/migrations/0002_paid.py": WRITTEN_OUT}


def test_what_is_connected_to_models_of_today_hears_no_migration(tmp_path: Path) -> None:
    made(tmp_path, {**KNOWN, "shop/apps.py": SENDERS})
    assert is_heard(as_written(tmp_path))
    assert loop(tmp_path)["outcome"] == "update"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"sender": self.get_model("order")}', "{}"),
        # Who calls it, and with what, is not seen to the end.
        ("def ready(self):", "def later(self):"),
        # On another machine it may be otherwise.
        ("post_save.connect", "if apps.ready: post_save.connect"),
        ("post_save.connect", "apps.ready and post_save.connect"),
    ],
)
def test_what_hears_all_or_may_come_still_counts(tmp_path: Path, old: str, new: str) -> None:
    made(tmp_path, {**KNOWN, "shop/apps.py": SENDERS.replace(old, new)})
    assert is_heard(loop(tmp_path))


def with_package(folder: Path, name: str, models: str) -> Path:
    """The project, beside an app from elsewhere that it has installed."""
    outside = made(folder / "lib", {f"{name}/__init__.py": "", f"{name}/models.py": models})
    settings = f"import sys\nsys.path.append({str(outside)!r})\n" + dedent(SETTINGS).replace(
        '["shop"]', f'["shop", "{name}"]'
    )
    project = made(folder / "project", KNOWN)
    (project / "shop/settings.py").write_text(settings)
    return project


def test_a_receiver_of_a_package_counts(tmp_path: Path) -> None:
    """No source of the project says that it is there."""
    audit = """
        from django.db.models.signals import post_save

        def log(sender, instance, **kwargs):
            print(instance.note)

        post_save.connect(log)
    """
    found = loop(with_package(tmp_path, "audit", audit))
    assert is_heard(found)
    assert any("audit.models.log hears" in each["reason"] for each in found["parts"])


# What is taken with care


@pytest.mark.parametrize("command", ["check", "diff", "apply", "review", "explain"])
def test_settings_that_do_not_load(tmp_path: Path, command: str) -> None:
    made(tmp_path, {**WHOLE, "shop/settings.py": SETTINGS + "\n    raise KeyError('NO_SECRET')\n"})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    target = ["shop/migrations/0003_loop.py:5"] if command == "explain" else ["shop/migrations"]
    result = ran(
        [sys.executable, "-m", "migfix", command, *target, "--settings=shop.settings"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    where = tmp_path / "shop/settings.py"
    assert result.stderr == (
        f"migfix: --settings shop.settings: the settings shop.settings cannot be set up: KeyError: "
        f"'NO_SECRET' ({where}:8). Nothing was written\n"
    )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_settings_whose_packages_another_interpreter_has(tmp_path: Path) -> None:
    made(tmp_path, {**WHOLE, "shop/settings.py": "import not_installed_here\n" + dedent(SETTINGS)})
    asked = run(tmp_path, "check", "--settings=shop.settings")
    told = run(tmp_path, "check", "--settings=shop.settings", f"--python={sys.executable}")
    for result in (asked, told):
        assert result.returncode == 2
        assert "No module named 'not_installed_here'" in " ".join(result.stderr.split())
    assert "--python PATH names the one with the project's packages" in asked.stderr
    assert "--python PATH" not in told.stderr


def test_settings_that_write(tmp_path: Path) -> None:
    """An attempt counts, also one whose failure the settings catch: they may then be others."""
    writing = f"open({str(tmp_path / 'written')!r}, 'w').close()"
    made(tmp_path, WHOLE)
    caught = f"\ntry:\n    {writing}\nexcept Exception:\n    pass\n"
    (tmp_path / "shop/settings.py").write_text(dedent(SETTINGS) + caught)
    result = run(tmp_path, "check", "--settings=shop.settings")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"it writes to {tmp_path / 'written'}, which is not let happen here" in result.stderr
    assert not (tmp_path / "written").exists()


def test_settings_that_start_a_program(tmp_path: Path) -> None:
    """They are as on a machine that does not have it, which is said."""
    asking = f"touch {tmp_path / 'written'}"
    made(tmp_path, WHOLE)
    caught = f"\nimport os\ntry:\n    os.system({asking!r})\nexcept OSError:\n    pass\n"
    (tmp_path / "shop/settings.py").write_text(dedent(SETTINGS) + caught)
    said = " ".join(run(tmp_path, "check", "--settings=shop.settings").stdout.split())
    assert "shop.settings (it starts another program (" in said
    assert not (tmp_path / "written").exists()


def test_what_a_project_prints_is_not_printed(tmp_path: Path) -> None:
    loud = "\n    import sys, os\n    print('loud')\n    print('loud', file=sys.stderr)\n    os.write(1, b'loud')\n"
    made(tmp_path, {**WHOLE, "shop/settings.py": SETTINGS + loud})
    result = run(tmp_path, "check", "--settings=shop.settings")
    assert "loud" not in result.stdout + result.stderr
    assert "Settings: shop.settings set up the project's own Django" in result.stdout


def test_one_that_does_not_come_to_an_end(tmp_path: Path) -> None:
    made(
        tmp_path,
        {**WHOLE, "shop/settings.py": SETTINGS + "\n    import time\n    time.sleep(60)\n"},
    )
    result = run(tmp_path, "check", "--settings=shop.settings", "--timeout=2")
    assert result.returncode == 2
    assert "took more than 2 s; --timeout allows for more" in result.stderr


def test_an_answer_is_kept_until_something_changes(tmp_path: Path) -> None:
    made(tmp_path, WHOLE)
    (tmp_path / ".migfix_cache").mkdir()  # by which the folder that Python runs in does not change
    run(tmp_path, "check", "--settings=shop.settings")
    (kept,) = (tmp_path / ".migfix_cache").glob("loaded-*.json")
    answer = kept.read_bytes()
    run(tmp_path, "check", "--settings=shop.settings")
    assert [*(tmp_path / ".migfix_cache").glob("loaded-*.json")] == [kept]
    assert kept.read_bytes() == answer
    # What it says is believed only as it was written.
    kept.write_bytes(answer.replace(b"paid", b"note"))
    assert loop(tmp_path)["outcome"] == "update"
    (tmp_path / "shop/migrations/0002_paid.py").write_text(dedent(ADDING).replace("paid", "done"))
    assert "model-unknown" not in blocked(loop(tmp_path))
    assert loop(tmp_path)["outcome"] != "update"


def test_source_and_settings_that_disagree(tmp_path: Path) -> None:
    said = Loaded("shop.settings", tmp_path, models={"AUTH_USER_MODEL": "shop.Order"})
    history = LoadedHistory(said, Files())
    assert history.model_setting("AUTH_USER_MODEL", Unknown("it is computed")) == "shop.Order"
    assert history.model_setting("AUTH_USER_MODEL", "shop.Order") == "shop.Order"
    assert isinstance(history.model_setting("AUTH_USER_MODEL", "auth.User"), Unknown)
    assert history.model_setting("OTHER_MODEL", "auth.User") == "auth.User"


# Field classes

FIELDS = """
    from django.db import models

    class Plain:
        description = "nothing that matters to values"

    class Computing:
        def pre_save(self, instance, add):
            return False

    def made(mixin):
        class Flag(mixin, models.BooleanField):
            pass
        Flag.__qualname__ = "Flag"
        return Flag

    Flag = made(Plain)
"""
OF_A_MIXIN = """
    from django.db import models

    def mixin():
        return Mixin

    class Mixin:
        description = "nothing that matters to values"

    class Flag(mixin(), models.BooleanField):
        pass
"""


def with_field(folder: Path, fields: str) -> Any:
    adding = WRITTEN_OUT.replace("models.BooleanField", "shop.fields.Flag").replace(
        "import migrations, models", "import migrations\n    import shop.fields"
    )
    made(folder, {**WHOLE, "shop/fields.py": fields, "shop/migrations/0002_paid.py": adding})
    return loop(folder)


def test_a_field_class_descends_from_what_is_loaded(tmp_path: Path) -> None:
    """Its base is computed, and its own source and that of all above it say what they do."""
    assert with_field(tmp_path, OF_A_MIXIN)["outcome"] == "update"
    assert "field-unknown" in blocked(as_written(tmp_path))


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS,  # the class itself is not at the top of its module
        OF_A_MIXIN.replace("description =", "def pre_save(self, *args): return False\n        d ="),
        OF_A_MIXIN + "\n    Flag.pre_save = lambda *args: False\n",
    ],
)
def test_a_field_class_with_ways_of_its_own(tmp_path: Path, fields: str) -> None:
    found = with_field(tmp_path, fields)
    assert found["outcome"] != "update"
    assert "field-unknown" in blocked(found)


# What is rewritten thanks to it

EVERYWHERE = ("--database=sqlite", "--database=postgresql", "--database=mariadb")
GAINED = {
    "operations": WHOLE,
    "receivers": {**KNOWN, "shop/apps.py": SENDERS},
    "fields": {
        **WHOLE,
        "shop/fields.py": OF_A_MIXIN,
        "shop/migrations/0002_paid.py": WRITTEN_OUT.replace(
            "models.BooleanField", "shop.fields.Flag"
        ).replace("import migrations, models", "import migrations\n    import shop.fields"),
    },
}
ASKING_LOOP = LOOP.replace(
    "            order.paid = True",
    "            if order.paid or order.name in ('', 'A', 'a '):\n                continue\n            order.paid = order.note != 'no'",
)


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.values != ("sqlite-memory",)])
@pytest.mark.parametrize("gained", GAINED)
def test_what_is_rewritten_thanks_to_it_leaves_the_same(
    tmp_path: Path, gained: str, database: str
) -> None:
    made(tmp_path, {**GAINED[gained], "shop/migrations/0003_loop.py": ASKING_LOOP})
    assert as_written(tmp_path, *EVERYWHERE)["codes"] != loop(tmp_path, *EVERYWHERE)["codes"]
    url = url_of(database)
    server = (f"--database-url={url}",) if url else ()
    result = run(
        tmp_path, "verify", "--settings=shop.settings", *EVERYWHERE, *server, "--output-format=json"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["summary"]["equal"] == 1


# Where the migrations of an app are


def test_the_settings_say_where_migrations_are(tmp_path: Path) -> None:
    made(tmp_path, {"a/migrations/0001_initial.py": FIRST, "b/migrations/0001_initial.py": FIRST})
    files = Files()
    one, two = (MigrationPackage(tmp_path / n / "migrations", "shop", files) for n in "ab")
    folders = {"shop": str(two.folder), "none": None, "lib": str(tmp_path / "lib")}
    history = LoadedHistory(Loaded("shop.settings", tmp_path, packages=folders), files)
    assert history.package("shop", (one, two)) is two
    assert history.package("lib", ()) == MigrationPackage(tmp_path / "lib", "lib", files)
    assert history.package("unheard_of", ()) is None
    for label, found in [("shop", (one,)), ("none", (one,))]:  # the source shows another folder
        assert isinstance(history.package(label, found), str)


def test_a_package_that_replaces_a_method_of_models(tmp_path: Path) -> None:
    patching = """
        from django.db import models

        def save(self, *args, **kwargs):
            print(self.note)

        setattr(models.Model, "sa" + "ve", save)
    """
    found = loop(with_package(tmp_path, "patching", patching))
    assert any("Model.save is not Django's own" in each["reason"] for each in found["parts"])
