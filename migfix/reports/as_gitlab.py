"""The findings as a Code Quality report of GitLab.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migfix.findings import FileOutcome


def render(outcomes: Sequence[FileOutcome]) -> str:
    """A list of issues: what can be rewritten is minor, what is left info, a file that failed major."""
    found: list[dict[str, Any]] = []
    for outcome in outcomes:
        path = outcome.path.as_posix()
        if outcome.error is not None:
            found.append(_issue(path, 1, "error", outcome.error, "major"))
            continue
        for loop in outcome.loops:
            name = " ".join(loop.codes) or loop.blocked_by or "left"
            severity = "minor" if loop.changed else "info"
            found.append(_issue(path, loop.line, name, loop.reason, severity))
    return json.dumps(found, indent=2) + "\n"


def _issue(path: str, line: int, name: str, text: str, severity: str) -> dict[str, Any]:
    # Lines move with every edit above them: the place is told by the file, the codes and the words.
    print_ = hashlib.sha256("\0".join((path, name, text)).encode(errors="surrogateescape"))
    return {
        "description": text,
        "check_name": name,
        "fingerprint": f"{print_.hexdigest()}-{line}",
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }
