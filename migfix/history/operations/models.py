"""Operations that create, delete and rename models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from migfix.history.files.migration import Operation
from migfix.history.operations.places import Place, key_of, model_key, whole_app
from migfix.history.operations.written_fields import field_state
from migfix.history.state import (
    Call,
    FieldState,
    ModelKey,
    ModelState,
    Name,
    ProjectState,
    Unknown,
)


def create_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    key = key_of(operation, place, "name")
    if key is None:
        return whole_app(state, operation, place, "the name of a model is not a literal")
    if isinstance(state.models.get(key), Unknown):
        return state
    return state.with_model(key, _new_model(operation, key, place))


def _new_model(operation: Operation, key: ModelKey, place: Place) -> ModelState | Unknown:
    fields = operation.arguments.get("fields")
    pairs = fields if isinstance(fields, tuple) else (None,)
    states: list[FieldState] = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            return Unknown(place.why(operation, "the fields of the model are not written out"))
        states.append(field_state(pair[0], pair[1], key, place))
    options = operation.arguments.get("options")
    if options is not None and not isinstance(options, dict):
        return Unknown(place.why(operation, "the options of the model are not written out"))
    model = ModelState(
        place.app_label,
        str(operation.arguments["name"]),
        tuple(states),
        _bases(operation, place),
        options or {},
        managers_of(operation, place),
    )
    return with_order(model, model.options.get("order_with_respect_to"))


def _bases(operation: Operation, place: Place) -> tuple[ModelKey | str | Unknown, ...]:
    written = operation.arguments.get("bases")
    if written is None:
        return ("django.db.models.Model",)
    if not isinstance(written, tuple):
        return (Unknown(place.why(operation, "the bases of the model are not written out")),)
    return tuple(_base(base, operation, place) for base in written)


def _base(base: object, operation: Operation, place: Place) -> ModelKey | str | Unknown:
    if isinstance(base, str):
        return model_key(base, place.app_label)
    if isinstance(base, Name):
        return "django.db.models.Model" if base.path == "django.db.models.base.Model" else base.path
    return Unknown(place.why(operation, "a base of the model is not a name"))


def managers_of(operation: Operation, place: Place) -> Mapping[str, str] | Unknown:
    written = operation.arguments.get("managers") or ()
    unknown = Unknown(place.why(operation, "the managers of the model are not written out"))
    if not isinstance(written, tuple):
        return unknown
    managers: dict[str, str] = {}
    for pair in written:
        match pair:
            case (str() as name, Call() as call) if not call.path.startswith("."):
                managers[name] = call.path
            case _:
                return unknown
    return managers


def with_order(model: ModelState, respect_to: object) -> ModelState:
    """``order_with_respect_to`` adds the column ``_order`` (model options reference)."""
    fields = tuple(field for field in model.fields if field.name != "_order")
    if respect_to is not None:
        kept = model.field("_order") or FieldState("_order", "django.db.models.OrderWrt")
        fields = (*fields, kept)
    return replace(model, fields=fields)


def delete_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    key = key_of(operation, place, "name")
    if key is None:
        return whole_app(state, operation, place, "the name of a model is not a literal")
    return state.with_model(key, None)


def rename_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    old, new = key_of(operation, place, "old_name"), key_of(operation, place, "new_name")
    if old is None or new is None:
        return whole_app(state, operation, place, "the name of a model is not a literal")
    model = state.models.get(old) or Unknown(place.why(operation, f"{old[1]} is not known"))
    if isinstance(model, ModelState):
        model = replace(model, name=str(operation.arguments["new_name"]))
    models = dict(state.models)
    models.pop(old, None)
    models[new] = model
    return replace(state, models={key: _repointed(each, old, new) for key, each in models.items()})


def _repointed(model: ModelState | Unknown, old: ModelKey, new: ModelKey) -> ModelState | Unknown:
    if isinstance(model, Unknown):
        return model
    pointing = any(old in (field.target, field.through) for field in model.fields)
    if not pointing and old not in model.bases:
        return model
    fields = tuple(
        replace(
            field,
            target=new if field.target == old else field.target,
            through=new if field.through == old else field.through,
        )
        for field in model.fields
    )
    return replace(model, fields=fields, bases=tuple(new if b == old else b for b in model.bases))
