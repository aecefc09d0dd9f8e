"""The helper's source, put together of its parts and cut down to some of its functions and what these need."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from migfix.source import split_lines

# What goes together: a project that uses one of a part gets all of it.
_TOGETHER = (
    frozenset({"stream", "stream_sql"}),
    frozenset({"update_in_batches"}),
    frozenset({"update_by_key"}),
    frozenset({"create_in_batches"}),
    frozenset({"link_in_batches"}),
    frozenset({"update_in_windows"}),
    frozenset({"delete_in_windows"}),
)
FUNCTIONS = frozenset().union(*_TOGETHER)
_ALWAYS = frozenset({"HELPER_VERSION"})
_OWN = "migfix"  # of the parts, which import one another
_WIDTH = 100  # of an import


def completed(functions: Set[str]) -> frozenset[str]:
    """With those that go with them."""
    return frozenset().union(*(group for group in _TOGETHER if group & functions))


@lru_cache(maxsize=16)
def cut(parts: tuple[str, ...], functions: frozenset[str]) -> str:
    """One module of these functions, of what they need of the parts, and of what that needs in turn.

    A definition is needed where its name is written, in whatever scope. What is kept is kept as it stands, with the
    comments above it, part after part; imports bring only the names that are left. The documentation is that of the
    first part: its paragraphs that begin with the name of a function go with it.
    """
    trees = [ast.parse(part) for part in parts]
    kept = _needed(trees, functions)
    texts = [
        _documentation(_text_of(trees[0].body[0], parts[0]), functions),
        *_imports(trees, kept.read),
        "",
    ]
    return "\n".join(texts) + _definitions(zip(parts, trees, strict=True), kept.definitions)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The definitions that stay, and the names that these read."""

    definitions: frozenset[str]
    read: frozenset[str]


def _needed(trees: Iterable[ast.Module], functions: frozenset[str]) -> _Kept:
    definitions: Mapping[str, ast.stmt] = {
        name: statement for tree in trees for statement in tree.body for name in _defined(statement)
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
    return _Kept(frozenset(kept), frozenset({*read, "annotations"}))


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _text_of(statement: ast.stmt, part: str) -> str:
    return "".join(split_lines(part)[statement.lineno - 1 : statement.end_lineno])


def _definitions(parts: Iterable[tuple[str, ast.Module]], kept: Set[str]) -> str:
    """The text of what is kept, with at least the empty lines that stood between what is left and what was there."""
    found: list[str] = []
    blank = 0
    for part, tree in parts:
        lines = split_lines(part)
        end = 0
        for statement in tree.body:
            above = lines[end : statement.lineno - 1]
            end = statement.end_lineno or statement.lineno
            if _is_of_head(statement):
                continue
            [name] = _defined(statement)  # a part holds nothing else
            said = "".join(above).lstrip("\n")
            blank = max(blank, "".join(above).count("\n") - said.count("\n"))
            if name in kept:
                own = "".join(lines[statement.lineno - 1 : end])
                found.append("\n" * blank * bool(found) + said + own)
                blank = 0
        blank = 2
    return "".join(found)


def _is_of_head(statement: ast.stmt) -> bool:
    """Is it documentation or an import, which stand above the definitions of a part?"""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _documentation(text: str, functions: Iterable[str]) -> str:
    gone = tuple(f"`{name}" for name in FUNCTIONS.difference(functions))
    paragraphs = text.rstrip("\n").removesuffix('"""').split("\n\n")
    left = [each.rstrip("\n") for each in paragraphs if not each.startswith(gone)]
    return "\n\n".join(left) + '\n"""\n'


def _imports(trees: Iterable[ast.Module], read: Set[str]) -> Iterator[str]:
    """The paragraphs of imports of these names: of the future, of Python, of Django, and of types alone."""
    heads = [statement for tree in trees for statement in tree.body if _is_of_head(statement)]
    of_types = [each for head in heads if isinstance(head, ast.If) for each in head.body]
    typed = _import_lines(of_types, read, " " * 4)
    paragraphs: dict[int, list[str]] = {}
    for order, line in _import_lines(heads, read | ({"TYPE_CHECKING"} if typed else set())):
        paragraphs.setdefault(order, []).append(line)
    yield from ("".join(lines) for lines in paragraphs.values())
    if typed:
        yield "".join(["if TYPE_CHECKING:\n", *(line for _, line in typed)])


def _import_lines(
    statements: Iterable[ast.stmt], read: Set[str], margin: str = ""
) -> list[tuple[int, str]]:
    """One import for each module, sorted as ruff does, each with the number of its paragraph."""
    modules: set[str] = set()
    names: dict[str, set[str]] = {}
    for statement in statements:
        match statement:
            case ast.Import(names=[ast.alias(name=module)]) if module in read:
                modules.add(module)
            case ast.ImportFrom(module=str(module), names=imported):
                if left := {each.name for each in imported if each.name in read}:
                    names.setdefault(module, set()).update(left)
    lines = [(_paragraph(module), f"{margin}import {module}\n") for module in sorted(modules)]
    lines += [
        (_paragraph(module), _from(module, sorted(names[module], key=_sorting), margin))
        for module in sorted(names)
        if module.partition(".")[0] != _OWN
    ]
    return sorted(lines, key=lambda line: line[0])


def _paragraph(module: str) -> int:
    return {"__future__": 0, "django": 2}.get(module.partition(".")[0], 1)


def _sorting(name: str) -> tuple[int, str]:
    """Constants before classes before functions."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name.lower()


def _from(module: str, names: Iterable[str], margin: str) -> str:
    line = f"{margin}from {module} import {', '.join(names)}\n"
    if len(line) <= _WIDTH:
        return line
    listed = "".join(f"{margin}    {name},\n" for name in names)
    return f"{margin}from {module} import (\n{listed}{margin})\n"
