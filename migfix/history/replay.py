"""The models after a set of migrations, each replayed alone from the operations that may change it."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from migfix.history.operations.applying import apply_operation
from migfix.history.state import ModelKey, ModelState, ProjectState, Unknown
from migfix.history.touching import Touch, owners_and_targets, touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from migfix.history.files.migration import Operation
    from migfix.history.operations.places import Place

_RECENT_STATES = 100  # how many replayed states are tried as a start for another one


@dataclass(frozen=True, slots=True)
class Step:
    """One operation where it stands, and what it may change."""

    operation: Operation
    place: Place
    touch: Touch

    def concerns(self, names: frozenset[ModelKey]) -> bool:
        return self.touch.others or not names.isdisjoint(self.touch.models)

    def after(self, state: ProjectState) -> ProjectState:
        return apply_operation(state, self.operation, self.place)


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The first steps of the migration that a question is about. Compared by identity."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """What has run: a set of migrations as the bits of their numbers, then the steps of one more."""

    mask: int
    tail: Tail = Tail()


class Replay:
    """The steps of all known migrations, by number; parents have the smaller one.

    A migration can change a model only by an operation that names it, or by one that may change
    others than those it names (``Touch.others``). So one model's past needs few migrations, and sets
    that differ only in the rest find the same model.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Step, ...]] = []
        self._naming: dict[ModelKey, int] = {}  # the migrations that name a model
        self._changing_app: dict[str, int] = {}  # those that may change any model of their app
        self._changing_all = 0  # those that may change models of other apps too
        self._needed: dict[str, set[ModelKey]] = {}  # models that operations on others look for
        self._named_in: dict[str, frozenset[ModelKey]] = {}  # the models that an app's files name
        self._older: dict[ModelKey, set[ModelKey]] = {}  # names that a model had before
        self._newer: dict[ModelKey, set[ModelKey]] = {}
        self._owners: dict[ModelKey, dict[ModelKey, None]] = {}  # what may point to a model
        self._states: dict[frozenset[ModelKey], dict[int, ProjectState]] = {}
        self._ends: dict[tuple[frozenset[ModelKey], Tail], dict[int, ProjectState]] = {}
        # Until more is read:
        self._on_apps: tuple[frozenset[ModelKey], int] | None = None
        self._pasts: dict[ModelKey, tuple[frozenset[ModelKey], int]] = {}
        self._whole: dict[int, ProjectState] = {0: ProjectState()}

    # What is known

    def steps(self, operations: Iterable[Operation], place: Place) -> tuple[Step, ...]:
        """The operations as steps, from now on counted in when a model's past is looked for."""
        self._read_more()
        steps = tuple(Step(each, place, touch(each, place)) for each in operations)
        for step in steps:
            if step.touch.needs:
                self._needed.setdefault(place.app_label, set()).update(step.touch.needs)
                self._named_in.pop(place.app_label, None)
            for old, new in step.touch.renames:
                self._older.setdefault(new, set()).add(old)
                self._newer.setdefault(old, set()).add(new)
            for owner, target in owners_and_targets(step.operation, place):
                self._owners.setdefault(target, {})[owner] = None
        return steps

    def number(self, steps: tuple[Step, ...]) -> int:
        """Adds the next migration, and returns its number."""
        number = len(self._steps)
        self._read_more()
        self._steps.append(steps)
        for step in steps:
            label = step.place.app_label
            self._named_in.pop(label, None)
            for name in step.touch.models:
                self._naming[name] = self._naming.get(name, 0) | 1 << number
            if step.touch.others:
                self._changing_app[label] = self._changing_app.get(label, 0) | 1 << number
            if step.touch.other_apps:
                self._changing_all |= 1 << number
        return number

    def _read_more(self) -> None:
        self._on_apps = None
        self._pasts.clear()

    # Questions

    def model(self, key: ModelKey, moment: Moment) -> ModelState | Unknown | None:
        """One model as it is then, None where there is none."""
        names, relevant = self._past(key)
        return self._at(names, Moment(moment.mask & relevant, moment.tail)).models.get(key)

    def relevant(self, key: ModelKey) -> int:
        """The migrations that may change the model."""
        return self._past(key)[1]

    @property
    def relevant_to_unknown_apps(self) -> int:
        return self._deciding_on_apps[1]

    @property
    def _deciding_on_apps(self) -> tuple[frozenset[ModelKey], int]:
        """The models by whose existence an operation may say too little, and the migrations that matter to it."""
        if self._on_apps is None:
            names = self._with_older_names(set().union(*self._needed.values()))
            mask = self._changing_all
            for changing in self._changing_app.values():
                mask |= changing
            for name in names:
                mask |= self._naming.get(name, 0)
            self._on_apps = names, mask
        return self._on_apps

    def unknown_apps(self, moment: Moment) -> Mapping[str, str]:
        """The apps of which some operation says too little, and why."""
        names, relevant = self._deciding_on_apps
        return self._at(names, Moment(moment.mask & relevant, moment.tail)).unknown_apps

    def may_point_to(self, key: ModelKey) -> tuple[ModelKey, ...]:
        """The models with a field that was written with this target, or with an older name of it."""
        found: dict[ModelKey, None] = {}
        for name in self._with_older_names({key}):
            found.update(self._owners.get(name, {}))
        waiting = list(found)
        while waiting:
            newer = [each for each in self._newer.get(waiting.pop(), ()) if each not in found]
            found.update(dict.fromkeys(newer))
            waiting += newer
        return tuple(found)

    def whole(self, moment: Moment) -> ProjectState:
        """Every model, from the nearest state replayed before."""
        if moment.mask not in self._whole:
            recent = islice(self._whole, max(len(self._whole) - _RECENT_STATES, 0), None)
            done = max((e for e in recent if not e & ~moment.mask), key=int.bit_count, default=0)
            state = self._whole[done]
            for number in bits(moment.mask & ~done):
                state = _after_all(state, self._steps[number])
            self._whole[moment.mask] = state
        return _after_all(self._whole[moment.mask], moment.tail.steps)

    # Replaying

    def _past(self, key: ModelKey) -> tuple[frozenset[ModelKey], int]:
        """The models that are replayed for one, and the migrations that may change them."""
        if key not in self._pasts:
            names = self._replayed_with(key)
            self._pasts[key] = names, self._concerning(key[0], names)
        return self._pasts[key]

    def _replayed_with(self, key: ModelKey) -> frozenset[ModelKey]:
        """The model under all its names; all of its app where their existence decides on others."""
        if self._needed.get(key[0]):
            if key[0] not in self._named_in:
                found = (each for each in self._naming if each[0] == key[0])
                self._named_in[key[0]] = frozenset(found) | self._needed[key[0]]
            if key in self._named_in[key[0]]:
                return self._named_in[key[0]]
        return self._with_older_names({key} | self._needed.get(key[0], set()))

    def _with_older_names(self, keys: set[ModelKey]) -> frozenset[ModelKey]:
        names, waiting = set(keys), list(keys)
        while waiting:
            older = self._older.get(waiting.pop(), set()) - names
            names |= older
            waiting += older
        return frozenset(names)

    def _concerning(self, label: str, names: frozenset[ModelKey]) -> int:
        mask = self._changing_all | self._changing_app.get(label, 0)
        for name in names:
            mask |= self._naming.get(name, 0)
        return mask

    def _at(self, names: frozenset[ModelKey], moment: Moment) -> ProjectState:
        """The state as far as ``names`` go; the mask holds only what concerns them."""
        known = self._ends.setdefault((names, moment.tail), {})
        if moment.mask not in known:
            steps = [step for step in moment.tail.steps if step.concerns(names)]
            known[moment.mask] = _after_all(self._after(names, moment.mask), steps)
        return known[moment.mask]

    def _after(self, names: frozenset[ModelKey], mask: int) -> ProjectState:
        known = self._states.setdefault(names, {0: ProjectState()})
        if mask not in known:
            done = max((each for each in known if not each & ~mask), key=int.bit_count)
            state = known[done]
            for number in bits(mask & ~done):
                for step in self._steps[number]:
                    if step.concerns(names):
                        state = step.after(state)
            known[mask] = state
        return known[mask]


def _after_all(state: ProjectState, steps: Sequence[Step]) -> ProjectState:
    for step in steps:
        state = step.after(state)
    return state


@dataclass(frozen=True, eq=False)
class ModelsAt(Mapping[ModelKey, "ModelState | Unknown"]):
    """The models at one moment: one is replayed when it is asked for, all when they are listed."""

    replay: Replay
    moment: Moment
    _known: dict[ModelKey, ModelState | Unknown | None] = field(default_factory=dict)

    def __getitem__(self, key: ModelKey) -> ModelState | Unknown:
        if key not in self._known:
            self._known[key] = self.replay.model(key, self.moment)
        found = self._known[key]
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[ModelKey]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def items(self) -> ItemsView[ModelKey, ModelState | Unknown]:
        return self._all.items()

    def values(self) -> ValuesView[ModelState | Unknown]:
        return self._all.values()

    @cached_property
    def _all(self) -> Mapping[ModelKey, ModelState | Unknown]:
        return self.replay.whole(self.moment).models


def bits(mask: int) -> Iterator[int]:
    """The numbers in a set, smallest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
