"""The findings as SARIF, for code scanning, with fixes that rewrite one loop each.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from migfix import __version__, catalog
from migfix.reports.replacements import Replacement, replacements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migfix.findings import FileOutcome, LoopOutcome

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEFT = "left"


def render(outcomes: Sequence[FileOutcome]) -> str:
    """One log: a warning for each loop that can be rewritten, a note for each that is left, and the files that
    failed.
    """
    driver = {"name": "migfix", "version": __version__, "rules": [*_rules()]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(outcome, loop)
            for outcome in outcomes
            if outcome.error is None
            for loop in outcome.loops
        ],
        "invocations": [
            {
                "executionSuccessful": not any(outcome.error for outcome in outcomes),
                "toolExecutionNotifications": [
                    _notification(outcome) for outcome in outcomes if outcome.error is not None
                ],
            }
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rules() -> Iterator[dict[str, Any]]:
    for codemod in catalog.load():
        first, _, rest = codemod.documentation.partition("\n\n")
        yield {
            "id": codemod.code,
            "name": codemod.name,
            "shortDescription": {"text": " ".join(first.split())},
            "help": {"text": rest or first, "markdown": rest or first},
        }
    why = "A loop over database rows that stays as it is, and what stood in the way."
    yield {"id": _LEFT, "name": "left", "shortDescription": {"text": why}}


def _result(outcome: FileOutcome, loop: LoopOutcome) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": loop.codes[0] if loop.changed else _LEFT,
        "level": "warning" if loop.changed else "note",
        "message": {"text": loop.reason},
        "locations": [{"physicalLocation": _location(outcome, loop)}],
        "properties": {
            "codes": list(loop.codes),
            "applicability": loop.applicability.value if loop.applicability else None,
            "model": loop.model,
            "blockedBy": loop.blocked_by,
            "offer": loop.offer,
        },
    }
    alone = outcome.alone(loop)
    missing = alone is not None and bool(alone.lacks)
    if missing and outcome.helper is not None:
        needed = outcome.helper.path.as_posix()
        result["message"]["text"] += f"; needs {needed}, which migfix apply writes"
    if alone is not None and not missing and (found := replacements(alone.edit)):
        result["fixes"] = [
            {
                "description": {"text": loop.reason},
                "artifactChanges": [
                    {
                        "artifactLocation": _artifact(outcome),
                        "replacements": [_replacement(each) for each in found],
                    }
                ],
            }
        ]
    return result


def _location(outcome: FileOutcome, loop: LoopOutcome) -> dict[str, Any]:
    region = {"startLine": loop.line, "startColumn": loop.column, "endLine": loop.end_line}
    return {"artifactLocation": _artifact(outcome), "region": region}


def _artifact(outcome: FileOutcome) -> dict[str, str]:
    return {"uri": quote(outcome.path.as_posix(), errors="surrogateescape")}


def _replacement(each: Replacement) -> dict[str, Any]:
    region = {"startLine": each.line, "startColumn": 1, "endLine": each.end_line, "endColumn": 1}
    return {"deletedRegion": region, "insertedContent": {"text": each.text}}


def _notification(outcome: FileOutcome) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": outcome.error},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(outcome)}}],
    }
