"""The two versions of migrations that differ from a git revision."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from migfix.discovery import discover
from migfix.files import Files
from migfix.settings import SettingsError
from migfix.verify.proofs import Proof
from migfix.verify.verifying import Task, migrations_running, tasks_for


def tasks_against(
    revision: str, paths: Sequence[Path], exclude: Sequence[str], disk: Files
) -> tuple[list[Task], list[Proof]]:
    """The RunPythons of the migrations below the paths that the revision has otherwise, and those that
    cannot be read. Raises SettingsError for what git does not know.
    """
    files = discover(paths, disk, exclude).files
    before: dict[Path, bytes] = {}
    for folder in dict.fromkeys(path.resolve().parent for path in files):
        top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
        names = _git(folder, "diff", "--name-only", "--diff-filter=M", "-z", revision, "--", ".")
        for name in filter(None, names.decode().split("\0")):
            if name.endswith(".py") and (top / name).parent == folder:
                before[top / name] = _git(folder, "show", f"{revision}:{name}")
    changed = [path for path in files if path.resolve() in before]
    after = {path: path.read_bytes() for path in before}
    return tasks_for(migrations_running(changed), before, after)


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    except OSError as error:
        raise SettingsError(f"--against: git cannot be run: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise SettingsError(f"--against: {lines[0] if lines else 'git failed'}")
    return done.stdout
