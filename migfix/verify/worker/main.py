"""Runs one data migration on generated data and writes down what it did.

The job is a JSON file, named by the first argument; the answer is another, which the job names.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from migfix.verify.worker.calling import Calling, Ran, note_error
from migfix.verify.worker.job import Job
from migfix.verify.worker.limits import Output, limit_memory
from migfix.verify.worker.outside import Guard
from migfix.verify.worker.projects import CannotRun, SetUp, line_of
from migfix.verify.worker.sources import ENTERED, Branch, Finder, Key, Probes, Source
from migfix.verify.worker.standins import StandIns, name_apps

Answer = dict[str, Any]
_ENOUGH_ROUNDS = 6  # with all branches reached; one has no rows
_ENOUGH_WITHOUT_ERRORS = 2
_MOST_ROUNDS = 12
_SEARCHES = 3  # for rows whose turns raise, in one round
_STANDS_IN = "is not installed; what the migrations name of it is a stand-in"
_VAIN = 3  # rounds that raise without them, too
_OF_ROWS = (
    "seed",
    "rows",
    "wild",
    "sparse",
)  # what rows are made of, but for those that are left out
_SIZES = (3, 200, 200, 1)  # after the second round; code with get() needs tables of one row


def main(path: str) -> None:
    """Sets a project up for one job, and does that."""
    job = Job.read(Path(path))
    project = SetUp(job.project)
    watch(project.guard, job.folder)
    try:
        project.done()
    except CannotRun as error:
        write_answer(job, refusal(project, error))
    else:
        do(job, project)


def do(job: Job, project: SetUp) -> None:
    """Does a job in a project that is set up, and writes its answer."""
    limit_memory()
    try:
        project.for_job(job)
        answer = _Worker(job, project).run()
    except CannotRun as error:
        answer = refusal(project, error)
    write_answer(job, answer)


def refusal(project: SetUp, error: CannotRun) -> Answer:
    return {"problem": str(error), "outside": project.guard.seen}


def write_answer(job: Job, answer: Answer) -> None:
    temporary = Path(f"{job.answer}.part")
    temporary.write_text(json.dumps(answer))
    temporary.replace(job.answer)


def watch(guard: Guard, folder: str) -> None:
    """Ends this process, whatever it does, when nobody waits for it any more, and takes its files along."""
    threading.Thread(target=_end_with_parent, args=(guard, folder), daemon=True).start()


def _end_with_parent(guard: Guard, folder: str) -> None:
    while os.read(0, 100):
        pass
    with guard.deaf():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


class _Worker:
    def __init__(self, job: Job, project: SetUp) -> None:
        self.job = job
        self.database = project.database
        self.world = project.world
        self.guard = project.guard
        self.probes = Probes(job.functions) if job.rounds is None else None
        self.notes: dict[str, None] = {}  # on what is not as in the project
        self.finished: set[Branch] = set()  # reached by functions that raised nothing
        self.stand_ins = StandIns(job.path)

    def run(self) -> Answer:
        if self.job.rounds is None:  # an earlier one here may have had other models
            self.database.forget_kept()
        self._import()
        self._prepare()
        self.rounds: list[Answer] = []
        for spec in self._specs():
            self.rounds.append(self._round(spec))
        return {
            "problem": None,
            "rounds": self.rounds,
            "branches": [asdict(b) for b in self.probes.branches] if self.probes else [],
            "reached": [asdict(b) for b in sorted(self.probes.reached)] if self.probes else [],
            "finished": [asdict(b) for b in sorted(self.finished)],
            "outside": self.guard.seen,
            "notes": [*self.notes, *(f"{each} {_STANDS_IN}" for each in self.stand_ins.missing)],
        }

    def _import(self) -> None:
        """The migration and its RunPython. Raises CannotRun."""
        sources = {name: Source(*source) for name, source in self.job.sources.items()}
        Finder(sources, self.probes, bare=not self.job.settings).install()
        if not self.job.settings:
            name_apps()
            self.stand_ins.install()
        from django.db.migrations import RunPython

        name, label = self.job.module, self.job.app_label
        try:
            with self.guard.watched():
                __import__(name)
            migration = sys.modules[name].Migration(name.rpartition(".")[2], label)
        except ImportError as error:
            raise CannotRun(f"cannot be imported: {line_of(error)}") from error
        except Exception as error:
            raise CannotRun(
                f"cannot be imported: {type(error).__name__}: {line_of(error)}"
            ) from error
        found = [each for each in _operations(migration.operations) if isinstance(each, RunPython)]
        if len(found) <= self.job.number:
            raise CannotRun("its operations are not those that migfix has read")
        self.original = migration
        self.operation = found[self.job.number]

    def _prepare(self) -> None:
        from migfix.verify.worker.states import historical_state, make_creatable
        from migfix.verify.worker.values.asked import asked_of
        from migfix.verify.worker.values.reading import constants_of

        try:
            with self.guard.watched():
                self.state = historical_state(self.job, self.original, self.operation)
        except Exception as error:
            text = f"its models cannot be built: {type(error).__name__}: {line_of(error)}"
            raise CannotRun(text) from error
        with self.database.opened() as connection:
            self.notes |= dict.fromkeys(make_creatable(self.state.apps, connection))
        constants = constants_of(self.job.constants)
        self.constants = replace(constants, asked=asked_of(self.job.constants))

    # Rounds

    def _specs(self) -> Iterator[Mapping[str, Any]]:
        """What each round starts from: as given, or until every branch is reached."""
        if self.job.rounds is not None:
            yield from self.job.rounds
            return
        assert self.probes is not None
        seed, rows = self.job.seed, self.job.rows
        vain = 0
        for number in range(_MOST_ROUNDS):
            if number >= _ENOUGH_ROUNDS and self._have_seen_all():
                return
            first = {0: 0, 1: rows}
            spec = {
                "seed": seed + number,
                "rows": first.get(number, min(rows, _SIZES[number % len(_SIZES)])),
                "wild": number % 2 == 0,
                "sparse": number % 3 == 2,
            }
            yield spec
            if not self.rounds[-1]["forwards"]["error"] or self._have_seen_all() or vain == _VAIN:
                continue
            without = self._offending(spec)
            if without:
                yield {**spec, "without": without}
            vain += not without or self.rounds[-1]["forwards"]["error"] is not None

    def _have_seen_all(self) -> bool:
        assert self.probes is not None
        fine = [r for r in self.rounds if r["spec"]["rows"] and not r["forwards"]["error"]]
        every = self.probes.reached >= set(self.probes.branches)
        loops = {b for b in self.probes.branches if b.what == ENTERED}
        return every and self.finished >= loops and len(fine) >= _ENOUGH_WITHOUT_ERRORS

    def _offending(self, spec: Mapping[str, Any]) -> list[Key]:
        """The rows without which the function might not raise on this data."""
        from django.db.migrations import Migration

        assert self.probes is not None
        found: dict[Key, None] = {}
        reached, finished = {*self.probes.reached}, {*self.finished}
        for _ in range(_SEARCHES):
            self._start({**spec, "without": [*found]})
            self.probes.offending = {}
            ran = self._ran(Migration.apply, spec["seed"])
            new = self.probes.offending.keys() - found.keys()
            found |= self.probes.offending
            if ran.error is None or not new:
                break
        self.probes.offending, self.probes.reached, self.finished = None, reached, finished
        return [*found]

    def _start(self, spec: Mapping[str, Any]) -> None:
        """The database as the round finds it."""
        from migfix.verify.worker.rows.filling import leave_out

        self.world.restart(spec["seed"])
        _forget_rows(self.state.apps)
        name = "-".join(str(spec[each]) for each in _OF_ROWS)
        if not self.database.restored(name):
            with self.database.emptied() as connection:
                self._create_tables(connection)
                self._fill(connection, spec)
            self.database.keep(name)
        if spec.get("without"):
            with self.database.opened() as connection, self.guard.watched():
                leave_out(self.state.apps, connection, spec["without"])

    def _round(self, spec: Mapping[str, Any]) -> Answer:
        from django.db.migrations import Migration

        from migfix.verify.worker.tables import read_tables

        self._start(spec)
        with self.database.opened() as connection:
            start = read_tables(connection)
        ways = {"forwards": self._ran(Migration.apply, spec["seed"])}
        if self.job.reverse and ways["forwards"].error is None:
            ways["reverse"] = self._ran(Migration.unapply, spec["seed"])
        return {"spec": spec, "start": start, **{way: vars(ran) for way, ran in ways.items()}}

    def _create_tables(self, connection: Any) -> None:
        from migfix.verify.worker.states import create_tables

        try:
            create_tables(self.state.apps, connection)
        except Exception as error:
            why = f"its tables cannot be created on {connection.vendor}: {line_of(error)}"
            raise CannotRun(why) from error

    def _fill(self, connection: Any, spec: Mapping[str, Any]) -> None:
        from migfix.verify.worker.rows.filling import fill

        wanted = _with_targets(self.job.models, self.state.apps) if self.job.models else None
        models = [
            model
            for model in self.state.apps.get_models()
            if wanted is None or (model._meta.app_label, model._meta.model_name) in wanted
        ]
        constants = self.constants
        if spec["sparse"]:
            numbers = random.Random(spec["seed"])
            models, constants = _thinned(models, numbers), _fewer(constants, numbers)
        size = {key: spec[key] for key in ("seed", "rows", "wild")}
        with self.guard.watched():
            fill(self.state.apps, connection, models, constants, **size)

    def _forget_reached(self) -> set[Branch]:
        if self.probes is None:
            return set()
        before, self.probes.reached = self.probes.reached, set()
        return before

    def _ran(self, way: Callable[..., object], seed: int) -> Ran:
        from migfix.verify.worker.states import single_operation
        from migfix.verify.worker.tables import read_tables

        ran, output = Ran(), Output()
        before = self._forget_reached()
        with self.database.opened() as connection, redirect_stdout(output):
            calling = Calling(ran, connection, self.guard, {*self.job.functions}, self.stand_ins)
            migration = single_operation(self.original, self.operation, calling)
            self.world.restart(seed)
            try:
                with connection.schema_editor(atomic=migration.atomic) as editor:
                    way(migration, self.state.clone(), editor)
            except CannotRun:
                raise
            except (Exception, SystemExit) as error:
                if ran.error is None:  # what ends the transaction may hide what the function raised
                    note_error(ran, error)
        if self.probes:
            self.finished |= self.probes.reached if ran.error is None else set()
            self.probes.reached |= before
        ran.output = output.getvalue()
        with self.database.opened() as connection:
            ran.tables = read_tables(connection)
        return ran


def _thinned(models: list[Any], numbers: random.Random) -> list[Any]:
    """Without half of those that nothing points to: a migration may want to fill their tables itself."""
    pointed_to = {
        field.related_model
        for model in models
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.related_model is not model
    }
    return [m for m in models if m in pointed_to or numbers.random() < 0.5]


def _fewer(constants: Any, numbers: random.Random) -> Any:
    """Without half of the values that the source names: what it writes may not be there yet."""
    by_name = {
        name: tuple(value for value in values if numbers.random() < 0.5)
        for name, values in constants.by_name.items()
    }
    asked = tuple(each for each in constants.asked if numbers.random() < 0.5)
    return replace(constants, by_name=by_name, texts=(), numbers=(), others=(), asked=asked)


def _operations(operations: list[Any]) -> Iterator[Any]:
    """The operations, with those inside of SeparateDatabaseAndState."""
    for operation in operations:
        yield operation
        yield from _operations(getattr(operation, "database_operations", []))


def _with_targets(keys: Sequence[tuple[str, str]], apps: Any) -> set[tuple[str, str]]:
    """The models and all that these point to, by what Django itself makes of their relations."""
    found: set[tuple[str, str]] = set()
    waiting = [(label, name) for label, name in keys]
    while waiting:
        key = waiting.pop()
        if key in found or key[1] not in apps.all_models.get(key[0], {}):
            continue
        found.add(key)
        fields = apps.get_model(*key)._meta.local_concrete_fields
        targets = (f.related_model._meta for f in fields if f.is_relation and f.related_model)
        waiting += [(target.app_label, target.model_name) for target in targets]
    return found


def _forget_rows(apps: Any) -> None:
    """What managers remember of tables that are made anew: content types, sites.

    https://docs.djangoproject.com/en/stable/ref/contrib/contenttypes/#django.contrib.contenttypes.models.ContentTypeManager.clear_cache
    """
    from django.apps import apps as real

    for model in (*apps.get_models(), *real.get_models()):
        for manager in model._meta.managers:
            if hasattr(manager, "clear_cache"):
                manager.clear_cache()
