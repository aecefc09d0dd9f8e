"""The usual loops: of one line, without comments and parentheses, they are edited without LibCST."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from migfix.findings import ChainCall, Edit, ReplaceRows, WrapRows
from migfix.rewriting.formatting import formatted
from migfix.rewriting.plain import NotPlainError, Writer
from migfix.rewriting.style import Style
from migfix.source import parsed, parsed_expression


def header_of(
    line: str, wrappers: Sequence[str], edits: Sequence[Edit], style: Style, indent: int
) -> str | None:
    """The line ``for row in rows:`` with the edits of its rows; None where it may not be plain before or after."""
    margin, _, _ = line.partition("for ")
    code = f"{line.removeprefix(margin)}    pass\n"
    try:
        match parsed(code).body if code.isascii() else ():
            case [ast.For(target=target, iter=rows) as loop]:
                was = Writer(code)
                if was.statement(loop) != code:
                    return None
                new = _in_wrappers(rows, wrappers, edits, was)
                text = formatted(f"for {was.target(target)} in {new}:\n    pass\n", style, indent)
                return _indented(text.removesuffix("    pass\n"), margin)
    except (SyntaxError, ValueError, NotPlainError):
        pass
    return None


def in_place_of(line: str, texts: Sequence[str], style: Style, indent: int) -> str | None:
    """Statements in place of a loop that begins with the line and has no comments; None as for ``header_of``."""
    text = "".join(formatted(each, style, indent) for each in texts)
    try:
        simple = all(map(_is_simple, parsed(text).body))
    except (SyntaxError, ValueError):
        return None
    bare = "#" not in text and "\n\n" not in text
    return _indented(text, line.partition("for ")[0]) if simple and bare else None


def _is_simple(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Expr, ast.Assign, ast.AugAssign))


def _indented(text: str, margin: str) -> str | None:
    """The lines behind the margin; None where that is none, or where a line may begin in a string."""
    if margin.strip() or '"""' in text or "'''" in text or "\\\n" in text:
        return None
    return "".join(f"{margin}{line}" for line in text.splitlines(keepends=True))


def _in_wrappers(
    rows: ast.expr, wrappers: Sequence[str], edits: Sequence[Edit], was: Writer
) -> str:
    """As ``loops`` does where comments may stand in between."""
    if not wrappers:
        text = was.of(rows)
        for edit in edits:
            text = _with_edit(parsed_expression(text), edit, Writer(text))
        if "\n" in text:
            raise NotPlainError
        return text
    if not isinstance(rows, ast.Call) or not rows.args:
        raise NotPlainError
    first, *others = rows.args
    inner = _in_wrappers(first, wrappers[1:], edits, was)
    if wrappers[0] in {"list", "tuple"} and any(map(streams, edits)):
        return inner
    arguments = [inner, *map(was.of, others), *map(was.keyword, rows.keywords)]
    return f"{was.of(rows.func)}({', '.join(arguments)})"


def streams(edit: Edit) -> bool:
    return isinstance(edit, (WrapRows, ReplaceRows)) or (
        isinstance(edit, ChainCall) and edit.method == "iterator"
    )


def _with_edit(rows: ast.expr, edit: Edit, was: Writer) -> str:
    match edit, rows:
        case ReplaceRows(expression=expression), _:
            return expression
        case WrapRows(function=function, arguments=arguments), _:
            match rows:
                case ast.Call(func=ast.Attribute(value=owner, attr="iterator")):
                    rows = owner
            return f"{function}({', '.join(filter(None, [was.of(rows), arguments]))})"
        case ChainCall(), ast.Call(func=ast.Attribute(value=owner, attr="iterator")):
            return f"{_with_edit(owner, edit, was)}{was.of(rows).removeprefix(was.of(owner))}"
        case ChainCall(method=method, arguments=arguments, replaces_all=replaces_all), _:
            match rows:
                case ast.Call(func=ast.Attribute(value=owner, attr="all"), args=[], keywords=[]):
                    rows = owner if replaces_all else rows
            if isinstance(rows, (ast.Name, ast.Attribute, ast.Call, ast.List)):
                return f"{was.of(rows)}.{method}({arguments})"
    raise NotPlainError
