"""Whether anybody still waits for what is being worked out, and how far that is."""

from __future__ import annotations


class NotWanted(BaseException):
    """Raised inside of work that nobody waits for. No ``Exception``: nothing that goes on after those may hold it up."""


class Attention:
    """Told by the thread that works, asked and ended by the one that listens to the client."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.files = 0  # that were read
        self._ended = False

    def end(self) -> None:
        self._ended = True

    def check(self) -> None:
        """Raises ``NotWanted``."""
        if self._ended:
            raise NotWanted
