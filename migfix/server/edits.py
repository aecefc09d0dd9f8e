"""What migfix would write, as edits that an editor makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol.types import (
    CreateFile,
    CreateFileOptions,
    OptionalVersionedTextDocumentIdentifier,
    Position,
    Range,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from migfix.findings import FileEdit
from migfix.reports.replacements import replacements
from migfix.server.texts import Places
from migfix.source import Source
from migfix.suppression import comment_above

# Of an empty file, whose one line some editors end with a line feed.
_ALL = Range(Position(0, 0), Position(1, 0))


@dataclass(frozen=True)
class Document:
    """A file as the client knows it."""

    uri: str
    version: int | None
    places: Places


@dataclass(frozen=True)
class Writer:
    """``versioned``: the client takes edits of one version of a text; ``creates``: and makes files for them."""

    versioned: bool
    creates: bool  # only where edits are versioned

    def workspace_edit(self, document: Document, edits: Sequence[FileEdit]) -> WorkspaceEdit:
        """All that is written, new files first. What the client cannot create is left out."""
        *helpers, own = edits
        before: list[CreateFile | TextDocumentEdit] = []
        for each in helpers:
            if each.before is not None:
                before.append(_changed(each, document.places.encoding))
            elif self.creates:
                before += _created(each)
        return self.with_texts(document, text_edits(own, document.places), before)

    def with_texts(
        self,
        document: Document,
        texts: Sequence[TextEdit],
        before: Sequence[CreateFile | TextDocumentEdit] = (),
    ) -> WorkspaceEdit:
        """Edits of one text, after what is done ``before``."""
        if not self.versioned:
            others = {
                e.text_document.uri: e.edits for e in before if isinstance(e, TextDocumentEdit)
            }
            return WorkspaceEdit(changes={**others, document.uri: texts})  # type: ignore[dict-item]
        identifier = OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
        return WorkspaceEdit(document_changes=[*before, TextDocumentEdit(identifier, texts)])

    def left_to_us(self, edits: Sequence[FileEdit]) -> list[FileEdit]:
        """The files that the client cannot create."""
        return [] if self.creates else [each for each in edits if each.before is None]


def text_edits(edit: FileEdit, places: Places) -> list[TextEdit]:
    """Those that make of the text what migfix would write."""
    return [
        TextEdit(places.stretch(each.line, each.end_line), each.text) for each in replacements(edit)
    ]


def comment_edit(line: int, places: Places) -> TextEdit:
    """What puts a line above the loop that keeps migfix away from it."""
    return TextEdit(places.stretch(line, line), comment_above(places.lines[line - 1]))


def _changed(edit: FileEdit, encoding: str) -> TextDocumentEdit:
    """A helper that is there and is to hold more."""
    assert edit.before is not None
    places = Places(Source.of(edit.path, edit.before).text, encoding)
    identifier = OptionalVersionedTextDocumentIdentifier(edit.path.absolute().as_uri())
    return TextDocumentEdit(identifier, text_edits(edit, places))


def _created(edit: FileEdit) -> list[CreateFile | TextDocumentEdit]:
    uri = edit.path.absolute().as_uri()
    text = Source.of(edit.path, edit.after).text
    return [
        CreateFile(uri=uri, options=CreateFileOptions(overwrite=False, ignore_if_exists=False)),
        TextDocumentEdit(OptionalVersionedTextDocumentIdentifier(uri), [TextEdit(_ALL, text)]),
    ]
