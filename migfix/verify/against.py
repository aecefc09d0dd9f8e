"""The two versions of migrations that differ from a git revision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migfix.disk.files import Files
from migfix.disk.revisions import GitError, modified
from migfix.project.discovery import discover
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
    try:
        for folder in dict.fromkeys(path.resolve().parent for path in files):
            before.update(modified(folder, revision))
    except GitError as error:
        raise SettingsError(f"--against: {error}") from None
    changed = [path for path in files if path.resolve() in before]
    after = {path: path.read_bytes() for path in before}
    return tasks_for(migrations_running(changed), before, after)
