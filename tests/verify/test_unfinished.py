"""An interrupt keeps what is finished, and the same command goes on from there, if all is as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from migfix.commandline.cli import app
from migfix.commandline.coming import Coming
from migfix.findings import Figures, Statement, Statements, Verdict
from migfix.verify.forks import Forks
from migfix.verify.proofs import Difference, LoopRun, MoreQueries, Proof, Way
from migfix.verify.unfinished import Unfinished
from tests.verify.test_projects import data, initial, packages, settings

_COMMAND = ["verify", ".", "--jobs", "1", "--database", "sqlite"]
_KEPT = "1 migrations were verified before an interrupt"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of which versions have run, of a project with two migrations in the working folder."""
    files = {
        "settings.py": settings("shop"),
        "shop/other.py": "",
        "shop/migrations/0001_initial.py": initial(),
        "shop/migrations/0002_a.py": data(),
        "shop/migrations/0003_b.py": data(before=(("shop", "0002_a"),)),
    }
    for name, text in packages(files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    ran: list[str] = []
    usual = Forks.answer

    def answer(self: Forks, job: Any, folder: Path) -> dict[str, Any]:
        ran.append(job.module.rpartition(".")[2])
        return usual(self, job, folder)

    monkeypatch.setattr(Forks, "answer", answer)
    return ran


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*_COMMAND, *arguments])


def _interrupted(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """What a run prints that is interrupted after its first verdict."""
    usual = Coming.__call__

    def told(self: Coming, proof: Proof, total: int) -> None:
        usual(self, proof, total)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Coming, "__call__", told)
        return _invoke(*arguments)


@pytest.mark.behaviour
def test_the_same_command_goes_on(answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    result = _interrupted(monkeypatch)
    assert result.exit_code == 130
    assert "Verified 1 loops: 1 equal" in result.stdout
    assert "1 of 2 migrations are verified; the same command goes on from there" in result.stderr
    answers.clear()
    result = _invoke()
    assert answers == ["0003_b"] * 2
    assert _KEPT in result.stderr
    assert "Verified 2 loops: 2 equal" in result.stdout
    answers.clear()
    assert "Verified 2 loops: 2 equal" in _invoke().stdout  # it came to its end: nothing is kept
    assert len(answers) == 4


def _touch() -> list[str]:
    Path("shop/other.py").write_text("X = 1\n")
    return []


def _change_environment() -> list[str]:
    os.environ["MIGFIX_X"] = "x"
    return []


_CHANGES: dict[str, Callable[[], list[str]]] = {
    "a file that a migration may import": _touch,
    "an option": lambda: ["--seed", "2"],
    "the environment": _change_environment,
    "nothing is to be kept": lambda: ["--no-cache"],
}


@pytest.mark.behaviour
@pytest.mark.parametrize("what", _CHANGES)
def test_it_begins_anew_where_something_has_changed(
    what: str, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGFIX_X", "")
    _interrupted(monkeypatch)
    answers.clear()
    more = _CHANGES[what]()
    result = _interrupted(monkeypatch, *more)
    assert answers[0] == "0002_a"
    assert _KEPT not in result.stderr


def _proof(**given: Any) -> Proof:
    figures = Figures(3, 0.5, 100)
    loops = (LoopRun(Path("a/b.py"), 7, ("MF101", "MF301"), reached=True),)
    ways = (Way("forwards", figures, figures),)
    return Proof(Path("a/b.py"), "f, g", loops=loops, ways=ways, rounds=6, raised=1, **given)


_PROOFS = {
    "equal": _proof(
        verdict=Verdict.EQUAL,
        branches=2,
        unreached=("x",),
        notes=("y", "z"),
        sql=Statements("forwards", 3, (7,), (Statement("SELECT", 2),), ()),
    ),
    "different": _proof(
        verdict=Verdict.DIFFERENT,
        difference=Difference(3, "reverse", ("a: 1",), ("SELECT",), ("UPDATE", "x")),
    ),
    "more queries": _proof(
        verdict=Verdict.MORE_QUERIES, more_queries=MoreQueries(1, "forwards", 30, 2, 9)
    ),
    "not run": _proof(verdict=Verdict.NOT_RUN, reason="r", outside=("writes",)),
}


@pytest.mark.parametrize("what", _PROOFS)
def test_a_proof_is_read_as_it_was_kept(what: str, tmp_path: Path) -> None:
    Unfinished(tmp_path, "x", []).keep("one", _PROOFS[what])
    assert Unfinished(tmp_path, "x", []).proofs == {"one": _PROOFS[what]}
    assert Unfinished(tmp_path, "y", []).proofs == {}


def test_what_was_cut_off_is_left_out(tmp_path: Path) -> None:
    first = Unfinished(tmp_path, "x", [])
    first.keep("one", _PROOFS["equal"])
    (file,) = tmp_path.glob("*.jsonl")
    for cut in ('{"task": "two", "proof": {"path', '{"task": "three", "proof": {}}', "[]", "\xff"):
        with file.open("a", encoding="latin-1") as end:
            end.write(cut)
        first.keep("four", _PROOFS["not run"])
    assert Unfinished(tmp_path, "x", []).proofs == {
        "one": _PROOFS["equal"],
        "four": _PROOFS["not run"],
    }
    first.forget()
    assert not [*tmp_path.glob("*.jsonl")]
