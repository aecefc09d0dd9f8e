"""What is done to one loop of a file, or to the expressions of one statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migfix.findings import Edit, InBlock, ReplaceExpressions, ReplaceLoop, Rewrite


@dataclass(frozen=True, slots=True)
class LoopEdits:
    """What to do to one loop, or to the expressions of one other statement. ``wrappers`` are the calls around its queryset, outermost first.

    ``needless_list`` is ``list(queryset)`` in front of it, which goes where the loop is replaced or gets
    a new header; ``needless_guard`` is the ``if`` around or before it that goes where the loop is replaced.
    """

    rewrites: tuple[Rewrite, ...]
    wrappers: tuple[str, ...] = ()
    needless_list: ast.Call | None = None
    needless_guard: ast.If | None = None

    @property
    def of_loop(self) -> list[Edit]:
        """The edits of the loop itself."""
        edits = [rewrite.edit for rewrite in self.rewrites]
        return [edit for edit in edits if not isinstance(edit, (ReplaceExpressions, InBlock))]

    @property
    def guard(self) -> ast.If | None:
        """The ``if`` that goes."""
        replaced = any(isinstance(edit, ReplaceLoop) for edit in self.of_loop)
        return self.needless_guard if replaced else None

    @property
    def block(self) -> str | None:
        """The header of the ``with`` block that the loop goes into."""
        headers = [r.edit.header for r in self.rewrites if isinstance(r.edit, InBlock)]
        return ", ".join(headers) or None

    @property
    def last(self) -> Sequence[str]:
        """Statements that each turn of the loop ends with."""
        edits = [r.edit for r in self.rewrites if isinstance(r.edit, InBlock)]
        return [edit.last for edit in edits if edit.last is not None]

    @property
    def commits(self) -> ast.ClassDef | None:
        """The class of the migration that says ``atomic = False`` then."""
        edits = [rewrite.edit for rewrite in self.rewrites]
        found = (edit.commits for edit in edits if isinstance(edit, ReplaceExpressions))
        return next((each for each in found if each is not None), None)

    @property
    def replaced(self) -> Iterator[tuple[ast.expr, str | None]]:
        """Expressions around and in the loop, and what each becomes; None for a call to be its argument."""
        for rewrite in self.rewrites:
            if isinstance(rewrite.edit, (ReplaceExpressions, InBlock)):
                yield from rewrite.edit.pairs
        if self.needless_list and self.of_loop:
            yield self.needless_list, None
