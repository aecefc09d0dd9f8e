"""Operations that add, alter, remove and rename fields of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from migfix.history.files.migration import Operation
from migfix.history.operations.places import Place, changed, key_of, text_of
from migfix.history.operations.written_fields import field_state
from migfix.history.state import (
    Call,
    FieldState,
    ModelKey,
    ModelState,
    ProjectState,
    Unknown,
)


def add_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    def change(model: ModelState) -> ModelState | Unknown:
        added = _written_field(operation, model, place)
        if isinstance(added, Unknown):
            return added
        return replace(model, fields=(*_without(model.fields, added.name), added))

    return changed(state, operation, place, change)


def alter_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    def change(model: ModelState) -> ModelState | Unknown:
        altered = _written_field(operation, model, place)
        if isinstance(altered, Unknown):
            return altered
        if model.field(altered.name) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {altered.name}"))
        fields = tuple(altered if field.name == altered.name else field for field in model.fields)
        return replace(model, fields=fields)

    return changed(state, operation, place, change)


def _written_field(operation: Operation, model: ModelState, place: Place) -> FieldState | Unknown:
    name = text_of(operation, "name")
    if name is None:
        return Unknown(place.why(operation, "the name of a field is not a literal"))
    field = field_state(name, operation.arguments.get("field"), model.key, place)
    if operation.arguments.get("preserve_default", True) is True:
        return field
    return replace(field, options={k: v for k, v in field.options.items() if k != "default"})


def _without(fields: Iterable[FieldState], name: str) -> tuple[FieldState, ...]:
    return tuple(field for field in fields if field.name != name)


def remove_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    name = text_of(operation, "name")

    def change(model: ModelState) -> ModelState | Unknown:
        if name is None or model.field(name) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {name}"))
        return replace(model, fields=_without(model.fields, name))

    return changed(state, operation, place, change)


def rename_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    old, new = text_of(operation, "old_name"), text_of(operation, "new_name")

    def change(model: ModelState) -> ModelState | Unknown:
        if old is None or new is None or model.field(old) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {old}"))
        renamed = (replace(f, name=new) for f in model.fields if f.name == old)
        fields = (*_without(model.fields, old), *renamed)  # last, as in Django's state
        options = {
            key: _renamed(value, old, new) if key in _FIELD_OPTIONS else value
            for key, value in model.options.items()
        }
        return replace(model, fields=fields, options=options)

    key = key_of(operation, place)
    state = changed(state, operation, place, change)
    if key is None or old is None or new is None:
        return state
    return replace(
        state, models={k: _with_to_field(m, key, old, new) for k, m in state.models.items()}
    )


_FIELD_OPTIONS = frozenset(
    [
        "unique_together",
        "index_together",
        "constraints",
        "indexes",
        "ordering",
        "get_latest_by",
        "order_with_respect_to",
    ]
)


def _with_to_field(
    model: ModelState | Unknown, key: ModelKey, old: str, new: str
) -> ModelState | Unknown:
    """Foreign keys elsewhere that name the renamed field with ``to_field``."""
    if isinstance(model, Unknown) or all(
        field.target != key or field.options.get("to_field") != old for field in model.fields
    ):
        return model
    fields = tuple(
        (
            replace(f, options={**f.options, "to_field": new})
            if f.target == key and f.options.get("to_field") == old
            else f
        )
        for f in model.fields
    )
    return replace(model, fields=fields)


def _renamed(value: object, old: str, new: str) -> object:
    """A field's name replaced in an option: as a whole, after a minus, and before a lookup."""
    if isinstance(value, str):
        sign = "-" if value.startswith("-") else ""
        head, lookup, rest = value.removeprefix("-").partition("__")
        return f"{sign}{new}{lookup}{rest}" if head == old else value
    if isinstance(value, tuple):
        return tuple(_renamed(item, old, new) for item in value)
    if isinstance(value, frozenset):
        return frozenset(_renamed(item, old, new) for item in value)
    if isinstance(value, Call):
        compares = value.bare == "Q"
        kwargs = {
            str(_renamed(key, old, new)) if compares else key: (
                item
                if key == "name" or (compares and isinstance(item, str))
                else _renamed(item, old, new)
            )
            for key, item in value.kwargs.items()
        }
        return replace(
            value, args=tuple(_renamed(arg, old, new) for arg in value.args), kwargs=kwargs
        )
    return value
