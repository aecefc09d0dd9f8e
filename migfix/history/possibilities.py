"""The sets of migrations that may have run before one, beside those that surely have.

Where a function fails without a model (``needed``), only those count in which it is there: what made it has run, and what
takes it away has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from migfix.history.standing import MigrationKey
from migfix.history.state import ModelKey


@dataclass(frozen=True, slots=True)
class Possibilities:
    """Sets are masks. ``effective``: the migrations of an app. ``closure``: one with its ancestors. ``lacks``: is a model
    surely not there where a set has run? ``itself``: the migration that is asked about.
    """

    effective: Callable[[str], Sequence[MigrationKey]]
    closure: Callable[[MigrationKey], int]
    lacks: Callable[[int, ModelKey], bool]
    itself: int

    def sets(self, sure: int, labels: frozenset[str], needed: frozenset[ModelKey]) -> list[int]:
        """The sure ones with what made the models, per app each step further, and all."""
        for model in sorted(needed):
            sure |= self._makers(sure, model)
        there = [model for model in needed if not self.lacks(sure, model)]
        masks = {sure}
        everything = sure
        for label in labels:
            of_the_app = sure
            for closure in self._later(label):
                if not any(self.lacks(sure | closure, model) for model in there):
                    masks.add(sure | closure)
                    of_the_app |= closure
            masks.add(of_the_app)
            everything |= of_the_app
        masks.add(everything)
        return sorted(masks, key=lambda mask: (mask.bit_count(), mask))

    def _makers(self, sure: int, model: ModelKey) -> int:
        """What has run wherever a model is there that the sure ones do not make."""
        if not self.lacks(sure, model):
            return 0
        common: int | None = None
        for closure in self._later(model[0]):
            if not self.lacks(sure | closure, model):
                common = closure if common is None else common & closure
        return common or 0

    def _later(self, label: str) -> Iterator[int]:
        """The migrations of an app that do not come after the one in question, each with its ancestors."""
        for key in self.effective(label):
            closure = self.closure(key)
            if not closure & self.itself:
                yield closure
