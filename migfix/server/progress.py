"""What a client shows of work that takes long, and by which its user ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer


class Progress:
    """Shows that something runs, where the client can; ``cancel`` is called when the user asks for it."""

    def __init__(self, ls: LanguageServer, title: str, cancel: Callable[[], object]) -> None:
        window = ls.client_capabilities.window
        self._can = bool(window and window.work_done_progress)
        self._ls = ls
        self._title = title
        self._cancel = cancel
        self._token = str(uuid4())

    async def __aenter__(self) -> Progress:
        if not self._can:
            return self
        progress, loop = self._ls.work_done_progress, asyncio.get_running_loop()
        try:
            await progress.create_async(self._token)
        except JsonRpcException:  # the work matters more
            self._can = False
            return self
        progress.begin(self._token, lsp.WorkDoneProgressBegin(self._title, cancellable=True))
        progress.tokens[self._token].add_done_callback(
            lambda _: loop.call_soon_threadsafe(self._cancel)
        )
        return self

    def say(self, text: str) -> None:
        if self._can:
            self._ls.work_done_progress.report(
                self._token, lsp.WorkDoneProgressReport(message=text)
            )

    async def __aexit__(self, *_: object) -> None:
        if self._can:
            self._ls.work_done_progress.tokens.pop(self._token, None)
            self._ls.work_done_progress.end(self._token, lsp.WorkDoneProgressEnd())
