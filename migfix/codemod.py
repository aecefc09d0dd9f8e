"""The contract of a codemod: a pure ``decide(loop)`` in a file whose name is the codemod's name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from migfix.expressions.context import Refused
from migfix.facts.access import Access
from migfix.facts.loop import Loop
from migfix.facts.statements import Statement
from migfix.findings import Part, Reason, Refusal, Rewrite
from migfix.settings import DATABASES
from migfix.sql.databases import Databases

if TYPE_CHECKING:
    from libcst.codemod import CodemodCommand

Decision: TypeAlias = Rewrite | Refusal | None
"""A rewrite of one part of the loop, a refusal with its reason, or nothing: not this codemod's matter."""


# Parts that rest on what Django does on any database, and on the helper, which has a way for any.
_OF_DJANGO = frozenset({Part.COLUMNS, Part.SOURCE, Part.COUNTS})


@dataclass(frozen=True, slots=True)
class Codemod:
    """One codemod. ``module`` is ``__name__`` of its file, which gives it its name.

    ``decide`` reads facts and answers, a refusal also by raising ``Refused``; it reads no files,
    changes nothing, and knows no other codemod. One that is ``opt_in`` is in force only where its own code or
    name is selected, and decides on statements, not on loops.
    """

    module: str
    code: str
    part: Part
    decide: Callable[[Loop], Decision] | Callable[[Statement], Decision]
    opt_in: bool = False

    @property
    def name(self) -> str:
        """``loop-to-update`` for ``codemods/loop_to_update.py``."""
        return self.module.rpartition(".")[2].replace("_", "-")

    def decision(self, loop: Access) -> Decision:
        """What ``decide`` says of the loop, on a database of which nothing is known too."""
        decision = self._decided(loop)
        unknown = loop.databases.unknown
        if decision is None or unknown is None:
            return decision
        if isinstance(decision, Refusal):
            turned_down = any(isinstance(each, Rewrite) for each in self._on_each(loop))
            why = f"{decision.message} ({unknown})"
            return replace(decision, message=why) if turned_down else decision
        if self.part in _OF_DJANGO or (self.part is Part.WHOLE and self._is_alike(decision, loop)):
            return decision
        caveat = Refusal(Reason.DATABASE_UNKNOWN, f"{unknown}, where this may do something else")
        return replace(decision, caveats=(*decision.caveats, caveat))

    def _decided(self, loop: Access) -> Decision:
        try:
            decide: Callable[..., Decision] = self.decide
            return decide(loop)
        except Refused as refused:
            return refused.refusal

    def _is_alike(self, decision: Decision, loop: Access) -> bool:
        return all(each == decision for each in self._on_each(loop))

    def _on_each(self, loop: Access) -> Iterator[Decision]:
        """What is decided where the project runs on one known database alone, for each of these."""
        for name in DATABASES:
            yield self._decided(replace(loop, databases=Databases(frozenset({name}))))

    @property
    def documentation(self) -> str:
        """The module docstring: what users read."""
        return (sys.modules[self.module].__doc__ or "").strip()

    def module_attribute(self, name: str) -> type[CodemodCommand]:
        """``Command``, for ``python -m libcst.tool codemod migfix.codemods.<file>.Command``; made when asked for.

        Serves as the module's ``__getattr__`` (PEP 562), so that LibCST is not imported before.
        """
        if name != "Command":
            raise AttributeError(f"module {self.module!r} has no attribute {name!r}")
        from migfix.command import command_for

        command: type[CodemodCommand] = command_for(self)
        return command
