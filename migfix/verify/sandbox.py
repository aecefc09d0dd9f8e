"""Where migrations run with ``--sandbox``: without a network, and with nothing to write to but the folder of the run.

By bubblewrap: https://github.com/containers/bubblewrap. The user namespace keeps a migration that runs as root from undoing it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migfix.settings import SettingsError
from migfix.verify.servers import SQLITE, Entry

_PROGRAM = "bwrap"
_ALONE = ("--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL")
# /run holds the sockets of whatever serves this machine.
_FILES = ("--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/run")
_PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Sandbox:
    """``folder`` is that of the run, ``sockets`` the folder by whose sockets its database is reached."""

    folder: Path
    sockets: Path | None = None

    def command(self, arguments: Sequence[str]) -> list[str]:
        shown = [] if self.sockets is None else ["--ro-bind", *[str(self.sockets)] * 2]
        own = ["--bind", *[str(self.folder)] * 2]
        return [_PROGRAM, *_ALONE, *_FILES, *shown, *own, "--", *arguments]


@contextmanager
def sandbox(entry: Entry) -> Iterator[Sandbox]:
    """One for a run on the database of ``entry``, that is seen to work. Raises SettingsError."""
    if shutil.which(_PROGRAM) is None:
        raise SettingsError("--sandbox: needs bubblewrap, and there is no bwrap on the path")
    sockets = _sockets(entry)
    with tempfile.TemporaryDirectory(prefix="migfix-verify-") as folder:
        found = Sandbox(Path(folder).resolve(), sockets)
        try:
            done = subprocess.run(
                found.command(["true"]), capture_output=True, timeout=_PATIENCE, check=False
            )
            said = done.stderr.decode(errors="replace").strip().splitlines()
            problem = (said or [f"bwrap ended with {done.returncode}"])[-1]
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SettingsError(f"--sandbox: bwrap cannot be run: {error}") from None
        if done.returncode:
            raise SettingsError(f"--sandbox: none can be made here: {problem}")
        yield found


def _sockets(entry: Entry) -> Path | None:
    """Raises SettingsError for a server that only a network leads to."""
    if entry is SQLITE:
        return None
    host = Path(str(entry["HOST"]))
    if not host.is_absolute():
        raise SettingsError(
            "--sandbox: there is no network in it: name the server by its socket, as in "
            "postgresql://user@/name?host=/run/postgresql"
        )
    return host.resolve() if host.is_dir() else host.resolve().parent
