"""One update() or delete() of very many rows by several, with a commit each."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    CheckConstraint,
    IntegerField,
    QuerySet,
    SmallAutoField,
    UniqueConstraint,
    UUIDField,
    Value,
)
from django.db.models.deletion import Collector
from django.db.models.expressions import Col, CombinedExpression, ExpressionWrapper
from django.db.models.lookups import Lookup
from django.db.models.sql.where import NothingNode, WhereNode

from migfix.runtime.keys import _alias_of
from migfix.runtime.streaming import _after_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def update_in_windows(
    queryset: Any,
    /,
    *,
    size: int = 10_000,
    pause: float = 0,
    progress: Callable[[int], object] | None = None,
    **values: Any,
) -> int:
    """
    Do what `queryset.update(**values)` does, for `size` rows at a time; return how many there were.

    The rows are taken in the order of their keys, from the lowest to what is the highest when it
    begins, and each window of them is an UPDATE of its own that is committed before the next one
    begins. So others wait for one window at most, and no row comes twice, whatever the values do to
    the condition. What others change meanwhile counts as it is when its window comes.

    After an error the windows before it are done. Running it again does the rest: the values do not
    read what they change, so that a row which is done, and still meets the condition, stays as it
    is. `pause` is for how many seconds to wait between two windows, `progress` is called after each
    with the number of rows done.

    Raises ValueError, before anything is done, for what is not the same in windows: keys other than
    integers and UUIDs, columns in several tables, a queryset class of the project, slices, order,
    annotations, joins and subqueries, expressions other than plain arithmetic and functions of the
    row's own columns, values for keys, unique columns or from columns that are changed themselves;
    and TransactionManagementError in a transaction, which would keep all locks until its end.
    """
    rows = _in_one_table(queryset)
    _check_assigned(rows, values)
    chunk_done = _after_chunk(connections[rows.db], progress)
    done = 0
    for window in _windows(rows, size, pause):
        done += window.update(**values)
        chunk_done(done)
    _forget_rows(queryset)
    return done


def delete_in_windows(
    queryset: Any,
    /,
    *,
    size: int = 10_000,
    pause: float = 0,
    progress: Callable[[int], object] | None = None,
) -> tuple[int, dict[str, int]]:
    """
    Do what `queryset.delete()` does, for `size` rows at a time; return what it returns.

    All is as with `update_in_windows`. Raises ValueError also where `delete()` is more than one
    statement, since something cascades, is a row of the same table or is told by signals.
    """
    rows = _in_one_table(queryset)
    fields = rows.model._meta.get_fields()
    # can_fast_delete: whether delete() is this one statement (not documented, since Django 1.5).
    if not Collector(using=rows.db).can_fast_delete(rows) or any(
        field.related_model is rows.model for field in fields if field.is_relation
    ):
        raise ValueError(f"delete() of {rows.model._meta.label} takes more than its own rows along")
    chunk_done = _after_chunk(connections[rows.db], progress)
    deleted: dict[str, int] = {}
    for window in _windows(rows, size, pause):
        for label, number in window.delete()[1].items():
            deleted[label] = deleted.get(label, 0) + number
        chunk_done(sum(deleted.values()))
    _forget_rows(queryset)
    return sum(deleted.values()), deleted


def _windows(rows: Any, size: int, pause: float) -> Iterator[Any]:
    """Yield the rows as querysets of `size` each, by ranges of keys: the next once the last is done."""
    if size < 1 or pause < 0:
        raise ValueError(f"size must be 1 or more, not {size!r}, and pause not below 0: {pause!r}")
    highest = rows.order_by("-pk").values_list("pk", flat=True).first()
    if highest is None:
        return
    behind = rows
    while True:
        keys = behind.filter(pk__lte=highest).order_by("pk").values_list("pk", flat=True)
        end = next(iter(keys[size - 1 : size]), highest)
        yield behind.filter(pk__lte=end)
        if end == highest:
            return
        behind = rows.filter(pk__gt=end)
        sleep(pause)


def _forget_rows(queryset: Any) -> None:
    """Let a queryset that was evaluated run its query again, as after `update()` and `delete()`."""
    if isinstance(queryset, QuerySet):
        queryset._result_cache = None


# The keys that every database orders as it compares them, whatever its collation, and gives back as
# they are stored.
_ORDERED_KEYS = frozenset(
    {AutoField, BigAutoField, SmallAutoField, IntegerField, BigIntegerField, UUIDField}
)
# What a query without any methods but filter() and exclude() fills: conditions and its own table.
_OF_CONDITIONS = frozenset(
    {
        "where",
        "alias_map",
        "alias_refcount",
        "table_map",
        "used_aliases",
        "base_table",
        "_lookup_joins",
    }
)
_OWN_LOOKUPS = ("django.db.models.lookups", "django.db.models.fields.related_lookups")
_OWN_FUNCTIONS = tuple(f"django.db.models.functions.{name}" for name in ("comparison", "text"))


def _in_one_table(queryset: Any) -> Any:
    """Return the rows, on the database that is written to. Raises as `update_in_windows`."""
    rows = queryset.all()
    meta, query, plain = rows.model._meta, rows.query, QuerySet(rows.model).query
    if type(rows) is not QuerySet:
        raise ValueError(f"{type(rows).__name__} may do something else than Django's own querysets")
    if meta.parents or meta.proxy or any(getattr(f, "generated", False) for f in meta.fields):
        raise ValueError(f"{meta.label} is not one plain table of its own")
    if type(meta.pk) not in _ORDERED_KEYS:
        raise ValueError(f"the key of {meta.label} is neither an integer nor a UUID")
    for name, value in vars(query).items():
        if name not in _OF_CONDITIONS and value != getattr(plain, name, None):
            raise ValueError(f"the queryset has more than conditions: {name} is {value!r}")
    if query.count_active_tables() > 1 or not _is_of_row(query.where):
        raise ValueError("a condition reads more than columns of the row itself")
    alias = _alias_of(rows)
    connection = connections[alias]
    if not connection.get_autocommit():  # nor is it in atomic()
        raise transaction.TransactionManagementError(
            "windows are committed one by one, which a transaction around them prevents: set"
            " `atomic = False` in the migration"
        )
    return rows.using(alias)


def _is_of_row(part: Any) -> bool:
    """Say whether a part of a condition or value is made of the row's own columns and constants."""
    if isinstance(part, (list, tuple, set, frozenset)):
        return all(map(_is_of_row, part))
    kind = type(part)
    if kind is WhereNode:
        return all(map(_is_of_row, part.children))
    if isinstance(part, Lookup):
        return kind.__module__ in _OWN_LOOKUPS and _is_of_row(part.lhs) and _is_of_row(part.rhs)
    if kind in (CombinedExpression, ExpressionWrapper) or kind.__module__ in _OWN_FUNCTIONS:
        return all(map(_is_of_row, part.get_source_expressions()))
    if kind in (Col, Value, NothingNode):
        return True
    return not hasattr(part, "as_sql") and not hasattr(part, "resolve_expression")


def _check_assigned(rows: Any, values: dict[str, Any]) -> None:
    """Raise ValueError for values that windows, or a second run, would not leave alike."""
    meta = rows.model._meta
    fields = [meta.pk if name == "pk" else meta.get_field(name) for name in values]
    names = {field.name for field in fields}
    unique = {name for group in meta.unique_together for name in group}
    unique |= {field.name for field in meta.fields if field.unique}
    for constraint in meta.constraints:
        if type(constraint) is not CheckConstraint:
            # Without fields it is one of expressions; a condition may read any column.
            plain = type(constraint) is UniqueConstraint and constraint.condition is None
            unique.update((plain and constraint.fields) or names)
    if names & unique:
        raise ValueError(f"{', '.join(sorted(names & unique))} must be unique")
    for name, value in values.items():
        if not hasattr(value, "resolve_expression"):
            continue
        resolved = value.resolve_expression(rows.query.chain(), allow_joins=False, for_save=True)
        if not _is_of_row(resolved):
            raise ValueError(f"the value for {name} is not made of the row's own columns alone")
        read = {part.target.name for part in resolved.flatten() if type(part) is Col}
        if read & names:
            raise ValueError(
                f"the value for {name} reads {', '.join(sorted(read & names))}, which changes: after"
                " an error, a second run would change again what is done"
            )
