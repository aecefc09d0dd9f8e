"""Which request of the protocol is answered by what."""

from __future__ import annotations

import asyncio
import gc
import logging

from lsprotocol import types as lsp

from migfix.disk.files import Files
from migfix.disk.writing import WriteError
from migfix.reports.told import count
from migfix.server import configuration
from migfix.server.actions import CREATE_HELPER, FIX_ALL, REWRITE_ALL, VERIFY, Actions, Asked
from migfix.server.desk import Look
from migfix.server.diagnostics import of_verdict
from migfix.server.hover import hover
from migfix.server.lenses import lenses
from migfix.server.progress import Progress
from migfix.server.session import PAUSE_OF_OTHERS, Server, Shown, create, path_of
from migfix.server.texts import Places
from migfix.server.verdicts import NotVerified, verified

_WATCHED = (
    "**/*.py",
    "**/pyproject.toml",
    "**/setup.cfg",
    "**/*.txt",
    "**/.gitignore",
    "**/.git/HEAD",
)
server = Server()


# -- the texts


@server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
async def opened(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    uri = params.text_document.uri
    if path_of(uri) is not None:
        ls.shown[uri] = Shown()
        ls.desk.look_at_disk()
        ls.soon(uri, 0.0)


@server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
async def changed(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    if uri in ls.shown:
        ls.soon(uri)
        ls.all_soon(PAUSE_OF_OTHERS, but=uri)


@server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
async def saved(ls: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    ls.desk.look_at_disk()
    ls.all_soon()


@server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
async def closed(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    path = path_of(uri)
    if ls.shown.pop(uri, None) is not None and path is not None:
        await ls.run(ls.desk.take, path)
        ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        ls.all_soon()


@server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
async def moved(ls: Server, params: lsp.DidChangeWatchedFilesParams) -> None:
    ls.desk.look_at_disk()
    ls.all_soon()


@server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
async def other_folders(ls: Server, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    ls.desk.look_at_disk()
    ls.all_soon()


# -- the configuration


@server.feature(lsp.INITIALIZE)
def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    ls.began_with = params.initialization_options
    ls.said = configuration.read(ls.began_with)
    ls.desk.configure(ls.said.overrides)


@server.feature(lsp.INITIALIZED)
async def initialized(ls: Server, params: lsp.InitializedParams) -> None:
    workspace = ls.client_capabilities.workspace
    watches = workspace.did_change_watched_files if workspace else None
    if watches and watches.dynamic_registration:
        watchers = [lsp.FileSystemWatcher(glob) for glob in _WATCHED]
        options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
        registration = lsp.Registration(
            "migfix-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options
        )
        await ls.client_register_capability_async(lsp.RegistrationParams([registration]))
    await _ask_for_configuration(ls)


@server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
async def configured(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    if params.settings:
        await _configure(ls, params.settings)
    else:
        await _ask_for_configuration(ls)


async def _ask_for_configuration(ls: Server) -> None:
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.configuration:
        item = lsp.ConfigurationItem(section="migfix")
        answer = await ls.workspace_configuration_async(lsp.ConfigurationParams([item]))
        said = (answer and answer[0]) or ls.began_with
        if configuration.read(said) != ls.said:
            await _configure(ls, said)


async def _configure(ls: Server, said: object) -> None:
    ls.said = configuration.read(said)
    for key in ls.said.wrong:
        ls.message(f"the configuration says {key!r}, which means nothing or is of another type")
    await ls.run(ls.desk.configure, ls.said.overrides)
    ls.all_soon()


# -- what is asked


@server.feature(
    lsp.TEXT_DOCUMENT_CODE_ACTION,
    lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, FIX_ALL]),
)
async def actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    uri = params.text_document.uri
    look = await ls.current(uri)
    if look is None:
        return []
    asked = Asked(params.range, params.context.diagnostics, params.context.only)
    found = Actions(ls.desk, look, ls.document(uri, look), ls.writer)
    return await ls.run(found.on, asked)


@server.feature(lsp.TEXT_DOCUMENT_HOVER)
async def told(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    look = await ls.current(params.text_document.uri)
    if look is None:
        return None
    return hover(look, params.position, Places(look.text, ls.encoding))


@server.feature(lsp.TEXT_DOCUMENT_CODE_LENS, lsp.CodeLensOptions())
async def over_run_pythons(ls: Server, params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
    uri = params.text_document.uri
    look = await ls.current(uri)
    if look is None:
        return []
    return await ls.run(lenses, look, Places(look.text, ls.encoding), uri)


# -- what is done


@server.command(REWRITE_ALL)
async def rewrite_all(ls: Server, uri: str) -> None:
    look = await ls.current(uri)
    if look is None:
        ls.message("the file does not parse, or is no migration")
        return
    edits = await ls.run(Actions(ls.desk, look, ls.document(uri, look), ls.writer).all_safe)
    if edits:
        loops = sum(loop.changed for loop in look.outcome.loops)
        await ls.change(uri, edits, look, f"Rewrite {count(loops, 'loop')}")


@server.command(CREATE_HELPER)
async def create_helper(ls: Server, uri: str, functions: list[str]) -> None:
    """For clients that change texts and create no files: make the helper of a file, with these of its functions."""
    look = await ls.current(uri)
    wanted = frozenset(functions)
    helper = None if look is None else await ls.run(ls.desk.helper, look.path, wanted)
    if helper is not None:
        try:
            await ls.run(create, [helper])
        except WriteError as error:
            ls.message(str(error), lsp.MessageType.Error)


@server.command(VERIFY)
async def verify(ls: Server, uri: str) -> None:
    """Run both versions of a migration, as it is on the disk, and show what was seen at each loop."""
    look = await ls.current(uri)
    if look is None:
        ls.message("the file does not parse, or is no migration")
    elif Files().read(look.path) != look.source.data:
        ls.message("save the file first: verify runs what is on the disk", lsp.MessageType.Warning)
    elif uri in ls.running:
        ls.message("verify runs already for this file")
    else:
        ls.running[uri] = asyncio.ensure_future(_verify(ls, uri, look))
        try:
            async with Progress(ls, f"verify {look.path.name}", ls.running[uri].cancel):
                await ls.running[uri]
        except asyncio.CancelledError:
            ls.message("verify was cancelled")
        finally:
            del ls.running[uri]


async def _verify(ls: Server, uri: str, look: Look) -> None:
    try:
        seen = await verified(look.path, _arguments(ls))
    except NotVerified as error:
        ls.message(str(error), lsp.MessageType.Error)
        return
    shown = ls.shown.get(uri)
    if shown is not None and shown.look is not None and shown.look.text == look.text:
        verdicts = (of_verdict(look, line, each, ls.encoding) for line, each in seen.items())
        shown.verdicts = tuple(verdicts)
        ls.publish(uri)
    if not seen:
        ls.message("nothing to verify: no loop of the file is rewritten")


def _arguments(ls: Server) -> list[str]:
    """The command line that says what the configuration of the client does."""
    said = ls.said.overrides
    lists = {"--select": said.select, "--ignore": said.ignore, "--database": said.databases}
    found = [part for name, each in lists.items() for v in each or () for part in (name, v)]
    if said.unsafe_fixes is not None:
        found.append("--unsafe-fixes" if said.unsafe_fixes else "--no-unsafe-fixes")
    if said.config is not None:
        found += ["--config", str(said.config)]
    if said.batch_size is not None:
        found += ["--batch-size", str(said.batch_size)]
    return found


def start() -> None:
    """Serve one client on standard input and output."""
    gc.enable()
    logging.basicConfig(level=logging.WARNING, format="migfix server: %(message)s")
    server.start_io()
