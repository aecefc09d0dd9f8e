"""What an INSERT takes of a new row."""

from __future__ import annotations

from copy import deepcopy
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db.models import Field

from migfix.runtime.batches import _CONSTANTS
from migfix.runtime.head import _BLOCK_BYTES

if TYPE_CHECKING:
    from migfix.runtime.creating import _New

_LIST = 500  # rows of a list that go to bulk_create()
_NARROW = """
    AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField
    PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField BooleanField FloatField
    DateField DateTimeField TimeField DurationField UUIDField GenericIPAddressField
""".split()


class _Columns:
    """What an INSERT takes of the new rows of a model; a proxy stands for its model."""

    def __init__(self, model: Any) -> None:
        meta = model._meta.concrete_model._meta
        fields = [f for f in meta.concrete_fields if not getattr(f, "generated", False)]
        self.names = {"pk", *(n for f in meta.concrete_fields for n in (f.name, f.attname))}
        self._key = meta.pk
        self._with_key = fields
        self._without_key = [field for field in fields if field is not meta.auto_field]
        self._is_plain = not meta.order_with_respect_to and all(
            _is_in_table(field, meta) for field in meta.concrete_fields
        )
        self._has_relations = any(f.is_relation for f in [*meta.fields, *meta.private_fields])
        self._attributes = [field.attname for field in fields]
        # With a first one twice, since of a single attribute it gives no tuple.
        self._values_of = attrgetter(self._attributes[0], *self._attributes)
        self.are_wide = sum(map(_most_characters, fields)) * _LIST > _BLOCK_BYTES
        self._computed = [f for f in fields if type(f).pre_save is not Field.pre_save]

    def rows_of_statements(self, connection: Any, most: int) -> int:
        """
        Return after how many rows `bulk_create()` sends them in full statements.

        They are few: more of them would live so long that the collector of garbage looks through
        everything that the process holds, again and again.
        """
        step = connection.ops.bulk_batch_size(self._without_key, range(most))
        step = min(max(step, 1), most)
        return max(step, min(_LIST, most) // step * step)

    def of(self, row: Any) -> _New | None:
        """Return what `save()` would insert, None where that is SQL, or goes to several tables."""
        if not self._is_plain:
            return None
        if self._has_relations:
            # What save() does first (not documented, since Django 3.2); raises for unsaved rows.
            row._prepare_related_fields_for_save(operation_name="save")
        if row.pk is None and (key := self._key.get_pk_value_on_save(row)) is not None:
            row.pk = key
        values = dict(zip(self._attributes, self._values_of(row)[1:], strict=True))
        if not _CONSTANTS.issuperset(map(type, values.values())):
            if any(hasattr(value, "resolve_expression") for value in values.values()):
                return None
            values = {name: _snapshot(value) for name, value in values.items()}
        for field in self._computed:
            values[field.attname] = _snapshot(field.pre_save(row, True))
        has_key = values.get(self._key.attname) is not None
        return self._with_key if has_key else self._without_key, SimpleNamespace(**values)


def _most_characters(field: Any) -> int:
    """Return how long the values of the field may be, _BLOCK_BYTES where nobody knows."""
    field = field.target_field if field.is_relation else field
    if field.get_internal_type() in _NARROW:
        return 32
    return field.max_length or _BLOCK_BYTES


def _is_in_table(field: Any, meta: Any) -> bool:
    """Say whether the field is one column of the model's own table."""
    return bool(field.column) and field.model._meta.db_table == meta.db_table


def _snapshot(value: Any) -> Any:
    """Return what later changes of the value do not reach."""
    mutable = isinstance(value, (list, dict, set, tuple, bytearray))
    return deepcopy(value) if mutable else value
