"""What a migration prints, takes and answers has limits."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migfix.findings import Verdict
from migfix.verify import processes
from migfix.verify.processes import Failed, answered
from migfix.verify.worker.limits import Output
from tests.verify.proving import proof_of

_LOOP = (
    "def forwards(apps, schema_editor):\n"
    '    Book = apps.get_model("shop", "Book")\n'
    "    for book in Book.objects.all():\n        book.title = 'x'\n        book.save()\n"
)


def test_what_is_printed_is_told_apart_also_behind_what_is_kept() -> None:
    texts = []
    for end in ("a", "b", "a"):
        output = Output()
        for _ in range(30):
            assert output.write("x" * 10_000) == 10_000
        output.write(end)
        texts.append(output.getvalue())
    assert texts[0] == texts[2] != texts[1]
    assert len(texts[0]) < 101_000
    assert "... and 200001 more characters: " in texts[0]


def test_what_is_printed_in_pieces_is_kept_whole() -> None:
    output = Output()
    print("one", 2, file=output)
    print("é\ud800", file=output)
    assert output.getvalue() == "one 2\né\ud800\n"


@pytest.mark.behaviour
@pytest.mark.parametrize(
    ("takes", "reason"),
    [
        pytest.param(
            "import os; bytes(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') * 6 // 10)",
            "takes more than half of the memory of this machine",
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="memory is limited there alone"
            ),
            id="memory",
        ),
        pytest.param(
            "import os; os.write(2, b'x' * 2**22 + b'\\nthe end\\n'); os._exit(4)",
            "its process ended with 4: the end",
            id="errors",
        ),
    ],
)
def test_it_is_not_run_to_its_end(takes: str, reason: str, tmp_path: Path) -> None:
    body = f"{_LOOP}    {takes}\n"
    proof = proof_of(tmp_path, body, f"{body}\n")
    assert proof.verdict is Verdict.NOT_RUN
    assert proof.reason.startswith(reason)


@pytest.mark.behaviour
def test_what_comes_of_a_refusal_is_no_difference(tmp_path: Path) -> None:
    refused = (
        "import sqlite3\ntry:\n    sqlite3.connect('/nowhere/x')\n    N = 'x'\n"
        "except OSError:\n    N = 'y'\n\n\n" + _LOOP.replace("'x'", "N")
    )
    proof = proof_of(tmp_path, _LOOP, refused)
    assert proof.verdict is Verdict.NOT_RUN, proof
    assert proof.reason.startswith("the migration connects to the database /nowhere/x, which")


# -- answers


def _ran() -> dict[str, Any]:
    return {
        "error": None, "message": "", "traceback": "", "line": ["a.py", 3], "queries": 1, "sent": 1,
        "tables": {"t": {"columns": ["id"], "rows": [["1"]]}}, "sql": ["SELECT"], "output": "",
        "seconds": 0.5, "memory": 0,
    }  # fmt: skip


def _answer() -> dict[str, Any]:
    branch = {"file": "a.py", "line": 3, "what": "x"}
    first = {"spec": {"seed": 1, "rows": 3}, "start": {}, "forwards": _ran(), "reverse": _ran()}
    return {
        "problem": None, "outside": [], "rounds": [first], "branches": [branch], "reached": [branch],
        "finished": [branch], "notes": ["x"],
    }  # fmt: skip


def _with(change: Callable[[dict[str, Any]], object]) -> str:
    answer = _answer()
    change(answer)
    return json.dumps(answer)


_FORGED = {
    "no JSON": "equal",
    "no object": "[]",
    "too deep": "[" * 100_000,
    "nothing in it": "{}",
    "a problem that is none": _with(lambda a: a.update(problem=3)),
    "no rounds": _with(lambda a: a.pop("rounds")),
    "a note that is none": _with(lambda a: a.update(notes=[1])),
    "a branch that is none": _with(lambda a: a.update(reached=[{}])),
    "a round without what ran": _with(lambda a: a["rounds"][0].pop("forwards")),
    "a seed that is none": _with(lambda a: a["rounds"][0]["spec"].update(seed="1")),
    "a line that is none": _with(lambda a: a["rounds"][0]["forwards"].update(line=["a.py"])),
    "a number that is none": _with(lambda a: a["rounds"][0]["reverse"].update(queries="1")),
    "a table that is none": _with(lambda a: a["rounds"][0]["forwards"].update(tables={"t": []})),
    "a row of other columns": _with(
        lambda a: a["rounds"][0]["forwards"]["tables"]["t"].update(rows=[["1", "2"]])
    ),
}


@pytest.mark.parametrize("what", _FORGED)
def test_what_is_no_answer_is_none(what: str, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(_FORGED[what])
    with pytest.raises(Failed, match="the answer of its process is none"):
        answered(tmp_path, 0, "")


def test_an_answer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(_answer()))
    assert answered(tmp_path, 0, "") == _answer()
    with pytest.raises(Failed, match="its process ended with 3: x"):  # it may not be whole
        answered(tmp_path, 3, "x")
    monkeypatch.setattr(processes, "_LARGEST_ANSWER", 10)
    with pytest.raises(Failed, match="too large"):
        answered(tmp_path, 0, "")
