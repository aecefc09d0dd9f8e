"""The contract of a codemod: a pure ``decide(loop)`` in a file whose name is the codemod's name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from migfix.expressions.context import Refused
from migfix.findings import Part, Refusal, Rewrite
from migfix.loops.loop import Loop

if TYPE_CHECKING:
    from libcst.codemod import CodemodCommand

Decision: TypeAlias = Rewrite | Refusal | None
"""A rewrite of one part of the loop, a refusal with its reason, or nothing: not this codemod's matter."""


@dataclass(frozen=True, slots=True)
class Codemod:
    """One codemod. ``module`` is ``__name__`` of its file, which gives it its name.

    ``decide`` reads facts and answers, a refusal also by raising ``Refused``; it reads no files,
    changes nothing, and knows no other codemod.
    """

    module: str
    code: str
    part: Part
    decide: Callable[[Loop], Decision]

    @property
    def name(self) -> str:
        """``loop-to-update`` for ``codemods/loop_to_update.py``."""
        return self.module.rpartition(".")[2].replace("_", "-")

    def decision(self, loop: Loop) -> Decision:
        """What ``decide`` says of the loop."""
        try:
            return self.decide(loop)
        except Refused as refused:
            return refused.refusal

    @property
    def documentation(self) -> str:
        """The module docstring: what users read."""
        return (sys.modules[self.module].__doc__ or "").strip()

    def module_attribute(self, name: str) -> type[CodemodCommand]:
        """``Command``, for ``python -m libcst.tool codemod codemods.<file>.Command``; made when asked for.

        Serves as the module's ``__getattr__`` (PEP 562), so that LibCST is not imported before.
        """
        if name != "Command":
            raise AttributeError(f"module {self.module!r} has no attribute {name!r}")
        from migfix.command import command_for

        command: type[CodemodCommand] = command_for(self)
        return command
