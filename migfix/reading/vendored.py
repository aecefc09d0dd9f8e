"""The helper that migfix puts beside migrations, as a module of a project."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from migfix.files import Files
from migfix.reading.module import Module
from migfix.source import shape, tree_of

HELPER = Path(__file__).parent.parent / "runtime" / "helper.py"
# What keeps a project's own tools from laying it out anew or finding fault with it.
_LEFT_ALONE = (
    b"# fmt: off\n# isort: skip_file\n# flake8: noqa\n# ruff: noqa\n# mypy: ignore-errors\n"
)
_MARK = b"Written by migfix, "


def helper_text(files: Files) -> bytes:
    """What migfix writes into projects."""
    data = files.read(HELPER)
    assert isinstance(data, bytes), data.why
    return _LEFT_ALONE + data


def is_helper(data: bytes, files: Files) -> bool:
    """Is it what migfix writes, but for line ends and layout? Of an edited copy nothing is known."""
    ours = helper_text(files)
    if data.replace(b"\r\n", b"\n") in {ours, ours.removeprefix(_LEFT_ALONE)}:
        return True
    return is_of_migfix(data) and _shape(data) == _shape(ours)


def is_of_migfix(data: bytes) -> bool:
    """Is it a helper of some version of migfix, perhaps edited?"""
    return _MARK in data


@lru_cache(maxsize=16)
def _shape(data: bytes) -> object:
    """What tells it apart from what means something else: its tree without documentation."""
    tree = tree_of(data)
    if tree is None:
        return None
    for node in ast.walk(tree):
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
    return module.library is not None and is_helper(module.source.data, module.library.files)
