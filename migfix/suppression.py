"""Comments that keep migfix away, as they are read and written:
``# migfix: ignore``, ``# migfix: ignore[MF201]``, ``# migfix: ignore-file``."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from migfix.settings import SettingsError, all_codes, codes_of
from migfix.source import Source, comments_at, shortened

_OURS = re.compile(r"#\s*migfix:", re.IGNORECASE)
_LOOSE = re.compile(r"\s*\(|\s*:?\s*MF\d", re.IGNORECASE)  # ``ignore(MF203)``, ``ignore MF203``
_KNOWN = "ignore, ignore[CODES] and ignore-file"
_COMMENT = re.compile(
    r"#\s*migfix:\s*ignore(?P<file>-file)?(?![\w-])(?:\s*\[(?P<codes>[^\]]*)\])?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One comment: its line, the codes that it means, and whether it speaks of the whole file.

    ``wrong`` says what it names that is no codemod.
    """

    line: int
    codes: frozenset[str]
    whole_file: bool
    wrong: str | None = None


@lru_cache(maxsize=16)
def ignores_in(source: Source) -> tuple[Ignore, ...]:
    """Every such comment of the file, in order."""
    if "migfix:" not in source.text.lower():
        return ()
    return tuple(
        _read(line, comment) for line, comment in comments_at(source.plain) if _OURS.search(comment)
    )


def ignores_of(loop: ast.stmt, source: Source) -> Iterator[Ignore]:
    """Those that speak of the loop, or of another statement: of the file, on its header or its lines, or among the
    comments right above it.
    """
    last = loop.body[0].lineno - 1 if isinstance(loop, ast.For) else loop.end_lineno
    first, last = loop.lineno, max(loop.lineno, last or 0)
    while first > 1 and source.lines[first - 2].lstrip().startswith("#"):
        first -= 1
    for each in ignores_in(source):
        if each.whole_file or first <= each.line <= last:
            yield each


def is_ignored(loop: ast.stmt, code: str, source: Source) -> bool:
    """Does a comment keep this codemod from the loop?"""
    return any(code in each.codes for each in ignores_of(loop, source))


def comment_above(header: str, codes: Collection[str] = (), reason: str = "") -> str:
    """The line that keeps these codemods, or all, from the loop whose header this line is, with its indent and end."""
    indent = header[: len(header) - len(header.lstrip())]
    end = header[len(header.rstrip("\r\n")) :] or "\n"
    named = f"[{', '.join(sorted(codes))}]" if codes else ""
    said = f" {reason}" if reason else ""
    return f"{indent}# migfix: ignore{named}{said}{end}"


def _read(line: int, comment: str) -> Ignore:
    found = _COMMENT.search(comment)
    if found is None:
        unknown = f"`{shortened(comment)}` means nothing to migfix, which knows {_KNOWN}"
        return Ignore(line, frozenset(), False, unknown)
    if found["codes"] is None and _LOOSE.match(comment, found.end()):
        loose = f"`{shortened(comment)}`: codes stand in brackets, as in ignore[MF203]"
        return Ignore(line, frozenset(), False, loose)
    whole_file = found["file"] is not None
    if found["codes"] is None:
        return Ignore(line, frozenset(all_codes()), whole_file)
    names = [name.strip() for name in found["codes"].split(",") if name.strip()]
    codes: set[str] = set()
    wrong: str | None = None
    for name in names:
        try:
            codes |= codes_of([name], f"# migfix: ignore[{found['codes']}]")
        except SettingsError as error:
            wrong = wrong or str(error)
    return Ignore(line, frozenset(codes), whole_file, wrong)
