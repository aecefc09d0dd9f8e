"""What the commands print, as the bytes that a stream takes, and the code that they end with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from migfix.commandline.options import ColorChoice, Options, UsageError
from migfix.printing import write
from migfix.quoting import quoted
from migfix.settings import ExitCode, shown

if TYPE_CHECKING:
    from migfix.findings import FileOutcome


def complaints(outcomes: list[FileOutcome], options: Options) -> str:
    """A line for each file that failed, with a traceback where that is asked for."""
    lines: list[str] = []
    for outcome in outcomes:
        if outcome.error is not None:
            lines.append(_complaint(f"{shown(outcome.path)}: {outcome.error}"))
            if options.debug and outcome.traceback:
                lines.append(traceback_of(outcome.traceback))
    return "".join(lines)


def complain(message: str) -> None:
    write(sys.stderr, encoded(_complaint(message), sys.stderr))


def _complaint(message: str) -> str:
    return f"migfix: {quoted(message)}\n"


def traceback_of(text: str) -> str:
    return "".join(f"{quoted(line)}\n" for line in text.splitlines())


def say(report: str | bytes) -> None:
    write(sys.stdout, report if isinstance(report, bytes) else encoded(report, sys.stdout))


def encoded(text: str, stream: TextIO) -> bytes:
    """Undecodable bytes of paths come out as they were; what the stream lacks is escaped."""
    encoding = stream.encoding or "utf-8"
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace")


def is_colored(choice: ColorChoice) -> bool:
    """An explicit choice, else NO_COLOR, else FORCE_COLOR, else whether a terminal can show it."""
    if choice is not ColorChoice.AUTO:
        return choice is ColorChoice.ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if any(
        os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")
    ):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def put(path: str | None, text: bytes) -> None:
    """To a file, or to standard output. Raises ``UsageError`` where it cannot be written."""
    if path is None:
        write(sys.stdout, text)
        return
    from migfix.disk import writing

    try:
        writing.put(Path(path), text)
    except writing.WriteError as error:
        raise UsageError(f"{shown(error.path)}: {error.reason}") from None


def text_of(outcomes: list[FileOutcome], options: Options, *, applied: bool) -> str:
    """The report for people."""
    from migfix.reports import as_text

    color = is_colored(options.color)
    return as_text.render(
        outcomes, applied=applied, quiet=options.quiet, verbose=options.verbose, color=color
    )


def finished(outcomes: list[FileOutcome], options: Options, *, wanted: bool) -> ExitCode:
    """Prints the errors; the exit code, with 1 for changes where they are only ``wanted``."""
    write(sys.stderr, encoded(complaints(outcomes, options), sys.stderr))
    return exit_code(outcomes, wanted=wanted)


def exit_code(outcomes: list[FileOutcome], *, wanted: bool) -> ExitCode:
    """2 where a file failed, 1 for changes where they are only ``wanted``."""
    if any(outcome.error is not None for outcome in outcomes):
        return ExitCode.ERROR
    changed = any(outcome.changed or outcome.helper for outcome in outcomes)
    return ExitCode.CHANGES if wanted and changed else ExitCode.OK
