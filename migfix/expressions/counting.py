"""``count += 1`` beside a save(): the number that ``update()`` returns, where it is the same.

``update()`` returns how many rows it matched, each once:
https://docs.djangoproject.com/en/stable/ref/models/querysets/#update
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from migfix.expressions.context import Refused, SqlValue
from migfix.expressions.path import Path
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, Unknown
from migfix.loops.loop import Loop, by_name
from migfix.loops.values import Rows, Step


def counter_of(loop: Loop, paths: Sequence[Path]) -> str | None:
    """The one counter that is read after the loop, None if there is none. Raises ``Refused``."""
    read = [name for name in loop.names_used_after if name in loop.counters]
    if not read:
        return None
    name, *others = read
    if others:
        raise Refused(Reason.USED_AFTER, f"`{name}` and `{others[0]}` are used after the loop")
    for path in paths:
        if path.counted.get(name, 0) != (1 if path.saved else 0):
            raise Refused(
                Reason.USED_AFTER, f"`{name}` counts other rows than those that are saved"
            )
    if _reads_inside(name, loop):
        raise Refused(Reason.OTHER_STATEMENTS, f"`{name}` is read inside of the loop")
    return name


def start_of(counter: str, loop: Loop) -> ast.stmt | None:
    """``count = 0`` right before the loop, None if that is not where the counter starts."""
    match loop.statement_before:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=0)) as statement:
            return statement if name == counter and loop.stands_alone(statement) else None
    return None


def _reads_inside(name: str, loop: Loop) -> bool:
    scope = loop.resolver.scope
    return any(scope.is_inside(load, loop.node) for load in scope.loads(name))


def check_counted(
    counter: str | None, paths: Sequence[Path], updates: Sequence[Mapping[str, SqlValue]]
) -> None:
    """Each row counts in one of the updates, given by their values. Raises ``Refused``."""
    for path in paths if counter else ():
        saved = path.saved or {}
        meeting = [each for each in updates if any(saved.get(n) == v for n, v in each.items())]
        if len(meeting) > 1:
            raise Refused(
                Reason.USED_AFTER, f"`{counter}` counts a row once that several update()s match"
            )


def counting_caveats(loop: Loop, counter: str | None) -> Iterator[Refusal]:
    """What becomes of counters: one number may be another where joins bring a row twice."""
    if counter is not None and may_repeat_rows(loop):
        yield Refusal(
            Reason.USED_AFTER,
            f"`{counter}` counts a row once for every join, update() counts it once",
        )


def may_repeat_rows(loop: Loop) -> bool:
    """May a join bring a row more than once? A lookup through a relation that is not to one row."""
    assert isinstance(loop.rows, Rows)
    if any(_may_join(s, loop) for s in loop.rows.steps if s.name == "order_by"):
        return True  # DISTINCT takes what the rows are ordered by for a part of them
    if not loop.rows.has("order_by") and _ordering_may_join(loop):
        return True
    if loop.rows.manager.related or loop.rows.has("distinct"):
        return not loop.rows.has("distinct")
    return any(_may_join(step, loop) for step in loop.rows.steps)


def _ordering_may_join(loop: Loop) -> bool:
    """The same for the order that the model gives its rows by itself."""
    if isinstance(loop.model, Unknown) or isinstance(loop.columns, Unknown):
        return True
    ordering, columns = loop.model.options.get("ordering", ()), by_name(loop.columns)
    if not isinstance(ordering, tuple) or not all(isinstance(name, str) for name in ordering):
        return True
    names = [str(name).removeprefix("-") for name in ordering]
    return not all(_is_single(name, columns, loop) for name in names if name != "?")


def _may_join(step: Step, loop: Loop) -> bool:
    if step.name in {"all", "only", "defer", "using", "iterator", "list()", "reverse", "exclude"}:
        return False
    if step.name not in {"filter", "order_by"}:
        return step.name not in {"select_related", "prefetch_related", "select_for_update"}
    columns = {} if isinstance(loop.columns, Unknown) else by_name(loop.columns)
    names = [str(name).removeprefix("-") for name in step.lookups if name is not None]
    unclear = None in step.lookups and step.name == "filter"
    return unclear or not all(_is_single(name, columns, loop) for name in names if name != "?")


def _is_single(name: str, columns: Mapping[str, FieldState], loop: Loop) -> bool:
    """Does the lookup stay in the row, or go over foreign keys alone?"""
    first, _, rest = name.partition("__")
    column = columns.get(first)
    if column is None:
        return first == "pk" and bool(columns)
    if not rest or not isinstance(column.target, tuple):
        return True
    further = loop.columns_of(column.target) or {}
    part = rest.partition("__")[0]
    return part in _LOOKUPS if part not in further else _is_single(rest, further, loop)


_LOOKUPS = frozenset(
    "exact iexact in isnull gt gte lt lte contains icontains startswith istartswith endswith "
    "iendswith range regex iregex pk".split()
)
