"""The vocabulary of a run: what is found in a file and what becomes of it. One module, as its words are
made of one another. Imports nothing of migfix.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TypeAlias


class Applicability(Enum):
    """SAFE: the database is the same afterwards. UNSAFE: it may differ, as the message says."""

    SAFE = "safe"
    UNSAFE = "unsafe"


class Outcome(Enum):
    """What became of a loop, in the words of the JSON report."""

    UPDATE = "update"
    DELETE = "delete"
    STREAM = "stream"
    CURSOR = "cursor"
    LEFT = "left"


class Reason(Enum):
    """Why a codemod leaves a loop, or part of one, as it is. The values are part of the JSON report."""

    REAL_MODEL = "real-model"
    SIGNALS = "signals"
    MODEL_UNKNOWN = "model-unknown"
    MODEL_UNVERIFIED = "model-unverified"
    DATABASE_UNKNOWN = "database-unknown"
    CUSTOM_BASE = "custom-base"
    INHERITANCE = "multi-table-inheritance"
    CUSTOM_MANAGER = "custom-manager"
    RAW_SQL = "raw-sql"
    SQL_UNKNOWN = "sql-unknown"
    CURSOR_USED = "cursor-used"
    CUSTOM_CURSOR = "custom-cursor"
    NOT_INSTANCES = "rows-are-not-instances"
    LOOP_SHAPE = "loop-shape"
    QUERYSET_SHAPE = "queryset-shape"
    QUERYSET_REUSED = "queryset-reused"
    USED_AFTER = "used-after-loop"
    OTHER_STATEMENTS = "other-statements"
    OUTPUT = "output"
    QUERY_IN_BODY = "query-in-body"
    UNKNOWN_CALL = "unknown-call"
    BRANCHES = "branches"
    CONDITION = "condition"
    TEXT_COMPARISON = "text-comparison"
    VALUE = "value"
    NULLABLE = "nullable"
    NOT_TOTAL = "evaluated-without-rows"
    ONE_TIMESTAMP = "one-timestamp"
    FIELD_UNKNOWN = "field-unknown"
    PRIMARY_KEY = "primary-key"
    UNIQUE = "unique"
    AUTO_NOW = "auto-now"
    SAVE_SIDE_EFFECT = "save-side-effect"
    SAVE_ARGUMENTS = "save-arguments"
    NEVER_SAVED = "never-saved"
    CREATED_ROW_USED = "created-row-used"
    SAVED_TWICE = "saved-twice"
    SET_ORDER = "set-order"
    DELETE_RELATIONS = "delete-relations"
    ROW_ESCAPES = "row-escapes"
    ALL_FIELDS_NEEDED = "all-fields-needed"
    ALREADY_NARROW = "already-narrow"
    KEEPS_ROWS = "keeps-rows"
    LOCKED_ROWS = "locked-rows"
    SCHEMA_CHANGE = "schema-change"
    TRANSACTION = "transaction"
    PARTLY_DONE = "partly-done"
    LEAVES_FUNCTION = "leaves-function"
    PREFETCH = "prefetch"
    FEW_ROWS = "few-rows"
    PER_PARENT = "per-parent"
    UNORDERED_PAGES = "unordered-pages"
    SHIFTING_PAGES = "shifting-pages"
    UNWRITTEN_ROWS = "unwritten-rows"
    ROW_ORDER = "row-order"
    ALREADY_STREAMS = "already-streams"
    DOES_NOT_STREAM = "does-not-stream"
    STATES_DIFFER = "states-differ"
    NAME_CLASH = "name-clash"
    SUPPRESSED = "suppressed"
    NOT_VERIFIED = "not-verified"
    NOT_CHOSEN = "not-chosen"
    NOT_WRITTEN = "not-written"


FAULTS = frozenset({Reason.UNORDERED_PAGES, Reason.SHIFTING_PAGES, Reason.UNWRITTEN_ROWS})
"""What is wrong with a loop as it is written, whatever becomes of it."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the source; lines and columns count from 1. ``path`` is None in the file of the loop itself."""

    line: int
    column: int
    path: str | None = None

    def __str__(self) -> str:
        return f"line {self.line} of {self.path}" if self.path else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A loop, or part of one, is left as it is: the reason, the fact in one sentence, and where it stands.

    Without a location it holds of the whole loop. Two are the same wherever they are.
    """

    reason: Reason
    message: str
    at: Location | None = field(default=None, compare=False)


class Refused(Exception):
    """Raised where something stands in the way, caught by the codemod that asked."""

    def __init__(self, reason: Reason, message: str, at: Location | None = None) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message, at)

    @classmethod
    def by(cls, refusal: Refusal) -> Refused:
        return cls(refusal.reason, refusal.message, refusal.at)

    def locate(self, at: Location) -> None:
        """Say where it was met, if nothing closer to it has."""
        if self.refusal.at is None:
            self.refusal = replace(self.refusal, at=at)


class Part(Enum):
    """The part of a loop that a rewrite claims. WHOLE excludes all others but COUNTS, which stands
    in front of the loop.
    """

    WHOLE = "whole"
    COLUMNS = "columns"
    SOURCE = "source"
    WRITES = "writes"
    UPDATES = "updates"
    LINKS = "links"
    CREATES = "creates"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class ReplaceLoop:
    """The whole ``for`` statement becomes these lines of source.

    ``drops`` are statements beside it that go with the loop; their comments stay.
    """

    lines: tuple[str, ...]
    drops: tuple[ast.stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainCall:
    """``.method(arguments)`` joins the queryset's chain, before ``.iterator()`` if that is there.

    ``replaces_all``: a bare ``.all()`` at the end of the chain gives way to it.
    """

    method: str
    arguments: str = ""
    replaces_all: bool = False


@dataclass(frozen=True, slots=True)
class WrapRows:
    """``function(queryset, arguments)``; ``.iterator()`` at the end of the chain goes."""

    function: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ReplaceExpressions:
    """Expressions in front of the loop, or in its header, and the source that each becomes.

    ``commits`` is the class of a migration that says ``atomic = False`` then.
    """

    pairs: tuple[tuple[ast.expr, str], ...]
    commits: ast.ClassDef | None = None


@dataclass(frozen=True, slots=True)
class ReplaceRows:
    """The loop goes over this expression; ``drops`` as in ``ReplaceLoop``.

    ``unwraps`` is a ``with`` around or before the loop. It goes, and leaves what stands in it, where
    nothing in there reads the name that it binds any more.
    """

    expression: str
    drops: tuple[ast.stmt, ...] = ()
    unwraps: ast.With | None = None


@dataclass(frozen=True, slots=True)
class InBlock:
    """The loop goes into ``with header:``, and these expressions of its body become other source.

    ``drops`` as in ``ReplaceLoop``. ``last`` is a statement that each turn ends with. Several of these on one loop
    share one ``with``.
    """

    header: str
    pairs: tuple[tuple[ast.expr, str], ...]
    drops: tuple[ast.stmt, ...] = ()
    last: str | None = None


Edit: TypeAlias = ReplaceLoop | ChainCall | WrapRows | ReplaceRows | ReplaceExpressions | InBlock


@dataclass(frozen=True, slots=True)
class Beside:
    """A rewrite of one part of a loop needs one of another part; ``refusal`` is what holds without it."""

    part: Part
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Gain:
    """What a rewrite saves, such as ``queries``: as it is and as it will be."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a codemod would do to one part of a loop, and what that gains. It is safe if there are no caveats.

    It is ``spare`` where something lighter does as well: then it counts only if it is not in another state of
    the history.
    """

    part: Part
    edit: Edit
    message: str
    outcome: Outcome
    caveats: tuple[Refusal, ...] = ()
    imports: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] | None = None
    defer: tuple[str, ...] | None = None
    beside: tuple[Beside, ...] = ()
    spare: bool = False
    gains: tuple[Gain, ...] = field(
        default=(), compare=False
    )  # columns may be fewer in another state

    @property
    def applicability(self) -> Applicability:
        return Applicability.UNSAFE if self.caveats else Applicability.SAFE


class Verdict(Enum):
    """EQUAL: both versions left the same on all data. DIFFERENT: not on some. MORE_QUERIES: they did, but
    the second sent more queries on some. NOT_RUN: nothing is proved.
    """

    EQUAL = "equal"
    DIFFERENT = "different"
    MORE_QUERIES = "more-queries"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one version of a migration needed: queries, seconds, and bytes of memory at the peak."""

    queries: int
    seconds: float
    memory: int

    @property
    def memory_says_something(self) -> bool:
        """Below a mebibyte it is that of Python and Django, not of rows."""
        return self.memory >= 2**20


@dataclass(frozen=True, slots=True)
class Statement:
    """One that was sent, with its values, and how many alike came one after another, perhaps with other values."""

    text: str
    times: int


@dataclass(frozen=True, slots=True)
class Statements:
    """What a RunPython sent in both versions, on so many ``rows`` in each table: ``way`` is forwards or reverse,
    ``lines`` are those of the loops of which one version has the rewrites.
    """

    way: str
    rows: int
    lines: tuple[int, ...]
    before: tuple[Statement, ...]
    after: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was seen when a loop ran as it was and as rewritten; without figures where it did not run."""

    verdict: Verdict
    reason: str = ""
    before: Figures | None = None
    after: Figures | None = None
    sql: Statements | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one codemod says of a loop: it rewrites its part, would if unsafe rewrites were allowed, or does not.

    ``reason`` says what it does, or why not; ``blocked_by`` is the refusal's reason, None for a rewrite.
    ``at`` is where the refusal, or what makes the rewrite unsafe, stands; None for the loop as a whole.
    """

    code: str
    part: Part
    applied: bool
    applicability: Applicability | None
    reason: str
    blocked_by: str | None = None
    at: Location | None = None


@dataclass(frozen=True, slots=True)
class FileEdit:
    """The bytes of a file as read and as migfix would have them; ``before`` is None for a new file."""

    path: Path
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Costs:
    """What a loop needs as it is written: how many of its rows are in memory at once, in a word or two, and the queries of
    a turn. These are sent for each row if ``always``, else only in some turns; there may be others if ``more``.
    """

    rows_held: str
    queries: int
    always: bool
    more: bool


@dataclass(frozen=True, slots=True)
class LoopOutcome:
    """One loop over database rows and what became of it. Lines and columns count from 1."""

    line: int
    column: int
    end_line: int
    function: str
    model: str | None
    outcome: Outcome
    applicability: Applicability | None
    codes: tuple[str, ...]
    reason: str
    blocked_by: str | None
    only: tuple[str, ...] | None = None
    defer: tuple[str, ...] | None = None
    batched: bool = False
    already_streams: bool = False
    offer: str | None = None  # what --unsafe-fixes would do here, one sentence
    logged: bool = False  # under DEBUG, Django keeps statements of its body
    verified: Verified | None = None
    answers: tuple[Answer, ...] = ()  # of the codemods that have something to say, by their codes
    # Where each loop is looked at by itself: the columns of its model as of then, such as `title CharField`, and its costs.
    fields: tuple[str, ...] = ()
    costs: Costs | None = None
    gains: tuple[Gain, ...] = ()  # each of its own kind
    # Where the databases are in doubt: would it be rewritten otherwise on one alone? None where that was not asked.
    otherwise_on_one: bool | None = field(default=None, compare=False)

    @property
    def changed(self) -> bool:
        return bool(self.codes)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the loop as it is written, which ``reason`` does not say where the loop changes."""
        known = {reason.value for reason in FAULTS}
        said = (each.reason for each in self.answers if each.blocked_by in known)
        return tuple(dict.fromkeys(said)) if self.changed else ()


@dataclass(frozen=True, slots=True)
class Assumed:
    """The databases that decisions took for granted, in order, and why these, as the end of a sentence."""

    names: tuple[str, ...]
    why: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a line of a file that is no loop."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Subset:
    """The file with some of its loops rewritten, by the lines of their ``for``; the functions that it imports then
    and that the helper ``lacks`` yet.
    """

    lines: tuple[int, ...]
    edit: FileEdit
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HelperChange:
    """The file of the helper, what is there (None for nothing), the functions that it is to hold, and the module as
    which files import it.
    """

    path: Path
    before: bytes | None
    functions: frozenset[str]
    module: str = "._migfix"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Everything a run has to say of one file.

    ``path`` is as the user wrote or would write it (relative to the working folder where possible).
    ``edits`` holds the helper first, then the file itself; it is empty when nothing changes, when
    the run only checks, and when ``error`` is set. ``helper`` is there where the file, as it is to be, imports what the
    helper does not hold yet. ``assumed`` is None where the user said which databases. ``remarks`` are
    about its comments. ``subsets`` are there where each loop is looked at by itself: each one alone, all
    together and, of few loops, every other choice. ``debug_setting`` says where the settings switch
    DEBUG on, where that matters to one of the loops. ``is_reached``: a RunPython reaches functions of the file.
    DEBUG on, where that matters to one of the loops. ``settings`` names those by which the project's own Django was
    asked.
    """

    path: Path
    loops: tuple[LoopOutcome, ...] = ()
    edits: tuple[FileEdit, ...] = ()
    error: str | None = None
    traceback: str | None = None
    is_migration: bool = True
    debug_setting: str | None = None
    helper: HelperChange | None = None
    assumed: Assumed | None = None
    remarks: tuple[Remark, ...] = ()
    subsets: tuple[Subset, ...] = ()
    is_reached: bool = field(default=False, compare=False)
    settings: str | None = None

    def alone(self, loop: LoopOutcome) -> Subset | None:
        """The file with this loop alone rewritten, where each is looked at by itself."""
        return next((each for each in self.subsets if each.lines == (loop.line,)), None)

    @property
    def changed(self) -> bool:
        return self.error is None and any(loop.changed for loop in self.loops)
