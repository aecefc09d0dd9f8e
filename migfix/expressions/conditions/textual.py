"""Tests on text that hold exactly where Python's do, on databases whose collations know no case.

MySQL and MariaDB compare by a collation (``"A" = "a"``, and trailing spaces do not count), but their
``LIKE BINARY``, which is Django's ``startswith`` there, and lengths are exact. SQLite is the other way
round: ``=`` is exact and ``LIKE`` knows no case. Where both may run, a test says it in both ways.
https://docs.djangoproject.com/en/stable/ref/databases/#collation-settings
https://docs.djangoproject.com/en/stable/ref/databases/#substring-matching-and-case-sensitivity
"""

from __future__ import annotations

import ast
from dataclasses import replace

from migfix.expressions.context import Context, Refused
from migfix.expressions.values.operands import Operand, refused_test
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.sql.databases import Trait
from migfix.sql.kinds import TEXTS
from migfix.sql.logic import all_of, any_of
from migfix.sql.nodes import (
    Condition,
    Constant,
    Lookup,
    Named,
    Not,
    Operation,
    Outer,
    Type,
    Value,
    named,
)
from migfix.sql.types import constant

Textual = tuple[Condition, tuple[Refusal, ...]]


def equals(operand: Operand, value: Constant | Outer, context: Context) -> Textual:
    """``row.text == "abc"``"""
    plain = operand.by_attribute(value)
    text = value.value if isinstance(value, Constant) else None
    if not _needs_exact(operand, context) or not isinstance(text, str):
        return plain, caveats(operand.column, context)
    if not text:
        # Of NULL the length is NULL, also where the test is denied.
        exactly = _empty_exactly(operand, context)
        return exactly if operand.not_null else all_of(operand.present, exactly), ()
    exact = operand.lookup("startswith", value)
    return all_of(plain, exact, _of_length(len(text), operand, context)), ()


def empty(operand: Operand, context: Context) -> Textual:
    """``not row.text``"""
    condition, found = _no_characters(operand, context)
    return condition if operand.not_null else any_of(condition, operand.absent), found


def not_empty(operand: Operand, context: Context) -> Textual:
    """``if row.text:``"""
    condition, found = _no_characters(operand, context)
    if isinstance(condition, Lookup) and is_exact_form(condition) and not operand.not_null:
        missing = any_of(condition, operand.absent)
        return replace(condition, name="gt", opposite=missing), found
    there = Not(condition)
    return there if operand.not_null else all_of(there, operand.present), found


def _no_characters(operand: Operand, context: Context) -> Textual:
    if _needs_exact(operand, context):
        return _empty_exactly(operand, context), ()
    return operand.lookup("", constant('""', "")), caveats(operand.column, context)


def _empty_exactly(operand: Operand, context: Context) -> Condition:
    """A text of no characters; one of spaces is equal to ``""`` by most collations."""
    return _of_length(0, operand, context)


def _of_length(number: int, operand: Operand, context: Context) -> Lookup:
    length = Operation("len", (operand.node,), _WHOLE)
    return Lookup(_named("length", length, operand, context), "", constant(str(number), number))


def part(lookup: str, operand: Operand, text: ast.expr, context: Context) -> Textual:
    """``row.text.startswith("abc")``, ``endswith`` and ``"abc" in row.text``. Raises ``Refused``."""
    value = context.constant(text)
    if not isinstance(value, str) or not value or "\0" in value:
        raise refused_test(text, context)
    found = constant(context.text(text), value)
    like = operand.lookup(lookup, found)
    if _is_unusual(operand.column, context):
        return like, caveats(operand.column, context)
    if context.loop.databases.have(Trait.LIKE_COMPARES_LETTERS) or operand.links:
        return like, _like_caveats(operand, context)
    return all_of(like, _same_part(lookup, operand, found, context)), ()


def _same_part(lookup: str, operand: Operand, value: Constant, context: Context) -> Lookup:
    """What SQLite compares exactly: the beginning, the end, or the place of the part."""
    part = str(value.value)
    if lookup == "contains":
        words = "".join(c for c in part.lower() if c.isascii() and c.isalnum()) or "text"
        place = Operation("place", (operand.node, value), _WHOLE)
        found = _named(f"place_of_{words}", place, operand, context)
        return Lookup(found, "gt", constant("0", 0))
    is_first, length = lookup == "startswith", len(part)
    start, end = (None, length) if is_first else (-length, None)
    bounds = (constant(str(each), each) for each in (start, end))
    piece = Operation("slice", (operand.node, *bounds), _TEXT)
    name = f"first_{length}" if is_first else f"last_{length}"
    return Lookup(_named(name, piece, operand, context), "", value)


def caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """Python compares text character by character, a database by its collation."""
    databases = context.loop.databases
    if column.kind not in TEXTS:
        return ()
    if databases.have(Trait.COMPARES_LETTERS) and "db_collation" not in column.options:
        return ()
    return (
        Refusal(
            Reason.TEXT_COMPARISON,
            f"on MySQL, MariaDB or Oracle, or with a collation, `{column.name}` also matches text "
            "that Python holds for different (case, accents, trailing spaces)",
        ),
    )


def is_exact_form(condition: Condition) -> bool:
    """Does the condition say more than ``column = constant``?"""
    return any(named(condition))


def _needs_exact(operand: Operand, context: Context) -> bool:
    """Is there a database that folds case, and a way to be exact there?"""
    usual = not _is_unusual(operand.column, context)
    exact = context.loop.databases.have(Trait.COMPARES_LETTERS)
    return usual and not exact and not operand.links


def _is_unusual(column: FieldState, context: Context) -> bool:
    keeps_empty = context.loop.databases.have(Trait.KEEPS_EMPTY_TEXT)
    return "db_collation" in column.options or not keeps_empty


def _like_caveats(operand: Operand, context: Context) -> tuple[Refusal, ...]:
    if context.loop.databases.have(Trait.LIKE_COMPARES_LETTERS):
        return ()
    return (
        Refusal(
            Reason.TEXT_COMPARISON,
            f"on SQLite `{operand.name}` also matches text in other letters (LIKE knows no case)",
        ),
    )


_WHOLE, _TEXT = Type("integer", "IntegerField", 32), Type("text", "CharField")


def _named(name: str, value: Value, operand: Operand, context: Context) -> Named:
    """``.alias(title_length=Length("title"))``. Raises ``Refused`` where a field has that name."""
    alias = f"{operand.name}_{name}"
    if alias in context.columns or alias in context.loop.names_pointing_here:
        raise Refused(Reason.NAME_CLASH, f"`{alias}` is a field of {context.loop.model_label}")
    return Named(alias, value)
