"""What is sure of SQL in a migration: that it leaves columns and constraints alone, or which tables it names."""

from __future__ import annotations

import re
from functools import cache

from migfix.history.files.migration import Operation
from migfix.history.state import (
    ModelKey,
    ModelState,
    Name,
    ProjectState,
    Unknown,
)

_HARMLESS_SQL = re.compile(
    r"""\s*(
        (insert|update|delete|vacuum|analyze|comment\s+on|create\s+extension)\b.*
        | set\s+constraints\b.*
        | create\s+index\b.*
        | alter\s+table\s+\S+\s+alter\s+(column\s+)?\S+\s+(drop\s+default|set\s+default[^,]*)
    )?\s*""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def is_harmless_sql(operation: Operation) -> bool:
    """Whether SQL leaves columns and constraints as they are."""
    texts = sql_texts(operation.arguments.get("sql"))
    return texts is not None and _is_harmless(tuple(texts))


@cache
def _is_harmless(texts: tuple[str, ...]) -> bool:
    return all(_HARMLESS_SQL.fullmatch(each) for each in _without_comments(texts).split(";"))


@cache
def words_of(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", _without_comments(texts).lower()))


def _without_comments(texts: tuple[str, ...]) -> str:
    return _COMMENT.sub(" ", " ; ".join(texts))


def sql_texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Name) and value.path.endswith(".RunSQL.noop"):
        return []
    if not isinstance(value, tuple):
        return None
    texts = [item[0] if isinstance(item, tuple) and item else item for item in value]
    return [str(text) for text in texts] if all(isinstance(text, str) for text in texts) else None


def tables_among(words: frozenset[str], state: ProjectState) -> list[ModelKey]:
    found = []
    for key, model in state.models.items():
        if isinstance(model, ModelState):
            table = model.db_table
            if (
                isinstance(table, Unknown)
                or table.strip('"').rpartition(".")[2].strip('"').lower() in words
            ):
                found.append(key)
    return found
