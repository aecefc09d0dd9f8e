"""Operations that change options, managers, indexes and constraints of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from migfix.history.files.migration import Operation
from migfix.history.files.scope import is_literal
from migfix.history.operations.models import managers_of, with_order
from migfix.history.operations.places import Function, Place, changed
from migfix.history.state import (
    Call,
    ModelState,
    ProjectState,
    Unknown,
)

ALTER_OPTION_KEYS = [
    "base_manager_name",
    "default_manager_name",
    "default_related_name",
    "get_latest_by",
    "managed",
    "ordering",
    "permissions",
    "default_permissions",
    "select_on_save",
    "verbose_name",
    "verbose_name_plural",
]
"""The options that AlterModelOptions removes unless it sets them (Django's own list)."""


def alter_model_options(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    given = operation.arguments.get("options")

    def change(model: ModelState) -> ModelState:
        kept = {key: value for key, value in model.options.items() if key not in ALTER_OPTION_KEYS}
        if isinstance(given, dict):
            return replace(model, options={**kept, **given})
        unknown = Unknown(place.why(operation, "the options are not written out"))
        return replace(model, options={**kept, **dict.fromkeys(ALTER_OPTION_KEYS, unknown)})

    return changed(state, operation, place, change)


def alter_model_managers(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    managers = managers_of(operation, place)
    return changed(state, operation, place, lambda model: replace(model, managers=managers))


def set_option(option: str, argument: str) -> Function:
    def alter(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        value = operation.arguments.get(argument)

        def change(model: ModelState) -> ModelState:
            return replace(model, options={**model.options, option: value})

        return changed(state, operation, place, change)

    return alter


def set_together(option: str) -> Function:
    def alter(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        value = operation.arguments.get(option)
        literal = (value or ()) if is_literal(value) else Unknown(f"{option} is not a literal")

        def change(model: ModelState) -> ModelState:
            return replace(model, options={**model.options, option: literal})

        return changed(state, operation, place, change)

    return alter


def alter_order(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    respect_to = operation.arguments.get("order_with_respect_to")

    def change(model: ModelState) -> ModelState:
        options = {**model.options, "order_with_respect_to": respect_to}
        return with_order(replace(model, options=options), respect_to)

    return changed(state, operation, place, change)


# Indexes and constraints


def add_rule(option: str, argument: str) -> Function:
    def add(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        rule = operation.arguments.get(argument)

        def change(model: ModelState) -> ModelState:
            return _with_rules(model, option, lambda rules: (*rules, rule))

        return changed(state, operation, place, change)

    return add


def remove_rule(option: str) -> Function:
    def remove(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        name = operation.arguments.get("name")

        def change(model: ModelState) -> ModelState:
            return _with_rules(
                model, option, lambda rules: tuple(r for r in rules if _rule_name(r) != name)
            )

        return changed(state, operation, place, change)

    return remove


def alter_constraint(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    name, new = operation.arguments.get("name"), operation.arguments.get("constraint")

    def change(model: ModelState) -> ModelState:
        return _with_rules(
            model,
            "constraints",
            lambda rules: (*(rule for rule in rules if _rule_name(rule) != name), new),
        )

    return changed(state, operation, place, change)


def rename_index(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """An index keeps its fields; one of ``index_together`` becomes an index with a name."""
    new, old = operation.arguments.get("new_name"), operation.arguments.get("old_name")
    columns = operation.arguments.get("old_fields")

    def change(model: ModelState) -> ModelState:
        if columns is None:
            return _with_rules(
                model, "indexes", lambda rules: tuple(_rule_renamed(r, old, new) for r in rules)
            )
        together = model.options.get("index_together")
        if isinstance(together, tuple | frozenset):
            together = tuple(group for group in together if group != columns)
        model = replace(model, options={**model.options, "index_together": together})
        index = Call("django.db.models.Index", (), {"fields": columns, "name": new}, "Index(...)")
        return _with_rules(model, "indexes", lambda rules: (*rules, index))

    return changed(state, operation, place, change)


def _rule_renamed(rule: object, old: object, new: object) -> object:
    if isinstance(rule, Call) and _rule_name(rule) == old:
        return replace(rule, kwargs={**rule.kwargs, "name": new})
    return rule


def _rule_name(rule: object) -> object:
    return rule.kwargs.get("name") if isinstance(rule, Call) else None


def _with_rules(
    model: ModelState,
    option: str,
    change: Callable[[tuple[object, ...]], tuple[object, ...]],
) -> ModelState:
    rules = model.options.get(option, ())
    if not isinstance(rules, tuple):
        return model
    return replace(model, options={**model.options, option: change(rules)})
