"""Source of expressions as part of larger ones. The node says what needs parentheses, never its text.

https://docs.python.org/3/reference/expressions.html#operator-precedence
"""

from __future__ import annotations

import ast

from migfix.source import parsed_expression

_PRIMARIES = (
    ast.Name,
    ast.Attribute,
    ast.Call,
    ast.Subscript,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
)


def as_receiver(text: str) -> str:
    """The expression so that ``.method()`` may follow."""
    return text if isinstance(parsed_expression(text), _PRIMARIES) else f"({text})"
