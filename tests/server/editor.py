"""An editor for tests: a client of the protocol with buffers, on the other end of the server's standard input."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union

from cattrs import Converter
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient
from pygls.protocol import default_converter

T = TypeVar("T")
PATIENCE = 30.0  # seconds
COMMAND = (sys.executable, "-m", "migfix", "server")


class Editor:
    """Opens files, types, applies edits, saves. Positions are counted as ``encoding`` says."""

    def __init__(
        self,
        encoding: str = "utf-16",
        *,
        creates: bool = True,
        versioned: bool = True,
        watches: bool = True,
    ) -> None:
        self.client = LanguageClient("editor", "1", converter_factory=_converter)
        self.encoding = encoding
        self.creates = creates
        self.versioned = versioned
        self.watches = watches
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.shown: dict[str, lsp.PublishDiagnosticsParams] = {}
        self.messages: list[str] = []
        self.registered: list[lsp.Registration] = []
        self.settings: object = {}
        self.progress: list[lsp.ProgressToken] = []
        self.progressed: list[object] = []
        self._news = asyncio.Event()
        self._listen()

    def _listen(self) -> None:
        client = self.client

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def shown(params: lsp.PublishDiagnosticsParams) -> None:
            self.shown[params.uri] = params
            self._news.set()

        @client.feature(lsp.WINDOW_SHOW_MESSAGE)
        def message(params: lsp.ShowMessageParams) -> None:
            self.messages.append(params.message)
            self._news.set()

        @client.feature(lsp.WORKSPACE_APPLY_EDIT)
        def applied(params: lsp.ApplyWorkspaceEditParams) -> lsp.ApplyWorkspaceEditResult:
            self.apply(params.edit)
            self._news.set()
            return lsp.ApplyWorkspaceEditResult(applied=True)

        @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def registered(params: lsp.RegistrationParams) -> None:
            self.registered += params.registrations

        @client.feature(lsp.WORKSPACE_CONFIGURATION)
        def configuration(params: lsp.ConfigurationParams) -> list[object]:
            return [self.settings for _ in params.items]

        @client.feature(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def progress(params: lsp.WorkDoneProgressCreateParams) -> None:
            self.progress.append(params.token)

        @client.feature(lsp.PROGRESS)
        def progressed(params: lsp.ProgressParams) -> None:
            self.progressed.append(params.value)
            self._news.set()

        @client.feature(lsp.WORKSPACE_CODE_LENS_REFRESH)
        def refresh(*_: object) -> None:
            pass

    async def start(
        self, *roots: Path, options: object = None, command: Sequence[str] = COMMAND
    ) -> lsp.InitializeResult:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        await self.client.start_io(*command, env=environment, cwd=roots[0])
        done = await self.client.initialize_async(
            lsp.InitializeParams(
                capabilities=self._capabilities(),
                process_id=os.getpid(),
                root_uri=roots[0].as_uri(),
                workspace_folders=[lsp.WorkspaceFolder(r.as_uri(), r.name) for r in roots],
                initialization_options=options,
            )
        )
        self.client.initialized(lsp.InitializedParams())
        return done

    def _capabilities(self) -> lsp.ClientCapabilities:
        creating = [lsp.ResourceOperationKind.Create] if self.creates else []
        return lsp.ClientCapabilities(
            general=lsp.GeneralClientCapabilities(position_encodings=[self.encoding]),
            window=lsp.WindowClientCapabilities(work_done_progress=True),
            workspace=lsp.WorkspaceClientCapabilities(
                configuration=True,
                workspace_edit=lsp.WorkspaceEditClientCapabilities(
                    document_changes=self.versioned, resource_operations=creating
                ),
                did_change_watched_files=lsp.DidChangeWatchedFilesClientCapabilities(
                    dynamic_registration=self.watches
                ),
            ),
            text_document=lsp.TextDocumentClientCapabilities(
                publish_diagnostics=lsp.PublishDiagnosticsClientCapabilities(
                    related_information=True, code_description_support=True
                )
            ),
        )

    async def stop(self) -> None:
        await asyncio.wait_for(self.client.shutdown_async(None), PATIENCE)
        self.client.exit(None)
        await asyncio.wait_for(self.client.stop(), PATIENCE)

    # Texts

    def open(self, path: Path, text: str | None = None) -> str:
        uri = path.as_uri()
        self.texts[uri] = path.read_bytes().decode() if text is None else text
        self.versions[uri] = 1
        item = lsp.TextDocumentItem(uri, "python", 1, self.texts[uri])
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, text: str) -> None:
        self.texts[uri] = text
        self.versions[uri] += 1
        identifier = lsp.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        change = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, [change]))

    def save(self, uri: str) -> None:
        path_of(uri).write_bytes(self.texts[uri].encode())
        self.client.text_document_did_save(lsp.DidSaveTextDocumentParams(_named(uri)))

    def close(self, uri: str) -> None:
        del self.texts[uri]
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(_named(uri)))

    def apply(self, edit: lsp.WorkspaceEdit) -> None:
        """As the protocol says it: new files first, the edits of one text all at once."""
        for uri, edits in (edit.changes or {}).items():
            self.type(uri, self.edited(self.texts[uri], edits))
        for each in edit.document_changes or ():
            if isinstance(each, lsp.CreateFile):
                assert self.creates
                assert not path_of(each.uri).exists()
                path_of(each.uri).touch()
                self.open(path_of(each.uri))
                continue
            assert isinstance(each, lsp.TextDocumentEdit)
            identifier = each.text_document
            assert identifier.version in (None, self.versions[identifier.uri])
            edits = [e for e in each.edits if isinstance(e, lsp.TextEdit)]
            self.type(identifier.uri, self.edited(self.texts[identifier.uri], edits))

    def edited(self, text: str, edits: Sequence[lsp.TextEdit]) -> str:
        spans = [
            (self.offset(text, e.range.start), self.offset(text, e.range.end), e.new_text)
            for e in edits
        ]
        for start, end, new in sorted(spans, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def offset(self, text: str, position: lsp.Position) -> int:
        """Where a position is in a text; one that is in no line is an error, but for those of an empty text."""
        offset = 0
        if not text:
            return 0
        for _ in range(position.line):
            ends = [at for end in ("\r\n", "\n", "\r") if (at := text.find(end, offset)) >= 0]
            assert ends, position
            at = min(ends)
            offset = at + (2 if text[at : at + 2] == "\r\n" else 1)
        units = 0
        while units < position.character:
            units += self.units(text[offset])
            offset += 1
        assert units == position.character
        return offset

    def units(self, character: str) -> int:
        return {
            "utf-8": len(character.encode()),
            "utf-16": len(character.encode("utf-16-le")) // 2,
            "utf-32": 1,
        }[self.encoding]

    # Answers

    async def until(self, done: Callable[[], T | None]) -> T:
        """Wait for news that the function finds good."""

        async def wait() -> T:
            while (found := done()) is None:
                self._news.clear()
                await self._news.wait()
            return found

        return await asyncio.wait_for(wait(), PATIENCE)

    async def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        """Those of the text as it is."""

        def current() -> list[lsp.Diagnostic] | None:
            found = self.shown.get(uri)
            return (
                list(found.diagnostics) if found and found.version == self.versions[uri] else None
            )

        return await self.until(current)

    async def actions(
        self, uri: str, line: int, only: Sequence[str] | None = None
    ) -> list[lsp.CodeAction]:
        """What is offered at a line, counted from 1."""
        where = lsp.Range(lsp.Position(line - 1, 4), lsp.Position(line - 1, 4))
        known = self.shown[uri].diagnostics if uri in self.shown else []
        met = [d for d in known if d.range.start.line == line - 1]
        context = lsp.CodeActionContext(met, only=only)
        found = await self.client.text_document_code_action_async(
            lsp.CodeActionParams(_named(uri), where, context)
        )
        return [each for each in found or () if isinstance(each, lsp.CodeAction)]

    async def command(self, command: lsp.Command) -> object:
        params = lsp.ExecuteCommandParams(command.command, command.arguments)
        return await self.client.workspace_execute_command_async(params)

    async def hover(self, uri: str, line: int, column: int) -> str:
        position = lsp.Position(line - 1, column - 1)
        found = await self.client.text_document_hover_async(lsp.HoverParams(_named(uri), position))
        return found.contents.value if found else ""  # type: ignore[union-attr]

    async def lenses(self, uri: str) -> list[lsp.CodeLens]:
        params = lsp.CodeLensParams(_named(uri))
        return list(await self.client.text_document_code_lens_async(params) or ())


def _converter() -> Converter:
    """As pygls makes it, but for actions that hold a command, which it takes for commands."""
    converter = default_converter()

    def action(given: dict[str, Any], _: object) -> object:
        is_command = isinstance(given.get("command"), str)
        return converter.structure(given, lsp.Command if is_command else lsp.CodeAction)

    converter.register_structure_hook(lsp.Command | lsp.CodeAction, action)
    converter.register_structure_hook(Union[lsp.Command, lsp.CodeAction], action)  # noqa: UP007
    return converter


def _named(uri: str) -> lsp.TextDocumentIdentifier:
    return lsp.TextDocumentIdentifier(uri)


def path_of(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


class Servers:
    """Servers that the tests of a module share, one for each kind of client; one that has failed is used no more."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: dict[tuple[object, ...], Editor] = {}

    def run(
        self,
        session: Callable[[Editor], Coroutine[Any, Any, None]],
        *roots: Path,
        kind: Mapping[str, Any] | None = None,
    ) -> None:
        """Run a session against a server for this kind of client, which began in some folder."""
        key = tuple((kind or {}).items())
        self._loop.run_until_complete(self._run(session, roots, kind or {}, key))

    async def _run(
        self,
        session: Callable[[Editor], Coroutine[Any, Any, None]],
        roots: Sequence[Path],
        kind: Mapping[str, Any],
        key: tuple[object, ...],
    ) -> None:
        one = self._running.pop(key, None)
        if one is None:
            one = Editor(**kind)
            await one.start(*roots)
        try:
            await asyncio.wait_for(session(one), 6 * PATIENCE)
        except BaseException:
            await one.stop()
            raise
        for uri in [*one.texts]:
            one.close(uri)
        self._running[key] = one

    def stop(self) -> None:
        for each in self._running.values():
            self._loop.run_until_complete(each.stop())
        self._loop.close()


def with_editor(
    session: Callable[[Editor], Coroutine[Any, Any, None]],
    *roots: Path,
    options: object = None,
    command: Sequence[str] = COMMAND,
    kind: Mapping[str, Any] | None = None,
) -> None:
    """Run a session against a server of its own, that begins in the first of the folders."""

    async def run() -> None:
        one = Editor(**(kind or {}))
        await one.start(*roots, options=options, command=command)
        try:
            await asyncio.wait_for(session(one), 6 * PATIENCE)
        finally:
            await one.stop()

    asyncio.run(run())
