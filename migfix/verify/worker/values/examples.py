"""Texts that regular expressions and formats of moments take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from migfix.verify.worker.values.literals import LONGEST

_MOMENTS = (datetime(2024, 2, 29, 12, 30), datetime(1999, 12, 31, 23, 59, 59), datetime(2000, 1, 1))


_TOKEN = re.compile(
    r"\\(?P<kind>[dDwWsSbBAZ])|\\(?P<escaped>.)|\[\^?(?P<set>\]?(?:\\.|[^\]])*)\]"
    r"|(?P<group>\(\?[aiLmsux]+\)|\((?:\?(?:P<\w+>|:|=|<=|!|<!))?|\))|(?P<times>[*+?]\??|\{(?P<least>\d*)[^}]*\}\??)"
    r"|(?P<any>\.)|(?P<nothing>[\^$])|(?P<branch>\|)|(?P<plain>.)",
    re.DOTALL,
)
_OF_KIND = {"d": "7", "w": "a", "s": " ", "D": "x", "W": "-", "S": "x"}


def examples(pattern: str) -> list[str]:
    """Return the literal parts of a regular expression, behind a text that it matches where one is found."""
    made: list[str] = []
    parts = [""]
    for token in _TOKEN.finditer(pattern):
        if token["branch"]:
            parts.append("")
        if token["times"]:
            if token["least"] and made:
                made[-1] *= max(1, min(int(token["least"]), LONGEST))
            parts.append("")
            continue
        text = _example_of(token)
        made.append(text)
        if token["plain"] or token["escaped"]:
            parts[-1] += text
        elif text or token["group"]:
            parts.append("")
    first = _first_branch(pattern, "".join(made))
    return list(dict.fromkeys(text for text in [*first, *parts] if text))


def _example_of(token: re.Match[str]) -> str:
    if token["kind"]:
        return _OF_KIND.get(token["kind"], "")
    if token["set"]:
        kind = re.match(r"\\([dwsDWS])", token["set"])
        return _OF_KIND[kind[1]] if kind else token["set"].lstrip("\\")[:1]
    return token["escaped"] or token["plain"] or ("x" if token["any"] else "")


def _first_branch(pattern: str, text: str) -> list[str]:
    try:
        return [text] if re.search(pattern, text) else []
    except (re.error, RecursionError, OverflowError):
        return []


def rendered(format: str) -> Iterator[str]:
    """Texts that strptime() takes by a format."""
    for moment in _MOMENTS:
        try:
            yield moment.strftime(format)
        except ValueError:
            return
