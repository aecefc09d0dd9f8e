"""The models as a migration finds them, as Django's own historical models, and their tables."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

from django.db import connection as default_connection
from django.db.migrations import Migration, RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from migfix.verify.worker.job import Job


def historical_state(job: Job, migration: Migration, operation: RunPython) -> ProjectState:
    """The state that the operation finds: of the models that the job writes out, or of the project's
    own migrations up to this one.
    """
    if job.written_models is None:
        return _of_project(migration, operation)
    names: dict[str, Any] = {}
    exec(job.written_models, names)
    state = ProjectState()
    for model in names["MODELS"]:
        state.add_model(model)
    return state


def _of_project(migration: Migration, operation: RunPython) -> ProjectState:
    """The state after all that ``migrate`` runs before, of whatever app.

    A migration that a squash replaces is looked at as it is before the squash is there.
    """
    loader = MigrationLoader(None)
    key = (migration.app_label, migration.name)
    plan = _full_plan(loader)
    if key not in plan:
        loader = MigrationLoader(None, replace_migrations=False)
        plan = loader.graph.forwards_plan(key)
    state = ProjectState(real_apps=loader.unmigrated_apps)
    for before in plan[: plan.index(key)]:
        state = loader.graph.nodes[before].mutate_state(state, preserve=False)
    for each in loader.graph.nodes[key].operations:
        if operation is each or operation in getattr(each, "database_operations", []):
            break
        each.state_forwards(migration.app_label, state)
    return state


def _full_plan(loader: MigrationLoader) -> list[tuple[str, str]]:
    """Every migration in the order of ``migrate``, as ``MigrationExecutor.migration_plan`` puts them."""
    plan: dict[tuple[str, str], None] = {}
    for target in loader.graph.leaf_nodes():
        plan |= dict.fromkeys(loader.graph.forwards_plan(target))
    return list(plan)


def single_operation(
    original: Migration, operation: RunPython, call: Callable[..., object]
) -> Migration:
    """A migration of this operation alone, in the same kind of transaction, whose functions ``call``
    runs: it is given the function and its two arguments.
    """
    calling = copy(operation)
    calling.code = partial(call, operation.code)
    if operation.reverse_code is not None:
        calling.reverse_code = partial(call, operation.reverse_code)
    single = type("Migration", (Migration,), {"operations": [calling], "atomic": original.atomic})
    found: Migration = single(original.name, original.app_label)
    return found


def make_creatable(apps: Any, connection: Any = default_connection) -> list[str]:
    """Lets each model have a table, also those that Django does not manage; notes on what they then lack."""
    notes = []
    known = _collations(connection)
    for model in _with_tables(apps):
        model._meta.managed = True
        for field in model._meta.local_concrete_fields:
            collation = getattr(field, "db_collation", None)
            if collation and collation.lower() not in known:  # that a migration creates
                notes.append(f"{field} is without its collation {collation}")
                field.db_collation = None
    return notes


def create_tables(apps: Any, connection: Any = default_connection) -> None:
    """A table for each model."""
    with connection.schema_editor() as editor:
        for model in _with_tables(apps):
            editor.create_model(model)


def _with_tables(apps: Any) -> list[Any]:
    return [m for m in apps.get_models() if not m._meta.proxy and not m._meta.swapped]


_COLLATIONS = {
    "sqlite": "SELECT name FROM pragma_collation_list",
    "postgresql": "SELECT collname FROM pg_collation",
    "mysql": "SELECT collation_name FROM information_schema.collations",
}


def _collations(connection: Any) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_COLLATIONS[connection.vendor])
        return {str(name).lower() for (name,) in cursor.fetchall()}
