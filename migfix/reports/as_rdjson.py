"""The findings as Reviewdog Diagnostic Format, whose suggestions a reviewer can commit.

https://github.com/reviewdog/reviewdog/tree/master/proto/rdf
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migfix.reports.replacements import Replacement, replacements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migfix.findings import FileOutcome, LoopOutcome


def render(outcomes: Sequence[FileOutcome]) -> str:
    """One diagnostic result: warnings for what can be rewritten, infos for what is left, errors for files that
    failed.
    """
    found = [
        _diagnostic(outcome, loop)
        for outcome in outcomes
        if outcome.error is None
        for loop in outcome.loops
    ]
    failed = [
        {
            "message": outcome.error,
            "location": {"path": outcome.path.as_posix()},
            "severity": "ERROR",
        }
        for outcome in outcomes
        if outcome.error is not None
    ]
    return (
        json.dumps({"source": {"name": "migfix"}, "diagnostics": [*failed, *found]}, indent=2)
        + "\n"
    )


def _diagnostic(outcome: FileOutcome, loop: LoopOutcome) -> dict[str, Any]:
    start = {"line": loop.line, "column": loop.column}
    diagnostic = {
        "message": loop.reason,
        "location": {
            "path": outcome.path.as_posix(),
            "range": {"start": start, "end": {"line": loop.end_line}},
        },
        "severity": "WARNING" if loop.changed else "INFO",
        "code": {"value": " ".join(loop.codes) or loop.blocked_by or "left"},
    }
    suggestions = [_suggestion(each) for each in replacements(loop.alone)]
    return {**diagnostic, "suggestions": suggestions} if suggestions else diagnostic


def _suggestion(each: Replacement) -> dict[str, Any]:
    start, end = {"line": each.line, "column": 1}, {"line": each.end_line, "column": 1}
    return {"range": {"start": start, "end": end}, "text": each.text}
