"""One client, what it can, and what it was last told.

All that reads files runs in one thread of its own, one thing after the other, so that the server always listens.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from migfix import __version__
from migfix.disk.writing import write
from migfix.findings import FileEdit
from migfix.server import configuration
from migfix.server.attention import NotWanted
from migfix.server.desk import Desk, Look
from migfix.server.diagnostics import Client, diagnostics
from migfix.server.edits import Document, Writer
from migfix.server.progress import Progress
from migfix.server.texts import Places

T = TypeVar("T")
log = logging.getLogger(__name__)

PAUSE = 0.1  # seconds without a change after which a file is looked at
PAUSE_OF_OTHERS = 0.6  # and after which others are, for which it may matter
LONG = 1.0  # seconds after which work is shown, with a way to end it


@dataclass
class Shown:
    """What the client was last told of a file."""

    look: Look | None = None
    verdicts: tuple[lsp.Diagnostic, ...] = ()


class Server(LanguageServer):
    """The state of one client."""

    def __init__(self) -> None:
        # Positions of changes would be counted by other lines than Python's.
        super().__init__("migfix", __version__, lsp.TextDocumentSyncKind.Full)
        self.desk = Desk()
        self.began_with: object = None  # what the client said of the configuration at first
        self.said = configuration.Configuration()
        self.shown: dict[str, Shown] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="migfix")
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self.running: dict[str, asyncio.Task[None]] = {}  # what verifies, by file
        self._doing: set[asyncio.Future[Any]] = set()
        self._showing: asyncio.Task[None] | None = None

    async def run(self, work: Callable[..., T], *about: Any) -> T:
        """Work on files, in the thread for it. Work that is still waiting for that is left out when it is cancelled."""
        loop = asyncio.get_running_loop()
        doing = loop.run_in_executor(self._worker, self._work, work, *about)
        self._doing.add(doing)
        try:
            done, _ = await asyncio.wait([doing], timeout=LONG)
            if not done and (self._showing is None or self._showing.done()):
                self._showing = asyncio.ensure_future(self._show(doing))
            return await doing
        except NotWanted:
            raise asyncio.CancelledError from None
        except asyncio.CancelledError:
            doing.cancel()
            raise
        finally:
            self._doing.discard(doing)

    def _work(self, work: Callable[..., T], *about: Any) -> T:
        self.desk.attention.begin()
        try:
            return work(*about)
        except NotWanted:
            self.desk.begin_again()
            raise

    async def _show(self, doing: asyncio.Future[Any]) -> None:
        """Tell how far the work is, until it is done."""
        async with Progress(self, "migfix looks at the project", self._end) as progress:
            while not doing.done():
                progress.say(f"{self.desk.attention.files} files read")
                await asyncio.wait([doing], timeout=LONG)

    def _end(self) -> None:
        """Leave out what is waiting, and end what runs. The next change or request is another try."""
        for each in self._doing:
            each.cancel()
        self.desk.attention.end()

    def report_server_error(self, error: Exception, source: Any) -> None:
        log.error("%s: %s", type(error).__name__, error)

    # What the client is like

    @property
    def encoding(self) -> str:
        return str(getattr(self.server_capabilities.position_encoding, "value", None) or "utf-16")

    @property
    def client(self) -> Client:
        publish = self.client_capabilities.text_document
        can = publish.publish_diagnostics if publish else None
        return Client(
            self.encoding,
            related=bool(can and can.related_information),
            links=bool(can and can.code_description_support),
            hints=self.said.hints,
        )

    @property
    def writer(self) -> Writer:
        workspace = self.client_capabilities.workspace
        can = workspace.workspace_edit if workspace else None
        creates = lsp.ResourceOperationKind.Create in ((can and can.resource_operations) or ())
        # Neovim says the one alone, and needs the other for it.
        return Writer(creates or bool(can and can.document_changes), creates)

    def document(self, uri: str, look: Look) -> Document:
        version = self.workspace.get_text_document(uri).version
        return Document(uri, version, Places(look.text, self.encoding))

    # Looking

    def soon(self, uri: str, pause: float = PAUSE) -> None:
        """Look at a file after a pause, if it is not changed again meanwhile."""
        if waiting := self._waiting.pop(uri, None):
            waiting.cancel()
        self._waiting[uri] = asyncio.ensure_future(self._later(uri, pause))

    async def _later(self, uri: str, pause: float) -> None:
        await asyncio.sleep(pause)
        self._waiting.pop(uri, None)
        try:
            await self.tell(uri)
        except Exception:  # the next change is another try
            log.exception("%s", uri)

    async def tell(self, uri: str) -> Look | None:
        """Look at the text that a file has by now, and publish what is found where that is news.

        Of a text that does not parse it is what was found last.
        """
        path = path_of(uri)
        if path is None or uri not in self.shown:
            return None
        text = self.workspace.get_text_document(uri).source
        look = await self.run(_look, self.desk, path, text)
        shown = self.shown.get(uri)
        if look is None or shown is None:
            return None
        if shown.look is not look:
            if shown.look is None or shown.look.text != look.text:
                shown.verdicts = ()
            shown.look = look
            self.publish(uri)
            self._refresh_lenses()
        return look

    async def current(self, uri: str) -> Look | None:
        """The same, of the very text of the editor, or None.

        What it finds is published, too: a client that watches no files may ask before it tells of a change.
        """
        look = await self.tell(uri)
        return look if look is not None and self.desk.is_current(look) else None

    def publish(self, uri: str) -> None:
        shown = self.shown[uri]
        if shown.look is None:
            return
        found = [*diagnostics(shown.look, self.client), *shown.verdicts]
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, version))

    def _refresh_lenses(self) -> None:
        workspace = self.client_capabilities.workspace
        lens = workspace.code_lens if workspace else None
        if lens and lens.refresh_support:
            self.workspace_code_lens_refresh(None)

    def all_soon(self, pause: float = PAUSE, but: str | None = None) -> None:
        for uri in self.shown:
            if uri != but:
                self.soon(uri, pause)

    # Doing

    async def change(self, uri: str, edits: Sequence[FileEdit], look: Look, label: str) -> None:
        """Have the client make the edits."""
        writer, document = self.writer, self.document(uri, look)
        edit = writer.workspace_edit(document, edits)
        await self.workspace_apply_edit_async(lsp.ApplyWorkspaceEditParams(edit, label))
        if writer.left_to_us(edits):
            await self.run(create, edits)

    def message(self, text: str, kind: lsp.MessageType = lsp.MessageType.Info) -> None:
        self.window_show_message(lsp.ShowMessageParams(kind, f"migfix: {text}"))


def path_of(uri: str) -> Path | None:
    """The absolute path of a file; None for what is none."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(os.path.abspath(path)) if path else None


def _look(desk: Desk, path: Path, text: str) -> Look | None:
    desk.put(path, text)
    return desk.look(path)


def create(edits: Sequence[FileEdit]) -> None:
    write(each for each in edits if each.before is None)
