"""Calls a function of a migration, and measures that call alone."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migfix.verify.worker.memory import MemoryPeak
from migfix.verify.worker.outside import Guard
from migfix.verify.worker.projects import CannotRun, line_of
from migfix.verify.worker.standins import StandIns

_KEPT_STATEMENTS = 400
_STATEMENT_LENGTH = 1000


@dataclass
class Ran:
    """What a function did to the data of one round. Times are seconds, ``memory`` is bytes."""

    error: str | None = None  # the class of what it raised
    message: str = ""
    traceback: str = ""
    line: tuple[str, int] | None = None  # of the functions asked for, in which that was
    tables: Mapping[str, Any] = field(default_factory=dict)
    queries: int = 0  # that read or write rows
    sent: int = 0  # with all other statements
    sql: list[str] = field(default_factory=list)
    output: str = ""
    seconds: float = 0.0
    memory: int = 0


@dataclass
class Calling:
    """Calls a function of the migration, and measures that call alone."""

    ran: Ran
    connection: Any
    guard: Guard
    files: set[str]
    stand_ins: StandIns

    def __call__(self, code: Callable[..., object], apps: Any, editor: Any) -> None:
        recording = self.connection.execute_wrapper(_Recording(self.ran))
        self.guard.authorize(self.connection.connection)
        forbidden = self.stand_ins.forbidden()
        with forbidden, recording, MemoryPeak() as peak, self.guard.watched() as attempts:
            start = time.perf_counter()
            try:
                code(apps, editor)
            except (Exception, SystemExit) as error:
                note_error(self.ran, error)
                lines = [
                    (f.filename, f.lineno or 0) for f in traceback.extract_tb(error.__traceback__)
                ]
                self.ran.line = next((e for e in reversed(lines) if e[0] in self.files), None)
                raise
            finally:
                self.ran.seconds = time.perf_counter() - start
                if attempts:  # what comes of a refusal that is caught is not what would have come
                    raise CannotRun(_refused(attempts))
        self.ran.memory = peak.bytes


@dataclass
class _Recording:
    """Counts the statements of a function and keeps the first of them."""

    ran: Ran

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.ran.sent += 1
        self.ran.queries += _is_query(sql)
        if len(self.ran.sql) < _KEPT_STATEMENTS:
            values = f"  -- {len(params)} times" if many and hasattr(params, "__len__") else ""
            values = values or (f"  -- {_shortened(repr(params))}" if params else "")
            self.ran.sql.append(_shortened(str(sql)) + values)
        return execute(sql, params, many, context)


_QUERIES = frozenset("select insert replace update delete merge with values execute call".split())
_PACKET = "begin not atomic"  # in which the helper sends many UPDATEs to MariaDB


def _is_query(sql: Any) -> bool:
    """Does a statement read or write rows? Others begin and end transactions, prepare, set, or fetch what
    a cursor of the server keeps: they cost little, and the writer of a loop asked for none of them.
    """
    text = str(sql)[:200].lstrip("( \n\t").lower()
    return text.startswith(_PACKET) or text.partition(" ")[0].strip("(;") in _QUERIES


def _shortened(text: str) -> str:
    return text if len(text) <= _STATEMENT_LENGTH else f"{text[:_STATEMENT_LENGTH]}..."


def _refused(attempts: Sequence[str]) -> str:
    return f"the migration {attempts[0]}, which verify does not let it do"


def note_error(ran: Ran, error: BaseException) -> None:
    if isinstance(error, ImportError):
        raise CannotRun(f"cannot import what it needs: {line_of(error)}") from error
    if isinstance(error, MemoryError):  # where that comes is no part of what it does
        raise CannotRun("takes more than half of the memory of this machine") from error
    ran.error = f"{type(error).__module__}.{type(error).__qualname__}"
    ran.message = line_of(error)
    ran.traceback = traceback.format_exc()
