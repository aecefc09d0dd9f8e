"""How the rows of a batch come into their table: the columns, and the UPDATE that save() would run."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections, transaction
from django.db.models import CharField, JSONField, Manager, Model, TextField

from migfix.runtime.batches import _CONSTANTS, _FIXED, _write
from migfix.runtime.joining import _MANY, _types_of, _way_to_join
from migfix.runtime.statements import (
    _one_by_one,
    _packets,
    _place,
    _prepared,
    _prepared_and_joined,
    _way_to_run_many,
)
from migfix.runtime.streaming import _after_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_TEXTS = (CharField, TextField)  # which send a text as it is; others that derive from them may not


class _Table:
    """The columns that a batch writes, and the statement for one row, as `save()` runs it."""

    _misses_rows = True  # so that a row that is gone is an error
    _finds_all = True  # or the rows go one by one

    def __init__(self, model: Any, alias: str, names: Sequence[str]) -> None:
        meta = model._meta
        self._model = model
        self._alias = alias
        self.connection = connections[alias]
        self.name = meta.db_table
        self.key = meta.pk
        # In the order of save(), which asks them for their values.
        self.fields = [f for f in meta.concrete_fields if f.name in names or f.attname in names]
        self._attributes = [field.attname for field in self.fields]
        self._is_plain = _is_saved_plainly(model, self.fields, names)
        self._types: list[str] | None = None  # of the columns, where rows may be joined; else []
        self._has_relations = any(f.is_relation for f in [*meta.fields, *meta.private_fields])

    def holds(self, row: Any, alias: str) -> bool:
        return type(row) is self._model and alias == self._alias

    def values_of(self, row: Any) -> list[Any] | None:
        """Return what `save()` would send, the key last; None for a row that must save itself."""
        if not self._is_plain or row.pk is None or row._state.adding:
            return None
        # What save() does first, so that a foreign key has the key of a row that was saved after
        # it was assigned (not documented, since Django 3.2).
        if self._has_relations and not self._prepares_relations(row):
            return None
        state = vars(row)
        for name in self._attributes:
            if type(state.get(name, self)) not in _CONSTANTS and (
                name not in state or _is_computed(state[name])
            ):
                return None
        sent = self._sent(self._value(field, row) for field in self.fields)
        if sent is None:
            return None
        return [*sent, self.key.get_db_prep_value(row.pk, connection=self.connection)]

    def _sent(self, values: Iterable[Any]) -> list[Any] | None:
        """Return what is sent of the values of the fields; None where one is SQL, or may change."""
        sent = []
        for field, value in zip(self.fields, values, strict=True):
            if type(value) is str and type(field) in _TEXTS:
                sent.append(value)
                continue
            prepared = field.get_db_prep_save(value, connection=self.connection)
            if type(prepared) not in _CONSTANTS and not isinstance(prepared, _FIXED):
                if hasattr(prepared, "as_sql"):
                    return None
                if isinstance(value, (dict, list)):
                    prepared = field.get_db_prep_save(deepcopy(value), connection=self.connection)
                elif not isinstance(value, _FIXED):
                    return None
            sent.append(prepared)
        return sent

    def _prepares_relations(self, row: Any) -> bool:
        row._prepare_related_fields_for_save(operation_name="save")
        return True

    def _value(self, field: Any, row: Any) -> Any:
        return field.pre_save(row, False)

    def update(self, rows: list[list[Any]]) -> None:
        """Run the statement for each row, up to one that cannot be written. Raises its error."""
        calls = self._calls(rows)
        _write(self.connection, rows, self._update_together, self._update_one_by_one, calls)

    def _calls(self, rows: list[list[Any]]) -> int:
        """Return how often `_update_together` goes to the server."""
        with self.connection.cursor() as cursor:
            way = _way_to_run_many(self.connection, cursor)
        if way is _one_by_one:
            return 1
        if way is _prepared:
            return 3
        ends = 2 if way is _prepared_and_joined else 0
        packets = sum(1 for _ in _packets(rows, len(self._statement(_place))))
        return ends + packets + self._finds_all

    def _update_together(self, rows: list[list[Any]]) -> None:
        with self.connection.cursor() as cursor:
            found = self._update_in_one(cursor, rows)
            if found is None:
                found = _way_to_run_many(self.connection, cursor)(cursor, self._statement, rows)
            if self._finds_all and (
                self._gone(cursor, rows) if found is None else len(rows) - found
            ):
                raise DatabaseError("rows are gone")

    def _update_in_one(self, cursor: Any, rows: list[list[Any]]) -> int | None:
        """
        Write the rows by one statement, return how many it found; None where it may not do the same.

        It does what one for each row does, in order, where each row comes once, and none of them
        is looked at, or in the way, when another is written: the catalogue says so. An earlier
        value of a row that comes twice might be refused. If the statement fails, it is taken back,
        the rows go one by one, and it is not tried again.
        """
        way = _way_to_join(self.connection)
        if way is None or len(rows) < _MANY or len({row[-1] for row in rows}) < len(rows):
            return None
        facts, join = way
        if self._types is None:
            columns = [field.column for field in self.fields]
            self._types = _types_of(cursor, facts, self.name, columns, self.key.column)
        types, self._types = self._types, []
        found = join(cursor, self, types, rows) if types else None
        self._types = types
        return found

    def _update_one_by_one(self, rows: list[list[Any]]) -> None:
        statement = self._statement(_place)
        with self.connection.cursor() as cursor:
            for row in rows:
                cursor.execute(statement, row)
                if self._misses_rows and not cursor.rowcount:
                    error = getattr(self._model, "NotUpdated", DatabaseError)  # since Django 6.0
                    label = self._model._meta.label
                    raise error(f"{label} with the primary key {row[-1]!r} was saved, but is gone")

    def _gone(self, cursor: Any, rows: list[list[Any]]) -> int:
        """Count the rows that are not in the table."""
        quote = self.connection.ops.quote_name
        keys = list(dict.fromkeys(row[-1] for row in rows))
        # MySQL counts rows as they were when the transaction began, but not those that it locks.
        lock = " FOR UPDATE" if self.connection.vendor == "mysql" else ""
        cursor.execute(
            f"SELECT COUNT(*) FROM {quote(self.name)}"
            f" WHERE {quote(self.key.column)} IN ({', '.join(['%s'] * len(keys))}){lock}",
            keys,
        )
        return len(keys) - int(cursor.fetchone()[0])

    def _statement(self, place: Callable[[int], str]) -> str:
        """Return the UPDATE with `place(1)`, `place(2)`... for its values."""
        quote = self.connection.ops.quote_name
        key = f"{quote(self.key.column)} = {place(len(self.fields) + 1)}"
        return f"UPDATE {quote(self.name)} SET {self.assignments(place)} WHERE {key}"

    def assignments(self, place: Callable[[int], str]) -> str:
        quote = self.connection.ops.quote_name
        return ", ".join(
            f"{quote(field.column)} = {self._cast(field, place(number))}"
            for number, field in enumerate(self.fields, 1)
        )

    def _cast(self, field: Any, value: str) -> str:
        return value


class _BulkTable(_Table):
    """The same as `bulk_update()` does it: no `pre_save`, nothing is said of rows that are gone."""

    _misses_rows = False
    _finds_all = False

    def update(self, rows: list[list[Any]]) -> None:
        """The same, in a transaction that an error breaks, where each row is sent by itself."""
        with self.connection.cursor() as cursor:
            plainly = _way_to_run_many(self.connection, cursor) is _one_by_one
        if not plainly or not self.connection.in_atomic_block:
            super().update(rows)
            return
        forget_statements = _after_chunk(self.connection, None)
        with transaction.atomic(using=self._alias, savepoint=False):
            self._update_together(rows)
        forget_statements(len(rows))

    def values_of(self, row: Any) -> list[Any] | None:
        state = vars(row)
        if not all(self._stays(f, state.get(f.attname)) for f in self.fields):
            return None  # it may change until the end of the block
        return super().values_of(row)

    def _stays(self, field: Any, value: Any) -> bool:
        return isinstance(value, _FIXED)

    def _prepares_relations(self, row: Any) -> bool:
        try:
            row._prepare_related_fields_for_save(operation_name="bulk_update", fields=self.fields)
        except ValueError:  # one that is not saved may be by then
            return False
        return True

    def _value(self, field: Any, row: Any) -> Any:
        return getattr(row, field.attname)

    def _cast(self, field: Any, value: str) -> str:
        # By which PostgreSQL cuts off what is too long for a column.
        if not self.connection.features.requires_casted_case_in_updates:
            return value
        return f"CAST({value} AS {field.cast_db_type(self.connection)})"


class _FinalTable(_BulkTable):
    """The same for rows whose documents nothing changes any more."""

    def _stays(self, field: Any, value: Any) -> bool:
        return isinstance(value, (*_FIXED, list, dict) if isinstance(field, JSONField) else _FIXED)


def _is_saved_plainly(model: Any, fields: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether `save()` runs one UPDATE of one table, with nothing in it but values."""
    meta = model._meta.concrete_model._meta
    return (
        _is_updated_plainly(model, fields, names)
        and type(meta.concrete_model._base_manager) is Manager  # others may hide rows
        and all(
            getattr(model, method) is getattr(Model, method)
            for method in ("save", "save_base", "_save_table", "_do_update")
        )
        # Django 6.0 reads these again after each save().
        and not any(getattr(field, "generated", False) for field in meta.concrete_fields)
        # Code of others might look for rows that wait.
        and all(field.pre_save.__module__.startswith("django.") for field in fields)
    )


def _is_updated_plainly(model: Any, fields: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether an UPDATE of these fields, by the key, is one of one table, with places for values."""
    meta = model._meta.concrete_model._meta
    columns = [*fields, meta.pk]
    return (
        {name for f in fields for name in (f.name, f.attname)}.issuperset(names)
        and meta.pk not in fields  # of this, and of names that are no fields, save() complains
        and bool(meta.pk.column)  # a composite key has none
        and not meta.parents  # which have tables of their own
        # Geometry, arrays and binary data have SQL around their values (by the first name until
        # Django 6.1).
        and not any(
            hasattr(field, "get_placeholder") or hasattr(field, "get_placeholder_sql")
            for field in columns
        )
        and meta.pk.get_lookup("exact").__module__.startswith("django.")
    )


def _is_computed(value: Any) -> bool:
    """Say whether `save()` makes SQL, or the key of a row, of a value."""
    return type(value) not in _FIXED and (
        hasattr(value, "resolve_expression") or hasattr(value, "prepare_database_save")
    )
