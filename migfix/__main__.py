"""``migfix`` and ``python -m migfix``."""

from __future__ import annotations

import sys

from migfix import __version__


def main() -> None:
    """Answers ``--version`` at once; anything else is worth importing the command line for."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"migfix {__version__}")
        return
    from migfix.cli import app

    app()


if __name__ == "__main__":
    main()
