"""What an editor offers to do about the loops of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import (
    CodeAction,
    CodeActionKind,
    Command,
    Diagnostic,
    Range,
    WorkspaceEdit,
)

from migfix.disk.files import Files
from migfix.findings import Applicability, FileEdit, LoopOutcome
from migfix.reading.vendored import functions_in
from migfix.reports.told import count, quiet_reason
from migfix.server.desk import Desk, Look
from migfix.server.diagnostics import SOURCE, header
from migfix.server.edits import Document, Writer, comment_edit

FIX_ALL = f"{CodeActionKind.SourceFixAll.value}.migfix"
QUICK_FIX = CodeActionKind.QuickFix.value
CREATE_HELPER = "migfix.createHelper"
REWRITE_ALL = "migfix.rewriteAll"
VERIFY = "migfix.verify"


@dataclass(frozen=True)
class Asked:
    """The places that are asked about, the diagnostics there, and the kinds of actions that are wanted."""

    range: Range
    diagnostics: Sequence[Diagnostic]
    only: Sequence[str] | None

    def wants(self, kind: str) -> bool:
        """Is an action of this kind, or of one below it, wanted?"""
        return self.only is None or any(
            kind == each or kind.startswith(f"{each}.") or not each for each in self.only
        )

    def meets(self, loop: LoopOutcome) -> bool:
        return self.range.start.line < loop.end_line and self.range.end.line >= loop.line - 1


@dataclass(frozen=True)
class Actions:
    """The actions on one file, as it was looked at."""

    desk: Desk
    look: Look
    document: Document
    writer: Writer

    def on(self, asked: Asked) -> list[CodeAction]:
        met = [loop for loop in self.look.outcome.loops if asked.meets(loop)]
        found: list[CodeAction] = []
        if asked.wants(QUICK_FIX):
            found += [action for loop in met for action in self._on_loop(loop, asked)]
        safe = self.all_safe()
        if safe:
            found += self._on_file(safe, asked, several=bool(met))
        if any(loop.changed for loop in met) and asked.wants(QUICK_FIX):
            title = "Run both versions of this migration and compare (migfix verify)"
            command = Command(title, VERIFY, arguments=[self.document.uri])
            found.append(CodeAction(title, kind=QUICK_FIX, command=command))
        return found

    def all_safe(self) -> tuple[FileEdit, ...]:
        """What rewrites all loops of the file that can safely be."""
        return self.desk.all_safe(self.look).edits

    def _on_loop(self, loop: LoopOutcome, asked: Asked) -> Iterator[CodeAction]:
        if loop.changed and (edits := self.desk.edits(self.look, loop)):
            unsafe = loop.applicability is Applicability.UNSAFE
            title = f"Rewrite this loop{' (unsafe)' if unsafe else ''}: {loop.reason}"
            yield self._fix(title, edits, loop, asked, preferred=not unsafe)
        if loop.offer and (edits := self.desk.offered(self.look, loop).edits):
            yield self._fix(f"Rewrite this loop (unsafe): {loop.offer}", edits, loop, asked)
        if (loop.changed or loop.offer) and quiet_reason(loop) is None:
            edit = comment_edit(loop.line, self.document.places)
            yield CodeAction(
                "Leave this loop alone, with a comment",
                kind=QUICK_FIX,
                diagnostics=self._of(loop, asked),
                edit=self.writer.with_texts(self.document, [edit]),
            )

    def _on_file(
        self, edits: Sequence[FileEdit], asked: Asked, *, several: bool
    ) -> Iterator[CodeAction]:
        loops = [loop for loop in self.look.outcome.loops if loop.changed]
        safe = [loop for loop in loops if loop.applicability is Applicability.SAFE]
        title = f"Rewrite {count(len(safe), 'loop')} of this file, all that is safe"
        kinds = [FIX_ALL] if asked.wants(FIX_ALL) else []
        if several and len(safe) > 1 and asked.wants(QUICK_FIX):
            kinds.append(QUICK_FIX)
        for kind in kinds:
            yield CodeAction(title, kind=kind, edit=self._edit(edits), command=self._rest(edits))

    def _fix(
        self,
        title: str,
        edits: Sequence[FileEdit],
        loop: LoopOutcome,
        asked: Asked,
        *,
        preferred: bool = False,
    ) -> CodeAction:
        return CodeAction(
            " ".join(title.split()),
            kind=QUICK_FIX,
            diagnostics=self._of(loop, asked),
            is_preferred=preferred or None,
            edit=self._edit(edits),
            command=self._rest(edits),
        )

    def _of(self, loop: LoopOutcome, asked: Asked) -> list[Diagnostic] | None:
        """The diagnostics that the client has of the loop."""
        where = header(loop, self.document.places)
        own = (each for each in asked.diagnostics if each.source == SOURCE)
        return [each for each in own if each.range == where] or None

    def _edit(self, edits: Sequence[FileEdit]) -> WorkspaceEdit:
        return self.writer.workspace_edit(self.document, edits)

    def _rest(self, edits: Sequence[FileEdit]) -> Command | None:
        """What is done after the edit by us, where the client cannot."""
        left = self.writer.left_to_us(edits)
        if not left:
            return None
        # Some clients tell of the edited text only after the command: it cannot be read from that.
        functions = sorted(f for each in left for f in functions_in(each.after, Files()))
        return Command("Create the helper", CREATE_HELPER, arguments=[self.document.uri, functions])
