"""The last gate before a rewritten file is offered: what must be true of its text, whoever wrote it."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from migfix.rewriting.binding import unbound_names
from migfix.rewriting.importable import is_importable
from migfix.rewriting.lines import RewriteError
from migfix.source import Source, comments_in, nodes_in, parsed, shape, split_lines


def check(
    source: Source,
    text: str,
    loops: Set[ast.stmt],
    imports: Mapping[tuple[str, str], object],
    helper: str,
    committed: Set[ast.ClassDef] = frozenset(),
) -> None:
    """Raises ``RewriteError`` with a sentence where the new text cannot be trusted.

    It compiles as the file does, no statement without one of the rewritten loops has changed (but that
    classes of migrations that are to be ``committed`` piece by piece say ``atomic = False``), no comment
    is gone, every name that it reads is bound where it reads it, and what it imports is there.
    """
    for module, name in imports:
        if not is_importable(module, name, helper):
            raise RewriteError(f"`from {module} import {name}` is not known to work")
    if text == source.plain:
        raise RewriteError("the text would stay the same")
    _compiled(source.tree, "the file does not compile as it is")
    after = _parsed(text)
    _compiled(after, "the new text does not compile")
    _check_others(source, text, after, loops, committed)
    _check_comments(source, text)
    _check_names(source, text, after)


def loops_of(statement: ast.stmt) -> list[ast.For | ast.AsyncFor]:
    """The statement's loops in the order of the source, which is LibCST's order of visiting too."""
    loops = [n for n in nodes_in(statement) if isinstance(n, (ast.For, ast.AsyncFor))]
    return sorted(loops, key=lambda loop: (loop.lineno, loop.col_offset))


def _parsed(text: str) -> ast.Module:
    try:
        return parsed(text)
    except (SyntaxError, ValueError) as error:
        raise RewriteError(f"the new text does not parse: {error}") from error


def _compiled(tree: ast.Module, otherwise: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(tree, "<migration>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise RewriteError(f"{otherwise}: {error}") from error


def _check_others(
    source: Source,
    text: str,
    after: ast.Module,
    loops: Set[ast.stmt],
    committed: Set[ast.ClassDef],
) -> None:
    before_lines, after_lines = split_lines(source.plain), split_lines(text)
    remaining = iter(after.body)
    for statement in source.tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        if statement in committed:
            if not any(_is_committed(statement, other) for other in remaining):
                raise RewriteError("the migration does not only say `atomic = False`")
        elif loops.isdisjoint(nodes_in(statement)):
            written = _written(statement, before_lines)
            if not any(
                written == _written(other, after_lines) or _are_alike(statement, other)
                for other in remaining
            ):
                raise RewriteError("a statement without a rewritten loop would change")


def _is_committed(before: ast.stmt, after: ast.stmt) -> bool:
    """Is it the same class with one more line, ``atomic = False``?"""
    if not isinstance(before, ast.ClassDef) or not isinstance(after, ast.ClassDef):
        return False
    said = [each for each in after.body if ast.unparse(each) == "atomic = False"]
    body = [each for each in after.body if each not in said]
    parts = {name: getattr(after, name) for name in after._fields}
    return len(said) == 1 and shape(before) == shape(ast.ClassDef(**{**parts, "body": body}))


def _written(statement: ast.stmt, lines: Sequence[str]) -> tuple[object, ...]:
    """The text of a statement, and where it begins and ends in its lines, which are its meaning."""
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
    place = statement.col_offset, statement.end_col_offset
    return *place, *lines[first - 1 : statement.end_lineno]


def _are_alike(one: ast.stmt, other: ast.stmt) -> bool:
    """Of functions, most have another name: only the shape of what may be alike is worth its time."""
    same_kind = type(one) is type(other)
    same_name = getattr(one, "name", None) == getattr(other, "name", None)
    return same_kind and same_name and shape(one) == shape(other)


def _check_comments(source: Source, text: str) -> None:
    before = Counter(map(_words, comments_in(source.plain)))
    if before and (lost := before - Counter(map(_words, comments_in(text)))):
        raise RewriteError(f"the comment `{next(iter(lost))}` would be lost")


def _words(comment: str) -> str:
    """What a comment says, however black lays it out."""
    return comment.lstrip("#!:").strip()


def _check_names(source: Source, text: str, tree: ast.Module) -> None:
    unbound = unbound_names(text, tree)
    if unbound:
        unbound -= unbound_names(source.plain, source.tree)
    for name, _, where in sorted(unbound):
        place = f" in {where}()" if where else ""
        raise RewriteError(f"the name `{name}` is not certain to mean anything there{place}")
