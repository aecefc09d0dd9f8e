"""
The rows that a source asks for with literals, as ``Group.objects.get(name="Editors")`` does.

Values that are drawn column by column seldom meet in one row. What is read wrongly makes rows that are less to
the point, no more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import islice, product

from migfix.verify.worker.values.assigned import Assigned, called, parsed
from migfix.verify.worker.values.constants import Asked
from migfix.verify.worker.values.literals import literal

_ASKING = frozenset({"get", "filter"})
_OF_NATURAL_KEY = {"get_by_natural_key": ("app_label", "model")}
_EXACT = "__exact"
_MOST = 30


def asked_of(source: str) -> tuple[Asked, ...]:
    """The rows that the text of a migration asks for, each once. Raises SyntaxError where Python would."""
    tree = parsed(source)
    reader = _Reader(Assigned(tree))
    found: dict[str, Asked] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            for asked in reader.rows(node, node.func.value):
                found.setdefault(repr(asked), asked)
    return tuple(found.values())[:_MOST]


class _Reader:
    def __init__(self, assigned: Assigned) -> None:
        self._assigned = assigned

    def rows(self, call: ast.Call, receiver: ast.expr) -> Iterator[Asked]:
        names: list[str] = []
        given: list[ast.expr] = []
        if called(call) in _ASKING:
            for keyword in call.keywords:
                name = (keyword.arg or "").removesuffix(_EXACT)
                if name and "__" not in name and self._values(keyword.value):
                    names.append(name)
                    given.append(keyword.value)
        elif len(call.args) == len(natural := _OF_NATURAL_KEY.get(called(call), ())):
            names, given = [*natural], call.args
        if not names:
            return
        whole = len(names) == len(call.keywords) + len(call.args)
        one = called(call) != "filter" and whole
        for values in islice(product(*map(self._values, given)), _MOST):
            yield Asked(self._model(receiver), dict(zip(names, values, strict=True)), one)

    def _values(self, node: ast.expr) -> Sequence[object]:
        """The literals that an expression may be: itself, what its name is assigned or goes over."""
        if isinstance(node, ast.Name):
            values = [part for each in self._assigned[node.id] for part in _parts(each)]
        else:
            values = [node]
        found = [literal(each) for each in values]
        return [value for value in found if value is not None]

    def _model(self, node: ast.expr) -> str:
        """The lower name of the model that ``apps.get_model()`` gave to what a call is of; "" where none did."""
        while isinstance(node, (ast.Attribute, ast.Call)):
            if isinstance(node, ast.Call) and called(node) == "get_model" and node.args:
                return str(literal(node.args[-1]) or "").rpartition(".")[2].lower()
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name):
            calls = [each for each in self._assigned[node.id] if isinstance(each, ast.Call)]
            return next((name for each in calls if (name := self._model(each))), "")
        return ""


def _parts(node: ast.expr) -> Sequence[ast.expr]:
    return node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
