"""``migfix`` and ``python -m migfix``."""

from __future__ import annotations

import gc
import sys

from migfix import __version__


def main() -> None:
    """Answers ``--version`` at once, and prints a report that was kept; anything else is worth importing
    the command line for.
    """
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"migfix {__version__}")
        return
    from migfix.cache import Cache

    cache = Cache(sys.argv[1:])
    if (code := cache.printed()) is not None:
        sys.exit(code)
    # What is read lives until the end: looking for garbage in it is a tenth of a run.
    gc.disable()
    from migfix.commandline.plain import plainly

    if (said := plainly(sys.argv[1:])) is not None:
        from migfix.commandline.commands.check import checked
        from migfix.commandline.ending import guarded

        sys.exit(guarded(said[0], lambda: checked(*said, cache)))
    from migfix.commandline.cli import app

    app(obj=cache)


if __name__ == "__main__":
    main()
