"""What counts as equal: no difference is missed, and none is seen that is not there."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migfix.findings import Verdict
from migfix.verify.comparing import more_queries
from migfix.verify.proofs import NOT_REACHED, LoopRun, Proof
from migfix.verify.report import as_json, as_text
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


READ = "for book in Book.objects.order_by('pk').all():\n    print(book.n, book.m)"
MORE = {
    "columns that are loaded one by one": (READ, READ.replace("all()", "only('id')")),
    "a query for each row": (READ, f"{READ}\n    Shelf.objects.filter(pk=book.pk).exists()"),
}


@pytest.mark.parametrize("name", MORE)
def test_more_queries_are_no_equal_run(tmp_path: Path, name: str) -> None:
    proof = _proof(tmp_path, *MORE[name])
    assert proof.verdict is Verdict.MORE_QUERIES, proof
    more = proof.more_queries
    assert more is not None
    assert more.after > more.before
    assert f"{more.after} instead of {more.before}, forwards" in proof.reason
    assert proof.difference is None
    assert json.loads(as_json([proof]))["operations"][0]["more_queries"]["after"] == more.after
    assert "more queries" in as_text([proof], [])


def _rounds(*queries: int, rows: int = 3, error: str | None = None) -> list[dict[str, Any]]:
    return [
        {"spec": {"seed": 7, "rows": rows}, "forwards": {"queries": each, "error": error}}
        for each in queries
    ]


@pytest.mark.parametrize(
    ("codes", "before", "after", "rows", "error", "more"),
    [
        ({"MF201"}, 1, 2, 3, None, True),  # as by a test in front of the rows
        ({"MF201"}, 2, 2, 3, None, False),
        ({"MF201"}, 1, 2, 3, "ValueError", False),
        ({"MF302"}, 1, 3, 200, None, False),
        ({"MF302"}, 1, 4, 200, None, True),
        ({"MF101", "MF201"}, 1, 5, 0, None, False),
        ({"MF101"}, 1, 6, 0, None, True),
        ({"MF103"}, 1, 3, 0, None, False),
        (set(), 1, 5, 0, None, False),
        (set(), 1, 6, 0, None, True),
    ],
)
def test_what_a_rewrite_announces_is_not_held_against_it(codes, before, after, rows, error, more):
    one, other = (_rounds(each, rows=rows, error=error) for each in (before, after))
    found = more_queries(one, other, codes)
    assert (found is not None) is more
    assert found is None or (found.before, found.after, found.rows) == (before, after, rows)


FEWER = {
    "transactions": f"from django.db import transaction\nwith transaction.atomic():\n    {READ}".replace(
        "\n    print", "\n        print"
    ),
    "a cursor that is fetched from": READ.replace("all()", "all().iterator(chunk_size=1)"),
    "the same": f"{READ}\npass",
}


@pytest.mark.parametrize("name", FEWER)
@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_what_is_no_query_is_not_counted(tmp_path: Path, name: str, database: str) -> None:
    proof = _proof(tmp_path, READ, FEWER[name], database)
    assert proof.verdict is Verdict.EQUAL, proof


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
    (proof,) = prover_of().proofs([with_loop(task, loop)])
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
    (proof,) = prover_of().proofs([with_loop(task, 6)])
    assert proof.verdict is Verdict.NOT_RUN
    assert proof.reason.startswith("raises in reverse on all generated data: ZeroDivisionError")


def test_an_exit_is_an_error_like_others(tmp_path: Path) -> None:
    before = "if Book.objects.count() > 3:\n    raise SystemExit(1)"
    assert _proof(tmp_path, before).verdict is Verdict.EQUAL
    proof = _proof(tmp_path, before, "Book.objects.count() > 3")
    assert proof.verdict is Verdict.DIFFERENT
    assert proof.difference is not None
    assert "SystemExit" in proof.difference.lines[0]


def not_run(name: str, reason: str, loops: int, notes: tuple[str, ...] = ()) -> Proof:
    path = Path(f"{name}.py")
    runs = tuple(LoopRun(path, line, ("MF101",), reached=False) for line in range(1, loops + 1))
    return Proof(path, "f", Verdict.NOT_RUN, reason=reason, loops=runs, notes=notes)


def test_each_reason_is_said_once_and_the_dearest_first() -> None:
    proofs = [
        not_run("a", "no x", 1, ("n1", "n2")),
        not_run("b", "no y", 2, ("n2",)),
        not_run("c", "no x", 6),
        not_run("d", "no z", 0),
    ]
    text = as_text(proofs, [])
    assert text.partition("\nNot as in the project:\n")[2].startswith(
        "  2: n2\n  1: n1\n\nNot run:\n"
    )
    assert text.partition("\nNot run:\n")[2] == (
        "  7: no x\n     a.py:1, c.py:1, c.py:2, c.py:3, c.py:4 and 2 more\n"
        "  2: no y\n     b.py:1, b.py:2\n"
        "  1: no z\n     d.py f\n"
        "\nVerified 10 loops: 0 equal, 0 different, 10 not run.\n"
    )
    many = [not_run("a", "no x", 1, tuple(f"n{number}" for number in range(12)))]
    assert "  and 2 more (--output-format json has them all)\n" in as_text(many, [])


# -- rows whose turns raise


def _looped(folder: Path, before: str, after: str = "", database: str = "sqlite") -> Proof:
    """The proof of a function that goes over the tickets, ``before`` and ``after`` being a turn of it."""
    texts = [
        "def forwards(apps, schema_editor):\n"
        '    for ticket in apps.get_model("shop", "Ticket").objects.all():\n'
        f"{textwrap.indent(turn, ' ' * 8)}\n"
        for turn in (before, after or before)
    ]
    path = write_project(folder, MODELS, texts[0]).resolve()
    source = path.read_text()
    changed = source.replace(*texts)
    (task,), _ = tasks_for([path], {path: source.encode()}, {path: changed.encode()})
    loop = next(n for n, each in enumerate(source.splitlines(), 1) if " for " in each)
    (proof,) = prover_of(database).proofs([with_loop(task, loop)])
    return proof


# No value that any code could be made for is of this form.
_PICKY = 'if ticket.pk % 7 < 6: raise ValueError("no")'


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_rows_whose_turns_raise_are_left_out(database: str, tmp_path: Path) -> None:
    proof = _looped(tmp_path, _PICKY, database=database)
    assert [each.value for each in proof.verdicts] == ["equal"], proof
    assert 0 < proof.raised < proof.rounds


def test_a_difference_in_the_rows_that_are_left_is_seen(tmp_path: Path) -> None:
    other = f"{_PICKY}\nticket.delete()"
    proof = _looped(tmp_path, _PICKY, other)
    assert proof.verdict is Verdict.DIFFERENT


def test_what_keeps_rows_from_the_loop_is_said(tmp_path: Path) -> None:
    proof = _looped(tmp_path, "ticket.nothing")
    assert proof.verdict is Verdict.NOT_RUN
    assert proof.reason.startswith(NOT_REACHED)
    assert (
        "data sets raise AttributeError: 'Ticket' object has no attribute 'nothing' ("
        in proof.reason
    )
    assert "0002_data.py:" in proof.reason
