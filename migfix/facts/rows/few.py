"""Whether a loop goes over so few rows that there is little to gain."""

from __future__ import annotations

import ast

from migfix.facts.loop import Loop
from migfix.facts.rows.pages import Page, fault_of, page_of
from migfix.findings import Reason, Refusal
from migfix.reading.kinds.values import Rows, Step
from migfix.reading.names.scopes import Binding
from migfix.reading.rows.sql import small_result

# Tables of Django that hold one row for each model, host or role.
_SMALL_TABLES = frozenset(
    {("contenttypes", "contenttype"), ("auth", "permission"), ("auth", "group"), ("sites", "site")}
)


def few_rows_of_sql(text: str | None, loop: Loop) -> Refusal | None:
    small = small_result(text) if text is not None else None
    return _per_parent(loop) or (Refusal(Reason.FEW_ROWS, small) if small else None)


def _per_parent(loop: Loop) -> Refusal | None:
    if loop.outer_row_loop is None:
        return None
    at = loop.at(loop.outer_row_loop)
    return Refusal(
        Reason.PER_PARENT,
        f"each turn of the loop on {at} reads a few rows of its own: streaming gains nothing",
        at,
    )


def holds_few_rows(loop: Loop, *, of_page: bool = False) -> Refusal | None:
    """Why there is little to gain: the rows are few. Those of a large page are few only to be read, not ``of_page``
    to be written.
    """
    page = page_of(loop)
    if page is not None:
        few = _one_page(page, loop)
        return fault_of(page, loop) or (None if of_page and page.holds_many else few)
    if refusal := _per_parent(loop):
        return refusal
    assert isinstance(loop.rows, Rows)
    if loop.rows.manager.related and not _hangs_on_one_row(loop):
        return Refusal(Reason.PER_PARENT, "the rows are the few that belong to one other row")
    if loop.rows.has("[]"):
        return Refusal(Reason.FEW_ROWS, "the queryset is sliced: it is one page of the rows")
    small = loop.rows.model.key in _SMALL_TABLES
    if small or loop.rows.has("dates", "datetimes", "none") or any(map(_by_key, loop.rows.steps)):
        return Refusal(
            Reason.FEW_ROWS, "the queryset holds few rows by its nature: streaming gains nothing"
        )
    return None


def _one_page(page: Page, loop: Loop) -> Refusal:
    if any(step.node is page.node for step in getattr(loop.rows, "steps", ())):
        return Refusal(Reason.FEW_ROWS, "the queryset is sliced: it is one page of the rows")
    at = loop.at(page.around)
    why = f"the loop on {at} brings their keys some at a time: the rows are one page of them"
    return Refusal(Reason.FEW_ROWS, why, at)


def _hangs_on_one_row(loop: Loop) -> bool:
    """Was the row whose manager this is fetched by itself, and with nothing prefetched?"""
    binding = _binding_at_root(loop.queryset, loop.node, loop)
    while binding and binding.value and isinstance(loop.resolver.value(binding.value), Rows):
        binding = _binding_at_root(binding.value, binding.statement, loop)
    match binding.value if binding else None:
        case ast.Call(func=ast.Attribute(value=source)):
            rows = loop.resolver.value(source)
            return not (isinstance(rows, Rows) and rows.has("prefetch_related"))
    return False


def _binding_at_root(node: ast.expr, at: ast.AST, loop: Loop) -> Binding | None:
    """What bound the name that a chain such as ``name.rows.all()`` begins with."""
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return loop.resolver.scope.binding(node.id, at) if isinstance(node, ast.Name) else None


def _by_key(step: Step) -> bool:
    """``.filter(pk=...)``: one row."""
    keywords = step.call.keywords if step.call and step.name in {"filter", "get"} else []
    return any(keyword.arg in {"pk", "id"} for keyword in keywords)
