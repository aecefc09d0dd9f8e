"""``migfix`` and ``python -m migfix``."""

from __future__ import annotations

import gc
import sys

from migfix import __version__


def main() -> None:
    """Answers ``--version`` at once; anything else is worth importing the command line for."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"migfix {__version__}")
        return
    # What is read lives until the end: looking for garbage in it is a tenth of a run.
    gc.set_threshold(100_000, 50, 1_000)
    from migfix.cli import app

    app()


if __name__ == "__main__":
    main()
