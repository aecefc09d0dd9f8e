"""The helper that migfix puts beside migrations, as a module of a project."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from migfix.disk.files import Files
from migfix.reading.cutting import FUNCTIONS, completed, cut
from migfix.reading.names.module import Module
from migfix.source import nodes_in, shape, tree_of

_FOLDER = Path(__file__).parent.parent / "runtime"
# The modules of which the helper is made, in the order in which it holds what they define.
PARTS = (
    "head streaming selects cursors blocks saving batches saved_rows tables keys statements joining"
    " creating linking new_rows windows"
).split()
# What keeps a project's own tools from laying it out anew or finding fault with it.
_LEFT_ALONE = (
    b"# fmt: off\n# isort: skip_file\n# flake8: noqa\n# ruff: noqa\n# mypy: ignore-errors\n"
)
_MARK = b"Written by migfix, "


def helper_text(functions: frozenset[str], files: Files) -> bytes:
    """What migfix writes into projects that use these functions."""
    return _text(functions, helper_parts(files))


def functions_in(data: bytes, files: Files) -> frozenset[str]:
    """The functions of a helper that migfix wrote, but for line ends and layout; none where it is none of ours.

    Of an edited copy nothing is known.
    """
    return _functions_in(data, helper_parts(files)) if is_of_migfix(data) else frozenset()


def helper_parts(files: Files) -> tuple[str, ...]:
    """The texts of its modules, in the order of `PARTS`."""
    return tuple(_part(_FOLDER / f"{name}.py", files) for name in PARTS)


def _part(path: Path, files: Files) -> str:
    data = files.read(path)
    assert isinstance(data, bytes), data.why
    return data.decode()


def _text(functions: frozenset[str], parts: tuple[str, ...]) -> bytes:
    return _LEFT_ALONE + cut(parts, completed(functions)).encode()


@lru_cache(maxsize=16)
def _functions_in(data: bytes, parts: tuple[str, ...]) -> frozenset[str]:
    tree = tree_of(data)
    named = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} if tree else ()
    functions = FUNCTIONS.intersection(named)
    ours = _text(functions, parts)
    known = {ours, ours.removeprefix(_LEFT_ALONE)}
    same = data.replace(b"\r\n", b"\n") in known or _shape(data) == _shape(ours)
    return functions if same else frozenset()


def imported_functions(tree: ast.Module, module: str) -> frozenset[str]:
    """What a file imports of the helper by this name of its module, wherever it does."""
    names = {
        alias.name
        for node in nodes_in(tree)
        if isinstance(node, ast.ImportFrom) and "." * node.level + (node.module or "") == module
        for alias in node.names
    }
    return FUNCTIONS & names


def is_of_migfix(data: bytes) -> bool:
    """Is it a helper of some version of migfix, perhaps edited?"""
    return _MARK in data


def _shape(data: bytes) -> object:
    """What tells it apart from what means something else: its tree without documentation."""
    tree = tree_of(data)
    if tree is None:
        return None
    for node in nodes_in(tree):
        match node:
            case ast.Module(body=[ast.Expr(value=ast.Constant(value=str())), *_]):
                node.body = node.body[1:]
            case ast.FunctionDef(
                body=[ast.Expr(value=ast.Constant(value=str())), *_]
            ) | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str())), *_]):
                node.body = node.body[1:]
    return shape(tree)


def holds_helper(module: Module) -> bool:
    """Is the module the helper?"""
    library = module.library
    return library is not None and bool(functions_in(module.source.data, library.files))
