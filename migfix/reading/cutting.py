"""The helper's source cut down to some of its functions and what these need."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from migfix.source import split_lines

# What goes together: a project that uses one of a part gets all of it.
_PARTS = (
    frozenset({"stream", "stream_sql"}),
    frozenset({"update_in_batches"}),
    frozenset({"update_by_key"}),
    frozenset({"create_in_batches"}),
    frozenset({"link_in_batches"}),
    frozenset({"update_in_windows"}),
    frozenset({"delete_in_windows"}),
)
FUNCTIONS = frozenset().union(*_PARTS)
_ALWAYS = frozenset({"HELPER_VERSION"})
_WIDTH = 100  # of an import that names less than it did


def completed(functions: Set[str]) -> frozenset[str]:
    """With those that go with them."""
    return frozenset().union(*(part for part in _PARTS if part & functions))


@lru_cache(maxsize=16)
def cut(text: str, functions: frozenset[str]) -> str:
    """The module's text with these functions, what they need of it, and what that needs in turn.

    A definition is needed where its name is written, in whatever scope. What is kept is kept as it stands, with the
    comments above it; imports bring only the names that are left, the paragraphs of the docstring that begin with
    the name of a function go with it.
    """
    tree = ast.parse(text)
    kept = _needed(tree, functions)
    lines = split_lines(text)
    found: list[str] = []
    blank = end = 0
    for statement in tree.body:
        above = lines[end : statement.lineno - 1]
        end = statement.end_lineno or statement.lineno
        said = "".join(above).lstrip("\n")
        blank = max(blank, "".join(above).count("\n") - said.count("\n"))
        own = _left_of(statement, kept, "".join(lines[statement.lineno - 1 : end]))
        if own:
            found.append("\n" * blank + said + own)
            blank = 0
    return "".join(found).lstrip("\n")


@dataclass(frozen=True, slots=True)
class _Kept:
    """The functions asked for, the definitions that stay, and the names that these read."""

    functions: frozenset[str]
    definitions: frozenset[str]
    read: frozenset[str]


def _needed(tree: ast.Module, functions: frozenset[str]) -> _Kept:
    definitions: Mapping[str, ast.stmt] = {
        name: statement for statement in tree.body for name in _defined(statement)
    }
    kept: set[str] = set()
    read: set[str] = set()
    waiting = [*functions, *_ALWAYS]
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in kept:
            kept.add(name)
            names = {n.id for n in ast.walk(definitions[name]) if isinstance(n, ast.Name)}
            read |= names
            waiting += names
    return _Kept(functions, frozenset(kept), frozenset({*read, "TYPE_CHECKING", "annotations"}))


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _left_of(statement: ast.stmt, kept: _Kept, text: str) -> str:
    """What stays of a statement of the module, whose text this is; nothing where it goes."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return _documentation(text, kept.functions)
        case ast.Import() | ast.ImportFrom():
            return _import(statement, kept.read, text)
        case ast.If(body=body):  # TYPE_CHECKING
            left = [_import(each, kept.read, "", indent=4) for each in body]
            return "".join([f"if {ast.unparse(statement.test)}:\n", *left]) if any(left) else ""
    [name] = _defined(statement)  # the module holds nothing else
    return text if name in kept.definitions else ""


def _documentation(text: str, functions: Iterable[str]) -> str:
    gone = tuple(f"`{name}" for name in FUNCTIONS.difference(functions))
    paragraphs = text.rstrip("\n").removesuffix('"""').split("\n\n")
    left = [each.rstrip("\n") for each in paragraphs if not each.startswith(gone)]
    return "\n\n".join(left) + '\n"""\n'


def _import(statement: ast.stmt, read: Set[str], text: str, indent: int = 0) -> str:
    assert isinstance(statement, (ast.Import, ast.ImportFrom)), statement
    left = [each for each in statement.names if (each.asname or each.name) in read]
    if text and len(left) == len(statement.names):
        return text
    if not left:
        return ""
    margin = " " * indent
    fewer = (
        ast.Import(left)
        if isinstance(statement, ast.Import)
        else ast.ImportFrom(statement.module, left, statement.level)
    )
    line = f"{margin}{ast.unparse(fewer)}\n"
    if len(line) <= _WIDTH:
        return line
    start, _, names = line.partition(" import ")
    listed = "".join(f"{margin}    {name},\n" for name in names.rstrip("\n").split(", "))
    return f"{start} import (\n{listed}{margin})\n"
