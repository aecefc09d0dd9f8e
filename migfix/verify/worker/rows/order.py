"""In which order tables are filled: those that others refer to first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.db.models import Model

from migfix.verify.worker.values.setting import Field


def tables_of(models: Iterable[type[Model]]) -> list[type[Model]]:
    """The models with tables of their own, each table once, with those between many-to-many fields."""
    found: dict[str, type[Model]] = {}
    for model in models:
        between = [field.remote_field.through for field in model._meta.local_many_to_many]
        for each in (model, *between):
            if not each._meta.proxy:
                found.setdefault(each._meta.db_table, each)
    # Models of a state come in an order that depends on hashes.
    return sorted(found.values(), key=lambda model: model._meta.label_lower)


def in_order(tables: Sequence[type[Model]]) -> list[type[Model]]:
    """Parents before children; where relations run in a circle, one that may be NULL is no matter."""
    ordered: list[type[Model]] = []
    waiting = [*tables]
    while waiting:
        ready = (
            _first(waiting, _parents)
            or _first(waiting, partial(_parents, needed=True))
            or waiting[0]
        )
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _first(
    waiting: Sequence[type[Model]], parents: Callable[[type[Model]], list[type[Model]]]
) -> type[Model] | None:
    return next(
        (each for each in waiting if not any(parent in waiting for parent in parents(each))), None
    )


def _parents(model: type[Model], needed: bool = False) -> list[type[Model]]:
    targets = [
        target_of(field)
        for field in model._meta.local_concrete_fields
        if field.is_relation and not (needed and field.null)
    ]
    return [target for target in targets if target is not model]


def target_of(field: Field) -> Any:
    """The model whose table a foreign key refers to."""
    return field.remote_field.model._meta.concrete_model
