"""A migration as Django would write it: its operations as they are once it is imported, with every value written out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Which options a class may set by itself: of one that is not Django's they are written as they are.
_SHOWN = ("null", "primary_key", "auto_now", "auto_now_add", "db_column")


class _CannotWrite(Exception):
    """Something has no text that surely stands for it."""


def written(migration: Any) -> str | None:
    """The text of a migration's file, None where its operations cannot be written."""
    try:
        imports: set[str] = {"from django.db import migrations, models"}
        lines = [_operation(each, imports) for each in migration.operations]
        names = [(str(label), str(name)) for label, name in migration.dependencies]
        replaced = [(str(label), str(name)) for label, name in migration.replaces]
        before = [(str(label), str(name)) for label, name in migration.run_before]
    except Exception:  # whatever the code of an operation, a field or a value raises
        return None
    body = "\n".join(lines)
    return "\n".join(
        [
            *sorted(imports),
            "class Migration(migrations.Migration):",
            f"    dependencies = {names!r}",
            f"    replaces = {replaced!r}",
            f"    run_before = {before!r}",
            "    operations = [",
            body,
            "    ]",
            "",
        ]
    )


def _operation(operation: Any, imports: set[str]) -> str:
    """The operation as text; one that changes no state as a RunPython of nothing.

    One with ways of its own stands as a call of its class, of which the reader makes what it can.
    """
    from django.db.migrations import RunPython
    from django.db.migrations.writer import OperationWriter

    base = _of_django(operation)
    if base is None:
        kind = type(operation)
        imports.add(f"import {kind.__module__}")
        return f"        {kind.__module__}.{kind.__qualname__}(),"
    if issubclass(base, RunPython):
        return "        migrations.RunPython(migrations.RunPython.noop),"
    for field in _fields(operation):
        _check(field)
    plain = operation
    if base is not type(operation):
        plain = object.__new__(base)
        plain.__dict__.update(vars(operation))
    text, needed = OperationWriter(plain, indentation=2).serialize()
    imports.update(needed)
    return str(text)


def _of_django(operation: Any) -> type | None:
    """The class of Django's that the operation is one of, if its own class leaves to that one what it does."""
    kind = type(operation)
    base = next(each for each in kind.__mro__ if is_of_django(each))
    nested = ("database_operations", "state_operations")
    inside = [each for name in nested for each in getattr(operation, name, None) or ()]
    if base.__name__ in ("Operation", "object") or any(
        _of_django(e) is not type(e) for e in inside
    ):
        return None
    for name in ("state_forwards", "database_forwards", "mutate_state", "__getattribute__"):
        if getattr(kind, name, None) is not getattr(base, name, None):
            return None
    return base


def is_of_django(kind: type) -> bool:
    """Is it the class that Django has by this name, and not one that only says so?"""
    import importlib

    if not kind.__module__.startswith("django."):
        return kind is object
    return getattr(importlib.import_module(kind.__module__), kind.__qualname__, None) is kind


def _fields(operation: Any) -> Iterator[Any]:
    for _, field in getattr(operation, "fields", None) or ():
        yield field
    if (field := getattr(operation, "field", None)) is not None:
        yield field
    for name in ("database_operations", "state_operations"):
        for inner in getattr(operation, name, None) or ():
            yield from _fields(inner)


def _check(field: Any) -> None:
    """Raises ``_CannotWrite`` where what the field writes of itself is another class, or leaves something out."""
    from django.utils.module_loading import import_string

    _, path, _, options = field.deconstruct()
    if import_string(path) is not type(field):
        raise _CannotWrite
    if (base := getattr(field, "base_field", None)) is not None:
        _check(base)
    if not is_of_django(type(field)):
        given = field.__class__(*field.deconstruct()[2], **options)
        for name in (*_SHOWN, "_unique", "column"):
            if getattr(given, name, None) != getattr(field, name, None) and name != "column":
                raise _CannotWrite
