"""
Runs two versions of a data migration on equal databases and compares what they leave behind.

``run_both(models, before, after, rows)`` is the whole of it. Each version gets its own database, its
own modules and Django's own ``MigrationExecutor``; then every table is read with raw SQL. Clocks and
random numbers are the same in both: ``timezone.now()`` starts at one instant and moves a second on
each call, so a loop that stamps each row differs from one statement that stamps them all.
(``auto_now`` on dates and times of day reads the real clock: leave it out.)
"""

from __future__ import annotations

import importlib
import io
import linecache
import random
import sys
import textwrap
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, ModuleType
from typing import Literal
from unittest import mock

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import connections, migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model, signals
from django.dispatch import Signal

from migfix.disk.files import Files
from migfix.reading.cutting import FUNCTIONS
from migfix.reading.vendored import helper_text
from tests.databases import SERVERS, empty, holds, opened
from tests.starts import Start, Tables, copied, sent_by, used_tables

HELPER = helper_text(FUNCTIONS, Files()).decode()
DATA = "0002_data"
SIGNALS = [each for each in vars(signals).values() if isinstance(each, Signal)]

Row = Mapping[str, object]
Rows = Mapping[str, Sequence[Row]] | Callable[[Apps, BaseDatabaseWrapper], None]
Models = str | Mapping[str, str]
Expected = Literal["changes", "no changes", "anything"] | type[Exception]


class Different(AssertionError):
    """The second version left something else behind than the first."""


class BadCase(Exception):
    """The first version did not do what the case says of it, so the comparison proves nothing."""


class Runaway(BaseException):
    """Stops a version that sends far more queries than the other. No migration catches it."""


@dataclass(frozen=True)
class Case:
    """
    What both versions start from.

    ``models``: the operations of ``0001_initial`` (or a whole module with ``class Migration``) of the
    app ``shop``, or one such text by app label; a later app may refer to an earlier one, and the
    data migration belongs to the first.
    ``rows``: by model name (``"Order"``, ``"blog.Post"``) attributes for ``bulk_create``, or by table
    name (``"shop_order"``) columns for raw SQL, which may be what the ORM would never write; or a
    function that is called with the apps and the connection.
    ``files``: other modules of the project by their path (``"shop/models.py"``), which the migrations may
    import; the ``models`` and the ``apps`` of an app are imported first, as Django does.
    """

    models: Models
    rows: Rows
    database: str = "sqlite-memory"
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def apps(self) -> Mapping[str, str]:
        return {"shop": self.models} if isinstance(self.models, str) else self.models

    @property
    def app(self) -> str:
        """The app of the data migration."""
        return next(iter(self.apps))

    def modules(self, data: str | None) -> dict[tuple[str, str], str]:
        """The source of every migration by app label and name, the data migration last if there is one."""
        modules: dict[tuple[str, str], str] = {}
        for label, text in self.apps.items():
            modules[label, "0001_initial"] = _initial_module(text, [*modules])
        if data is not None:
            modules[self.app, DATA] = _data_module(data, [*modules])
        return modules


@dataclass(frozen=True)
class Run:
    """What one version did. A row is ``column=repr`` texts: 1, 1.0, '1' and None are all different."""

    start: Mapping[str, list[str]]
    tables: Mapping[str, list[str]]
    sql: tuple[str, ...]
    output: str
    error: BaseException | None

    @property
    def queries(self) -> int:
        """Queries sent by the functions of RunPython; those of the migration machinery are left out."""
        return len(self.sql)


@dataclass(frozen=True)
class Both:
    before: Run
    after: Run


def run_both(
    models: Models,
    before: str,
    after: str,
    rows: Rows,
    *,
    database: str = "sqlite-memory",
    expect: Expected = "changes",
) -> Both:
    """
    Runs ``before`` and ``after`` on databases of their own; raises Different unless both leave equal
    tables, print the same and raise alike.

    ``models`` and ``rows`` are those of ``Case``. ``before`` and ``after`` are functions, of which
    ``forwards`` is run, or whole modules with a ``class Migration``; either may import ``._migfix``,
    the helper that ships with migfix. ``database`` is one of the names of ``tests.databases``; where
    that server does not answer, the test is skipped.

    ``expect`` is what the first version does, so that no case passes by doing nothing: it changes the
    database, changes nothing, or raises the exception given. Raises BadCase where that is not so.
    """
    case = Case(models, rows, database)
    first = original(case, before)
    _check_expected(first, expect)
    second = run(case, after, limit=2 * first.queries + 100)
    if first.start != second.start:
        raise BadCase("the versions do not start from equal rows")
    _check_errors(first, second, expect)
    _check_equal(first, second)
    return Both(first, second)


# What the last originals did that ended without an error: tests compare several rewrites with one of them.
_originals: deque[tuple[Start, str, Run]] = deque(maxlen=16)


def original(case: Case, data: str) -> Run:
    """What `run` gives for a version that others are compared with. They start alike, so it is run once for them."""
    start = _start_of(case)
    for other, text, done in _originals:
        if other is start and text == data:
            return done
    done = run(case, data)
    if done.error is None:
        _originals.append((start, data, done))
    return done


def run(case: Case, data: str, *, limit: int = 100_000) -> Run:
    """Runs one version of the data migration on a fresh database with the rows of the case."""
    made = _start_of(case)
    with ExitStack() as stack:
        connection, loaded = stack.enter_context(_opened(case, data, replace(made.numbers)))
        made.put_back(case.database, connection)
        start = read_tables(connection)
        executor = _executor(connection, loaded)
        *initial, last = loaded
        state = executor.loader.project_state(initial)
        seen = _Recording(limit)
        seen.listen_to(loaded[last])
        output = stack.enter_context(redirect_stdout(io.StringIO()))
        with made.used(case.database, connection):
            error = _error_of(
                lambda: executor.migrate([last], [(loaded[last], False)], state), connection
            )
        tables = read_tables(connection)
        return Run(start, tables, tuple(seen.sql), output.getvalue(), seen.error or error)


@contextmanager
def _opened(
    case: Case, data: str | None, numbers: Numbers
) -> Iterator[tuple[BaseDatabaseWrapper, dict[tuple[str, str], migrations.Migration]]]:
    """The database of a case as somebody left it, and the migrations, in a process that is as new."""
    with ExitStack() as stack:
        needs_folder = case.files or case.database not in {*SERVERS, "sqlite-memory"}
        folder = Path(stack.enter_context(TemporaryDirectory()) if needs_folder else "")
        connection = stack.enter_context(opened(case.database, folder, kept=True))
        stack.enter_context(_repeatable(numbers))
        stack.enter_context(_receivers_stay())
        if case.files:
            stack.enter_context(_installed(folder / "project", case.files))
        yield connection, stack.enter_context(_imported(case.modules(data)))


# The last ones, which the next tests of a module may share.
_made_tables: deque[tuple[object, Tables]] = deque(maxlen=8)
_made_starts: deque[tuple[Tables, Rows, Start]] = deque(maxlen=8)


def _start_of(case: Case) -> Start:
    tables = _tables_of(case)
    for others, rows, start in _made_starts:
        if others is tables and rows is case.rows:
            return start
    numbers = replace(tables.numbers)
    with _opened(case, None, numbers) as (connection, loaded):
        tables.put_back(case.database, connection)
        state = _executor(connection, loaded).loader.project_state([*loaded])
        with sent_by(connection) as sent:
            _insert(case, state.apps, connection)
        start = Start(tables, sent, numbers, copied(connection))
        if start.copy is None:
            holds[case.database] = start
    _made_starts.append((tables, case.rows, start))
    return start


def _tables_of(case: Case) -> Tables:
    server = case.database if case.database in SERVERS else "sqlite"
    key = (server, *case.apps.items(), *sorted(case.files.items()))
    for other, tables in _made_tables:
        if other == key:
            return tables
    numbers = Numbers()
    with _opened(case, None, numbers) as (connection, loaded):
        if connection.vendor != "sqlite":
            holds[case.database] = None
            empty(connection)
        executor = _executor(connection, loaded)
        with sent_by(connection) as sent:
            executor.migrate([*loaded])
        tables = Tables(sent, numbers, copied(connection))
        if tables.copy is None:
            tables.hold_rows = bool(used_tables(connection))
            holds[case.database] = tables
    _made_tables.append((key, tables))
    return tables


def read_tables(connection: BaseDatabaseWrapper) -> dict[str, list[str]]:
    """Every row of every table as the database stores it, sorted."""
    with connection.cursor() as cursor:
        names = set(connection.introspection.table_names(cursor)) - {"django_migrations"}
        return {name: _read_table(connection, cursor, name) for name in sorted(names)}


def write_project(
    folder: Path, models: Models, data: str, files: Mapping[str, str] | None = None
) -> Path:
    """Writes the migrations and files of a case to ``folder`` as a project; returns the data migration."""
    (folder / "manage.py").touch()
    _write_files(folder, files or {})
    for (label, name), source in Case(models, {}).modules(data).items():
        package = folder / label / "migrations"
        package.mkdir(parents=True, exist_ok=True)
        (folder / label / "__init__.py").touch()
        (package / "__init__.py").touch()
        path = package / f"{name}.py"
        path.write_text(source)
    return path


# --- sources -------------------------------------------------------------------------------------


def _initial_module(text: str, dependencies: Sequence[tuple[str, str]]) -> str:
    if "class Migration" in text:
        return textwrap.dedent(text)
    return (
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    initial = True\n    dependencies = {dependencies!r}\n"
        f"    operations = [\n{text}\n    ]\n"
    )


def _data_module(text: str, dependencies: Sequence[tuple[str, str]]) -> str:
    text = textwrap.dedent(text).strip("\n")
    if "class Migration" in text:
        return text + "\n"
    return (
        f"from django.db import migrations, models\n\n\n{text}\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = {dependencies!r}\n"
        "    operations = [migrations.RunPython(forwards)]\n"
    )


def _write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@contextmanager
def _installed(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """The project's own modules can be imported, and its apps are ready, until the exit."""
    labels = sorted({name.partition("/")[0] for name in files})
    _write_files(folder, files)
    sys.path.insert(0, str(folder))
    try:
        for label in labels:
            _make_ready(label, files)
        yield
    finally:
        sys.path.remove(str(folder))
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.partition(".")[0] in labels]:
            del sys.modules[name]
        for label in labels:
            global_apps.all_models.pop(label, None)
        global_apps.clear_cache()


@contextmanager
def _receivers_stay() -> Iterator[None]:
    """Whoever is connected to a signal by a project or a migration is not at the exit."""
    receivers = {signal: list(signal.receivers) for signal in SIGNALS}
    try:
        yield
    finally:
        for signal, known in receivers.items():
            if signal.receivers != known:
                signal.receivers[:] = known
                signal.sender_receivers_cache.clear()


def _make_ready(label: str, files: Mapping[str, str]) -> None:
    if f"{label}/models.py" in files or f"{label}/models/__init__.py" in files:
        importlib.import_module(f"{label}.models")
    if f"{label}/apps.py" in files:
        AppConfig.create(label).ready()


@contextmanager
def _imported(
    modules: Mapping[tuple[str, str], str],
) -> Iterator[dict[tuple[str, str], migrations.Migration]]:
    """The migrations, from modules that can be imported (and shown in tracebacks) until the exit."""
    try:
        yield {
            (label, name): _module(f"_case.{label}", name, source).Migration(name, label)
            for (label, name), source in modules.items()
        }
    finally:
        for name in [name for name in sys.modules if name.startswith("_case.")]:
            del sys.modules[name]


def _module(package: str, name: str, source: str) -> ModuleType:
    if "._migfix" in source and f"{package}._migfix" not in sys.modules:
        _module(package, "_migfix", HELPER)
    module = ModuleType(f"{package}.{name}")
    module.__package__ = package
    module.__file__ = f"<{module.__name__}>"
    sys.modules.setdefault(package, ModuleType(package)).__path__ = []
    sys.modules[module.__name__] = module
    linecache.cache[module.__file__] = (len(source), None, source.splitlines(True), module.__file__)
    exec(_code(source, module.__file__), module.__dict__)
    return module


@lru_cache(64)
def _code(source: str, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


# --- running -------------------------------------------------------------------------------------


class _Loader(MigrationLoader):
    """Knows the given migrations and no others, whatever INSTALLED_APPS says."""

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        loaded: Mapping[tuple[str, str], migrations.Migration],
    ) -> None:
        self.loaded = loaded
        super().__init__(connection)

    def load_disk(self) -> None:
        self.disk_migrations = dict(self.loaded)
        self.migrated_apps = {label for label, _ in self.loaded}
        self.unmigrated_apps = set()


def _executor(
    connection: BaseDatabaseWrapper, loaded: Mapping[tuple[str, str], migrations.Migration]
) -> MigrationExecutor:
    make_loader = partial(_Loader, loaded=loaded)
    with mock.patch("django.db.migrations.executor.MigrationLoader", make_loader):
        return MigrationExecutor(connection)


@dataclass
class _Recording:
    """What the functions of RunPython send and raise."""

    limit: int
    sql: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def listen_to(self, migration: migrations.Migration) -> None:
        for operation in migration.operations:
            if isinstance(operation, migrations.RunPython):
                operation.code = partial(self._call, operation.code)

    def _call(self, code: Callable[..., object], apps: Apps, schema_editor: object) -> None:
        with connections["default"].execute_wrapper(self._execute):
            try:
                code(apps, schema_editor)
            except BaseException as error:
                self.error = error
                raise

    def _execute(self, execute: Callable[..., object], sql: str, *arguments: object) -> object:
        self.sql.append(str(sql))
        if len(self.sql) > self.limit:
            raise Runaway(f"stopped after {self.limit} queries")
        return execute(sql, *arguments)


def _error_of(
    action: Callable[[], object], connection: BaseDatabaseWrapper
) -> BaseException | None:
    try:
        action()
    except (Exception, Runaway) as error:
        _end_transaction(connection)
        return error
    return None


def _end_transaction(connection: BaseDatabaseWrapper) -> None:
    # The schema editor of SQLite checks constraints on its way out, which fails in a transaction that
    # is broken already and leaves it open. A real run would roll it back by ending the process.
    if connection.in_atomic_block:
        connection.in_atomic_block = connection.needs_rollback = False
        connection.savepoint_ids, connection.atomic_blocks = [], []
        connection.rollback()
        connection.set_autocommit(True)


@dataclass
class Numbers:
    """How far the clock, identifiers and random numbers have come that are the same in every run."""

    ticks: int = 0
    uuids: int = 0
    state: object = field(default_factory=lambda: random.Random(0).getstate())

    def now(self) -> datetime:
        self.ticks += 1
        return datetime(2030, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.ticks - 1)

    def uuid4(self) -> uuid.UUID:
        self.uuids += 1
        return uuid.UUID(int=self.uuids)


@contextmanager
def _repeatable(numbers: Numbers) -> Iterator[None]:
    """The same clock, identifiers and random numbers in every run, from `numbers` on, which go on."""
    known = random.getstate()
    with (
        mock.patch("django.utils.timezone.now", numbers.now),
        mock.patch("uuid.uuid4", numbers.uuid4),
    ):
        random.setstate(numbers.state)
        try:
            yield
        finally:
            numbers.state = random.getstate()
            random.setstate(known)


# --- tables --------------------------------------------------------------------------------------


def _insert(case: Case, apps: Apps, connection: BaseDatabaseWrapper) -> None:
    quiet = redirect_stdout(io.StringIO())  # receivers of the project may print
    with quiet, transaction.atomic(), connection.constraint_checks_disabled():
        if callable(case.rows):
            case.rows(apps, connection)
        else:
            _insert_rows(case, case.rows, apps, connection)
    _reset_sequences(connection, apps)


def _insert_rows(
    case: Case, rows: Mapping[str, Sequence[Row]], apps: Apps, connection: BaseDatabaseWrapper
) -> None:
    for name, values in rows.items():
        if name.islower():
            _insert_raw(connection, name, values)
        else:
            label, _, model = name.rpartition(".")
            _insert_models(apps.get_model(label or case.app, model), values)


def _insert_models(model: type[Model], rows: Sequence[Row]) -> None:
    instances = [model(**row) for row in rows]
    if model._meta.parents:  # bulk_create refuses multi-table inheritance
        for instance in instances:
            instance.save(force_insert=True)
    else:
        model._base_manager.bulk_create(instances)


def _insert_raw(connection: BaseDatabaseWrapper, table: str, rows: Sequence[Row]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for row in rows:
            columns = ", ".join(map(quote, row))
            values = ", ".join(["%s"] * len(row))
            statement = f"INSERT INTO {quote(table)} ({columns}) VALUES ({values})"
            cursor.execute(statement, tuple(row.values()))


def _reset_sequences(connection: BaseDatabaseWrapper, apps: Apps) -> None:
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            cursor.execute(statement)


def _read_table(connection: BaseDatabaseWrapper, cursor: CursorWrapper, table: str) -> list[str]:
    quote = connection.ops.quote_name
    cursor.execute(f"SELECT * FROM {quote(table)} WHERE 1 = 0")
    names = [column[0] for column in cursor.description]
    # As stored: on SQLite a bare column would go through the converter of its declared type.
    stored = {"sqlite": "+{}", "postgresql": "{}::text"}.get(connection.vendor, "{}")
    columns = ", ".join(stored.format(quote(name)) for name in names)
    cursor.execute(f"SELECT {columns} FROM {quote(table)}")
    rows = cursor.fetchall()
    return sorted(
        " ".join(f"{name}={value!r}" for name, value in zip(names, row, strict=True))
        for row in rows
    )


# --- comparing -----------------------------------------------------------------------------------


def _check_expected(first: Run, expect: Expected) -> None:
    changed = first.tables != first.start
    if isinstance(expect, type):
        if not isinstance(first.error, expect):
            raise BadCase(f"the first version should raise {expect.__name__}") from first.error
    elif first.error is not None and expect != "anything":
        raise BadCase("the first version raises") from first.error
    elif expect == "changes" and not changed:
        raise BadCase("the first version changes nothing, so equal tables prove nothing")
    elif expect == "no changes" and changed:
        raise BadCase("the first version changes the database")


def _check_errors(first: Run, second: Run, expect: Expected) -> None:
    wanted = expect if isinstance(expect, type) else type(first.error)
    if not isinstance(second.error, wanted):
        message = f"the first version raised {first.error!r}, the second {second.error!r}"
        raise Different(message) from (second.error or first.error)


def _check_equal(first: Run, second: Run) -> None:
    for table in sorted({*first.tables, *second.tables}):
        _check_table(table, first.tables.get(table, []), second.tables.get(table, []))
    if first.output != second.output:
        raise Different(f"printed {first.output!r}, the second version {second.output!r}")


def _check_table(table: str, first: list[str], second: list[str]) -> None:
    if first == second:
        return
    lost, added = Counter(first) - Counter(second), Counter(second) - Counter(first)
    rows = [f"- {row}" for row in [*lost.elements()][:5]]
    rows += [f"+ {row}" for row in [*added.elements()][:5]]
    counts = (
        f"{lost.total()} rows only after the first version, {added.total()} only after the second"
    )
    raise Different("\n".join([f"{table}: {counts}", *rows]))
