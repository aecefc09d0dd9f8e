"""The findings as a Code Quality report of GitLab.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migfix.findings import FileOutcome


def render(outcomes: Sequence[FileOutcome]) -> str:
    """A list of issues: what can be rewritten is minor, what is left info, a file that failed major."""
    found: list[dict[str, Any]] = []
    seen: Counter[str] = Counter()
    for issue in (each for outcome in outcomes for each in _issues(outcome)):
        fingerprint = issue.pop("told_by")
        seen[fingerprint] += 1
        found.append({**issue, "fingerprint": f"{fingerprint}-{seen[fingerprint]}"})
    return json.dumps(found, indent=2) + "\n"


def _issues(outcome: FileOutcome) -> Iterator[dict[str, Any]]:
    path = outcome.path.as_posix()
    if outcome.error is not None:
        yield _issue(path, 1, "error", outcome.error, "major")
        return
    for remark in outcome.remarks:
        yield _issue(path, remark.line, "comment", remark.text, "minor")
    for loop in outcome.loops:
        name = " ".join(loop.codes) or loop.blocked_by or "left"
        severity = "minor" if loop.changed else "info"
        yield _issue(path, loop.line, name, loop.reason, severity)


def _issue(path: str, line: int, name: str, text: str, severity: str) -> dict[str, Any]:
    # Lines move with every edit above them: an issue is told by its file, its codes and its words.
    words = "\0".join((path, name, text)).encode(errors="surrogateescape")
    return {
        "description": text,
        "check_name": name,
        "told_by": hashlib.sha256(words).hexdigest(),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }
