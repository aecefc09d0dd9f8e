"""A state that remembers what it was asked, so that another one can be seen to answer all of it alike.

What is read and decided of a loop follows from the file and from the answers of the state. Where a second
state gives the same answers, all that followed from them is the same, and need not be found out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import TypeAlias

from migfix.history.state import Answer, FieldState, ModelKey, ModelState, ProjectState, Unknown

_Question: TypeAlias = tuple[Callable[..., object], tuple[object, ...]]
_DIFFERS = -1


@dataclass(frozen=True, slots=True, eq=False)
class Recorded(ProjectState):
    """The state ``of``, with each question and its answer in ``answers``; a question is asked but once."""

    of: ProjectState = field(default_factory=ProjectState)
    answers: dict[_Question, object] = field(default_factory=dict)
    _compared: dict[int, tuple[ProjectState, int]] = field(default_factory=dict, init=False)

    @classmethod
    def beginning(cls, state: ProjectState) -> Recorded:
        """The state, of which nothing was asked yet."""
        parts = {each.name: getattr(state, each.name) for each in fields(ProjectState)}
        answers: dict[_Question, object] = {}
        models = _Listed(state.models, answers)
        return cls(**{**parts, "models": models}, of=state, answers=answers)

    def is_answered_alike_by(self, other: ProjectState) -> bool:
        """Does the other state give every answer that this one gave so far?

        Answers stay and only get more: those that were compared before are not compared again.
        """
        _, compared = self._compared.get(id(other), (other, 0))
        if compared != _DIFFERS:
            new = islice(self.answers.items(), compared, None)
            alike = all(other.ask(question, *given) == answer for (question, given), answer in new)
            compared = len(self.answers) if alike else _DIFFERS
            self._compared[id(other)] = other, compared
        return compared != _DIFFERS

    def ask(self, question: Callable[..., Answer], *given: object) -> Answer:
        key = (question, given)
        if key not in self.answers:
            self.answers[key] = self.of.ask(question, *given)
        return self.answers[key]  # type: ignore[return-value]

    def model(self, app_label: str, name: str) -> ModelState | Unknown:
        return self.ask(ProjectState.model, app_label, name)

    def pointing_to(self, key: ModelKey) -> Iterator[tuple[ModelState, FieldState]]:
        return iter(self.ask(_pointing_to, key))

    def _why_more_relations(self, key: ModelKey) -> str | None:
        return self.ask(ProjectState._why_more_relations, key)


def _pointing_to(state: ProjectState, key: ModelKey) -> tuple[tuple[ModelState, FieldState], ...]:
    return tuple(state.pointing_to(key))


def _nothing_alike(state: ProjectState) -> object:
    """The answer of no other state."""
    return object()


@dataclass(frozen=True, eq=False)
class _Listed(Mapping[ModelKey, "ModelState | Unknown"]):
    """All models, for who asks by no question: no other state is seen to be alike any more."""

    models: Mapping[ModelKey, ModelState | Unknown]
    answers: dict[_Question, object]

    def _all(self) -> Mapping[ModelKey, ModelState | Unknown]:
        self.answers.setdefault((_nothing_alike, ()), object())
        return self.models

    def __getitem__(self, key: ModelKey) -> ModelState | Unknown:
        return self._all()[key]

    def __iter__(self) -> Iterator[ModelKey]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
