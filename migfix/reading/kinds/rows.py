"""What rows, and the values of their columns and attributes, are."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING

from migfix.history.fields import FIELDS
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds import plain
from migfix.reading.kinds.attributes import ANY, attributes_set
from migfix.reading.kinds.constants import UNKNOWN, constant_at, constant_in
from migfix.reading.kinds.plain import (
    DATA,
    FUNCTION,
    OWN,
    Known,
    Type,
)
from migfix.reading.kinds.values import Manager, Model, RawRows, Row, Rows, SchemaEditor
from migfix.reading.names.scopes import (
    walk,
)
from migfix.reading.rows.querysets import row_of
from migfix.reading.rows.relations import one_pointing_to, possible_columns

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds

_KIND_OF_COLUMN = {
    name: plain.parsed(field.loads) for name, field in FIELDS.items() if field.loads is not None
}


def of_constant(value: object) -> Known:
    return None if value is UNKNOWN else DATA


class RowKinds:
    """The kinds of rows, columns and attributes in one function."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.resolver = kinds.resolver

    def iterated(self, node: ast.expr) -> Type | None:
        """The collection that going over the expression is like."""
        kind = self.kinds.of(node)
        match kind:
            case Rows() as rows:
                return Type("list", self.row(rows))
            case Manager(model=model):
                return Type("list", Row(model))
            case RawRows(model=None):
                return Type("list", Type("tuple", DATA))
            case RawRows(model=Model() as model):
                return Type("list", Row(model))
            case SchemaEditor(part="cursor"):
                return Type("list", Type("tuple", DATA))
            case Type():
                return kind
        return None

    def row(self, rows: Rows) -> Known:
        if (row := row_of(rows)) is not None:
            return row
        if rows.has("dates", "datetimes"):
            return Type("datetime")
        last = next(step for step in reversed(rows.steps) if step.name in {"values", "values_list"})
        given = last.call.args if last.call else []
        names = [a.value if isinstance(a, ast.Constant) else None for a in given]
        parts = tuple(self._column(rows.model, name) for name in names)
        if None in parts or not (parts or self.has_plain_columns(rows.model)):
            return None
        keywords = {keyword.arg for keyword in (last.call.keywords if last.call else [])}
        if last.name == "values":
            return Type("dict", DATA, Type("str"))
        if "flat" in keywords:
            return parts[0] if parts else None
        if keywords:
            return OWN
        return Type("tuple", DATA, parts=parts or None)

    def _column(self, model: Model, name: object) -> Known:
        """A column in a row of values; None where code of the project may make it."""
        column = next((c for c in self._columns(model) or () if name in (c.name, c.attname)), None)
        if column is None:
            return DATA if self.has_plain_columns(model) or name in self._annotations else None
        found = DATA if column.target is not None else _KIND_OF_COLUMN.get(column.saved_as or "")
        return Type("str") if found is not None and found.name == "file" else found

    def _columns(self, model: Model) -> tuple[FieldState, ...] | None:
        state = self.resolver.state
        known = state.model(*model.key) if model.key and not model.real else None
        columns = possible_columns(state, known) if isinstance(known, ModelState) else None
        return None if columns is None or isinstance(columns, Unknown) else columns

    def has_plain_columns(self, model: Model) -> bool:
        """Are all columns of Django's own classes, whose values are data?"""
        columns = self._columns(model)
        return columns is not None and all(column.saved_as is not None for column in columns)

    def of_attribute(self, node: ast.Attribute) -> Known:
        if (path := self.resolver.module.path_of(node)) is not None:
            return plain.value_at(path) or of_constant(constant_at(path, self.resolver.module))
        owner = self.kinds.of(node.value)
        match owner:
            case Row():
                return self.column_of(owner, node.attr)
            case Model():
                return self._of_model(owner, node.attr)
            case Type() if owner == FUNCTION and isinstance(node.value, ast.Name):
                if self.resolver.module.is_builtin(node.value.id):
                    return FUNCTION if plain.has_method(Type(node.value.id), node.attr) else None
                return self._of_class(node.value.id, node.attr)
            case Type():
                found = plain.attribute_of(owner, node.attr)
                return FUNCTION if found is None and plain.has_method(owner, node.attr) else found
        return self.resolver._attribute(owner, node.attr)

    def _of_class(self, owner: str, name: str) -> Known:
        """A constant of a class of the file."""
        binding = self.resolver.module.scope.bound_once(owner)
        known = binding is not None and isinstance(binding.statement, ast.ClassDef)
        if not known or owner in self.resolver.scope.bindings:
            return None
        return of_constant(constant_in([owner, name], self.resolver.module))

    def _of_model(self, model: Model, name: str) -> Known:
        if name in {"DoesNotExist", "MultipleObjectsReturned", "__name__"}:
            return FUNCTION if name[0] != "_" else Type("str")
        return self.resolver._attribute(model, name)

    def column_of(self, row: Row, name: str) -> Known:
        """What an attribute of a row is: a column, the row or the rows that a relation leads to."""
        if self.sets_another(name):
            return None
        if name == "_state":
            return Type("state")
        if name == "pk":
            return DATA
        for column in self._columns(row.model) or ():
            if name in (column.name, column.attname):
                return self._value_of(column, name, row)
        found = self.resolver._attribute(row, name)
        if found is None and self.has_plain_columns(row.model) and name in self._annotations:
            return DATA
        if found is None and row.model.key is not None:
            one = one_pointing_to(self.resolver.state, row.model.key, name)
            return Row(Model(one)) if one else None
        return found

    def _value_of(self, column: FieldState, name: str, row: Row) -> Known:
        if column.target is not None:
            return self.resolver._attribute(row, name) if name == column.name else DATA
        found = _KIND_OF_COLUMN.get(column.saved_as or "")
        return self.kinds.filling.documents if found == DATA else found

    def is_column(self, row: Row, name: str) -> bool:
        """Is it a column, or what a relation leads to, which only Django's own code fetches?"""
        if name in {"pk", "id"} or self.resolver._attribute(row, name) is not None:
            return True
        return any(
            name in (column.name, column.attname) and column.saved_as is not None
            for column in self._columns(row.model) or ()
        )

    def sets_another(self, name: str) -> bool:
        """Does the file give an attribute of the name a value that is not known to be data, or a row?"""
        own = self.resolver.own  # another call of the function may be given other things
        if "attributes" not in own:
            own["attributes"], own["asked"] = frozenset(), set()  # for what is asked in between
            found = frozenset(attributes_set(self.kinds))
            own["attributes"] = found
            asked = own.pop("asked")
            if asked and (ANY in found or not asked.isdisjoint(found)):
                self.kinds.forget()
        if "asked" in own:
            own["asked"].add(name)
        return not own["attributes"].isdisjoint({name, ANY})

    @property
    def _annotations(self) -> frozenset[str]:
        return _annotations_of(self.resolver.module.tree)

    def is_quiet_row(self, row: Row) -> bool:
        """Is a row of the class compared, printed and read by Django's own code alone?"""
        names = self._names_of_bases(row)
        return names is not None and not any(name.startswith("__") for name in names)

    def is_plain_row(self, row: Row) -> bool:
        """Does no code of the project run whichever attribute is read or set?"""
        return self._names_of_bases(row) == frozenset()

    def is_own_attribute(self, row: Row, name: str) -> bool:
        """Does no code of the project run when the attribute is read or set?"""
        names = self._names_of_bases(row)
        return self.is_quiet_row(row) and names is not None and name not in names

    def _names_of_bases(self, row: Row) -> frozenset[str] | None:
        """What the classes of the project among the bases define; None where they are not known."""
        state = self.resolver.state
        model = state.model(*row.model.key) if row.model.key and not row.model.real else None
        parents = state.parents(model) if isinstance(model, ModelState) else None
        if parents is None or isinstance(parents, Unknown):
            return None
        bases = {base for each in (model, *parents) for base in each.bases}  # type: ignore[union-attr]
        own = [
            state.base_class(base)
            for base in bases
            if isinstance(base, str) and base != "django.db.models.Model"
        ]
        doubted = any(each.doubt for each in own) or any(isinstance(b, Unknown) for b in bases)
        return None if doubted else frozenset(name for each in own for name in each.names)


@lru_cache(maxsize=256)
def _annotations_of(tree: ast.Module) -> frozenset[str]:
    """The names that queries of the file give to what they compute."""
    return frozenset(
        keyword.arg
        for node in walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"annotate", "aggregate"}
        for keyword in node.keywords
        if keyword.arg
    )
