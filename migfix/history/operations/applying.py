"""Which function an operation goes to, and those that run code, SQL or others in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from migfix.history.files.migration import EITHER, Operation
from migfix.history.operations.fields import add_field, alter_field, remove_field, rename_field
from migfix.history.operations.models import create_model, delete_model, rename_model
from migfix.history.operations.options import (
    ALTER_OPTION_KEYS,
    add_rule,
    alter_constraint,
    alter_model_managers,
    alter_model_options,
    alter_order,
    remove_rule,
    rename_index,
    set_option,
    set_together,
)
from migfix.history.operations.places import Function, Place, changed, key_of, own_key, text_of
from migfix.history.operations.sql import is_harmless_sql, sql_texts, tables_among, words_of
from migfix.history.state import (
    ModelKey,
    ModelState,
    ProjectState,
    Unknown,
)


def apply_operation(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """The state after the operation."""
    if operation.kind is None:
        return _unknown_operation(state, operation, place)
    if operation.kind == EITHER:
        return _either(state, operation, place)
    if operation.kind in _FUNCTIONS:
        state = _FUNCTIONS[operation.kind](state, operation, place)
    if operation.own_database_code:
        why = place.why(operation, f"a subclass of {operation.kind} has its own database code")
        state = _unverified(state, _named_models(operation, state, place), why)
    return state


# Operations that run code or SQL


def separate(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """Only ``state_operations`` change the state; nobody knows that the tables follow."""
    why = place.why(operation, "SeparateDatabaseAndState changes the state without the tables")
    return _state_only(state, operation, place, why)


def _state_only(state: ProjectState, operation: Operation, place: Place, why: str) -> ProjectState:
    for inner in operation.state_operations:
        state = apply_operation(state, inner, place)
        state = _touched(state, inner, place, why)
    return state


def _touched(state: ProjectState, inner: Operation, place: Place, why: str) -> ProjectState:
    if inner.kind in {"AddField", "AlterField"}:
        name = text_of(inner, "name")

        def change(model: ModelState) -> ModelState:
            fields = tuple(
                replace(f, verified=False) if f.name == name else f for f in model.fields
            )
            return replace(model, fields=fields, unverified=model.unverified or why)

        return changed(state, inner, place, change)
    if inner.kind in _SAYS_NOTHING_OF_COLUMNS:
        return state
    return _unverified(state, _named_models(inner, state, place), why)


def _named_models(operation: Operation, state: ProjectState, place: Place) -> list[ModelKey]:
    """The models that an operation names, or all of the app when it names none."""
    by_name = {"RenameModel": "new_name", "RenameField": "model_name", "RenameIndex": "model_name"}
    arguments = ("model_name", by_name.get(operation.kind or "", "name"))
    keys = [key for argument in arguments if (key := key_of(operation, place, argument))]
    found = [key for key in keys if key in state.models]
    return found or [key for key in state.models if key[0] == place.app_label]


def _unverified(state: ProjectState, keys: Iterable[ModelKey], why: str) -> ProjectState:
    models = dict(state.models)
    for key in keys:
        model = models.get(key)
        if isinstance(model, ModelState) and not model.unverified:
            models[key] = replace(model, unverified=why)
    return replace(state, models=models)


_SAYS_NOTHING_OF_COLUMNS = frozenset(
    {"RemoveField", "DeleteModel", "AddIndex", "RemoveIndex", "RenameIndex"}
    | {"AlterModelOptions", "AlterModelManagers", "AlterModelTableComment"}
)  # what the state says of the fields that are left holds as before


def run_sql(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """SQL may do anything to the tables it names, unless it only changes rows, defaults, comments or
    indexes that are not unique.
    """
    texts = sql_texts(operation.arguments.get("sql"))
    if texts is None:
        why = place.why(operation, "SQL that is not a literal")
        state = _unverified(state, [key for key in state.models if key[0] == place.app_label], why)
    elif not is_harmless_sql(operation):
        why = place.why(operation, "RunSQL names the table")
        state = _unverified(state, tables_among(words_of(tuple(texts)), state), why)
    return _state_only(
        state, operation, place, place.why(operation, "RunSQL stands for a state change")
    )


# Operations of which others may run in their place


def _either(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """What is the same whichever run; a model that is not is known no more."""
    after = []
    for operations in operation.alternatives:
        one = state
        for each in operations:
            one = apply_operation(one, each, place)
        after.append(one)
    why = place.why(operation, "code that runs at import decides which operations there are")
    models: dict[ModelKey, ModelState | Unknown] = {}
    for key in dict.fromkeys(key for one in after for key in one.models):
        models[key] = _in_any_case([one.models.get(key) for one in after], why)
    unknown = {label: text for one in after for label, text in one.unknown_apps.items()}
    return replace(state, models=models, unknown_apps=unknown)


_TOLD_APART = frozenset({"unique_together", "index_together", *ALTER_OPTION_KEYS})


def _in_any_case(found: list[ModelState | Unknown | None], why: str) -> ModelState | Unknown:
    """The model that is one of these, with options that are Unknown where they differ."""
    models = [each for each in found if isinstance(each, ModelState)]
    if len(models) < len(found):
        return next((each for each in found if isinstance(each, Unknown)), Unknown(why))
    names = dict.fromkeys(name for each in models for name in each.options)
    options: dict[str, object] = {}
    for name in names:
        values = [each.options.get(name, ()) for each in models]
        same = all(value == values[0] for value in values)
        if not same and name not in _TOLD_APART:
            return Unknown(why)
        options[name] = values[0] if same else Unknown(why)
    unverified = next((each.unverified for each in models if each.unverified), None)
    alike = [replace(each, options=options, unverified=unverified) for each in models]
    return alike[0] if all(each == alike[0] for each in alike) else Unknown(why)


# What is not understood


def _unknown_operation(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """The model that it names becomes unknown; without such a name the whole app."""
    why = f"{place.migration}, {operation.problem}"
    key = own_key(operation, place)
    if key is None or key not in state.models:
        return state.with_unknown_app(place.app_label, why)
    return state.with_model(key, Unknown(why))


def changes_state(operation: Operation) -> bool:
    """Whether operations of its kind do anything to the state."""
    return operation.kind in _FUNCTIONS


_FUNCTIONS: Mapping[str, Function] = {
    "CreateModel": create_model,
    "DeleteModel": delete_model,
    "RenameModel": rename_model,
    "AddField": add_field,
    "AlterField": alter_field,
    "RemoveField": remove_field,
    "RenameField": rename_field,
    "AlterUniqueTogether": set_together("unique_together"),
    "AlterIndexTogether": set_together("index_together"),
    "AlterModelOptions": alter_model_options,
    "AlterModelManagers": alter_model_managers,
    "AlterModelTable": set_option("db_table", "table"),
    "AlterModelTableComment": set_option("db_table_comment", "table_comment"),
    "AlterOrderWithRespectTo": alter_order,
    "AddIndex": add_rule("indexes", "index"),
    "AddIndexConcurrently": add_rule("indexes", "index"),
    "RemoveIndex": remove_rule("indexes"),
    "RemoveIndexConcurrently": remove_rule("indexes"),
    "RenameIndex": rename_index,
    "AddConstraint": add_rule("constraints", "constraint"),
    "AddConstraintNotValid": add_rule("constraints", "constraint"),
    "RemoveConstraint": remove_rule("constraints"),
    "AlterConstraint": alter_constraint,
    "SeparateDatabaseAndState": separate,
    "RunSQL": run_sql,
}
