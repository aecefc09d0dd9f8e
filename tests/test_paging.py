"""A long patch on a terminal goes through the user's pager."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import checking
from tests.processes import LIMIT, ran, started

SCRIPT = "import sys\nfrom migfix.commandline.paging import page\nprint(page(b'one\\ntwo\\n'))\n"


def on_a_terminal(command: list[str], **options: Any) -> str:
    """What the command prints on a terminal."""
    master, slave = pty.openpty()
    with started(command, stdin=slave, stdout=slave, **options) as process:
        os.close(slave)
        parts: list[bytes] = []
        with suppress(OSError):  # nobody writes any more
            while part := os.read(master, 100_000):
                parts.append(part)
        process.wait(LIMIT)
    os.close(master)
    return b"".join(parts).decode().replace("\r\n", "\n")


def paged(pager: str | None, term: str = "xterm") -> str:
    environment = {**os.environ, "TERM": term, "PAGER": pager or ""}
    return on_a_terminal([sys.executable, "-c", SCRIPT], env=environment)


@pytest.mark.parametrize(
    ("pager", "shown"),
    [
        ("sed s/^/-/", "-one\n-two\nTrue\n"),
        ("sh -c 'read first; echo $first $LESS'", "one FRX\nTrue\n"),
        ("true", "True\n"),  # closed before the end
        ("cat", "False\n"),
        ("", "False\n"),
        ("no-such-program", "False\n"),
        ('less "', "False\n"),
    ],
)
def test_the_pager_of_the_user(pager, shown):
    assert paged(pager) == shown


def test_a_terminal_that_can_do_nothing():
    assert paged("sed s/^/-/", term="dumb") == "False\n"


def test_no_terminal_no_pager():
    done = ran(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        env={**os.environ, "PAGER": "sed s/^/-/"},
    )
    assert done.stdout == b"False\n"


def test_a_diff_is_paged_and_names_the_helper(shop: Path):
    reading = checking.whole("for post in Post.objects.all():\n    print(post.rank)")
    (shop / "0002_fill.py").write_text(reading)
    environment = {**os.environ, "PAGER": "sed s/^/-/", "TERM": "xterm", "NO_COLOR": "1"}
    printed = {
        option: on_a_terminal(
            [sys.executable, "-m", "migfix", "diff", option, "--database", "mysql", "shop"],
            cwd=shop.parent.parent,
            env=environment,
        )
        for option in ("--color=auto", "--no-pager", "--no-helper", "--helper")
    }
    assert "\n-+from ._migfix import stream\n" in printed["--color=auto"]
    assert "-# shop/migrations/_migfix.py: new, " in printed["--color=auto"]
    assert "\n+from ._migfix import stream\n" in printed["--no-pager"]
    assert "_migfix.py" not in printed["--no-helper"]
    assert "\n-+def stream(" in printed["--helper"]
