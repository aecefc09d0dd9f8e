"""The models as a migration saw them: plain frozen values, no Django and no user code. One module, as each
of them is made of the others.

The names are those of ``django.db.migrations.state``. A fact that cannot be read from the source
is ``Unknown``, never a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from migfix.history.fields import Is, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Answer = TypeVar("Answer")
ModelKey: TypeAlias = tuple[str, str]
"""(app label, model name in lower case), as Django keys its project state."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be established, and why, in words for the user."""

    why: str


@dataclass(frozen=True, slots=True)
class Name:
    """A value written as a name, such as ``models.CASCADE``: its dotted path."""

    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A value written as a call: what is called, with which values.

    A method of a value is called ``.method`` with the value as first argument, an operator by its
    name in the ``operator`` module. ``**x`` is the keyword ``**``, ``*x`` an Unknown argument.
    """

    path: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    source: str

    @property
    def bare(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class FieldClass:
    """What is known of a field class that is not Django's own; by default, nothing.

    ``kind`` is the class of Django whose values it loads, stores and compares, with ``defaults`` and
    ``forced`` for the options that it sets itself; for those ``unsure`` the migration's word may not
    hold. ``saved_as`` is the class like which ``save()`` writes back what was loaded. Either is None
    where it is not certain, and ``doubt`` says why. ``is_plain``: it descends from no relation;
    ``connects``: it may connect receivers to the signals of its models; ``displays``: it gives these
    methods of its own, called ``get_<name>_...``; ``only_saves``: whatever it does besides a class of
    Django, it does in ``save()``.
    """

    kind: str | None = None
    saved_as: str | None = None
    is_plain: bool = False
    connects: bool = False
    displays: bool = False
    only_saves: bool = False
    doubt: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)
    forced: Mapping[str, object] = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BaseClass:
    """A class among the bases of a model: every name that it defines, and as words after its own how
    it may take part in what happens to rows; None where it does not. ``reading`` is the same of rows that are
    only made and read, not saved or deleted.
    """

    names: frozenset[str]
    doubt: str | None
    reading: str | None = None


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field of a historical model.

    ``class_path`` is the dotted path of the class as imported by the migration, with Django's own
    fields always written ``django.db.models.X``. ``options`` are the keyword arguments: literals as
    Python values (lists as tuples), names as ``Name``, every other one as ``Unknown``; ``to`` and
    ``through`` are left out, as renames would make them wrong. ``target`` is the model that a
    relation points to; ``Unknown`` when it cannot be resolved; None for other fields. ``through``
    is the written-out model of a many-to-many relation. ``behind`` is what the source of a class says
    that is not Django's own, once somebody asked for the model.
    """

    name: str
    class_path: str
    options: Mapping[str, object] = field(default_factory=dict)
    target: ModelKey | Unknown | None = None
    verified: bool = (
        True  # False after state-only operations: null and unique may not hold in the table
    )
    through: ModelKey | Unknown | None = None
    behind: FieldClass | None = None

    @property
    def kind(self) -> str | None:
        """``CharField`` for Django's own field classes and those whose values go the same way, None
        for any other class.
        """
        own = _kind_of_django(self.class_path)
        return own or (self.behind.kind if self.behind else None)

    @property
    def saved_as(self) -> str | None:
        """The kind like which a ``save()`` treats the field when nothing was assigned to it."""
        return self.kind or (self.behind.saved_as if self.behind else None)

    def with_class(self, found: FieldClass) -> FieldState:
        """This field of a class of others, with what is known of that class."""
        if found.kind in KEYS and not isinstance(self.target, tuple):
            found = replace(
                found, kind=None, saved_as=found.kind, doubt="where it points is not known"
            )
        if found.kind is None:
            return replace(self, behind=found)
        lost = {name: Unknown(f"{name} may get lost") for name in found.unsure & set(self.options)}
        options = {**found.defaults, **self.options, **lost, **found.forced}
        return replace(self, behind=found, options=options)

    @property
    def null(self) -> bool | Unknown:
        return self._fact("null", self.kind == "NullBooleanField")

    @property
    def primary_key(self) -> bool | Unknown:
        return self._fact("primary_key", self.kind == "CompositePrimaryKey")

    @property
    def unique(self) -> bool | Unknown:
        """Whether two rows cannot hold the same value; primary keys and one-to-ones are unique."""
        if self.kind == "OneToOneField" or self.primary_key is True:
            return True
        return self.primary_key or self._fact("unique", False)

    @property
    def auto_now(self) -> bool | Unknown:
        return self._fact("auto_now", False)

    @property
    def is_relation(self) -> bool | Unknown:
        if self.kind is None:
            if self.behind and self.behind.is_plain:
                return False
            return self.target is not None or self._foreign_class()
        return self.kind in RELATIONS

    @property
    def has_column(self) -> bool | Unknown:
        if self.saved_as == "ManyToManyField":
            return False
        if self.kind is None:
            plain = self.behind is not None and self.behind.is_plain
            return (plain and self.saved_as is not None) or self._foreign_class()
        return self.kind not in {"ManyToManyField", "CompositePrimaryKey", "ForeignObject"}

    @property
    def attname(self) -> str | Unknown:
        """The attribute that holds the column's value: ``owner_id`` for the foreign key ``owner``."""
        if self.kind is None:
            return self._foreign_class()
        return f"{self.name}_id" if self.kind in KEYS else self.name

    @property
    def on_delete(self) -> str | Unknown:
        """The dotted path of ``on_delete``, such as ``django.db.models.CASCADE``.

        Before Django 2.0 it could be left out and meant CASCADE (release notes of 1.9 and 2.0).
        """
        found = self.options.get("on_delete", Name("django.db.models.CASCADE"))
        if isinstance(found, Name) and "**" not in self.options:
            return found.path.replace("django.db.models.deletion.", "django.db.models.")
        return Unknown(f"on_delete of {self.name} is not a plain name")

    def _fact(self, option: str, default: bool) -> bool | Unknown:
        if option in self.options:
            found = self.options[option]
            return (
                found
                if isinstance(found, bool)
                else Unknown(f"{option} of {self.name} is not a literal")
            )
        if self.kind is None or "**" in self.options:
            return self._foreign_class()
        return default

    def _foreign_class(self) -> Unknown:
        return Unknown(
            f"{self.name} is of class {self.class_path or 'unknown'}, which is not Django's own"
        )


RELATIONS = fields(Is.RELATION)
KEYS = fields(Is.KEY)

_DJANGO_FIELD_PACKAGES = frozenset(
    {"django.db.models", "django.contrib.gis.db.models", "django.contrib.postgres.fields"}
)


@cache
def _kind_of_django(class_path: str) -> str | None:
    package, _, bare = class_path.rpartition(".")
    return bare if package in _DJANGO_FIELD_PACKAGES else None


# Managers of Django itself that neither filter nor have an update() or delete() of their own.
_HARMLESS_MANAGERS = frozenset(
    {
        "django.db.models.Manager",
        "django.db.models.manager.Manager",
        "django.contrib.auth.models.UserManager",
        "django.contrib.auth.models.GroupManager",
        "django.contrib.auth.models.PermissionManager",
        "django.contrib.auth.base_user.BaseUserManager",
        "django.contrib.contenttypes.models.ContentTypeManager",
        "django.contrib.sites.models.SiteManager",
    }
)


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

    @property
    def has_plain_managers(self) -> bool:
        """Whether ``objects`` gives all rows of the table, with Django's own ``update()`` and ``delete()``."""
        managers = self.managers
        return not isinstance(managers, Unknown) and set(managers.values()) <= _HARMLESS_MANAGERS

    @property
    def db_table(self) -> str | Unknown:
        table = self.options.get("db_table") or f"{self.app_label}_{self.name.lower()}"
        return (
            table
            if isinstance(table, str)
            else Unknown(f"db_table of {self.label} is not a literal")
        )

    @property
    def proxy(self) -> bool | Unknown:
        found = self.options.get("proxy", False)
        return (
            found if isinstance(found, bool) else Unknown(f"proxy of {self.label} is not a literal")
        )

    def field(self, name: str) -> FieldState | None:
        return next((field for field in self.fields if field.name == name), None)

    def uniqueness(self) -> frozenset[str] | Unknown:
        """Names of this model's fields that take part, or may, in a rule that spans several rows.

        Primary key, ``unique``, ``unique_for_*``, ``unique_together``, unique and exclusion
        constraints with their conditions and included columns. Fields of classes that are not
        Django's own are listed unless their options say that they are not unique.
        """
        names = {field.name for field in self.fields if field.unique is not False}
        names |= _text_options(
            self.fields, ("unique_for_date", "unique_for_month", "unique_for_year")
        )
        for option, kinds in _UNIQUE_OPTIONS.items():
            found = _names_of_rules(self.options.get(option, ()), kinds)
            if isinstance(found, Unknown):
                return Unknown(f"{option} of {self.label}: {found.why}")
            names |= found
        for composite in self.fields:
            if composite.kind == "CompositePrimaryKey":
                columns = composite.options.get("args", ())
                if not _texts(columns):
                    return Unknown(f"the composite primary key of {self.label} is not literal")
                names |= set(_texts(columns))
        return frozenset(names)


def _text_options(fields: tuple[FieldState, ...], options: tuple[str, ...]) -> set[str]:
    users = [field for field in fields if any(field.options.get(option) for option in options)]
    dates = {found for user in users for option in options if (found := user.options.get(option))}
    return {user.name for user in users} | {date for date in dates if isinstance(date, str)}


# For each option of a model: which classes in it make no difference to uniqueness.
_UNIQUE_OPTIONS: Mapping[str, frozenset[str]] = {
    "unique_together": frozenset(),
    "constraints": frozenset({"CheckConstraint"}),
    "indexes": frozenset(
        {
            "Index",
            "BTreeIndex",
            "BrinIndex",
            "GinIndex",
            "GistIndex",
            "HashIndex",
            "SpGistIndex",
            "BloomIndex",
        }
        | {"OpClass"}
    ),
}


def _names_of_rules(rules: object, harmless: frozenset[str]) -> set[str] | Unknown:
    if isinstance(rules, Unknown):
        return rules
    if not isinstance(rules, tuple | frozenset):
        return Unknown("not a list")
    names: set[str] = set()
    for rule in rules:
        if isinstance(rule, Call) and rule.bare in harmless and rule.path.startswith("django."):
            continue
        found = _names_of_rule(rule)
        if isinstance(found, Unknown):
            return found
        names |= found
    return names


def _names_of_rule(rule: object) -> set[str] | Unknown:
    if isinstance(rule, str):  # unique_together = ("a", "b") means one group
        return {rule}
    if isinstance(rule, tuple | frozenset) and all(isinstance(name, str) for name in rule):
        return {str(name) for name in rule}
    if not isinstance(rule, Call):
        return rule if isinstance(rule, Unknown) else Unknown("a rule is not a literal")
    if rule.bare not in {"UniqueConstraint", "ExclusionConstraint"} or not rule.path.startswith(
        "django."
    ):
        return Unknown(f"{rule.path} is not known")
    if "**" in rule.kwargs:
        return Unknown(f"{rule.source} takes its arguments from elsewhere")
    names = list(names_used([rule.args, *(rule.kwargs.get(part) for part in _RULE_PARTS)]))
    unclear = next((name for name in names if isinstance(name, Unknown)), None)
    return unclear or {name for name in names if isinstance(name, str)}


_RULE_PARTS = ("expressions", "fields", "include", "condition")


def names_used(value: object) -> Iterator[str | Unknown]:
    """Every field name in an expression of a constraint, as ``UniqueConstraint`` reads them.

    Strings name fields, except the values that ``Q`` compares with and the operators of an
    exclusion constraint, which are listed too and hurt nobody. Lookups are cut at ``__``.
    """
    if isinstance(value, Unknown):
        yield value
    elif isinstance(value, Name):
        yield Unknown(f"{value.path} is not written out")
    elif isinstance(value, str):
        yield value.removeprefix("-").partition("__")[0]
    elif isinstance(value, tuple | list | frozenset):
        for part in value:
            yield from names_used(part)
    elif isinstance(value, Call):
        yield from _names_of_call(value)


def _names_of_call(call: Call) -> Iterator[str | Unknown]:
    if "**" in call.kwargs or not call.path.startswith((".", "operator.", "django.")):
        yield Unknown(f"{call.source} is not understood")
        return
    if call.bare == "Q":
        yield from (key.partition("__")[0] for key in call.kwargs if not key.startswith("_"))
        values = [value for value in call.kwargs.values() if isinstance(value, Call)]
        conditions = [arg[0] if isinstance(arg, tuple) and arg else arg for arg in call.args]
        yield from names_used(values + conditions)
    else:
        yield from names_used([*call.args, *call.kwargs.values()])


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, tuple) else ()
    texts = tuple(item for item in items if isinstance(item, str))
    return texts if len(texts) == len(items) else ()


def _may_point_anywhere(
    model: ModelState | Unknown, field_class: Callable[[str], FieldClass]
) -> str | None:
    if isinstance(model, Unknown):
        return model.why
    for each in model.fields:
        if isinstance(each.target, Unknown):
            return f"{model.label}.{each.name}: {each.target.why}"
        if each.kind is None and each.target is None and not field_class(each.class_path).is_plain:
            return f"{model.label}.{each.name} may be a relation: its class is not Django's own"
    return None


@dataclass(frozen=True, slots=True)
class Relations:
    """The fields that point to a model."""

    found: tuple[tuple[ModelState, FieldState], ...]
    why_more: Callable[[], str | None] = field(repr=False, compare=False)

    @property
    def incomplete(self) -> str | None:
        """Why there may be more, None if there are not. Looks at every model to tell."""
        return self.why_more()


# https://docs.djangoproject.com/en/stable/topics/db/models/#meta-and-multi-table-inheritance
_INHERITED = ("ordering", "get_latest_by")


def _no_field_class(path: str) -> FieldClass:
    return FieldClass(doubt=f"the source of {path} was not looked for")


def _no_base_class(path: str) -> BaseClass:
    return BaseClass(
        frozenset(),
        doubt="whose methods would not run",
        reading="whose methods may take part where rows are made and read",
    )


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Every model known at one point of the history.

    ``unknown_apps`` maps the app labels whose history could not be replayed to the reason;
    ``everything_unknown`` is set when not even that could be bounded.
    ``may_point_to`` lists the only models that can have a relation to one, to spare the look at all.
    ``field_class`` and ``base_class`` say what the source of a class says by its dotted path.
    ``why_open`` tells whether migrations that may have run by now, and are not in this state, name a
    model; None where there are none.
    """

    models: Mapping[ModelKey, ModelState | Unknown] = field(default_factory=dict)
    unknown_apps: Mapping[str, str] = field(default_factory=dict)
    project_apps: frozenset[str] = frozenset()  # labels whose source belongs to the project itself
    named_in_settings: frozenset[ModelKey] = (
        frozenset()
    )  # swappable models: packages may point there
    why_open: Callable[[ModelKey], str | None] | None = field(default=None, compare=False)
    may_point_to: Callable[[ModelKey], Iterable[ModelKey]] | None = field(
        default=None, compare=False
    )
    everything_unknown: str | None = None
    field_class: Callable[[str], FieldClass] = field(default=_no_field_class, compare=False)
    base_class: Callable[[str], BaseClass] = field(default=_no_base_class, compare=False)

    def ask(self, question: Callable[..., Answer], *given: object) -> Answer:
        """What ``question(state, *given)`` says: one about all models, or about many, is asked by this."""
        return question(self, *given)

    def model(self, app_label: str, name: str) -> ModelState | Unknown:
        """The model, or why it is not known. Never raises.

        Here the sources of its field classes are looked up, if they are not Django's own.
        """
        if why := self.everything_unknown or self.unknown_apps.get(app_label):
            return Unknown(why)
        found = self.models.get((app_label, name.lower()))
        if isinstance(found, ModelState):
            return self._with_order(self._with_managers(self._with_classes(found)))
        return found or Unknown(f"no migration before this one creates {app_label}.{name}")

    def surely_lacks(self, key: ModelKey) -> bool:
        """Is there surely no such model: not one that is not known, nor an app whose history is not?"""
        known = not self.everything_unknown and key[0] not in self.unknown_apps
        return known and self.models.get(key) is None

    def _with_classes(self, model: ModelState) -> ModelState:
        if all(each.kind for each in model.fields):
            return model
        fields = (
            each if each.kind else each.with_class(self.field_class(each.class_path))
            for each in model.fields
        )
        return replace(model, fields=tuple(fields))

    def _with_managers(self, model: ModelState) -> ModelState:
        """The model with the managers that it inherits: https://docs.djangoproject.com/en/stable/topics/db/managers/#custom-managers-and-model-inheritance"""
        waiting = [base for base in model.bases if isinstance(base, tuple)]
        managers = model.managers
        seen: set[ModelKey] = set()
        while waiting and not isinstance(managers, Unknown):
            key = waiting.pop(0)
            above = self.models.get(key)
            if key in seen:
                continue
            if not isinstance(above, ModelState) or isinstance(above.managers, Unknown):
                managers = Unknown(f"the managers of {'.'.join(key)} are not known")
                break
            seen.add(key)
            waiting += [base for base in above.bases if isinstance(base, tuple)]
            managers = {**above.managers, **managers}
        return model if managers == model.managers else replace(model, managers=managers)

    def _with_order(self, model: ModelState) -> ModelState:
        """The model with the order that it inherits, of its rows and for ``latest()``."""
        options = dict(model.options)
        above, seen = self._first_base(model), {model.key}
        while isinstance(above, ModelState) and above.key not in seen:
            seen.add(above.key)
            inherited = {name: above.options[name] for name in _INHERITED if name in above.options}
            if "order_with_respect_to" in above.options:
                inherited["ordering"] = ("_order",)
            options = inherited | options
            above = self._first_base(above)
        return model if options == model.options else replace(model, options=options)

    def _first_base(self, model: ModelState) -> ModelState | Unknown | None:
        return next(
            (self.models.get(base) for base in model.bases if isinstance(base, tuple)), None
        )

    def parents(self, model: ModelState) -> tuple[ModelState, ...] | Unknown:
        """The models that this one inherits from, the furthest first. Plain classes are left out."""
        found: list[ModelState] = []
        for base in model.bases:
            if isinstance(base, Unknown):
                return base
            if isinstance(base, str):
                continue
            parent = self.model(*base)
            if isinstance(parent, Unknown):
                return parent
            if parent.key == model.key:
                return Unknown(f"{model.label} is its own base")
            further = self.parents(parent)
            if isinstance(further, Unknown):
                return further
            found += [each for each in (*further, parent) if each not in found]
        return tuple(found)

    def relations_to(self, key: ModelKey) -> Relations:
        """The foreign keys, one-to-ones and many-to-manys whose target is the model, and whether
        there may be others: in an app that could not be replayed, in one whose other migrations
        name the model, or in a relation whose target could not be read.
        """
        return Relations(tuple(self.pointing_to(key)), lambda: self._why_more_relations(key))

    def pointing_to(self, key: ModelKey) -> Iterator[tuple[ModelState, FieldState]]:
        """The known fields whose target is the model, with the models that they belong to."""
        keys = self.may_point_to(key) if self.may_point_to else self.models
        for model in map(self.models.get, keys):
            if isinstance(model, ModelState):
                yield from ((model, field) for field in model.fields if field.target == key)

    def _why_more_relations(self, key: ModelKey) -> str | None:
        if self.everything_unknown:
            return self.everything_unknown
        if key[0] not in self.project_apps or key in self.named_in_settings:
            return f"an installed package may point to {key[0]}.{key[1]}"
        # What is installed cannot know the project's models, unless settings name them.
        for label, why in self.unknown_apps.items():
            if label in self.project_apps:
                return f"app {label} may point to it: {why}"
        for (label, _), model in self.models.items():
            if label in self.project_apps and (
                doubt := _may_point_anywhere(model, self.field_class)
            ):
                return doubt
        return self.why_open(key) if self.why_open else None

    def with_model(self, key: ModelKey, model: ModelState | Unknown | None) -> ProjectState:
        """This state with one model put in the place of ``key``; None takes it away."""
        models = dict(self.models)
        if model is None:
            models.pop(key, None)
        else:
            models[key] = model
        return replace(self, models=models)

    def with_unknown_app(self, label: str, why: str) -> ProjectState:
        return replace(self, unknown_apps={label: why, **self.unknown_apps})
