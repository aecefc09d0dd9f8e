"""Signal receivers that a project connects for the models of every sender, found without importing.

A receiver with a sender hears that class only, never the historical models of migrations; one without
hears ``save()`` in a migration too, and ``update()`` sends no signals:
https://docs.djangoproject.com/en/stable/topics/signals/#connecting-to-signals-sent-by-specific-senders
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from migfix.discovery import walk

SIGNALS = ("pre_init", "post_init", "pre_save", "post_save")
_MENTION = re.compile(rb"\b(?:%b)\b" % "|".join(SIGNALS).encode())
_TEST = re.compile(r"(^|/)(tests?|testing)(/|$)|(^|/)(test_\w*|conftest)\.py$")


def receiver_of_all(root: Path) -> str | None:
    """``path:line`` of the first receiver without a sender in the project's own code, tests left out.

    A file that does not parse but names a signal counts as one.
    """
    for folder, names in walk(root):
        for name in names:
            path = folder / name
            shown = path.relative_to(root).as_posix()
            if not _TEST.search(shown) and (line := _line_in(path.read_bytes())) is not None:
                return f"{shown}:{line}"
    return None


def _line_in(data: bytes) -> int | None:
    if _MENTION.search(data) is None or (b"connect" not in data and b"receiver" not in data):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return 1
    return min((call.lineno for call in _connections(tree)), default=None)


def _connections(tree: ast.Module) -> Iterator[ast.Call]:
    """``post_save.connect(f)`` and ``@receiver(post_save)`` without a sender."""
    names = frozenset(SIGNALS).union(_other_names(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=signal, attr="connect"), args=args):
                if _names_signal(signal, names) and len(args) < 2 and not _has_sender(node):
                    yield node
            case ast.Call(
                func=ast.Name(id="receiver") | ast.Attribute(attr="receiver"), args=[signals, *_]
            ):
                if _names_signal(signals, names) and not _has_sender(node):
                    yield node


def _other_names(tree: ast.Module) -> Iterator[str]:
    """Names by which the file calls a signal, or a list of them: imported as, assigned, looped over."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=aliases):
                yield from (a.asname for a in aliases if a.name in SIGNALS and a.asname)
            case ast.Assign(targets=[target], value=value) | ast.For(target=target, iter=value):
                if _names_signal(value, frozenset(SIGNALS)):
                    yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _names_signal(node: ast.AST, names: frozenset[str]) -> bool:
    return any(
        (isinstance(part, ast.Name) and part.id in names)
        or (isinstance(part, ast.Attribute) and part.attr in names)
        for part in ast.walk(node)
    )


def _has_sender(call: ast.Call) -> bool:
    """``**options`` may or may not hold one: it does not count."""
    given = next((k.value for k in call.keywords if k.arg == "sender"), None)
    return given is not None and not (isinstance(given, ast.Constant) and given.value is None)
