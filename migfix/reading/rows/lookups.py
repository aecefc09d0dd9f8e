"""Where lookups such as ``author__posts__title`` lead: over which tables, and to rows of one or of many.

https://docs.djangoproject.com/en/stable/topics/db/queries/#lookups-that-span-relationships
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migfix.history.state import FieldState, ModelKey, ModelState, ProjectState, Unknown
from migfix.reading.kinds.values import Step
from migfix.reading.rows.relations import all_fields
from migfix.sql.kinds import FOREIGN_KEYS

# Lookups of a foreign key that the column of its own table answers.
_OF_KEYS = frozenset({"exact", "in", "isnull"})


@dataclass(frozen=True, slots=True)
class Route:
    """``tables`` are those that a lookup joins to the table of its model.

    ``is_multiple``: a row may meet several rows at the end of it.
    """

    tables: frozenset[str] = frozenset()
    is_multiple: bool = False


def tables_of(model: ModelState | Unknown, state: ProjectState) -> frozenset[str] | Unknown:
    """The tables of the model and of those that it inherits from or stands for."""
    parents = model if isinstance(model, Unknown) else state.parents(model)
    if isinstance(model, Unknown) or isinstance(parents, Unknown):
        return model if isinstance(model, Unknown) else Unknown(f"a base of {model.label}")
    named = {each.db_table for each in (*parents, model)}
    unclear = next((table for table in named if isinstance(table, Unknown)), None)
    return unclear or frozenset(table for table in named if isinstance(table, str))


def sharing_table(key: ModelKey, state: ProjectState) -> tuple[ModelState, ...]:
    """The known models of the state whose rows may be rows of this one, as ``share_table`` tells."""
    own = tables_of(state.model(*key), state)
    known = (each for each in state.models.values() if isinstance(each, ModelState))
    unknown = state.everything_unknown is not None
    return tuple(
        each
        for each in known
        if unknown or each.app_label in state.unknown_apps or _meet(tables_of(each, state), own)
    )


def share_table(first: ModelKey | None, second: ModelKey | None, state: ProjectState) -> bool:
    """May a row of one model be a row of the other, be it as parent, child, proxy or by name?"""
    if first is None or second is None:
        return True
    one, other = (tables_of(state.model(*key), state) for key in (first, second))
    return _meet(one, other)


def _meet(one: frozenset[str] | Unknown, other: frozenset[str] | Unknown) -> bool:
    return isinstance(one, Unknown) or isinstance(other, Unknown) or bool(one & other)


def route(lookup: str, key: ModelKey, state: ProjectState) -> Route | Unknown:
    """Where the lookup leads from a row of the model called ``key``."""
    model = state.model(*key)
    own = tables_of(model, state)
    if isinstance(model, Unknown) or isinstance(own, Unknown):
        return Unknown(f"the model {'.'.join(key)} is not known")
    first, *rest = lookup.removeprefix("-").split("__")
    fields = {field.name: field for field in all_fields(state, key)}
    fields |= {f.attname: f for f in fields.values() if isinstance(f.attname, str)}
    if first == "pk" or first == "?":
        return Route() if set(rest) <= _OF_KEYS else Unknown(f"`{lookup}` goes by the key")
    if (field := fields.get(first)) is not None:
        return _forwards(field, rest, model, state)
    found = [
        (other, field)
        for other, field in _pointing(model, state)
        if _query_name(other, field) == first
    ]
    if len(found) != 1:
        return Unknown(f"`{first}` is no field of {model.label}")
    (other, field), through = found[0], found[0][1]
    if through.kind not in FOREIGN_KEYS | {"ManyToManyField"}:
        return Unknown(f"{other.label}.{field.name} is of a class that is not Django's own")
    tables = tables_of(other, state)
    if isinstance(tables, Unknown):
        return tables
    between = _between(field, other, state)
    if isinstance(between, Unknown):
        return between
    return _further(other, rest, Route(tables | between, field.kind != "OneToOneField"), state)


def order_of_model(model: ModelState, steps: Sequence[Step]) -> tuple[object, ...]:
    """What the model says to sort the rows of these steps by, where they do not: names, or what is none."""
    last = steps[-1] if steps else None
    if last is not None and last.name in {"latest", "earliest"}:
        option, given = "get_latest_by", last.call is None or bool(last.call.args)
    else:
        option, given = "ordering", any(step.name == "order_by" for step in steps)
    found = () if given else model.options.get(option) or ()
    return found if isinstance(found, tuple) else (found,)


def sorting_route(name: object, key: ModelKey, state: ProjectState) -> Route | Unknown:
    """Where sorting by this name leads: by a relation, that is to the order of the other model."""
    if not isinstance(name, str):
        return Unknown("an order is not written out")
    lookup = name.removeprefix("-")
    found = route(lookup, key, state)
    if isinstance(found, Unknown) or lookup.rpartition("__")[2] in {"pk", "?"}:
        return found
    further = route(f"{lookup}__pk", key, state)
    bare = lookup.removesuffix("_id")
    is_column = bare != lookup and route(f"{bare}__pk", key, state) == further
    if found == further or is_column:
        return found
    return Unknown(f"sorting by `{lookup}` is by the order of another model")


def _forwards(
    field: FieldState, rest: list[str], model: ModelState, state: ProjectState
) -> Route | Unknown:
    if field.is_relation is False:
        return Route()
    if field.kind not in FOREIGN_KEYS | {"ManyToManyField"} or not isinstance(field.target, tuple):
        return Unknown(f"{model.label}.{field.name} is of a class that is not Django's own")
    many = field.kind == "ManyToManyField"
    if not many and (not rest or rest[0] in _OF_KEYS):
        return Route()
    between = _between(field, model, state)
    if isinstance(between, Unknown):
        return between
    target = state.model(*field.target)
    tables = tables_of(target, state)
    if isinstance(target, Unknown) or isinstance(tables, Unknown):
        return Unknown(f"where {model.label}.{field.name} points is not known")
    return _further(target, rest, Route(tables | between, many), state)


def _further(
    model: ModelState, rest: list[str], so_far: Route, state: ProjectState
) -> Route | Unknown:
    """What is left of the lookup, from the rows that it has reached."""
    if not rest:
        return so_far
    more = route("__".join(rest), model.key, state)
    if isinstance(more, Unknown):
        return so_far if rest[0] in _LOOKUPS else more
    return Route(so_far.tables | more.tables, so_far.is_multiple or more.is_multiple)


# https://docs.djangoproject.com/en/stable/ref/models/querysets/#field-lookups
_LOOKUPS = frozenset(
    "exact iexact contains icontains in gt gte lt lte startswith istartswith endswith iendswith range "
    "isnull regex iregex".split()
)


def _between(field: FieldState, model: ModelState, state: ProjectState) -> frozenset[str] | Unknown:
    """The table that holds the pairs of a many-to-many relation."""
    if field.kind != "ManyToManyField":
        return frozenset()
    if field.through is not None:
        known = field.through if isinstance(field.through, Unknown) else state.model(*field.through)
        return tables_of(known, state)
    table = field.options.get("db_table", f"{model.db_table}_{field.name}")
    return frozenset({table}) if isinstance(table, str) else Unknown(f"db_table of {field.name}")


def _pointing(model: ModelState, state: ProjectState) -> Iterator[tuple[ModelState, FieldState]]:
    """The relations to the model, or to another model of the same rows."""
    parents = state.parents(model)
    family = {model.key}
    if not isinstance(parents, Unknown):
        family |= {parent.key for parent in parents}
    for other in state.ask(_proxies):
        family |= {other.key} if family & set(other.bases) else set()
    for key in family:
        for other, field in state.pointing_to(key):
            known = state.model(*other.key)
            found = None if isinstance(known, Unknown) else known.field(field.name)
            if isinstance(known, ModelState) and found is not None:
                yield known, found


def _proxies(state: ProjectState) -> tuple[ModelState, ...]:
    known = (each for each in state.models.values() if isinstance(each, ModelState))
    return tuple(each for each in known if each.proxy is True)


def _query_name(model: ModelState, field: FieldState) -> str | None:
    """https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.ForeignKey.related_query_name"""
    options = field.options
    name = options.get("related_query_name", options.get("related_name", model.name.lower()))
    if not isinstance(name, str):
        return None
    return name.replace("%(class)s", model.name.lower()).replace("%(app_label)s", model.app_label)


def stays_in_table(
    lookup: object, columns: Mapping[str, FieldState], *, sorts: bool = False
) -> bool:
    """Does the table alone answer the lookup, given its columns by name and attname?

    To sort by a relation is to sort by the order of the other model. A field of an unknown class may
    be a relation.
    """
    if not isinstance(lookup, str):
        return False
    first, *rest = lookup.removeprefix("-").split("__")
    column = columns.get(first)
    if column is None:
        return first in {"pk", "?"} and set(rest) <= _OF_KEYS
    if column.is_relation is False:
        return True
    if column.kind not in FOREIGN_KEYS:
        return False
    if sorts:
        return not rest and first == column.attname
    return set(rest) <= _OF_KEYS and len(rest) < 2
