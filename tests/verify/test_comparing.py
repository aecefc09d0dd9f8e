"""What counts as equal: no difference is missed, and none is seen that is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.verify.proofs import LoopRun, Proof
from migfix.verify.verifying import Task, tasks_for
from tests.running import write_project
from tests.verify.planted import MODELS, Planted
from tests.verify.proving import proof_of, prover_of

pytestmark = pytest.mark.behaviour


def _proof(folder: Path, before: str, after: str | None = None, database: str = "sqlite") -> Proof:
    texts = Planted("", before, f"{before}\npass" if after is None else after).modules()
    return proof_of(folder, *texts, database)


def with_loop(task: Task, line: int) -> Task:
    loop = LoopRun(task.run.path, line, (), reached=False)
    return replace(task, loops=(loop,))


def test_the_next_keys_are_compared(tmp_path: Path) -> None:
    proof = _proof(
        tmp_path,
        'Note.objects.create(text="x").delete()',
        "note = Note.objects.order_by('-pk').first()\nnote and note.pk",
    )
    assert proof.verdict is Verdict.DIFFERENT
    assert proof.difference is not None
    assert proof.difference.lines[0].startswith("sqlite_sequence")


_SCHEMA = """
with schema_editor.connection.cursor() as cursor:
    cursor.execute("CREATE SCHEMA IF NOT EXISTS other")
    cursor.execute("CREATE TABLE other.kept AS SELECT {columns} FROM shop_book")
"""


def test_tables_in_other_schemas_are_compared(tmp_path: Path) -> None:
    one, other = (_SCHEMA.format(columns=columns) for columns in ("id, n", "id, n + 1 AS n"))
    proof = _proof(tmp_path, one, other, "postgresql")
    assert proof.verdict is Verdict.DIFFERENT
    assert proof.difference is not None
    assert proof.difference.lines[0].startswith("other.kept")


def test_tables_in_other_schemas_are_gone_in_the_next_round(tmp_path: Path) -> None:
    proof = _proof(tmp_path, _SCHEMA.format(columns="id, n"), database="postgresql")
    assert proof.verdict is Verdict.EQUAL, proof
    assert not proof.raised


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize(
    "value", ["Now()", "timezone.now()", "datetime.datetime.fromtimestamp(int(time.time()))"]
)
def test_clocks_make_no_difference(value: str, database: str, tmp_path: Path) -> None:
    lines = (
        "import time\nfrom django.db.models.functions import Now\n"
        f"Book.objects.filter(kind='').delete()\nBook.objects.update(seen={value})"
    )
    proof = _proof(tmp_path, lines, database=database)
    assert proof.verdict is Verdict.EQUAL, proof


@pytest.mark.parametrize(("line", "verdict"), [("1 / 0", "not-run"), ("pass", "equal")])
def test_a_loop_that_always_raises_is_not_equal(line: str, verdict: str, tmp_path: Path) -> None:
    """Where the function raises nothing on data that do not come to the loop."""
    text = (
        "def forwards(apps, schema_editor):\n"
        '    for ticket in apps.get_model("shop", "Ticket").objects.all():\n'
        f"        {line}\n"
    )
    path = write_project(tmp_path, MODELS, text).resolve()
    source = path.read_bytes()
    (task,), _ = tasks_for([path], {path: source}, {path: source})
    loop = next(n for n, each in enumerate(source.decode().splitlines(), 1) if " for " in each)
    proof = prover_of().proof(with_loop(task, loop))
    assert [each.value for each in proof.verdicts] == [verdict], proof


@pytest.mark.parametrize("line", ["1 / 0"])
def test_what_always_raises_in_reverse_is_said(line: str, tmp_path: Path) -> None:
    text = (
        "from django.db import migrations\n\n\n"
        "def backwards(apps, schema_editor):\n"
        f"    {line}\n"
        '    for ticket in apps.get_model("shop", "Ticket").objects.all():\n'
        "        ticket.save()\n\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(migrations.RunPython.noop, backwards)]\n"
    )
    path = write_project(tmp_path, MODELS, text).resolve()
    source = path.read_bytes()
    (task,), _ = tasks_for([path], {path: source}, {path: source})
    proof = prover_of().proof(with_loop(task, 6))
    assert proof.verdict is Verdict.NOT_RUN
    assert proof.reason.startswith("raises in reverse on all generated data: ZeroDivisionError")


def test_an_exit_is_an_error_like_others(tmp_path: Path) -> None:
    before = "if Book.objects.count() > 3:\n    raise SystemExit(1)"
    assert _proof(tmp_path, before).verdict is Verdict.EQUAL
    proof = _proof(tmp_path, before, "Book.objects.count() > 3")
    assert proof.verdict is Verdict.DIFFERENT
    assert proof.difference is not None
    assert "SystemExit" in proof.difference.lines[0]
