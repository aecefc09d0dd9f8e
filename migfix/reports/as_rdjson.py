"""The findings as Reviewdog Diagnostic Format, whose suggestions a reviewer can commit.

https://github.com/reviewdog/reviewdog/tree/master/proto/rdf
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migfix.reports.replacements import together

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
    """With a suggestion for all of its lines at once, as a reviewer can commit but one.

    None where the rewritten loop would import what the helper does not hold yet.
    """
    start, end = {"line": loop.line, "column": loop.column}, {"line": loop.end_line}
    diagnostic: dict[str, Any] = {
        "message": loop.reason,
        "severity": "WARNING" if loop.changed else "INFO",
        "code": {"value": " ".join(loop.codes) or loop.blocked_by or "left"},
    }
    alone = outcome.alone(loop)
    if alone is not None and alone.lacks and outcome.helper is not None:
        needed = outcome.helper.path.as_posix()
        diagnostic["message"] += f"; needs {needed}, which migfix apply writes"
    elif alone is not None and (whole := together(alone.edit)) is not None:
        start, end = {"line": whole.line, "column": 1}, {"line": whole.end_line, "column": 1}
        diagnostic["suggestions"] = [{"range": {"start": start, "end": end}, "text": whole.text}]
    location = {"path": outcome.path.as_posix(), "range": {"start": start, "end": end}}
    return {**diagnostic, "location": location}
