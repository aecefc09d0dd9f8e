"""What must hold before a loop's saves or deletes can become one query, whatever its body assigns."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping

from migfix.expressions.context import Refused, SqlValue
from migfix.expressions.preconditions import sources
from migfix.expressions.preconditions.signalling import sent
from migfix.facts.access import Access, by_name
from migfix.facts.body import uses
from migfix.facts.body.effects import Effect
from migfix.facts.body.effects import Kind as EffectKind
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import base_caveats, imported, lineage, reading_caveats
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.project.signals import ALL, BEFORE_SAVE, DELETE, INIT, SAVE
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.scopes import walk
from migfix.reading.rows.querysets import PLAIN_MANAGERS, row_of


def check_all(loop: Loop, verb: str) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """What ``update()`` and ``delete()`` both ask of a loop: see ``check_model``. Raises ``Refused``."""
    check_rows(loop)
    sources.check_source(loop, verb)
    model, columns, caveats = check_model(loop)
    check_manager(loop, model)
    return model, columns, caveats


def check_rows(loop: Access) -> None:
    """The rows must come from a queryset, as only that has ``update()`` and ``delete()``. Raises ``Refused``."""
    if not isinstance(loop.rows, Rows):
        raise Refused(Reason.RAW_SQL, f"the rows come from {loop.rows.what}")


def check_model(loop: Access) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """The loop's model, its columns and what may differ because of them. Raises ``Refused``."""
    check_rows(loop)
    assert isinstance(loop.rows, Rows)
    if loop.rows.model.real:
        raise Refused.by(imported(loop.rows.model))
    model, columns = loop.model, loop.columns
    if isinstance(model, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the model is not known: {model.why}")
    if isinstance(columns, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the columns are not known: {columns.why}")
    named = by_name(columns)
    return model, named, list(caveats_of(model, loop, named))


def known_model(model: Model, loop: Loop, what: str) -> tuple[ModelState, Mapping[str, FieldState]]:
    """A model that the body names, and its columns; ``what`` it is, for the message. Raises ``Refused``."""
    if model.real:
        raise Refused.by(imported(model, what))
    known = loop.state.model(*model.key) if model.key else Unknown("it is not named by literals")
    columns = loop.columns_of(model.key) if model.key else None
    if isinstance(known, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"{what} is not known: {known.why}")
    if columns is None:
        raise Refused(Reason.MODEL_UNKNOWN, f"the columns of {known.label} are not known")
    return known, columns


def caveats_of(
    model: ModelState, loop: Access, columns: Mapping[str, FieldState]
) -> Iterator[Refusal]:
    """What may differ because of what the model is. Raises ``Refused``."""
    for each in lineage(model, loop):
        yield from base_caveats(each, loop, columns)
        yield from _model_caveats(each)


def _model_caveats(model: ModelState) -> Iterator[Refusal]:
    if model.unverified:
        yield Refusal(Reason.MODEL_UNVERIFIED, model.unverified)
    if model.options.get("managed", True) is not True:
        yield Refusal(
            Reason.MODEL_UNVERIFIED, f"the table of {model.label} is not managed by Django"
        )
    if "base_manager_name" in model.options:
        yield Refusal(Reason.CUSTOM_MANAGER, f"{model.label} saves through its own base manager")


def inherited(loop: Access) -> str | None:
    """The table beside the model's own that holds columns of its rows; None if there is none."""
    if isinstance(loop.model, Unknown):
        return None
    for each in lineage(loop.model, loop):
        base = next((base for base in each.bases if isinstance(base, tuple)), None)
        if base is not None and each.proxy is not True:
            return ".".join(base)
    return None


def inheritance_caveats(loop: Loop, updates: Iterable[SqlValue]) -> Iterator[Refusal]:
    """An ``update()`` over several tables reads the keys first. Raises ``Refused`` where it cannot."""
    base = inherited(loop)
    if base is None:
        return
    if any(value.is_expression for value in updates):
        raise Refused(
            Reason.INHERITANCE,
            f"{loop.model_label} inherits from the table of {base}: update() sets constants alone there",
        )
    yield Refusal(
        Reason.INHERITANCE,
        f"{loop.model_label} inherits from the table of {base}: update() reads all keys first, and "
        "SQLite fails on more than it has variables for",
    )


_SAVING = frozenset("create update bulk_create bulk_update get_or_create update_or_create".split())
# What a body does besides of which nobody hears by a signal, but where rows are made.
_SENDING_NOTHING = frozenset({EffectKind.OUTPUT, EffectKind.READS, EffectKind.LEAVES})
_READING = "it may read any column, by a query for each row"
_SETTING = "it may set a column that is not loaded, which save() then does not write"
_LOOKING = "it may look for rows that wait to be written"
MADE_LATER = "rows are then made in turns of the loop, not all before it"


def signal_caveats(loop: Loop, model: ModelState | None) -> Iterator[Refusal]:
    """``update()`` of rows of the model makes no instances and sends no signals, those of historical models
    neither.
    """
    why = "what save() and the making of rows send it, update() does not"
    yield from _heard(loop, INIT, why)
    yield from _heard(loop, SAVE, why, model if _is_dressed_here(loop) else None)


def init_caveats(loop: Loop, otherwise: str) -> Iterator[Refusal]:
    """What happens ``otherwise`` to those who hear of each row that is made."""
    if row_of(loop.rows) is None:
        return
    yield from _heard(loop, INIT, otherwise)
    if isinstance(loop.model, ModelState):
        for caveat in reading_caveats(loop.model, loop):
            yield Refusal(caveat.reason, f"{caveat.message}: {otherwise}")


def delete_caveats(loop: Loop) -> Iterator[Refusal]:
    """A ``delete()`` of several rows sends ``pre_delete`` for all before any is gone, and tests its
    conditions on rows as they are stored.
    """
    yield from _heard(loop, INIT | DELETE, "one delete() sends it signals in another order")


def save_caveats(loop: Loop, *, full: bool) -> Iterator[Refusal]:
    """Batches send no signals. Who hears of rows that are made may set what a ``full`` save() writes, and who
    hears of any rows may look for those that wait.
    """
    model = _only_sender(loop)
    yield from _heard(loop, SAVE, "each save() sends it signals, a batch none", model)
    if full:
        yield from _heard(loop, INIT, "save() writes what it sets on a row, a batch does not")
    elif model is None or _makes_rows(loop):
        yield from _heard(loop, INIT, _LOOKING)
    if any(_may_unlink(each, loop) for each in loop.effects):
        yield from _heard(loop, ALL - SAVE - INIT, _LOOKING)


def waiting_caveats(loop: Loop, besides: Collection[ast.AST]) -> Iterator[Refusal]:
    """Who hears of rows that the loop makes, saves or deletes may look for those that wait for the calls ``besides``."""
    others = [each for each in loop.having(EffectKind.WRITES) if each.node not in besides]
    if others or loop.used(uses.Kind.SAVE, uses.Kind.DELETE):
        yield from _heard(loop, ALL, _LOOKING)
    elif _makes_rows(loop):
        yield from _heard(loop, INIT, _LOOKING)


def link_caveats(loop: Loop, besides: Collection[ast.AST]) -> Iterator[Refusal]:
    """Who hears of each pair that ``add()`` makes; besides, what ``waiting_caveats`` says."""
    yield from _heard(loop, INIT | {"m2m_changed"}, "it hears of each pair that add() makes")
    yield from waiting_caveats(loop, besides)


def _makes_rows(loop: Loop) -> bool:
    """May a turn make rows: its own, those of a query, one at the other end of a foreign key?"""
    columns = loop.columns_of(loop.model.key) if isinstance(loop.model, ModelState) else None
    lazy = isinstance(loop.rows, Rows) and loop.rows.has("iterator")
    return (
        lazy
        or bool(loop.having(EffectKind.READS))
        or any(
            use.field not in {column.attname for column in (columns or {}).values()}
            for use in loop.used(uses.Kind.READ)
        )
    )


def _may_unlink(effect: Effect, loop: Loop) -> bool:
    """May it change pairs of rows, or delete rows? Code that is not known is told of elsewhere."""
    found, resolver = effect.inside or (effect, loop.resolver)
    match found.node:
        case ast.Call(func=ast.Attribute(attr="save")):
            return False
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _SAVING:
            value = resolver.value(owner)
            manager = value.manager if isinstance(value, Rows) else value
            return not isinstance(manager, Manager) or manager.related
    return effect.kind is EffectKind.WRITES


def unheard_doubts(loop: Loop, *, full: bool) -> Iterator[Refusal]:
    """Who is handed the row by a signal and may read all of it.

    Raises ``Refused`` where they hear of each row that is made: to read a column that is not loaded makes another; and
    where they hear of it before a ``full`` save(), which has chosen by then to write the loaded columns alone:
    https://docs.djangoproject.com/en/stable/ref/models/querysets/#defer
    """
    model = _only_sender(loop)
    for setting in _heard(loop, BEFORE_SAVE, _SETTING, model) if full else ():
        raise Refused.by(setting)
    own = INIT | SAVE if loop.used(uses.Kind.SAVE) else INIT
    every = [*sent(loop)] if model is None else [(own, model)]
    if any([*_heard(loop, signals & INIT, "", sender)] for signals, sender in every):
        for signals, sender in every:
            for heard in _heard(loop, signals, "it may read any column", sender):
                raise Refused.by(heard)
    for signals, sender in every:
        yield from _heard(loop, signals - INIT, _READING, sender)


def _heard(
    loop: Loop, signals: frozenset[str], why: str, model: ModelState | None = None
) -> Iterator[Refusal]:
    """Who hears signals of rows of the model, or with None of any."""
    if (hears := loop.listener(signals, model, loop.state)) is not None:
        yield Refusal(Reason.SIGNALS, f"{hears}: {why}")


def _only_sender(loop: Loop) -> ModelState | None:
    """The loop's model where the body sends signals of its rows alone, and these hang on no others; else None."""
    if not isinstance(loop.model, ModelState) or not _is_dressed_here(loop):
        return None
    columns = loop.columns_of(loop.model.key) or {}
    saves = {use.node for use in loop.used(uses.Kind.SAVE)}
    known = all(
        use.kind in {uses.Kind.SAVE, uses.Kind.KEY}
        or (use.kind in {uses.Kind.READ, uses.Kind.WRITE} and _is_plain_column(use.field, columns))
        for use in loop.uses
    )
    quiet = all(each.node in saves or each.kind in _SENDING_NOTHING for each in loop.effects)
    joined = isinstance(loop.rows, Rows) and loop.rows.has("select_related", "prefetch_related")
    return loop.model if known and quiet and not joined else None


def _is_dressed_here(loop: Loop) -> bool:
    """Does nobody but the code of the file give its rows more attributes?"""
    return loop.row is not None and all(
        use.kind is not uses.Kind.ESCAPE
        and use.place is not None
        and use.place.resolver.module is loop.module
        for use in loop.uses
    )


def _is_plain_column(name: str, columns: Mapping[str, FieldState]) -> bool:
    """Is it a column that leads to no row which knows this one?"""
    column = columns.get(name)
    return name == "pk" or (column is not None and column.kind not in {"OneToOneField", None})


def check_manager(loop: Access, model: ModelState) -> None:
    """Only plain managers: a custom queryset may override ``update()`` or ``delete()``."""
    assert isinstance(loop.rows, Rows)
    manager = loop.rows.manager
    if isinstance(model.managers, Unknown):
        raise Refused(Reason.CUSTOM_MANAGER, f"the managers of {model.label}: {model.managers.why}")
    plain = model.has_plain_managers or manager.name == "_base_manager"
    if not plain or (not manager.related and manager.name not in PLAIN_MANAGERS):
        raise Refused(
            Reason.CUSTOM_MANAGER, f"`{manager.name}` of {model.label} is a manager of the project"
        )
    if manager.related and _may_be_prefetched(loop):
        raise Refused(
            Reason.PREFETCH,
            f"`{manager.name}` may hold rows that were prefetched, as they were then",
        )


def _may_be_prefetched(loop: Access) -> bool:
    """``parent.items.all()`` reads what was prefetched, any other query does not."""
    assert isinstance(loop.rows, Rows)
    if any(step.name not in {"all", "[]"} for step in loop.rows.steps):
        return False
    names = (getattr(node, "attr", getattr(node, "id", "")) for node in walk(loop.module.tree))
    return any("prefetch" in name.lower() for name in names)
