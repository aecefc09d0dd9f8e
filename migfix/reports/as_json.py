"""The findings as JSON, for programs: keys and meanings stay, ``schema`` counts incompatible changes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from migfix import __version__
from migfix.findings import Answer, Figures, FileOutcome, LoopOutcome, Outcome, Verified
from migfix.reports.replacements import replacements

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1


def render(outcomes: Sequence[FileOutcome]) -> str:
    """One JSON document, the same for the same outcomes; files without loops or errors are left out."""
    files = [
        _file(outcome) for outcome in outcomes if outcome.loops or outcome.error or outcome.helper
    ]
    report = {
        "schema": SCHEMA,
        "migfix": __version__,
        "summary": _summary(outcomes),
        "settings": sorted({each.settings for each in outcomes if each.settings}),
        "databases": _databases(outcomes),
        "files": files,
    }
    return json.dumps(report, indent=2) + "\n"


def _summary(outcomes: Sequence[FileOutcome]) -> dict[str, Any]:
    loops = [loop for outcome in outcomes for loop in outcome.loops]
    counts = Counter(loop.outcome for loop in loops)
    return {
        "files": len(outcomes),
        "migrations": sum(outcome.is_migration for outcome in outcomes),
        "loops": len(loops),
        "changed_files": sum(outcome.changed for outcome in outcomes),
        "errors": sum(outcome.error is not None for outcome in outcomes),
        "outcomes": {outcome.value: counts[outcome] for outcome in Outcome},
    }


def _databases(outcomes: Sequence[FileOutcome]) -> list[dict[str, Any]]:
    found = Counter(each.assumed for each in outcomes if each.assumed is not None)
    return [{**asdict(assumed), "files": number} for assumed, number in found.items()]


def _file(outcome: FileOutcome) -> dict[str, Any]:
    return {
        "path": outcome.path.as_posix(),
        "error": outcome.error,
        "changed": outcome.changed,
        "creates": _helper(outcome, is_there=False),
        "extends": _helper(outcome, is_there=True),
        "remarks": [asdict(each) for each in outcome.remarks],
        "loops": [_loop(outcome, loop) for loop in outcome.loops],
    }


def _helper(outcome: FileOutcome, *, is_there: bool) -> list[str]:
    helper = outcome.helper
    if helper is None or outcome.error is not None or (helper.before is not None) != is_there:
        return []
    return [helper.path.as_posix()]


def _loop(outcome: FileOutcome, loop: LoopOutcome) -> dict[str, Any]:
    alone = outcome.alone(loop)
    return {
        "line": loop.line,
        "column": loop.column,
        "end_line": loop.end_line,
        "function": loop.function,
        "model": loop.model,
        "outcome": loop.outcome.value,
        "applicability": loop.applicability.value if loop.applicability else None,
        "codes": list(loop.codes),
        "only": None if loop.only is None else list(loop.only),
        "defer": None if loop.defer is None else list(loop.defer),
        "batched": loop.batched,
        "already_streams": loop.already_streams,
        "reason": loop.reason,
        "blocked_by": loop.blocked_by,
        "offer": loop.offer,
        "parts": [_answer(answer) for answer in loop.answers],
        "edits": [asdict(each) for each in replacements(alone.edit if alone else None)],
        **({"verified": _verified(loop.verified)} if loop.verified else {}),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "code": answer.code,
        "part": answer.part.value,
        "applied": answer.applied,
        "applicability": answer.applicability.value if answer.applicability else None,
        "reason": answer.reason,
        "blocked_by": answer.blocked_by,
        "at": asdict(answer.at) if answer.at else None,
    }


def _verified(verified: Verified) -> dict[str, Any]:
    return {
        "verdict": verified.verdict.value,
        "reason": verified.reason,
        "before": _figures(verified.before),
        "after": _figures(verified.after),
    }


def _figures(figures: Figures | None) -> dict[str, Any] | None:
    return asdict(figures) if figures else None
