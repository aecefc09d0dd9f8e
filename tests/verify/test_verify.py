"""The commands that run migrations: what they report, keep, and leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from codemods import loop_to_update
from migfix import catalog
from migfix.codemod import Codemod, Decision
from migfix.commandline.cli import app
from migfix.facts.loop import Loop
from migfix.findings import Part, ReplaceLoop, Rewrite
from migfix.verify import processes
from migfix.verify.processes import Processes
from migfix.verify.proofs import NOT_REACHED
from migfix.verify.servers import entry_of
from tests.databases import PARAMETERS, SERVERS, connected, server
from tests.processes import ran, started
from tests.running import write_project
from tests.verify.proving import url_of

pytestmark = pytest.mark.behaviour

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsroom"
MODELS = """
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("n", models.IntegerField(default=0)),
    ("m", models.IntegerField(default=0)),
]),
"""
TWO_LOOPS = """
def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    for book in Book.objects.filter(title="a"):
        book.n = 1
        book.save(update_fields=["n"])
    for book in Book.objects.filter(title="b"):
        book.m = 3
        book.save(update_fields=["m"])
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def project(folder: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The data migration of a project in the working folder, as a user names it."""
    write_project(folder, MODELS, data)
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    return "shop/migrations/0002_data.py"


def one_loop(body: str, more: str = "") -> str:
    return (
        "def forwards(apps, schema_editor):\n"
        '    Book = apps.get_model("shop", "Book")\n'
        f'    for book in Book.objects.filter(title="a"):\n        {body}\n        book.save()\n{more}'
    )


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codemod that writes 2 where the loop sets n to 1."""

    def decide(loop: Loop) -> Decision:
        decision = loop_to_update.codemod.decision(loop)
        if isinstance(decision, Rewrite) and isinstance(decision.edit, ReplaceLoop):
            lines = tuple(line.replace("n=1", "n=2") for line in decision.edit.lines)
            return replace(decision, edit=replace(decision.edit, lines=lines))
        return decision

    codemod = Codemod(loop_to_update.__name__, "MF101", Part.WHOLE, decide)
    monkeypatch.setattr(catalog, "load", lambda: (codemod,))


# -- verify


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.values != ("sqlite-memory",)])
def test_the_example_is_equal_and_every_branch_runs(database: str) -> None:
    url = url_of(database)
    given = ("--database-url", url) if url else ()
    result = invoke("verify", str(EXAMPLE), "--output-format", "json", *given)
    report = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert report["summary"] == {"equal": 8, "different": 0, "not-run": 0, "more-queries": 0}
    for operation in report["operations"]:
        assert operation["unreached"] == []
        assert operation["branches"] > 1
        figures = operation["directions"]["forwards"]
        assert 0 < figures["after"]["queries"] < figures["before"]["queries"]
        assert figures["before"]["seconds"] > 0


@pytest.mark.usefixtures("wrong")
def test_a_difference_is_shown_with_its_rows_statements_and_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path, TWO_LOOPS, monkeypatch)
    result = invoke("verify", path, "--seed", "7")
    assert result.exit_code == 1
    assert f"{path} forwards: NOT EQUAL forwards, on data of seed " in result.stdout
    assert "n: 1 before, 2 after" in result.stdout
    assert 'UPDATE "shop_book" SET "n" = %s' in result.stdout
    assert f"To repeat: migfix verify {path} --rows 30 --seed 7" in result.stdout
    again = invoke("verify", path, "--rows", "30", "--seed", "7")
    assert _found(again) == _found(result)


def _found(result: Result) -> str:
    """What is said of differences, without the table and its times."""
    return result.stdout.partition("NOT EQUAL")[2]


def test_other_data_for_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(tmp_path, one_loop("book.n = len(book.title) + book.m"), monkeypatch)
    reports = [
        json.loads(invoke("verify", path, "--seed", seed, "--output-format", "json").stdout)
        for seed in ("1", "50")
    ]
    assert [report["summary"]["equal"] for report in reports] == [1, 1]


def test_the_reverse_function_runs_on_what_the_other_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"""\
from django.db import migrations


{TWO_LOOPS}

def backwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    for book in Book.objects.filter(n=1):
        book.m = 9
        book.save(update_fields=["m"])


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
"""
    path = project(tmp_path, data, monkeypatch)
    report = json.loads(invoke("verify", path, "--output-format", "json").stdout)
    (operation,) = report["operations"]
    assert [loop["verdict"] for loop in operation["loops"]] == ["equal"] * 3
    assert operation["directions"]["reverse"]["before"]["queries"] > 0


def test_a_loop_that_no_row_comes_to_is_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(
        tmp_path,
        one_loop("book.n = 1").replace('title="a"', 'title="a", n__gt=5, n__lt=5'),
        monkeypatch,
    )
    result = invoke("verify", path)
    assert result.exit_code == 2
    assert NOT_REACHED in result.stdout
    assert f"{path}:6: no data for which the loop has rows" in result.stdout


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ('Book.objects.filter(title="a").update(n=1)', "equal"),
        ('written = Book.objects.filter(title="a").update(n=1)', "equal"),
        ('return Book.objects.filter(title="a").delete()', "equal"),
        ('Book.objects.filter(title="a", n__gt=5, n__lt=5).update(m=1)', "not-run"),
    ],
)
def test_a_statement_that_is_split_has_run_where_it_wrote_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, verdict: str
) -> None:
    data = f"""
def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    {statement}
"""
    path = project(tmp_path, data, monkeypatch)
    migration = Path(path)
    said = migration.read_text().replace("    dependencies", "    atomic = False\n    dependencies")
    migration.write_text(said)
    asked = ("--select", "MF103", "--unsafe-fixes", "--output-format", "json")
    (operation,) = json.loads(invoke("verify", path, *asked).stdout)["operations"]
    assert [loop["verdict"] for loop in operation["loops"]] == [verdict]


def test_a_statement_that_is_split_is_run_without_a_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rewrite says so, the migration does not."""
    data = """
def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    Book.objects.filter(title="a").update(n=1)
"""
    path = project(tmp_path, data, monkeypatch)
    (tmp_path / "pyproject.toml").write_text('[tool.migfix]\ndatabases = ["postgresql"]\n')
    asked = ("--select", "MF103", "--unsafe-fixes", "--output-format", "json")
    (operation,) = json.loads(invoke("verify", path, *asked).stdout)["operations"]
    assert [loop["verdict"] for loop in operation["loops"]] == ["equal"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "import nobody_has_this\n\n\n" + one_loop("book.n = 1", "    nobody_has_this.f()\n")
    path = project(tmp_path, data, monkeypatch)
    result = invoke("verify", path)
    assert result.exit_code == 2
    assert "cannot import what it needs: No module named 'nobody_has_this'" in result.stdout
    assert "--python" in result.stdout


def test_the_interpreter_is_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path, one_loop("book.n = 1"), monkeypatch)
    (tmp_path / "python").symlink_to(sys.executable)
    given = os.pathsep.join(each for each in sys.path if each)
    monkeypatch.setattr(processes, "_KEPT", processes._KEPT | {"PYTHONPATH"})
    monkeypatch.setenv("PYTHONPATH", given)
    assert "1 equal" in invoke("verify", path, "--python", "./python").stdout
    result = invoke("verify", path, "--python", "./nothing")
    assert result.exit_code == 2
    assert "--python: there is no program ./nothing" in result.stderr


def test_an_error_on_all_data_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "    Book.objects.create(nosuch=1)\n"
    path = project(tmp_path, one_loop("book.n = 1", more), monkeypatch)
    result = invoke("verify", path)
    assert result.exit_code == 2
    assert "raises on all generated data: TypeError: Book() got unexpected" in result.stdout


def test_a_model_that_only_the_run_names_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '    name = "Sh" + "elf"\n    apps.get_model("shop", name).objects.create(code="x")\n'
    models = (
        MODELS
        + 'migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True)), ("code", models.TextField())]),'
    )
    write_project(tmp_path, models, one_loop("book.n = 1", more))
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    result = invoke("verify", "shop")
    assert result.exit_code == 0, result.stdout


def test_helper_modules_of_migrations_are_run_by_their_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(
        tmp_path,
        "from django.db import migrations\n\nfrom shop.migrations._filling import fill\n\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(fill)]\n",
        monkeypatch,
    )
    helper = Path(path).with_name("_filling.py")
    helper.write_text(one_loop("book.n = 1").replace("forwards", "fill"))
    result = invoke("verify", "shop")
    assert result.exit_code == 0, result.stdout
    assert "equal" in result.stdout
    assert "shop/migrations/_filling.py:3 MF101" in result.stdout


def test_it_ends_what_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "import time\n\n\n" + one_loop("book.n = 1", "    time.sleep(60)\n")
    path = project(tmp_path, data, monkeypatch)
    start = time.monotonic()
    result = invoke("verify", path, "--timeout", "3")
    assert time.monotonic() - start < 30
    assert result.exit_code == 2
    assert "took more than 3 s; --timeout allows for more" in result.stdout


def test_standard_input_is_refused() -> None:
    for command in (("verify", "-"), ("apply", "--verify", "-")):
        result = invoke(*command)
        assert result.exit_code == 2
        assert "runs files of a project, not standard input" in result.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle://here/x", "'oracle' is no server that verify knows"),
        ("postgresql://postgres@127.0.0.1:1/test", "--database-url: OperationalError"),
        ("postgresql://h:port/x", "--database-url: Port could not be cast"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path, TWO_LOOPS, monkeypatch)
    result = invoke("verify", path, "--database-url", url)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.values[0] in SERVERS])
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL]
)
def test_an_interrupt_leaves_no_process_and_no_database(
    database: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (
        "import os, time\n\n\n"
        + one_loop("book.n = 1")
        + "    with open(os.environ['TMPDIR'] + '/started', 'w') as file:\n"
        "        print(os.getpid(), schema_editor.connection.settings_dict['NAME'], file=file)\n"
        "    time.sleep(300)\n"
    )
    path = project(tmp_path, data, monkeypatch)
    url = url_of(database)
    assert url is not None
    with started(
        [sys.executable, "-m", "migfix", "verify", path, "--database-url", url, "--timeout", "200"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        worker, own = _awaited(tmp_path, run)
        run.send_signal(number)
        time.sleep(0.05)
        run.send_signal(number)  # an impatient second one
        _, errors = run.communicate(timeout=60)
    _await(lambda: not Path(f"/proc/{worker}").exists())
    assert not [*tmp_path.glob("migfix-verify-*")]
    if number == signal.SIGKILL:  # nobody is there to drop it but a later run
        _drop_as_later(database, own)
    else:
        assert run.returncode == 130
        assert "interrupted" in errors
    assert own not in _databases(database)


def _await(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to pass")


def _drop_as_later(database: str, own: str) -> None:
    entry = {**entry_of(url_of(database)), "NAME": own, "ACCOUNT": "x"}
    assert Processes().server("drop", entry) == (0, "")


def _awaited(folder: Path, run: subprocess.Popen[str]) -> tuple[str, str]:
    """The process that runs the migration, and its database."""
    for _ in range(600):
        for found in folder.glob("migfix-verify-*/tmp/started"):
            if (text := found.read_text()).endswith("\n"):
                process, name = text.split()
                return process, name
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)
    raise AssertionError("the migration never ran")


def _databases(name: str) -> set[str]:
    query = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}[name]
    with closing(connected(server(name))) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return {row[0] for row in cursor.fetchall()}


# -- against a revision


def test_against_a_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(project(tmp_path, TWO_LOOPS, monkeypatch))
    (tmp_path / ".git").rmdir()
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        ran(["git", *who, *arguments], cwd=tmp_path, check=True)
    assert invoke("verify", "shop", "--against", "HEAD").stdout == "Nothing to verify.\n"
    right = path.read_text()
    path.write_text(right.replace('"a"', '"b"'))
    result = invoke("verify", "shop", "--against", "HEAD")
    assert result.exit_code == 1
    assert "NOT EQUAL" in result.stdout
    assert "bug of migfix" not in result.stdout
    path.write_text(right + "\n# changed\n")
    result = invoke("verify", "shop", "--against", "HEAD")
    assert result.exit_code == 0
    assert "Verified 1 operations: 1 equal" in result.stdout
    result = invoke("verify", "shop", "--against", "nosuch")
    assert result.exit_code == 2
    assert "--against: there is no revision 'nosuch'" in result.stderr


# -- apply and check


@pytest.mark.usefixtures("wrong")
def test_apply_keeps_what_does_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(tmp_path, TWO_LOOPS, monkeypatch)
    before = Path(path).read_text()
    result = invoke("apply", "--verify", path)
    after = Path(path).read_text()
    assert result.exit_code == 0
    assert 'for book in Book.objects.filter(title="a"):' in after
    assert 'Book.objects.filter(title="b").update(m=3)' in after
    assert (
        f"{path}:6:5: left: not verified: the rewritten loop leaves something else" in result.stdout
    )
    assert "\n    verified equal: " in result.stdout
    assert "This is a bug of migfix" in result.stderr
    assert "n: 1 before, 2 after" in result.stderr
    assert before != after


def test_apply_keeps_nothing_that_did_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "import nobody_has_this\n\n\n" + one_loop("book.n = 1", "    nobody_has_this.f()\n")
    path = project(tmp_path, data, monkeypatch)
    before = Path(path).read_bytes()
    result = invoke("apply", "--verify", path)
    assert result.exit_code == 0
    assert Path(path).read_bytes() == before
    assert (
        "not verified: cannot import what it needs: No module named 'nobody_has_this'"
        in result.stdout
    )


def test_a_dry_run_shows_what_would_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path, TWO_LOOPS, monkeypatch)
    before = Path(path).read_bytes()
    result = invoke("apply", "--verify", "--dry-run", path)
    assert result.exit_code == 1
    assert result.stdout.count("\n+    Book.objects.filter") == 2
    assert Path(path).read_bytes() == before


@pytest.mark.usefixtures("wrong")
def test_check_says_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(tmp_path, TWO_LOOPS, monkeypatch)
    text = invoke("check", "--verify", path).stdout
    assert f"{path}:6:5: MF101 " in text
    assert "\n    verify: different: shop_book: " in text
    report = json.loads(invoke("check", "--verify", "--output-format", "json", path).stdout)
    first, second = report["files"][0]["loops"]
    assert first["verified"]["verdict"] == second["verified"]["verdict"] == "different"
    assert first["verified"]["before"]["queries"] > first["verified"]["after"]["queries"] > 0
