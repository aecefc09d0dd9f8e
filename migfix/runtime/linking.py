"""A batch of pairs of many-to-many relations."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.models import Manager
from django.db.models.constants import OnConflict

from migfix.runtime.batches import _Batch
from migfix.runtime.tables import _Table

if TYPE_CHECKING:
    from collections.abc import Callable


def link_in_batches(*, batch_size: int = 1000) -> _LinkBatch:
    """
    Give a batch whose `of(row.tags).add(tag)` stands for `row.tags.add(tag)`, many in one go.

    A pair that is there already is left alone, as by `add()`. The pairs are inserted by a statement
    each, in order, so that they get the numbers that they would get one by one: after every
    `batch_size` of them, and when the block ends, also by an error. In between no query sees what
    waits. Where `add()` is more than that one statement, it is called, after what waits is written:
    for several rows at once, relations to the same model, models between the two that are the
    project's own, receivers of `m2m_changed`, and databases that ignore no pairs.

    Outside of the block, and in one of a generator or coroutine, pairs are inserted at once.

    Raises ValueError for a wrong argument, what `add()` raises for a row, and where the connection is
    lost, or is not the one that the pairs were added on, OperationalError.
    """
    return _LinkBatch(batch_size)


class _LinkBatch(_Batch):
    """See `link_in_batches`."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size)
        self._table: _PairTable | None = None

    @property
    def _connection(self) -> Any:
        return self._table and self._table.connection

    def of(self, manager: Any) -> SimpleNamespace:
        """Return what has an `add()` for the relation that the manager is of."""
        return SimpleNamespace(add=partial(self._add, manager))

    def _add(self, manager: Any, /, *rows: Any, **options: Any) -> None:
        pair = self._pair_of(manager, rows) if len(rows) == 1 and not options else None
        if pair is None:
            self.flush()
            manager.add(*rows, **options)
        else:
            self._wait(pair, 64)

    def _pair_of(self, manager: Any, rows: tuple[Any, ...]) -> list[Any] | None:
        """Return the keys that `add()` would insert; None where it does more than that."""
        if not _is_added_plainly(manager):
            return None
        alias = router.db_for_write(manager.through, instance=manager.instance)
        # _get_add_plan: whether one INSERT does it all, _get_target_ids: the keys (since Django 3.0).
        if not manager._get_add_plan(alias, manager.source_field_name)[2]:
            return None
        if self._table is None or not self._table.is_of(manager, alias):
            self.flush()
            self._table = _PairTable(manager, alias)
        [key] = manager._get_target_ids(manager.target_field_name, rows)
        manager._remove_prefetched_objects()  # (since Django 2.0)
        return self._table.pair_of(
            {manager.source_field_name: manager.related_val[0], manager.target_field_name: key}
        )

    def _write(self, rows: list[list[Any]]) -> None:
        if self._table is not None:
            self._table.update(rows)


def _is_added_plainly(manager: Any) -> bool:
    """Say whether the manager is one of Django's, of pairs that have nothing but two keys and a number."""
    through = getattr(manager, "through", None)
    # What is asked of a manager; those of another Django, or of a package, may lack it.
    asked = ("_get_add_plan", "_get_target_ids", "_remove_prefetched_objects", "symmetrical")
    if through is None or not all(hasattr(manager, name) for name in asked) or manager.symmetrical:
        return False
    meta = through._meta
    return (
        bool(meta.auto_created)
        and type(manager).add.__module__ == "django.db.models.fields.related_descriptors"
        and type(through._default_manager) is Manager
        and meta.pk is meta.auto_field
        and not meta.pk.has_default()
        and {field.name for field in meta.concrete_fields}
        == {meta.pk.name, manager.source_field_name, manager.target_field_name}
    )


class _PairTable(_Table):
    """The pairs of a many-to-many relation, each inserted by the statement of `add()`."""

    _misses_rows = False
    _finds_all = False

    def __init__(self, manager: Any, alias: str) -> None:
        names = (manager.source_field_name, manager.target_field_name)
        super().__init__(manager.through, alias, names)

    def is_of(self, manager: Any, alias: str) -> bool:
        return manager.through is self._model and alias == self._alias

    def pair_of(self, keys: dict[str, Any]) -> list[Any] | None:
        return self._sent(keys[field.name] for field in self.fields)

    def _update_in_one(self, cursor: Any, rows: list[list[Any]]) -> int | None:
        return None  # a pair that is there uses up a number in a statement of its own alone

    def _statement(self, place: Callable[[int], str]) -> str:
        ops = self.connection.ops
        columns = ", ".join(ops.quote_name(field.column) for field in self.fields)
        # As SQLInsertCompiler puts it together (since Django 4.1).
        start = ops.insert_statement(on_conflict=OnConflict.IGNORE)
        end = ops.on_conflict_suffix_sql(self.fields, OnConflict.IGNORE, [], [])
        return (
            f"{start} {ops.quote_name(self.name)} ({columns}) VALUES ({place(1)}, {place(2)}) {end}"
        )
