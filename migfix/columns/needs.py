"""Which columns of its rows a loop's body needs, in the order in which it names them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from migfix.columns.acquainted import check_not_read_again
from migfix.expressions.context import Refused
from migfix.expressions.preconditions import gates
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import lineage
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Rows
from migfix.reading.rows import relations
from migfix.reading.rows.querysets import Resolver
from migfix.sql.kinds import DIMENSIONS, FOREIGN_KEYS, is_file

# Names of ``Model`` itself, which are no plain attributes even when a migration sets them.
_OWN_NAMES = frozenset(
    "pk objects save save_base delete full_clean clean clean_fields refresh_from_db validate_unique "
    "validate_constraints serializable_value get_deferred_fields from_db check".split()
)
# Options of Django whose texts name no column of the row: one may be called so by chance.
_SHOWN = frozenset(
    "choices db_collation db_column db_comment db_tablespace default error_messages help_text "
    "related_name related_query_name to_field upload_to verbose_name".split()
)


def check_plain(loop: Loop, model: ModelState, columns: Mapping[str, FieldState]) -> None:
    """No code of the project in the class that could read any column. Raises ``Refused``."""
    for caveat in gates.caveats_of(model, loop, columns):
        if caveat.reason is Reason.CUSTOM_BASE:
            raise Refused.by(caveat)
    # __str__ and __eq__ run where a historical row would show or compare its key.
    special = sorted(name for name in _names_of_bases(loop, model) if name.startswith("__"))
    if special:
        raise Refused(
            Reason.CUSTOM_BASE, f"{special[0]}() of a base of {model.label} may read any column"
        )
    names = {column.name for column in columns.values()}
    saves = model is not loop.model or bool(loop.used(uses.Kind.SAVE))
    for column in columns.values():
        sizes = [column.options.get(option) for option in DIMENSIONS]
        unclear = column.kind == "ImageField" and any(isinstance(s, Unknown) for s in sizes)
        waits = column.behind is not None and column.behind.only_saves and not saves
        naming = column.kind is None and not names.isdisjoint(_texts(column))
        if unclear or (naming and not waits):
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"`{column.name}` reads and sets other columns by itself"
            )


def _names_of_bases(loop: Loop, model: ModelState) -> set[str]:
    """What the plain classes among the bases define."""
    bases = {base for each in lineage(model, loop) for base in each.bases}
    plain = (b for b in bases if isinstance(b, str) and b != "django.db.models.Model")
    return {name for base in plain for name in loop.state.base_class(base).names}


def _texts(column: FieldState) -> Iterator[str]:
    """The options that may name other columns: ``populate_from``, ``currency_field``..."""
    for option, value in column.options.items():
        if option in _SHOWN:
            continue
        items = value if isinstance(value, tuple) else (value,)
        yield from (item for item in items if isinstance(item, str))


def with_dimensions(needed: Iterable[str], columns: Mapping[str, FieldState]) -> Iterator[str]:
    """The names, and for each image those of the columns that it fills when a row is made."""
    for name in needed:
        yield name
        if columns[name].kind == "ImageField":
            sizes = (columns[name].options.get(option) for option in DIMENSIONS)
            yield from (size for size in sizes if isinstance(size, str))


def needed_fields(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    """The names of the fields that the queryset and the body read or write. Raises ``Refused``."""
    yield from _link_to_parent(loop, model)
    yield from _prefetched(loop, model)
    for use in loop.uses:
        with loop.locating(use.node):
            yield from _needed_by(use, loop, model, columns)
    if loop.bulk_update and loop.given_to_batches:
        known = _known_columns(loop.bulk_update.fields, columns)
        if known is None:
            raise Refused(Reason.FIELD_UNKNOWN, "what bulk_update() writes is not known")
        yield from known


def _needed_by(
    use: uses.Use, loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    match use.kind:
        case uses.Kind.ESCAPE:
            yield from _updated_in_bulk(use, loop, columns)
        case uses.Kind.DELETE:
            yield from _read_by_delete(loop, model, columns)
        case uses.Kind.READ | uses.Kind.WRITE:
            yield from field_of(use, loop, model, columns)
        case uses.Kind.SAVE:
            yield from named_by_save(use, columns)
        case uses.Kind.LINK:
            check_not_read_again(use, _names_back(loop, model), loop)
            yield from targets(loop, model)
        case uses.Kind.KEY:
            yield from targets(loop, model)


def _link_to_parent(loop: Loop, model: ModelState) -> Iterator[str]:
    """Rows of ``parent.items`` read the foreign key to the parent, which they know.

    Before Django 6.1 a deferred one would be fetched for each row.
    """
    assert isinstance(loop.rows, Rows)
    if loop.rows.manager.related:
        for each in lineage(model, loop):
            for field in each.fields:
                if relations.accessor(each, field) == loop.rows.manager.name:
                    yield from [field.name] if field.kind in FOREIGN_KEYS else []


def _prefetched(loop: Loop, model: ModelState) -> Iterator[str]:
    """What ``prefetch_related()`` reads of the rows themselves. Raises ``Refused``."""
    for lookup in prefetches(loop):
        first, *more = lookup.split("__")
        if not (_names_back(loop, model) | _one_to_ones(loop, model)).isdisjoint(more):
            raise Refused(Reason.PREFETCH, f"`{lookup}` prefetches through rows of the loop itself")
        if relations.forward_target(loop.state, model.key, first):
            yield first
        elif _leads_to_others(first, loop, model):
            yield from targets(loop, model)
        else:
            raise Refused(Reason.PREFETCH, f"what prefetching `{lookup}` reads is not known")


def prefetches(loop: Loop) -> Iterator[str]:
    """The lookups of ``prefetch_related()``. Raises ``Refused`` where they are more than names."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        for argument in step.call.args if step.name == "prefetch_related" and step.call else []:
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise Refused(Reason.PREFETCH, "what is prefetched is not given by its name alone")
            yield argument.value


def _leads_to_others(name: str, loop: Loop, model: ModelState) -> bool:
    """Is it a many-to-many field, or the name of rows that point here?"""
    related = relations.related_model(loop.state, model.key, name)
    return bool(related or relations.one_pointing_to(loop.state, model.key, name))


def field_of(
    use: uses.Use, loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    """The columns that a READ or WRITE of the row needs. Raises ``Refused`` where they are not known."""
    column = columns.get(use.field)
    if column is not None and column.has_column is not True:
        raise Refused(Reason.FIELD_UNKNOWN, f"whether `{use.field}` is one column is not known")
    if use.kind is uses.Kind.WRITE and (use.field == "pk" or (column and column.primary_key)):
        raise Refused(
            Reason.PRIMARY_KEY, f"`{use.field}` is the primary key: the row becomes another one"
        )
    if column is not None:
        _check_own_method(use, column)
        _check_file(use, column, loop)
        if column.kind == "OneToOneField" and use.field == column.name:
            _check_one_to_one(use, column, loop, model)
        yield column.name
    elif _leads_to_others(use.field, loop, model):
        check_not_read_again(use, _names_back(loop, model), loop)
        yield from targets(loop, model)
    elif use.field not in {"pk", *_annotated(loop)}:
        _check_plain_attribute(use.field, loop, model)


def _check_own_method(use: uses.Use, column: FieldState) -> None:
    """``row.get_status_display()`` may be a method of the field's class. Raises ``Refused``."""
    own = column.behind is not None and column.behind.displays
    if own and isinstance(use.node, ast.Attribute) and use.node.attr != use.field:
        raise Refused(
            Reason.FIELD_UNKNOWN,
            f"{use.node.attr}() is of {column.class_path}, which may read any column",
        )


def _check_one_to_one(use: uses.Use, column: FieldState, loop: Loop, model: ModelState) -> None:
    """``profile.user`` knows its profile, ``profile.parent_ptr`` is made of columns. Raises ``Refused``."""
    parents = {base for each in lineage(model, loop) for base in each.bases}
    if column.options.get("parent_link", False) is not False or column.target in parents:
        raise Refused(
            Reason.INHERITANCE, f"`{column.name}` is made of the columns of the row itself"
        )
    check_not_read_again(use, _names_for_one(column, model), loop)


def _names_for_one(column: FieldState, model: ModelState) -> frozenset[str]:
    given = column.options.get("related_name", "")
    if not isinstance(given, str):
        raise Refused(Reason.ROW_ESCAPES, f"the row may be read again through `{column.name}`")
    name = relations.name_of_one(model, column)
    return frozenset({name} if name else ())


def _annotated(loop: Loop) -> Iterator[str]:
    """The attributes that the query adds to its rows."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if step.name == "annotate" and step.call is not None:
            yield from (k.arg for k in step.call.keywords if k.arg)


def _check_plain_attribute(name: str, loop: Loop, model: ModelState) -> None:
    """It must be something that the body itself hangs on its row. Raises ``Refused``."""
    own = name.startswith("__") or name in {"_state", "_meta"} or name in _OWN_NAMES
    own = own or name in _names_of_bases(loop, model)
    if own or not any(use.field == name for use in loop.used(uses.Kind.WRITE)):
        raise Refused(Reason.FIELD_UNKNOWN, f"`{name}` is not a column of {model.label} here")


def _check_file(use: uses.Use, column: FieldState, loop: Loop) -> None:
    """``row.file.save(...)`` and ``row.file.delete()`` save the row, too.

    A file that another row is given belongs to that row from then on.
    """
    if not is_file(column) or use.kind is uses.Kind.WRITE:
        return
    if isinstance(use.node, ast.expr) and use.place is not None:
        found = {inner.kind for inner in uses.uses_at(use.node, use.place)}
        if found <= {uses.Kind.KEY, uses.Kind.LINK}:
            return
    module = use.place.resolver.module if use.place is not None else loop.module
    parent = module.scope.parents[use.node]
    reads = isinstance(parent, ast.Attribute) and parent.attr not in {"save", "delete"}
    if not reads:
        raise Refused(Reason.SAVE_SIDE_EFFECT, f"methods of the file `{column.name}` save the row")


def targets(loop: Loop, model: ModelState) -> Iterator[str]:
    """The columns, other than the key, that foreign keys to the model hold (``to_field``)."""
    for each in lineage(model, loop):
        for _, field in loop.state.relations_to(each.key).found:
            target = field.options.get("to_field")
            if isinstance(target, str):
                yield target


def _read_by_delete(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    """``delete()`` looks for the rows that point here. Raises ``Refused``.

    What foreign keys point to is unique, which bounds those that are not known of.
    """
    if gates.inherited(loop) is not None:
        raise Refused(Reason.INHERITANCE, "delete() reads every column of the parent's table")
    if any(map(is_full_save, loop.used(uses.Kind.SAVE))):
        raise Refused(
            Reason.QUERY_IN_BODY, "save() of a row that delete() took writes every column anew"
        )
    if loop.state.relations_to(model.key).incomplete:
        yield from (c.name for c in columns.values() if c.unique is not False)
    else:
        yield from targets(loop, model)


def _names_back(loop: Loop, model: ModelState) -> frozenset[str]:
    """The foreign keys by which other rows know the row."""
    return frozenset(
        field.name
        for each in lineage(model, loop)
        for _, field in loop.state.relations_to(each.key).found
    )


def _one_to_ones(loop: Loop, model: ModelState) -> frozenset[str]:
    """What the rows at the other ends of one-to-ones call the row."""
    return frozenset(
        name
        for each in lineage(model, loop)
        for field in each.fields
        if field.kind == "OneToOneField" and (name := relations.name_of_one(each, field))
    )


def _updated_in_bulk(use: uses.Use, loop: Loop, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """What is written of rows that a list collects for ``bulk_update()`` alone. Raises ``Refused``."""
    scope = loop.resolver.scope
    match use.node, scope.parents.get(use.node):
        case ast.Name(), ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[_], keywords=[]
        ):
            if found := _known_columns(_fields_of_list(name, loop) or (), columns):
                yield from found
                return
    assert use.place is not None
    resolver = use.place.resolver
    at = loop.at(use.node)
    text = resolver.module.source.lines[at.line - 1].strip()
    raise Refused(Reason.ROW_ESCAPES, f"{at} may read any column: `{text}`", at)


def _known_columns(fields: Sequence[str], columns: Mapping[str, FieldState]) -> list[str] | None:
    """The names of these fields; None where there are none, or one is no column for certain."""
    known = [columns[each] for each in fields if each in columns]
    certain = len(known) == len(fields) and all(c.has_column is True for c in known)
    return [column.name for column in known] if known and certain else None


def _fields_of_list(name: str, loop: Loop) -> list[str] | None:
    """The fields of every ``bulk_update(name, [...])``; None where the list has any other use."""
    scope = loop.resolver.scope
    bindings = scope.bindings.get(name, [])
    empty = all(isinstance(b.value, ast.List) and not b.value.elts for b in bindings)
    if not bindings or not empty or name in scope.shared:
        return None
    fields: list[str] = []
    for load in scope.loads(name, ast.Del):
        parent = scope.parents[load]
        call = scope.parents[parent]
        match parent, call:
            case ast.Attribute(attr="append" | "clear"), ast.Call() if call.func is parent:
                continue
            case ast.Call(func=ast.Name(id="len")), _ if loop.module.is_builtin("len"):
                continue
            case ast.Call(func=ast.Attribute(attr="bulk_update")), _:
                named = fields_of_call(parent, load, loop)
                if named is None:
                    return None
                fields += named
            case _:
                if not uses.is_only_looked_at(load, scope.parents):
                    return None
    return fields


def fields_of_call(call: ast.AST, rows: ast.Name, loop: Loop) -> list[str] | None:
    """The literal fields of ``Post.objects.bulk_update(rows, [...])`` of the loop's own model."""
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    found = loop.resolver.value(call.func.value)
    manager = found.manager if isinstance(found, Rows) else found
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[1] if len(call.args) == 2 else named.pop("fields", None)
    own = isinstance(manager, Manager) and manager.model == loop.rows.model
    if not own or call.args[:1] != [rows] or given is None or set(named) - {"batch_size"}:
        return None
    return texts_in(given, loop.resolver)


def is_full_save(use: uses.Use) -> bool:
    return _update_fields(use) is None


def _update_fields(use: uses.Use) -> ast.expr | None:
    """The expression of ``update_fields``; None for a ``save()`` of every loaded column."""
    keywords = use.node.keywords if isinstance(use.node, ast.Call) else []
    found = next((k.value for k in keywords if k.arg == "update_fields"), None)
    return None if isinstance(found, ast.Constant) and found.value is None else found


def named_by_save(use: uses.Use, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """``save(update_fields=...)`` reads what it names, if nothing else did. Raises ``Refused``."""
    named = _update_fields(use)
    if named is None:
        return
    assert isinstance(use.node, ast.Call) and use.place is not None
    if use.node.args or {keyword.arg for keyword in use.node.keywords} - {"update_fields", "using"}:
        raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with more than update_fields")
    names = texts_in(named, use.place.resolver)
    if names is None:
        raise Refused(Reason.SAVE_ARGUMENTS, "the names in update_fields are not literals")
    for name in names:
        column = columns.get(name)
        if column is None or column.has_column is not True:
            raise Refused(Reason.SAVE_ARGUMENTS, "a name in update_fields is no known column")
        yield column.name


def texts_in(node: ast.expr, resolver: Resolver) -> list[str] | None:
    """Every text that a list may hold: one written out, or a name for one that only grows by texts."""
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            values = [item.value if isinstance(item, ast.Constant) else None for item in items]
            names = [value for value in values if isinstance(value, str)]
            return names if len(names) == len(values) else None
        case ast.Name(id=name):
            return _texts_of_name(name, resolver)
    return None


def _texts_of_name(name: str, resolver: Resolver) -> list[str] | None:
    scope = resolver.scope
    bindings = scope.bindings.get(name, [])
    if not bindings or name in scope.shared:
        return None
    found: list[str] = []
    for binding in bindings:
        display = isinstance(binding.value, (ast.List, ast.Tuple, ast.Set))
        more = texts_in(binding.value, resolver) if display and binding.value else None
        if more is None or binding.position is not None:
            return None
        found += more
    for load in scope.loads(name):
        added = _added(load, scope.parents, resolver)
        if added is None:
            return None
        found += added
    return found


def _added(load: ast.Name, parents: dict[ast.AST, ast.AST], resolver: Resolver) -> list[str] | None:
    """The texts that a use of a list's name puts into the list; None where it may put in anything."""
    parent = parents[load]
    match parent, parents[parent]:
        case ast.Attribute(attr="append" | "add"), ast.Call(args=[text]):
            return texts_in(ast.List([text], ast.Load()), resolver)
        case ast.Attribute(attr="extend" | "update"), ast.Call(args=[ast.List() as texts]):
            return texts_in(texts, resolver)
        case ast.keyword(arg="update_fields" | "fields"), ast.Call(func=ast.Attribute()):
            return []
        case ast.Call(func=ast.Attribute(attr="bulk_update")), _:
            return []
    return [] if uses.is_only_looked_at(load, parents) else None
