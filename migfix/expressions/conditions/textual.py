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

from migfix.expressions.conditions.logic import (
    Alias,
    Condition,
    Import,
    Lookup,
    Not,
    all_of,
    any_of,
    lookups_of,
)
from migfix.expressions.context import Context, Refused
from migfix.expressions.values.operands import Operand, refused_test
from migfix.expressions.values.references import function, model_class
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.sql.databases import Trait
from migfix.sql.kinds import TEXTS

Textual = tuple[Condition, tuple[Refusal, ...]]


def equals(operand: Operand, value: str, constant: object, context: Context) -> Textual:
    """``row.text == "abc"``; ``value`` is the constant's source."""
    plain = operand.by_attribute(value)
    if not _needs_exact(operand, context) or not isinstance(constant, str):
        return plain, caveats(operand.column, context)
    if not constant:
        # Of NULL the length is NULL, also where the test is denied.
        exactly = _empty_exactly(operand, context)
        return exactly if operand.not_null else all_of(operand.present, exactly), ()
    length = _computed(operand, "Length", context, name="length")
    exact = operand.lookup("startswith", value)
    return all_of(plain, exact, _about(operand, length, str(len(constant)))), ()


def empty(operand: Operand, context: Context) -> Textual:
    """``not row.text``"""
    condition, found = _no_characters(operand, context)
    return condition if operand.not_null else any_of(condition, operand.absent), found


def not_empty(operand: Operand, context: Context) -> Textual:
    """``if row.text:``"""
    condition, found = _no_characters(operand, context)
    if isinstance(condition, Lookup) and condition.alias and not operand.not_null:
        missing = any_of(condition, operand.absent)
        key = f"{condition.key}__gt"
        return replace(condition, key=key, not_null=True, opposite=missing), found
    there = Not(condition)
    return there if operand.not_null else all_of(there, operand.present), found


def _no_characters(operand: Operand, context: Context) -> Textual:
    if _needs_exact(operand, context):
        return _empty_exactly(operand, context), ()
    return operand.lookup("", '""'), caveats(operand.column, context)


def _empty_exactly(operand: Operand, context: Context) -> Condition:
    """A text of no characters; one of spaces is equal to ``""`` by most collations."""
    length = _computed(operand, "Length", context, name="length")
    return _about(operand, length, "0")


def part(lookup: str, operand: Operand, text: ast.expr, context: Context) -> Textual:
    """``row.text.startswith("abc")``, ``endswith`` and ``"abc" in row.text``. Raises ``Refused``."""
    constant = context.constant(text)
    if not isinstance(constant, str) or not constant or "\0" in constant:
        raise refused_test(text, context)
    source = context.text(text)
    like = operand.lookup(lookup, source)
    if _is_unusual(operand.column, context):
        return like, caveats(operand.column, context)
    if context.loop.databases.have(Trait.LIKE_COMPARES_LETTERS) or operand.links:
        return like, _like_caveats(operand, context)
    return all_of(like, _same_part(lookup, operand, constant, source, context)), ()


def _same_part(
    lookup: str, operand: Operand, constant: str, source: str, context: Context
) -> Condition:
    """What SQLite compares exactly: the beginning, the end, or the place of the part."""
    if lookup == "contains":
        value = model_class("Value", context)
        named = "".join(c for c in constant.lower() if c.isascii() and c.isalnum()) or "text"
        more = f", {value.text}({source})"
        alias, imports = _computed(operand, "StrIndex", context, more, name=f"place_of_{named}")
        needed = (*imports, value.import_) if value.import_ else imports
        return _about(operand, (alias, needed), "0", "__gt")
    length = len(constant)
    name, call = ("first", "Left") if lookup == "startswith" else ("last", "Right")
    some = _computed(operand, call, context, f", {length}", name=f"{name}_{length}")
    return _about(operand, some, source)


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
    return any(isinstance(each, Lookup) and each.alias for each in lookups_of(condition))


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


_Computed = tuple[Alias, tuple[Import, ...]]


def _computed(
    operand: Operand, call: str, context: Context, more: str = "", *, name: str
) -> _Computed:
    """``.alias(title_length=Length("title"))``. Raises ``Refused`` where a field has that name."""
    reference = function(call, context)
    alias = f"{operand.name}_{name}"
    if alias in context.columns or alias in context.loop.names_pointing_here:
        raise Refused(Reason.NAME_CLASH, f"`{alias}` is a field of {context.loop.model_label}")
    quoted = context.loop.names.quoted(operand.name)
    imports = (reference.import_,) if reference.import_ else ()
    return (alias, f"{reference.text}({quoted}{more})"), imports


def _about(operand: Operand, computed: _Computed, value: str, suffix: str = "") -> Lookup:
    alias, imports = computed
    key = f"{alias[0]}{suffix}"
    return Lookup(key, value, operand.column.name, alias=alias, imports=imports)
