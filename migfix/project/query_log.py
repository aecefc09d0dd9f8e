"""Whether a project's settings switch ``DEBUG`` on, so that Django logs the statements of every loop.

The log of a connection holds its last 9,000 statements with their values:
https://docs.djangoproject.com/en/stable/faq/models/#how-can-i-see-the-raw-sql-queries-django-is-running
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from migfix.project.discovery import Project
from migfix.source import tree_of

_PLAIN_NAMES = frozenset({"settings.py", "base.py", "common.py", "__init__.py"})


def debug_setting(project: Project) -> str | None:
    """``path:line`` of the literal ``DEBUG = True`` in the settings of the project, None if there is none.

    These are the ones that ``manage.py`` names, or else those that no machine or task has for itself.
    """
    for path in _settings(project):
        if (line := _line_in(project.files.read_if_there(path))) is not None:
            return f"{project.shown(path)}:{line}"
    return None


def _settings(project: Project) -> Iterable[Path]:
    for named in project.settings_of_manage[:1]:
        if path := project.module_file(named):
            return [path]
    return [path for path in project.settings_files if path.name in _PLAIN_NAMES]


def _line_in(data: bytes) -> int | None:
    """The line that sets DEBUG, where it is the only one and says True."""
    if b"DEBUG" not in data:
        return None
    tree = tree_of(data)
    if tree is None:
        return None
    match list(_assigned(tree)):
        case [(line, ast.Constant(value=True))]:
            return line
    return None


def _assigned(tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="DEBUG")], value=value) | ast.AnnAssign(
                target=ast.Name(id="DEBUG"), value=ast.expr() as value
            ):
                yield node.lineno, value
