"""Which models an operation may change, told without replaying it.

An operation of Django's own changes the one model that it names. All that is not certain to be one
of these counts as changing others: what is left out of a replay must not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migfix.history.files import migration
from migfix.history.files.migration import SIGNATURES
from migfix.history.operations.applying import changes_state
from migfix.history.operations.places import target
from migfix.history.operations.sql import is_harmless_sql
from migfix.history.state import Call, ModelKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migfix.history.files.migration import Operation
    from migfix.history.operations.places import Place


@dataclass(frozen=True, slots=True)
class Touch:
    """``models`` are those that the operation names. ``others``: it may change more of its app,
    ``other_apps``: of every app. ``needs``: models whose mere existence decides what happens to
    others. ``renames``: old and new names of models.
    """

    models: frozenset[ModelKey] = frozenset()
    others: bool = False
    other_apps: bool = False
    needs: frozenset[ModelKey] = frozenset()
    renames: tuple[tuple[ModelKey, ModelKey], ...] = ()


_NOTHING = Touch()
_NAMES = ("model_name", "name", "old_name", "new_name")


def touch(operation: Operation, place: Place) -> Touch:
    """What the operation may change."""
    found = _of_kind(operation, place)
    if operation.own_database_code or operation.kind is None:
        named = found.models | _named(operation, place)
        return replace(found, models=named, others=True, needs=found.needs | named)
    return found


def _of_kind(operation: Operation, place: Place) -> Touch:
    match operation.kind:
        case None:
            return _NOTHING
        case "RenameModel":
            return _of_rename(operation, place)
        case "RenameField":  # foreign keys of any app may name the field in ``to_field``
            return Touch(_named(operation, place), others=True, other_apps=True)
        case migration.EITHER:
            return _of_several([touch(each, place) for each in operation.nested])
        case "SeparateDatabaseAndState":
            return _of_nested(operation, place)
        case "RunSQL":
            if is_harmless_sql(operation) and not operation.state_operations:
                return _NOTHING
            return _of_nested(operation, place)
    return _of_one_model(operation, place) if changes_state(operation) else _NOTHING


def _of_one_model(operation: Operation, place: Place) -> Touch:
    argument = "model_name" if "model_name" in SIGNATURES[operation.kind or ""] else "name"
    name = operation.arguments.get(argument)
    if not isinstance(name, str) or not name:
        return Touch(_named(operation, place), others=True)
    return Touch(frozenset({(place.app_label, name.lower())}))


def _of_rename(operation: Operation, place: Place) -> Touch:
    """Relations of any app follow the new name."""
    old, new = operation.arguments.get("old_name"), operation.arguments.get("new_name")
    label = place.app_label
    renames: tuple[tuple[ModelKey, ModelKey], ...] = ()
    if isinstance(old, str) and isinstance(new, str):
        renames = (((label, old.lower()), (label, new.lower())),)
    return Touch(_named(operation, place), others=True, other_apps=True, renames=renames)


def _of_nested(operation: Operation, place: Place) -> Touch:
    """What runs SQL, or leaves tables and state apart, with all that it holds."""
    nested = (*operation.state_operations, *operation.database_operations)
    inner = [touch(each, place) for each in nested]
    named = (_named(each, place) for each in nested)
    models = frozenset[ModelKey]().union(*named, *(each.models for each in inner))
    return Touch(
        models,
        others=True,
        other_apps=operation.kind == "RunSQL" or any(each.other_apps for each in inner),
        needs=models.union(*(each.needs for each in inner)),
        renames=tuple(pair for each in inner for pair in each.renames),
    )


def _of_several(inner: list[Touch]) -> Touch:
    return Touch(
        frozenset[ModelKey]().union(*(each.models for each in inner)),
        others=any(each.others for each in inner),
        other_apps=any(each.other_apps for each in inner),
        needs=frozenset[ModelKey]().union(*(each.needs for each in inner)),
        renames=tuple(pair for each in inner for pair in each.renames),
    )


def _named(operation: Operation, place: Place) -> frozenset[ModelKey]:
    values = (operation.arguments.get(argument) for argument in _NAMES)
    return frozenset((place.app_label, each.lower()) for each in values if isinstance(each, str))


def owners_and_targets(operation: Operation, place: Place) -> Iterator[tuple[ModelKey, ModelKey]]:
    """Each model of a field that the operation writes, with what the field may point to."""
    for inner in operation.nested:
        yield from owners_and_targets(inner, place)
    name = operation.arguments.get("model_name") or operation.arguments.get("name")
    if not isinstance(name, str):
        return
    own = (place.app_label, name.lower())
    for field in _fields(operation):
        for to in (*field.args[:1], field.kwargs.get("to")):
            found = target(to, own, place)
            if isinstance(found, tuple):
                yield own, found


def _fields(operation: Operation) -> Iterator[Call]:
    listed = operation.arguments.get("fields")
    pairs = listed if isinstance(listed, tuple) else ()
    values = [pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) == 2]
    for value in (*values, operation.arguments.get("field")):
        if isinstance(value, Call):
            yield value
