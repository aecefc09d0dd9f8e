"""Runs ``migfix check --verify`` on a file and reads what came out."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from migfix.findings import Figures, Verdict, Verified


class NotVerified(Exception):
    """Why nothing was run, as one line."""


async def verified(path: Path, arguments: Sequence[str]) -> dict[int, Verified]:
    """What was seen of each rewritten loop, by its line. What runs ends when the task is cancelled.

    Raises ``NotVerified``.
    """
    command = [sys.executable, "-m", "migfix", "check", "--verify", "--output-format", "json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        str(path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=path.parent,
    )
    try:
        out, errors = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()  # it ends what it runs, too
        await process.wait()
        raise
    try:
        report = json.loads(out)
    except ValueError:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise NotVerified(lines[-1] if lines else "migfix verify printed nothing") from None
    return {
        loop["line"]: _verified(loop["verified"])
        for file in report["files"]
        for loop in file["loops"]
        if loop.get("verified")
    }


def _verified(said: dict[str, Any]) -> Verified:
    before, after = (Figures(**said[each]) if said[each] else None for each in ("before", "after"))
    return Verified(Verdict(said["verdict"]), said["reason"], before, after)
