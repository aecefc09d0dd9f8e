"""``count += 1`` beside a save(): the number that ``update()`` returns, where it is the same.

``update()`` returns how many rows it matched, each once:
https://docs.djangoproject.com/en/stable/ref/models/querysets/#update
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from migfix.expressions.context import Refused, SqlValue
from migfix.expressions.path import Path
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import Unknown
from migfix.reading.kinds.values import Manager, Rows, Step
from migfix.reading.rows.lookups import Route, route, sorting_route
from migfix.source import last_name

# Of several rows, in whatever order these are read.
AGGREGATES = frozenset({"Count", "Min", "Max", "Sum", "Avg"})


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
    """May a join bring a row more than once? A lookup through a relation that is not to one row.

    DISTINCT looks at all columns that are loaded, those of annotations and those that sort among them:
    https://docs.djangoproject.com/en/stable/ref/models/querysets/#distinct
    """
    assert isinstance(loop.rows, Rows)
    if not loop.rows.has("order_by") and _ordering_may_join(loop):
        return True
    distinct = loop.rows.has("distinct")
    return any(
        _may_join(step, loop)
        for step in _steps(loop.rows, loop)
        if not distinct or step is None or not _adds_no_column(step)
    ) or (loop.rows.manager.related and not distinct)


def _adds_no_column(step: Step) -> bool:
    """Does it load nothing by itself, as conditions do?"""
    if step.name not in {"filter", "exclude", "alias"}:
        return False
    names = (last_name(n.func) for n in ast.walk(step.node) if isinstance(n, ast.Call))
    return "FilteredRelation" not in names  # which select_related() may load


def _steps(rows: Rows, loop: Loop) -> Iterator[Step | None]:
    """The steps of the queryset, and of the right one in ``left | right``; None for one that is not known."""
    for step in rows.steps:
        if step.name != "|":
            yield step
            continue
        right = loop.resolver.value(step.node.right) if isinstance(step.node, ast.BinOp) else None
        if isinstance(right, Rows) and not right.manager.related:
            yield from _steps(right, loop)
        elif not isinstance(right, Manager) or right.related:
            yield None


def _ordering_may_join(loop: Loop) -> bool:
    """The same for the order that the model gives its rows by itself."""
    if isinstance(loop.model, Unknown):
        return True
    ordering = loop.model.options.get("ordering", ())
    return not isinstance(ordering, tuple) or not all(
        _sorts_by_itself(name, loop) for name in ordering
    )


def _may_join(step: Step | None, loop: Loop) -> bool:
    if step is None:
        return True
    if step.name in {"all", "only", "defer", "using", "iterator", "list()", "reverse"}:
        return False
    if step.name in {"filter", "exclude"} and _compares_to_joined(step, loop):
        return True
    if step.name == "exclude":
        return False  # what leads to several rows is a subquery there
    if step.name in {"annotate", "alias"} and step.call is not None:
        values = [keyword.value for keyword in step.call.keywords]
        return bool(step.call.args) or any(_may_join_by(value, loop) for value in values)
    if step.name == "extra" and step.call is not None:
        given = {keyword.arg for keyword in step.call.keywords}
        return bool(step.call.args) or not given <= {"where", "params"}
    if step.name in {"values", "values_list"} and step.call is not None:
        names = [a.value if isinstance(a, ast.Constant) else None for a in step.call.args]
        given = {keyword.arg for keyword in step.call.keywords}
        return not given <= {"flat", "named"} or not all(_is_single(name, loop) for name in names)
    if step.name in {"distinct", "order_by"} and step.call is not None:
        return not all(_sorts_in_row(argument, loop) for argument in step.call.args)
    if step.name != "filter":
        return step.name not in {"select_related", "prefetch_related", "select_for_update"}
    return not all(_is_single(n, loop) or _is_annotated(n, step, loop) for n in step.lookups)


def _compares_to_joined(step: Step, loop: Loop) -> bool:
    """``filter(n__lte=F("lines__n"))``: may a value of the condition join? One behind a name as well."""
    given = [*step.call.args, *(k.value for k in step.call.keywords)] if step.call else []
    scope = loop.resolver.scope
    for node in [n for value in given for n in ast.walk(value)]:
        bound = scope.bindings.get(node.id, []) if isinstance(node, ast.Name) else []
        values = [b.value for b in bound if b.value is not None]
        calls = [value for value in [node, *values] if isinstance(value, ast.Call)]
        if any(_is_of_queries(call, loop) and _may_join_by(call, loop) for call in calls):
            return True
    return False


def _is_of_queries(call: ast.Call, loop: Loop) -> bool:
    """Is it an expression of Django's, of those that read no other query?"""
    path = loop.resolver.path_of(call.func) or ""
    return path.startswith("django.db.models.") and last_name(call.func) not in _OF_THEIR_OWN


# ``Q`` holds conditions, the others queries of their own.
_OF_THEIR_OWN = frozenset({"Q", "Subquery", "Exists", "OuterRef"})


def _may_join_by(value: ast.expr, loop: Loop) -> bool:
    """The same for an annotation: a column or function of each row does not, nor does one of a group.

    https://docs.djangoproject.com/en/stable/topics/db/aggregation/
    """
    if not isinstance(value, ast.Call):
        return not isinstance(value, ast.Constant)
    package, _, name = (loop.resolver.path_of(value.func) or "").rpartition(".")
    if package == "django.db.models" and name in AGGREGATES | {"Value"}:
        return False
    if name == "Random" or any(isinstance(k.value, ast.Constant) for k in value.keywords):
        return True  # of which no two are alike; a text may be the name of a column
    if package != "django.db.models.functions" and (package, name) != ("django.db.models", "F"):
        return True
    named = [argument for argument in value.args if isinstance(argument, ast.Constant)]
    others = [a for a in value.args if a not in named] + [k.value for k in value.keywords]
    return not all(_is_single(n.value, loop) for n in named if isinstance(n.value, str)) or any(
        _may_join_by(other, loop) for other in others
    )


def _sorts_in_row(order: ast.expr, loop: Loop) -> bool:
    """Does an order such as ``"-name"`` or ``F("name").desc()`` go by columns of the row alone?"""
    match order:
        case ast.Constant(value=name):
            return _sorts_by_itself(name, loop)
        case ast.Call(func=ast.Attribute(value=ast.Call() as inner, attr="asc" | "desc")):
            return not _may_join_by(inner, loop)
    return not _may_join_by(order, loop)


def _is_annotated(name: object, step: Step, loop: Loop) -> bool:
    """Does the lookup begin with a name that an annotation before gives? What that joins, it joins itself."""
    assert isinstance(loop.rows, Rows)
    if not isinstance(name, str):
        return False
    if step not in loop.rows.steps:  # of another query, whose annotations are its own
        return False
    before = loop.rows.steps[: loop.rows.steps.index(step)]
    calls = [each.call for each in before if each.name in {"annotate", "alias"} and each.call]
    return name.partition("__")[0] in {k.arg for call in calls for k in call.keywords}


def _sorts_by_itself(name: object, loop: Loop) -> bool:
    """Does it sort by a column of the row, or of one that it points to? ``"?"`` is a column of DISTINCT."""
    key = loop.rows.model.key if isinstance(loop.rows, Rows) else None
    if key is None or not isinstance(name, str) or name.endswith("?"):
        return False
    found = sorting_route(name, key, loop.state)
    return isinstance(found, Route) and not found.is_multiple


def _is_single(name: object, loop: Loop) -> bool:
    """Does the lookup stay in the row, or go over foreign keys alone?"""
    key = loop.rows.model.key if loop.rows.model else None
    if not isinstance(name, str) or key is None:
        return False
    found = route(name, key, loop.state)
    return isinstance(found, Route) and not found.is_multiple
