"""Is what a worker has written an answer? A migration runs in its process, and may do what it likes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMBER = (int, float)
_RAN: Mapping[str, Any] = {
    "error": (str, type(None)),
    "message": str,
    "traceback": str,
    "line": (list, type(None)),
    "tables": dict,
    "queries": int,
    "sent": int,
    "sql": list,
    "output": str,
    "seconds": _NUMBER,
    "memory": _NUMBER,
}
_BRANCH: Mapping[str, Any] = {"file": str, "line": int, "what": str}
_REFUSAL: Mapping[str, Any] = {"problem": (str, type(None)), "outside": list}
_ANSWER: Mapping[str, Any] = {
    **_REFUSAL, "rounds": list, "branches": list, "reached": list, "finished": list, "notes": list,
}  # fmt: skip
_ROUND: Mapping[str, Any] = {"spec": dict, "start": dict, "forwards": dict}
_SPEC: Mapping[str, Any] = {"seed": int, "rows": int}
_TABLE: Mapping[str, Any] = {"columns": list, "rows": list}


def check(answer: Any) -> None:
    """Raises TypeError, or KeyError, where it is none."""
    _has(answer, _REFUSAL)
    _are(str, answer["outside"])
    if answer["problem"] is not None:
        return
    _has(answer, _ANSWER)
    _are(str, answer["notes"])
    for each in (*answer["branches"], *answer["reached"], *answer["finished"]):
        _has(each, _BRANCH)
    for each in answer["rounds"]:
        _has(each, _ROUND)
        _has(each["spec"], _SPEC)
        for way in ("forwards", "reverse"):
            if way in each:
                _check_ran(each[way])


def _check_ran(ran: Any) -> None:
    _has(ran, _RAN)
    _are(str, ran["sql"])
    if ran["line"] is not None:
        file, number = ran["line"]
        _are(str, [file])
        _are(int, [number])
    for table in ran["tables"].values():
        _has(table, _TABLE)
        _are(str, table["columns"])
        for row in table["rows"]:
            _are(str, row)
            if len(row) != len(table["columns"]):
                raise TypeError("a row of other columns")


def _has(found: Any, kinds: Mapping[str, Any]) -> None:
    _are(dict, [found])
    for name, kind in kinds.items():
        _are(kind, [found[name]])


def _are(kind: Any, found: Any) -> None:
    for each in found:
        if not isinstance(each, kind):
            raise TypeError(f"{each!r} is no {kind}")
