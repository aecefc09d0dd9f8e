from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migfix import __version__
from migfix.findings import (
    Answer,
    Applicability,
    FileEdit,
    FileOutcome,
    Location,
    LoopOutcome,
    Outcome,
    Part,
    Subset,
)
from migfix.reports import as_json

OPTIONAL_TEXT = (str, type(None))
OPTIONAL_LIST = (list, type(None))
CONTRACT: dict[str, dict[str, Any]] = {
    "report": {
        "schema": int,
        "migfix": str,
        "summary": dict,
        "settings": list,
        "databases": list,
        "files": list,
    },
    "assumed": {"names": list, "why": str, "certain": bool, "files": int},
    "summary": {
        "files": int,
        "migrations": int,
        "loops": int,
        "changed_files": int,
        "errors": int,
        "outcomes": dict,
    },
    "outcomes": {"update": int, "delete": int, "stream": int, "cursor": int, "left": int},
    "file": {
        "path": str,
        "error": OPTIONAL_TEXT,
        "changed": bool,
        "creates": list,
        "extends": list,
        "remarks": list,
        "loops": list,
    },
    "loop": {
        "line": int,
        "column": int,
        "end_line": int,
        "function": str,
        "model": OPTIONAL_TEXT,
        "outcome": str,
        "applicability": OPTIONAL_TEXT,
        "codes": list,
        "only": OPTIONAL_LIST,
        "defer": OPTIONAL_LIST,
        "batched": bool,
        "already_streams": bool,
        "reason": str,
        "blocked_by": OPTIONAL_TEXT,
        "offer": OPTIONAL_TEXT,
        "parts": list,
        "edits": list,
    },
    "part": {
        "code": str,
        "part": str,
        "applied": bool,
        "applicability": OPTIONAL_TEXT,
        "reason": str,
        "blocked_by": OPTIONAL_TEXT,
        "at": (dict, type(None)),
    },
    "location": {"line": int, "column": int, "path": OPTIONAL_TEXT},
}

CHANGED = LoopOutcome(
    12, 5, 15, "forwards", "shop.Order", Outcome.STREAM, Applicability.SAFE, ("MF201", "MF202"),
    "streams", None, only=("title",), batched=True, already_streams=True,
    answers=(
        Answer("MF101", Part.WHOLE, False, None, "the loop prints", "output", Location(13, 9)),
        Answer("MF202", Part.SOURCE, True, Applicability.SAFE, "streams"),
    ),
)  # fmt: skip
ALONE = Subset((12,), FileEdit(Path("shop/migrations/0001.py"), b"a\nb\n", b"a\nx\n"))
LEFT = LoopOutcome(
    20, 9, 21, "forwards", None, Outcome.LEFT, None, (), "unknown model", "model-unknown",
    defer=("body",), offer="could stream",
)  # fmt: skip
OUTCOMES = [
    FileOutcome(Path("shop/migrations/0001.py"), (CHANGED, LEFT), subsets=(ALONE,)),
    FileOutcome(Path("shop/migrations/0002.py"), error="does not parse"),
    FileOutcome(Path("shop/migrations/0003.py")),
    FileOutcome(Path("shop/models.py"), is_migration=False),
]


@pytest.fixture
def report() -> dict[str, Any]:
    return dict(json.loads(as_json.render(OUTCOMES)))


def assert_is(part: str, value: dict[str, Any]) -> None:
    """The very keys of the contract, in its order, each of the type it promises."""
    assert list(value) == list(CONTRACT[part])
    for key, kind in CONTRACT[part].items():
        assert isinstance(value[key], kind), key
        assert kind is not int or not isinstance(value[key], bool), key


def test_every_key_and_type_is_as_promised(report: dict[str, Any]) -> None:
    assert_is("report", report)
    assert_is("summary", report["summary"])
    assert_is("outcomes", report["summary"]["outcomes"])
    for file in report["files"]:
        assert_is("file", file)
        for loop in file["loops"]:
            assert_is("loop", loop)
            for part in loop["parts"]:
                assert_is("part", part)
                if part["at"]:
                    assert_is("location", part["at"])


def test_the_summary_adds_up(report: dict[str, Any]) -> None:
    summary = report["summary"]
    assert summary == {
        "files": 4,
        "migrations": 3,
        "loops": 2,
        "changed_files": 1,
        "errors": 1,
        "outcomes": {"update": 0, "delete": 0, "stream": 1, "cursor": 0, "left": 1},
    }
    assert sum(summary["outcomes"].values()) == summary["loops"]
    assert sum(len(file["loops"]) for file in report["files"]) == summary["loops"]


def test_files_without_loops_or_errors_are_left_out(report: dict[str, Any]) -> None:
    assert [file["path"] for file in report["files"]] == [
        "shop/migrations/0001.py",
        "shop/migrations/0002.py",
    ]


def test_values_say_what_was_found(report: dict[str, Any]) -> None:
    changed, left = report["files"][0]["loops"]
    assert (report["schema"], report["migfix"]) == (1, __version__)
    assert changed == {
        "line": 12, "column": 5, "end_line": 15, "function": "forwards", "model": "shop.Order",
        "outcome": "stream", "applicability": "safe", "codes": ["MF201", "MF202"],
        "only": ["title"], "defer": None, "batched": True, "already_streams": True,
        "reason": "streams", "blocked_by": None, "offer": None,
        "parts": [
            {"code": "MF101", "part": "whole", "applied": False, "applicability": None,
             "reason": "the loop prints", "blocked_by": "output",
             "at": {"line": 13, "column": 9, "path": None}},
            {"code": "MF202", "part": "source", "applied": True, "applicability": "safe",
             "reason": "streams", "blocked_by": None, "at": None},
        ],
        "edits": [{"line": 2, "end_line": 3, "text": "x\n"}],
    }  # fmt: skip
    assert left["offer"] == "could stream"
    assert (left["outcome"], left["applicability"]) == ("left", None)
    assert (left["model"], left["defer"], left["blocked_by"]) == (None, ["body"], "model-unknown")
    assert report["files"][1] | {"path": ""} == {
        "path": "", "error": "does not parse", "changed": False, "creates": [], "extends": [], "remarks": [], "loops": [],
    }  # fmt: skip


def test_the_same_outcomes_give_the_same_text() -> None:
    assert as_json.render(OUTCOMES) == as_json.render(list(OUTCOMES))
    assert as_json.render(OUTCOMES).endswith("}\n")
