"""Shows a long text through the user's pager, as git does."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress

_USUAL = "less"
# For less: colours, no pause for what fits on the screen, and what was shown stays.
_OPTIONS = {"LESS": "FRX", "LV": "-c"}


def page(text: bytes) -> bool:
    """Shows the text through ``$PAGER``, else ``less``; False where there is none, or no terminal to show it on.

    An empty ``$PAGER`` and ``cat`` mean none.
    """
    try:
        command = shlex.split(os.environ.get("PAGER", _USUAL))
    except ValueError:  # a quote that does not end
        return False
    if not text or not command or command[0] == "cat" or not sys.stdout.isatty():
        return False
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    sys.stdout.flush()
    try:
        shown = subprocess.Popen(command, stdin=subprocess.PIPE, env={**_OPTIONS, **os.environ})
    except OSError:
        return False
    assert shown.stdin is not None
    with suppress(BrokenPipeError, KeyboardInterrupt):  # closed before the end
        shown.stdin.write(text)
    with suppress(BrokenPipeError):
        shown.stdin.close()
    while shown.poll() is None:
        with suppress(KeyboardInterrupt):  # meant for the pager
            shown.wait()
    return True
