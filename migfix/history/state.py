"""The models as a migration saw them: plain frozen values, no Django and no user code.

The names are those of ``django.db.migrations.state``. A fact that cannot be read from the source
is ``Unknown``, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

ModelKey: TypeAlias = tuple[str, str]
"""(app label, model name in lower case), as Django keys its project state."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be established, and why, in words for the user."""

    why: str


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field of a historical model.

    ``class_path`` is the dotted path of the class as imported by the migration, with Django's own
    fields always written ``django.db.models.X``. ``options`` are the keyword arguments whose
    values are literals as Python values, every other one as ``Unknown``. ``target`` is the model
    that a relation points to; ``Unknown`` when it cannot be resolved; None for other fields.
    """

    name: str
    class_path: str
    options: Mapping[str, object] = field(default_factory=dict)
    target: ModelKey | Unknown | None = None
    verified: bool = True  # False after state-only operations: null and unique may not hold in the table


@dataclass(frozen=True, slots=True)
class ModelState:
    """A historical model: its own fields in order, bases, options and managers.

    ``bases`` holds a ``ModelKey`` for a base that is a model of the state, a dotted path for any
    other class (``django.db.models.Model`` by default), ``Unknown`` where it is neither.
    ``managers`` are the names and dotted class paths of ``use_in_migrations`` managers; an empty
    mapping means that only the plain ``objects`` exists.
    ``unverified`` says why columns and constraints may not be what the state says (RunSQL naming
    the table, SeparateDatabaseAndState); None when they are.
    """

    app_label: str
    name: str
    fields: tuple[FieldState, ...]
    bases: tuple[ModelKey | str | Unknown, ...] = ("django.db.models.Model",)
    options: Mapping[str, object] = field(default_factory=dict)
    managers: Mapping[str, str] | Unknown = field(default_factory=dict)
    unverified: str | None = None

    @property
    def key(self) -> ModelKey:
        return (self.app_label, self.name.lower())

    @property
    def label(self) -> str:
        """``app.Model``, as ``Model._meta.label``."""
        return f"{self.app_label}.{self.name}"

    def field(self, name: str) -> FieldState | None:
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Every model known at one point of the history.

    ``unknown`` maps the app labels whose history could not be replayed to the reason; ``everything_unknown``
    is set when not even that could be bounded (an operations list built at run time, a missing dependency).
    """

    models: Mapping[ModelKey, ModelState | Unknown] = field(default_factory=dict)
    unknown_apps: Mapping[str, str] = field(default_factory=dict)
    project_apps: frozenset[str] = frozenset()  # labels whose source belongs to the project itself

    def model(self, app_label: str, name: str) -> ModelState | Unknown:
        """The model, or why it is not known. Never raises."""
        if why := self.unknown_apps.get(app_label):
            return Unknown(why)
        found = self.models.get((app_label, name.lower()))
        return found or Unknown(f"no migration before this one creates {app_label}.{name}")
