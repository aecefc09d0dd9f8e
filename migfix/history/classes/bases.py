"""How a class that models descend from may take part in what happens to their rows."""

from __future__ import annotations

from migfix.history.classes.ancestors import ReadClass, Root, is_connection
from migfix.history.state import BaseClass, Unknown
from migfix.source import nodes_in

# What Django itself calls when it loads, changes, saves or deletes a row, or makes the class.
# https://docs.djangoproject.com/en/stable/ref/models/instances/
_ROW_METHODS = frozenset(
    "save save_base delete __init__ __new__ __init_subclass__ __setattr__ __delattr__ "
    "__getattribute__ __getattr__ __slots__ __dict__ __class__ from_db refresh_from_db pk _meta "
    "_state _get_pk_val _set_pk_val _is_pk_set _save_parents _save_table _do_update _do_insert "
    "_prepare_related_fields_for_save prepare_database_save get_deferred_fields _base_manager "
    "_default_manager".split()
)
# Those by which rows are made, read and tested.
_READING_METHODS = frozenset(
    "__init__ __new__ __init_subclass__ __setattr__ __delattr__ __getattribute__ __getattr__ __slots__ __dict__ "
    "__class__ from_db refresh_from_db pk _meta _state __bool__ __len__ __eq__ __hash__".split()
)


# Bases of models


def base_class_of(ancestry: tuple[ReadClass | Root | Unknown, ...]) -> BaseClass:
    classes = [each for each in ancestry if isinstance(each, ReadClass)]
    names = frozenset(name for each in classes for name, _ in each.defined())
    doubts = (d for each in ancestry if (d := _base_doubt(each, _ROW_METHODS, "would not run")))
    reading = (d for each in ancestry if (d := _base_doubt(each, _READING_METHODS, _TAKING_PART)))
    return BaseClass(names, next(doubts, None), next(reading, None))


_TAKING_PART = "may take part where rows are made and read"


def _base_doubt(each: ReadClass | Root | Unknown, methods: frozenset[str], what: str) -> str | None:
    """How the class may take part in what happens to a row by these methods; None where it does not."""
    if isinstance(each, Unknown):
        return f"whose methods {what}"
    if isinstance(each, Root):
        return "which is more than a plain mixin"
    if each.node.keywords or each.node.decorator_list:
        return "which has a metaclass or a decorator"
    for name, _ in each.defined():
        if name in methods:
            return f"whose {name}() {what}"
        if not name:
            return "whose body does more than define methods"
    if any(map(is_connection, nodes_in(each.node))):
        return "which connects signals"
    return f"whose methods {what}" if each.is_changed_from_outside else None
