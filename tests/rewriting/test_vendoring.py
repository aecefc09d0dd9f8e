"""Where the helper goes that a rewritten migration imports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import black
import libcst as cst
import pytest
from libcst.codemod import CodemodContext
from typer.testing import CliRunner

from migfix.catalog import load
from migfix.command import command_for
from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.project.discovery import project_of
from migfix.reading.cutting import FUNCTIONS
from migfix.reading.vendored import functions_in, helper_text
from migfix.rewriting.vendoring import helper_place
from tests.processes import ran

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")\n'
BUILT = "[build-system]\nrequires = []\n"


def place(root: Path, files: dict[str, str], folder: str = "shop/migrations") -> tuple[str, str]:
    """The module that a migration of the folder imports, and its file, in a project of these files."""
    for name, text in {
        f"{folder}/0001_initial.py": "class Migration(",
        ".git/x": "",
        **files,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("ROOT", root.name))
    disk = Files()
    found = helper_place(root / folder, project_of(root / folder, disk))
    return found.module, found.path.relative_to(root.resolve()).as_posix()


def packages(*names: str) -> dict[str, str]:
    return {f"{name}/__init__.py": "" for name in names}


HELPER = helper_text(FUNCTIONS, Files())
LAID_OUT = black.format_str(
    HELPER.decode(), mode=black.Mode(line_length=60, string_normalization=False)
)
APP = packages("shop", "shop/migrations")
SITE = {"manage.py": MANAGE, **packages("site1")}
INSIDE = packages("site1/shop", "site1/shop/migrations")
BESIDE = ("._migfix", "shop/migrations/_migfix.py")
SHARED = ("site1._migfix", "site1/_migfix.py")
HATCH = """
[build-system]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["shop", "site1"]
exclude = ["site1/local*.py"]
[tool.hatch.build.targets.sdist]
include = ["/shop", "/site1"]
"""


def hatch(before: str = "", after: str = "") -> dict[str, str]:
    """A project of which one wheel is built that holds the app and the settings, or nearly so."""
    assert before in HATCH
    return {**APP, **SITE, "pyproject.toml": HATCH.replace(before, after) if before else HATCH}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({**APP, **SITE}, SHARED, id="startproject"),
        pytest.param({**APP, **SITE, "pyproject.toml": "[tool.black]\n"}, SHARED, id="not built"),
        pytest.param(
            {**APP, **SITE, "manage.py": MANAGE.replace('", "', "', '").replace('"', "'")},
            SHARED,
            id="other quotes",
        ),
        pytest.param(
            {
                **APP,
                **SITE,
                "manage.py": 'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "site1.x"\n',
            },
            SHARED,
            id="assigned",
        ),
        pytest.param(APP, BESIDE, id="no manage.py"),
        pytest.param({**APP, "manage.py": MANAGE}, BESIDE, id="no package"),
        pytest.param(
            {**APP, "manage.py": MANAGE, "site1/x.py": ""}, BESIDE, id="a folder of no package"
        ),
        pytest.param(
            {**APP, **SITE, "manage.py": MANAGE + MANAGE.replace("site1", "site2")},
            BESIDE,
            id="two settings",
        ),
        pytest.param(
            {**APP, **SITE, "manage.py": MANAGE.replace(".settings", "")}, BESIDE, id="a module"
        ),
        pytest.param({**APP, **SITE, "__init__.py": ""}, BESIDE, id="the project is a package"),
        pytest.param(
            {**APP, **SITE, "__init__.py": "", "site1/settings.py": "INSTALLED_APPS = ['shop']"},
            SHARED,
            id="a package by chance",
        ),
        pytest.param(
            {
                **APP,
                **SITE,
                "__init__.py": "",
                "site1/settings.py": "INSTALLED_APPS = ['shop'] if X else ['ROOT.shop']",
            },
            BESIDE,
            id="a package that some settings name",
        ),
        pytest.param({**packages("shop"), **SITE}, BESIDE, id="migrations in no package"),
        pytest.param({**packages("shop/migrations"), **SITE}, BESIDE, id="an app in no package"),
        pytest.param({**APP, **SITE, "pyproject.toml": BUILT}, BESIDE, id="built"),
        pytest.param({**APP, **SITE, "setup.py": ""}, BESIDE, id="setup.py"),
        pytest.param(hatch(), SHARED, id="one wheel of both"),
        pytest.param({**hatch(), "setup.py": ""}, BESIDE, id="one wheel of both, and setup.py"),
        pytest.param(hatch(', "site1"]', "]"), BESIDE, id="a wheel of the app"),
        pytest.param(hatch('["shop", ', "["), BESIDE, id="a wheel of the settings"),
        pytest.param(hatch("site1/local*.py", "_*.py"), BESIDE, id="a wheel without the helper"),
        pytest.param(hatch("site1/local*.py", "site1"), BESIDE, id="a wheel without the package"),
        pytest.param(hatch(', "/site1"]', "]"), BESIDE, id="a source archive of the app"),
        pytest.param(hatch("exclude", "only-include"), BESIDE, id="what else the wheel may do"),
        pytest.param(hatch("hatchling", "other"), BESIDE, id="a backend that is not known"),
        pytest.param(hatch(".wheel]", ".custom]"), BESIDE, id="no wheel"),
        pytest.param(
            hatch("[tool.hatch.build.targets.sdist]", "[tool.hatch.build.hooks.custom]"),
            BESIDE,
            id="a hook of the build",
        ),
        pytest.param({**APP, **SITE, "setup.cfg": "[metadata]\n"}, BESIDE, id="setup.cfg"),
        pytest.param({**APP, **SITE, "setup.cfg": "[flake8]\n"}, SHARED, id="setup.cfg of tools"),
        pytest.param(
            {**APP, **packages("tests"), "manage.py": MANAGE.replace("site1", "tests")},
            BESIDE,
            id="of tests",
        ),
        pytest.param(
            {**APP, **SITE, "shop/migrations/_migfix.py": HELPER.decode()},
            BESIDE,
            id="there already",
        ),
        pytest.param(
            {**APP, **SITE, "shop/migrations/_migfix.py": LAID_OUT}, BESIDE, id="laid out otherwise"
        ),
        pytest.param(
            {
                **APP,
                **SITE,
                "shop/migrations/_migfix.py": LAID_OUT + "more = 1\n",
            },
            SHARED,
            id="edited",
        ),
        pytest.param(
            {**APP, **SITE, "shop/migrations/_migfix.py": "# older"},
            SHARED,
            id="an older one beside it",
        ),
        pytest.param(
            {**APP, **SITE, "site1/_migfix.py": "# older"},
            ("site1._migfix_2", "site1/_migfix_2.py"),
            id="an older one",
        ),
        pytest.param(
            {**APP, **SITE, **packages("site1/_migfix")},
            ("site1._migfix_2", "site1/_migfix_2.py"),
            id="a package of its name",
        ),
    ],
)
def test_the_place_of_the_helper(files, expected, tmp_path):
    assert place(tmp_path, files) == expected


def test_an_app_inside_of_the_package_goes_where_the_package_goes(tmp_path):
    files = {**SITE, **INSIDE, "pyproject.toml": BUILT}
    assert place(tmp_path, files, "site1/shop/migrations") == SHARED


CONFIG = "class Shop(AppConfig):\n    name = {!r}\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"lib/shop/apps.py": CONFIG.format("lib.shop")}, "lib", id="apps.py"),
        pytest.param({"lib/settings.py": "INSTALLED_APPS = ['lib.shop']"}, "lib", id="settings"),
        pytest.param(
            {"tests/settings.py": 'INSTALLED_APPS = ["lib.shop.apps.Shop"]'}, "lib", id="a config"
        ),
        pytest.param({"lib/shop/apps.py": CONFIG.format("shop")}, None, id="another name"),
        pytest.param({"tests/settings.py": "INSTALLED_APPS = ['x.lib.shop']"}, None, id="longer"),
        pytest.param(
            {"tests/settings.py": "INSTALLED_APPS = ['lib.shop.x']"}, None, id="an app in it"
        ),
        pytest.param({"lib/other.py": "x = 'lib.shop'"}, None, id="no settings"),
    ],
)
def test_the_package_that_an_app_is_imported_from(files, expected, tmp_path):
    given = {**packages("lib", "lib/shop", "lib/shop/migrations"), "setup.py": "", **files}
    found = place(tmp_path, given, "lib/shop/migrations")
    beside = ("._migfix", "lib/shop/migrations/_migfix.py")
    assert found == (("lib._migfix", "lib/_migfix.py") if expected else beside)


@pytest.mark.parametrize(
    ("called", "shared"),
    [("shop.cart", True), ("cart", False), ("x.shop.cart", False), ("shop", False)],
)
def test_an_app_that_holds_others_shares_the_helper_that_these_can_import(called, shared, tmp_path):
    """Its own name is no proof: it may be a label."""
    given = {
        **APP,
        **packages("shop/cart", "shop/cart/migrations"),
        "setup.py": "",
        "shop/cart/migrations/0001_initial.py": "class Migration(",
        "shop/apps.py": CONFIG.format("shop"),
        "shop/cart/apps.py": CONFIG.format(called),
    }
    assert place(tmp_path, given) == (("shop._migfix", "shop/_migfix.py") if shared else BESIDE)


def test_an_app_that_is_a_top_package_has_its_helper_beside(tmp_path):
    given = {**APP, "setup.py": "", "shop/apps.py": CONFIG.format("shop")}
    assert place(tmp_path, given) == BESIDE


def test_the_project_below_what_is_built(tmp_path):
    files = {f"src/{name}": text for name, text in {**APP, **SITE}.items()}
    beside = ("._migfix", "src/shop/migrations/_migfix.py")
    assert place(tmp_path, {**files, "pyproject.toml": BUILT}, "src/shop/migrations") == beside


INITIAL = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)), ("total", models.IntegerField())])
    ]
"""
FILL = """
from django.db import migrations

def fill(apps, schema_editor):
    Order = apps.get_model("shop", "Order")
    Order.objects.create(total=3)
    for order in Order.objects.all():
        order.total = int(str(order.total)[::-1])
        order.save()

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
SETTINGS = """
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
SECRET_KEY = "x"
"""
RUN = "from django.core.management import execute_from_command_line\nimport sys\nexecute_from_command_line(sys.argv)\n"


def test_django_runs_migrations_that_share_a_helper(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place(
        tmp_path,
        {
            **APP,
            **SITE,
            "manage.py": MANAGE + RUN,
            "site1/settings.py": SETTINGS,
            "shop/migrations/0001_initial.py": INITIAL,
            "shop/migrations/0002_fill.py": FILL,
            "shop/migrations/0003_more.py": FILL.replace("0001_initial", "0002_fill"),
        },
    )
    proved = CliRunner().invoke(app, ["verify", "."])
    assert "2 equal" in proved.output, proved.output
    applied = CliRunner().invoke(app, ["apply", "."])
    assert applied.exit_code == 0, applied.output
    assert (
        "Created site1/_migfix.py, which 2 files import: add it to version control."
        in applied.stdout
    )
    assert [path.as_posix() for path in Path().rglob("_migfix*")] == ["site1/_migfix.py"]
    assert (
        "\nfrom site1._migfix import stream, update_in_batches\n"
        in Path("shop/migrations/0003_more.py").read_text()
    )
    assert CliRunner().invoke(app, ["diff", "."]).stdout == ""
    done = ran([sys.executable, "manage.py", "migrate"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OK") == 3


MODELS = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)), ("text", models.TextField())])
    ]
"""
READS = """
from django.db import migrations


def fill(apps, schema_editor):
    for order in apps.get_model("shop", "Order").objects.all():
        print(order.text)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""
SAVES = READS.replace(
    "        print(order.text)", "        order.text = order.text[::-1]\n        order.save()"
)
HELPED = Path("site1/_migfix.py")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a migration that reads rows, and one that saves them, too."""
    monkeypatch.chdir(tmp_path)
    files = {
        **APP,
        **SITE,
        "site1/settings.py": SETTINGS,
        "shop/migrations/0001_initial.py": MODELS,
        "shop/migrations/0002_reads.py": READS,
        "shop/migrations/0003_saves.py": SAVES.replace("0001_initial", "0002_reads"),
    }
    place(tmp_path, files)
    return tmp_path


def run(*arguments: str, stdin: str | None = None) -> str:
    result = CliRunner().invoke(app, [*arguments], input=stdin)
    assert result.exit_code in {0, 1}, result.output
    return result.output


def held(path: Path = HELPED) -> set[str]:
    return set(functions_in(path.read_bytes(), Files()))


STREAMS = {"stream", "stream_sql"}
ALL_BUT_CREATES = {*STREAMS, "update_in_batches"}


def test_the_helper_holds_what_all_files_of_a_run_use(shop):
    output = run("apply", ".")
    assert "Created site1/_migfix.py, which 2 files import: add it to version control." in output
    assert held() == ALL_BUT_CREATES
    assert "create_in_batches" not in HELPED.read_text()


@pytest.mark.parametrize(
    "chosen",
    [
        ("shop/migrations/0002_reads.py",),
        (".", "--only", "shop/migrations/0002_reads.py:6"),
        (".", "--ignore", "MF301"),
    ],
)
def test_the_helper_holds_no_more_than_is_used(chosen, shop):
    run("apply", *chosen)
    assert held() == STREAMS


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_second_run_adds_to_the_helper(ends, shop):
    run("apply", "shop/migrations/0002_reads.py")
    before = HELPED.read_bytes().replace(b"\n", ends.encode())
    HELPED.write_bytes(before)
    diff = run("diff", ".")
    assert "+++ b/site1/_migfix.py\n" in diff
    assert "--- a/site1/_migfix.py\n" in diff
    assert "apply adds to site1/_migfix.py what 1 file imports: commit it with" in run("check", ".")
    (file,) = [each for each in json.loads(run("check", ".", "--output-format", "json"))["files"]
               if each["extends"]]  # fmt: skip
    assert (file["creates"], file["extends"]) == ([], ["site1/_migfix.py"])
    output = run("apply", ".")
    assert "Added to site1/_migfix.py what 1 file imports: commit it with them." in output
    assert held() == ALL_BUT_CREATES
    assert HELPED.read_bytes().count(b"\r\n") in {0, HELPED.read_bytes().count(b"\n")}
    assert (b"\r\n" in HELPED.read_bytes()) == (ends == "\r\n")
    assert not Path("site1/_migfix_2.py").exists()
    assert run("diff", ".") == ""


def test_a_helper_that_holds_more_stays(shop):
    run("apply", ".")
    before = HELPED.read_bytes()
    Path("shop/migrations/0004_more.py").write_text(READS.replace("0001_initial", "0003_saves"))
    output = run("apply", ".")
    assert "site1/_migfix.py" not in output
    assert HELPED.read_bytes() == before


@pytest.mark.parametrize("change", [lambda text: text + "mine = 1\n", lambda text: "# older\n"])
def test_a_helper_that_is_not_ours_is_not_added_to(change, shop):
    run("apply", "shop/migrations/0002_reads.py")
    edited = change(HELPED.read_text())
    HELPED.write_text(edited)
    run("apply", ".")
    assert HELPED.read_text() == edited
    assert held(Path("site1/_migfix_2.py")) == ALL_BUT_CREATES
    assert "from site1._migfix import stream\n" in Path("shop/migrations/0002_reads.py").read_text()
    assert "from site1._migfix_2 import" in Path("shop/migrations/0003_saves.py").read_text()


def test_a_helper_that_lacks_what_a_migration_imports_gets_it(shop):
    """Of two branches that each add one, git keeps one; the command of LibCST writes none."""
    run("apply", ".")
    both = HELPED.read_bytes()
    HELPED.write_bytes(helper_text(frozenset(STREAMS), Files()))
    assert run("check", ".").count("apply adds to site1/_migfix.py what 1 file imports") == 1
    assert "+def update_in_batches(" in run("diff", ".")
    run("apply", ".")
    assert HELPED.read_bytes() == both
    HELPED.unlink()
    assert "apply creates site1/_migfix.py, which 2 files import" in run("check", ".")
    run("apply", ".")
    assert HELPED.read_bytes() == both


def test_patches_of_single_files_apply_one_after_the_other(shop):
    """Each brings what is not there yet."""
    for name in ("0002_reads", "0003_saves"):
        patch = CliRunner().invoke(app, ["diff", f"shop/migrations/{name}.py"]).stdout
        done = ran(["patch", "-p1"], input=patch, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    assert held() == ALL_BUT_CREATES


def test_a_filter_and_the_command_of_libcst_say_what_the_helper_lacks(shop):
    run("apply", "shop/migrations/0002_reads.py")
    name = "shop/migrations/0003_saves.py"
    output = run("apply", "-", "--stdin-filename", name, stdin=Path(name).read_text())
    assert f"site1/_migfix.py, which does not hold all of it yet; migfix apply {name}" in output
    context = CodemodContext(filename=name)
    command = command_for(next(each for each in load() if each.code == "MF301"))(context)
    after = command.transform_module(cst.parse_module(Path(name).read_text())).code
    assert "from site1._migfix import update_in_batches\n" in after
    assert context.warnings == [f"{name} needs site1/_migfix.py: migfix apply {name} writes it"]
    assert held() == STREAMS
    Path(name).write_text(after)
    run("apply", name)
    assert held() == ALL_BUT_CREATES


def test_verify_runs_what_the_helper_is_to_be(shop):
    run("apply", "shop/migrations/0002_reads.py")
    assert "1 equal" in run("verify", "shop/migrations/0003_saves.py")
    run("apply", ".", "--verify")
    assert held() == ALL_BUT_CREATES


def test_django_runs_what_two_runs_wrote(shop):
    Path("manage.py").write_text(MANAGE + RUN)
    for name in ("0002_reads", "0003_saves"):
        run("apply", f"shop/migrations/{name}.py")
    done = ran([sys.executable, "manage.py", "migrate"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OK") == 3
