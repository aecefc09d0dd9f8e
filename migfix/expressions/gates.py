"""What must hold before a loop's saves or deletes can become one query, whatever its body assigns."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.loops.loop import Loop, by_name
from migfix.loops.querysets import PLAIN_MANAGERS
from migfix.loops.scopes import walk
from migfix.loops.values import Rows, Step

# Steps that do not change which rows there are; at the end of a chain they only matter to a loop.
_DROPPED = frozenset(
    "all order_by reverse select_related prefetch_related only defer iterator".split()
)
_KEPT = frozenset("all filter exclude using db_manager annotate alias distinct extra".split())
_ALLOWED = _DROPPED | _KEPT | {"select_for_update", "list()"}


def check_all(loop: Loop, verb: str) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """What ``update()`` and ``delete()`` both ask of a loop: see ``check_model``. Raises ``Refused``."""
    check_source(loop, verb)
    model, columns, caveats = check_model(loop)
    check_manager(loop, model)
    return model, columns, caveats


def check_model(loop: Loop) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """The loop's model, its columns and what may differ because of them. Raises ``Refused``."""
    if not isinstance(loop.rows, Rows):
        raise Refused(Reason.RAW_SQL, f"the rows come from {loop.rows.what}")
    if loop.rows.model.real:
        raise Refused(
            Reason.REAL_MODEL,
            "the model is imported, not taken from apps: its own save() and signals run",
        )
    model, columns = loop.model, loop.columns
    if isinstance(model, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the model is not known: {model.why}")
    if isinstance(columns, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the columns are not known: {columns.why}")
    named = by_name(columns)
    caveats: list[Refusal] = []
    for each in lineage(model, loop):
        caveats += [*_base_caveats(each, loop, named), *_model_caveats(each)]
    return model, named, caveats


def lineage(model: ModelState, loop: Loop) -> tuple[ModelState, ...]:
    """The model and, where it is a proxy, the models that it stands for. Raises ``Refused``."""
    parents = loop.state.parents(model)
    if isinstance(parents, Unknown):
        raise Refused(Reason.CUSTOM_BASE, f"a base of {model.label} is not known: {parents.why}")
    for each in (model, *parents):
        base = next((base for base in each.bases if isinstance(base, tuple)), None)
        if base is not None and each.proxy is not True:
            raise Refused(
                Reason.INHERITANCE, f"{each.label} inherits from the table of {'.'.join(base)}"
            )
        if any(field.kind == "CompositePrimaryKey" for field in each.fields):
            raise Refused(Reason.PRIMARY_KEY, f"{each.label} has a composite primary key")
    return (model, *parents)


def _base_caveats(
    model: ModelState, loop: Loop, columns: Mapping[str, FieldState]
) -> Iterator[Refusal]:
    """Plain classes among the bases stay in the historical class, with all that they define."""
    for base in model.bases:
        if isinstance(base, str) and base != "django.db.models.Model":
            found = loop.state.base_class(base)
            hidden = sorted(found.names & columns.keys())
            doubt = found.doubt or (f"which defines `{hidden[0]}` itself" if hidden else None)
            if doubt:
                yield Refusal(
                    Reason.CUSTOM_BASE, f"historical {model.label} has the base {base}, {doubt}"
                )


def _model_caveats(model: ModelState) -> Iterator[Refusal]:
    if model.unverified:
        yield Refusal(Reason.MODEL_UNVERIFIED, model.unverified)
    if model.options.get("managed", True) is not True:
        yield Refusal(
            Reason.MODEL_UNVERIFIED, f"the table of {model.label} is not managed by Django"
        )
    if "base_manager_name" in model.options:
        yield Refusal(Reason.CUSTOM_MANAGER, f"{model.label} saves through its own base manager")


def signal_caveats(loop: Loop) -> Iterator[Refusal]:
    """``update()`` sends no signals, and those of a historical model reach receivers without a sender."""
    if (receiver := loop.receiver_of_all()) is not None:
        yield Refusal(
            Reason.SIGNALS,
            f"{receiver} connects a receiver without a sender: save() sends it signals, update() none",
        )


def check_manager(loop: Loop, model: ModelState) -> None:
    """Only plain managers: a custom queryset may override ``update()`` or ``delete()``."""
    assert isinstance(loop.rows, Rows)
    manager = loop.rows.manager
    if isinstance(model.managers, Unknown):
        raise Refused(Reason.CUSTOM_MANAGER, f"the managers of {model.label}: {model.managers.why}")
    plain = not model.managers or manager.name == "_base_manager"
    if not plain or (not manager.related and manager.name not in PLAIN_MANAGERS):
        raise Refused(
            Reason.CUSTOM_MANAGER, f"`{manager.name}` of {model.label} is a manager of the project"
        )
    if manager.related and _may_be_prefetched(loop):
        raise Refused(
            Reason.PREFETCH,
            f"`{manager.name}` may hold rows that were prefetched, as they were then",
        )


def _may_be_prefetched(loop: Loop) -> bool:
    """``parent.items.all()`` reads what was prefetched, any other query does not."""
    assert isinstance(loop.rows, Rows)
    if any(step.name != "all" for step in loop.rows.steps):
        return False
    names = (getattr(node, "attr", getattr(node, "id", "")) for node in walk(loop.module.tree))
    return any("prefetch" in name.lower() for name in names)


def check_source(loop: Loop, verb: str) -> None:
    """The queryset must have a form that ``update()`` and ``delete()`` take. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if not _is_allowed(step, verb):
            raise Refused(
                Reason.QUERYSET_SHAPE,
                f"`{_shown(step)}` in the queryset: {verb}() would not be the same",
            )
    check_wrappers(loop)
    if loop.rows.has("list()"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    if _has(source(loop), loop, "iterator"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows come from an iterator made before the loop")
    if loop.node.orelse:
        raise Refused(Reason.LOOP_SHAPE, "the loop has an else")
    if loop.reuse:
        raise Refused(Reason.QUERYSET_REUSED, loop.reuse)
    if loop.used_after is not None:
        raise Refused(Reason.USED_AFTER, f"`{loop.used_after}` is used after the loop")


def check_wrappers(loop: Loop) -> None:
    """Only calls that hand on every row in the queryset's own order. Raises ``Refused``."""
    if set(loop.wrappers) - {"list", "tuple", "enumerate", "iter", "tqdm"}:
        raise Refused(Reason.LOOP_SHAPE, f"the loop goes over {loop.wrappers[0]}(...) of the rows")


def _is_allowed(step: Step, verb: str) -> bool:
    arguments = [*step.call.args, *step.call.keywords] if step.call else []
    match step.name:
        case "distinct":  # delete() after distinct() fails, update() after distinct("f") takes all
            return not arguments and verb != "delete"
        case "select_for_update":  # skip_locked leaves rows out, nowait fails
            return not arguments
        case "extra":  # select= may hide columns, tables= do not reach an UPDATE
            return all(
                isinstance(a, ast.keyword) and a.arg in {"where", "params"} for a in arguments
            )
    return step.name in _ALLOWED


def _shown(step: Step) -> str:
    return {"[]": "[a:b]", "|": "|"}.get(step.name, f".{step.name}()")


def source_text(loop: Loop) -> str:
    """The queryset without the links at its end that only matter to a loop.

    An order that a name holds is taken off: update() fails on one by an aggregate.
    """
    kept = source(loop)
    text = loop.text(kept)
    return f"{text}.order_by()" if _has(kept, loop, "order_by") else text


def source(loop: Loop) -> ast.expr:
    """The queryset, as ``source_text`` says it."""
    node = loop.queryset
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _DROPPED
    ):
        node = node.func.value
    return node


def _has(node: ast.expr, loop: Loop, step: str) -> bool:
    rows = loop.resolver.value(node, loop.node)
    return isinstance(rows, Rows) and rows.has(step)


def source_caveats(loop: Loop) -> Iterator[Refusal]:
    """What may differ because of where the rows come from and what surrounds the loop."""
    assert isinstance(loop.rows, Rows)
    if loop.databases.any("mysql") and any(_reads_table(s, loop) for s in loop.rows.steps):
        yield Refusal(
            Reason.QUERYSET_SHAPE, "MySQL cannot update a table that its own filter reads"
        )
    if "tqdm" in loop.wrappers:
        yield Refusal(Reason.OUTPUT, "the progress is no longer shown")
    if _swallows_errors(loop):
        yield Refusal(
            Reason.TRANSACTION,
            "an error in the middle is caught: the loop keeps the rows before it, one query keeps none",
        )


def _reads_table(step: Step, loop: Loop) -> bool:
    """MySQL rejects an UPDATE or DELETE whose WHERE selects from the same table (error 1093)."""
    assert isinstance(loop.rows, Rows)
    given = [*step.call.args, *(k.value for k in step.call.keywords)] if step.call else []
    inner = (loop.resolver.value(n) for v in given for n in walk(v) if isinstance(n, ast.expr))
    return any(isinstance(i, Rows) and i.model.key == loop.rows.model.key for i in inner)


def _swallows_errors(loop: Loop) -> bool:
    """Is the loop in a ``try`` with an ``except``, or in a ``with suppress(...)``?"""
    step: ast.AST = loop.node
    for ancestor in loop.resolver.scope.ancestors(loop.node):
        if isinstance(ancestor, ast.Try) and ancestor.handlers and step in ancestor.body:
            return True
        if isinstance(ancestor, (ast.With, ast.AsyncWith)) and not _are_atomic(ancestor, loop):
            return True
        step = ancestor
    return False


def _are_atomic(statement: ast.With | ast.AsyncWith, loop: Loop) -> bool:
    """``with transaction.atomic():`` and other managers that let every error through."""
    calls = [item.context_expr for item in statement.items]
    paths = [loop.module.path_of(c.func) for c in calls if isinstance(c, ast.Call)]
    return len(paths) == len(calls) and all(
        path is not None and path.startswith("django.db.transaction.") for path in paths
    )
