"""Compares what migfix prints with the files in ``snapshots/``; ``--update-snapshots`` writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots"

claimed: set[Path] = set()
update = False  # set by conftest.py from --update-snapshots


def golden(name: str, content: str | bytes) -> None:
    """Fails unless ``snapshots/<name>`` holds exactly ``content``. Text is compared as UTF-8."""
    path = claim(name)
    new = content.encode() if isinstance(content, str) else content
    old = path.read_bytes() if path.is_file() else None
    if old == new:
        return
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(new)
    elif old is None:
        pytest.fail(f"snapshots/{name} does not exist; --update-snapshots writes it", pytrace=False)
    else:
        assert _text(new) == _text(old), f"snapshots/{name}: --update-snapshots accepts this"
        assert new == old


def _text(content: bytes) -> str:
    return content.decode(errors="backslashreplace")


def claim(name: str) -> Path:
    """Says that ``snapshots/<name>`` has a test, also where that test cannot run."""
    claimed.add(SNAPSHOTS / name)
    return SNAPSHOTS / name


def unclaimed() -> list[Path]:
    """The files in ``snapshots/`` that no test has claimed."""
    return sorted(path for path in SNAPSHOTS.rglob("*") if path.is_file() and path not in claimed)
