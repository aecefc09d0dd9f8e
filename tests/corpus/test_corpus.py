"""migfix over the migrations of public projects: it survives, keeps its promises, and how much it does."""

from __future__ import annotations

import ast
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from migfix.disk.writing import write
from migfix.findings import FileEdit, FileOutcome, LoopOutcome, Outcome, Verdict
from migfix.pipeline import run
from migfix.settings import Settings, known_codes
from migfix.verify.jobs import Setting
from migfix.verify.processes import Processes
from migfix.verify.report import as_text
from migfix.verify.servers import entry_of
from migfix.verify.verifying import Prover, tasks_of
from tests.corpus.fetch import CorpusUnavailable, corpus
from tests.golden import claim, golden

# One process for all: they look at the same runs.
pytestmark = [pytest.mark.corpus, pytest.mark.xdist_group("corpus")]

SNAPSHOT = "corpus/outcomes.txt"
SETTINGS = Settings(select=frozenset(known_codes()))
UNREADABLE: frozenset[str] = frozenset()  # files that no supported interpreter parses


@dataclass(frozen=True)
class Runs:
    """What ``check``, ``apply`` and a second ``apply`` say of each file, by its path in the corpus."""

    checked: Mapping[str, FileOutcome]
    applied: Mapping[str, FileOutcome]
    again: Mapping[str, FileOutcome]

    @property
    def edits(self) -> Iterator[tuple[FileOutcome, FileEdit]]:
        for outcome in self.applied.values():
            yield from ((outcome, edit) for edit in outcome.edits)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    claim(SNAPSHOT)
    try:
        original = corpus()
    except CorpusUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"the corpus could not be downloaded: {error}")
        pytest.skip(f"the corpus could not be downloaded: {error}")
    copy = tmp_path_factory.mktemp("corpus") / "copy"
    shutil.copytree(original, copy, copy_function=_link_or_copy)
    checked = _run(original, rewrite=False)
    applied = _run(copy, rewrite=True)
    for outcome in applied.values():
        write(outcome.edits)
    return Runs(checked, applied, _run(copy, rewrite=True))


def _run(folder: Path, *, rewrite: bool) -> dict[str, FileOutcome]:
    return {
        str(outcome.path.resolve().relative_to(folder.resolve())): outcome
        for project in sorted(folder.iterdir())
        for outcome in run([project], SETTINGS, rewrite=rewrite)
    }


def _link_or_copy(source: str, target: str) -> None:
    # Files are replaced by a rename, never written in place, so that the original stays.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_every_file_can_be_read_and_none_crashes(runs: Runs) -> None:
    errors = {path: each.error for path, each in runs.applied.items() if each.error is not None}
    assert not {path: error for path, error in errors.items() if path not in UNREADABLE}


def test_check_and_apply_say_the_same(runs: Runs) -> None:
    checked = {path: outcome.loops for path, outcome in runs.checked.items()}
    assert checked == {path: outcome.loops for path, outcome in runs.applied.items()}
    assert not any(outcome.edits for outcome in runs.checked.values())


def test_files_that_change_are_those_with_changed_loops(runs: Runs) -> None:
    reported = {path for path, outcome in runs.applied.items() if outcome.changed}
    assert reported == {path for path, outcome in runs.applied.items() if outcome.edits}
    assert reported, "nothing is rewritten in the whole corpus"


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert not [path for path, outcome in runs.again.items() if outcome.edits or outcome.changed]


def test_what_runs_without_its_project_does_the_same(runs: Runs) -> None:
    tasks, _ = tasks_of(runs.applied.values())
    prover = Prover(Processes(timeout=120), entry_of(None), Setting(seed=1, rows=30), parallel=2)
    proofs = prover.proofs(tasks)
    verdicts = Counter(verdict for proof in proofs for verdict in proof.verdicts)
    different = [proof for proof in proofs if proof.verdict is Verdict.DIFFERENT]
    assert not different, as_text(different, [])
    assert verdicts[Verdict.EQUAL] > 100, verdicts


def test_what_is_written_parses(runs: Runs) -> None:
    for _, edit in runs.edits:
        ast.parse(edit.after, str(edit.path))


def test_only_reported_functions_and_imports_differ(runs: Runs) -> None:
    for outcome, edit in runs.edits:
        if outcome.helper and edit.path == outcome.helper.path:
            assert edit.path.name == "_migfix.py"
            continue
        functions = {loop.function.rpartition(".")[2] for loop in outcome.loops if loop.changed}
        assert _outside(edit.before, functions) == _outside(edit.after, functions), edit.path


def _outside(source: bytes, functions: set[str]) -> list[bytes]:
    """The lines of a file without these functions, imports and empty lines."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        named = isinstance(node, ast.FunctionDef) and node.name in functions
        if named or isinstance(node, ast.Import | ast.ImportFrom):
            span = slice(node.lineno - 1, node.end_lineno)
            lines[span] = [b""] * len(lines[span])
    return [line for line in lines if line.strip()]


def test_counts_by_outcome_and_by_reason_are_as_recorded(runs: Runs) -> None:
    text = _counts(runs.applied)
    print(text)
    golden(SNAPSHOT, text)


def _counts(outcomes: Mapping[str, FileOutcome]) -> str:
    loops = [(path.split("/")[0], loop) for path, each in outcomes.items() for loop in each.loops]
    packages = sorted({package for package, _ in loops})
    names = [outcome.value for outcome in Outcome]
    lines = [_row("", [*names, "loops"])]
    for package in [*packages, "all"]:
        mine = [loop for owner, loop in loops if package in (owner, "all")]
        found = Counter(loop.outcome.value for loop in mine)
        lines.append(_row(package, [found[name] for name in names] + [len(mine)]))
    sections = {
        "rewritten by": [(owner, code) for owner, loop in loops for code in loop.codes],
        "left because": [(owner, _reason(loop)) for owner, loop in loops if not loop.changed],
    }
    for title, found in sections.items():
        lines += ["", title, *_by_package(found)]
    return "\n".join(lines) + "\n"


def _reason(loop: LoopOutcome) -> str:
    return loop.blocked_by or "no reason"


def _row(name: str, cells: list[object]) -> str:
    return f"{name:24}" + "".join(f"{cell!s:>8}" for cell in cells)


def _by_package(found: list[tuple[str, str]]) -> Iterator[str]:
    totals = Counter(name for _, name in found)
    for name, total in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        owners = Counter(owner for owner, its_name in found if its_name == name)
        shares = ", ".join(f"{owner} {count}" for owner, count in sorted(owners.items()))
        yield f"{total:6} {name}: {shares}"
