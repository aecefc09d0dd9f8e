"""Where a project changes classes of Django's own, which historical models and their querysets are made of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from migfix.source import last_name, nodes_of

_DJANGO_CLASSES = frozenset(
    {"Model", "ModelBase", "QuerySet", "Manager", "BaseManager", "Field", "Query"}
)
_OF_NO_ROWS = frozenset(
    "deconstruct formfield check creation_counter __str__ __repr__ __class_getitem__".split()
)
_CHANGE = re.compile(
    rb"\b(?:%b)(?:\.\w+ *(?:[=:,][^=]|\+=)| as )|\bsetattr\(\s*[\w.]*\b(?:%b)\b"
    % (("|".join(sorted(_DJANGO_CLASSES)).encode(),) * 2)
)
# Looked for first: ten times as fast.
_PERHAPS = (
    b"setattr(",
    *(f"{name}{end}".encode() for name in sorted(_DJANGO_CLASSES) for end in (".", " as ")),
)


def may_change(data: bytes) -> bool:
    """Is a file of these bytes worth a look?"""
    return any(part in data for part in _PERHAPS) and bool(_CHANGE.search(data))


def changes_of(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """``models.Model.save = save``, ``setattr(QuerySet, name, function)``"""
    nodes = nodes_of(tree)
    own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    aliases = {
        alias.asname
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.name in _DJANGO_CLASSES
    }
    classes = (_DJANGO_CLASSES - own) | aliases
    for node in (n for n in nodes if isinstance(n, (ast.stmt, ast.expr))):
        if any(last_name(each) in classes for each in _changed_by(node)):
            yield node


def _changed_by(node: ast.AST) -> list[ast.expr]:
    """What gets an attribute by the node, but for those that no row passes."""
    match node:
        case ast.Assign(targets=targets):
            places = targets
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            places = [target]
        case ast.Call(func=ast.Name(id="setattr"), args=[owner, *_]):
            return [owner]
        case _:
            return []
    each = [part for place in places for part in getattr(place, "elts", [place])]
    attributes = [part for part in each if isinstance(part, ast.Attribute)]
    return [part.value for part in attributes if part.attr not in _OF_NO_ROWS]
