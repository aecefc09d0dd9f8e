"""Text of a project on its way to a terminal or a log, where some of it would be a command.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re


def quoted(text: str) -> str:
    """``text`` on one line, with escapes for what moves a cursor, hides or turns text, or begins a command.

    Undecodable bytes of file names stay as they are, apart from those that control 8-bit terminals.
    """
    plain = "".join(each if _is_plain(each) else _escaped(each) for each in text)
    plain = plain.replace("##", "#\\x23")
    return re.sub(r"^(\s*):(?=:)", r"\1\\x3a", plain)


def _is_plain(letter: str) -> bool:
    return letter.isprintable() or "\udca0" <= letter <= "\udcff"


def _escaped(letter: str) -> str:
    """``\\n``, ``\\x1b``, ``\\u202e``"""
    if "\udc80" <= letter <= "\udc9f":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
