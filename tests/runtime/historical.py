"""Historical models of an app "shop", with their tables."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


def made(operations: Sequence[Operation], database: BaseDatabaseWrapper) -> Apps:
    """A registry of the models that the operations make, whose tables are there and empty."""
    state = ProjectState()
    for operation in operations:
        before = state.clone()
        operation.state_forwards("shop", state)
        with database.schema_editor() as editor:
            operation.database_forwards("shop", editor, before, state)
    return state.apps
