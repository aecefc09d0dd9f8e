"""Where an operation stands, which model it names, and how that model is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migfix.history.files.migration import SIGNATURES, Operation
from migfix.history.state import (
    ModelKey,
    ModelState,
    Name,
    ProjectState,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands, and what the names of settings mean there.

    ``setting`` answers with the ``app.Model`` that a setting such as ``AUTH_USER_MODEL`` names.
    """

    app_label: str
    migration: str
    setting: Callable[[str], str | Unknown]

    def why(self, operation: Operation, text: str) -> str:
        return f"{self.migration}, line {operation.line}: {text}"


def text_of(operation: Operation, argument: str) -> str | None:
    value = operation.arguments.get(argument)
    return value if isinstance(value, str) else None


def key_of(operation: Operation, place: Place, argument: str = "model_name") -> ModelKey | None:
    name = text_of(operation, argument)
    return (place.app_label, name.lower()) if name else None


def own_key(operation: Operation, place: Place) -> ModelKey | None:
    """The model that the operation names: ``name`` is a field's where there is a ``model_name``."""
    has_both = "model_name" in (*operation.arguments, *SIGNATURES.get(operation.kind or "", ()))
    return key_of(operation, place, "model_name" if has_both else "name")


def model_key(name: str, app_label: str) -> ModelKey:
    """``Model`` and ``app.Model`` as a key, as Django resolves them in a migration."""
    label, dot, bare = name.rpartition(".")
    return (label, bare.lower()) if dot else (app_label, bare.lower())


def target(value: object, own: ModelKey, place: Place) -> ModelKey | Unknown:
    if value == "self":
        return own
    if isinstance(value, str):
        return model_key(value, place.app_label)
    if isinstance(value, Name) and value.path.startswith("django.conf.settings."):
        found = place.setting(value.path.rpartition(".")[2])
        return found if isinstance(found, Unknown) else model_key(found, place.app_label)
    return Unknown(f"{place.migration}: the target of a relation is not a literal")


Change = Callable[[ModelState], "ModelState | Unknown"]


def changed(
    state: ProjectState, operation: Operation, place: Place, change: Change
) -> ProjectState:
    """Change the model that the operation names; what is not known stays unknown."""
    key = own_key(operation, place)
    if key is None:
        return whole_app(
            state, operation, place, f"{operation.kind} does not name its model literally"
        )
    model = state.models.get(key)
    if model is None:
        text = f"{operation.kind} of {key[0]}.{key[1]}, which no earlier migration creates"
        return state.with_model(key, Unknown(place.why(operation, text)))
    return state if isinstance(model, Unknown) else state.with_model(key, change(model))


def whole_app(state: ProjectState, operation: Operation, place: Place, text: str) -> ProjectState:
    return state.with_unknown_app(place.app_label, place.why(operation, text))


Function = Callable[[ProjectState, Operation, Place], ProjectState]
