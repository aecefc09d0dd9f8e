"""The models of migfix's own history as Python source, for a database without the project's settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from migfix.history.operations.written_fields import field_class
from migfix.history.state import (
    Call,
    FieldState,
    ModelKey,
    ModelState,
    Name,
    ProjectState,
    Unknown,
)

# What a field must be given, where the migration's own word cannot be read.
_NEEDED: Mapping[str, Mapping[str, object]] = {
    "CharField": {"max_length": 255},
    "DecimalField": {"max_digits": 19, "decimal_places": 4},
    "FilePathField": {"max_length": 100},
    "ForeignKey": {"on_delete": Name("django.db.models.CASCADE")},
    "OneToOneField": {"on_delete": Name("django.db.models.CASCADE")},
}
_OF_ANY_FIELD = frozenset("db_column default null primary_key unique".split())
# Options of a field with a part in its column, or in what save() and delete() do.
_OPTIONS = frozenset(
    "auto_now auto_now_add blank choices db_collation db_column db_constraint db_index db_table "
    "decimal_places default editable height_field max_digits max_length null on_delete parent_link primary_key "
    "related_name symmetrical through_fields to_field unique width_field".split()
)
_OF_RELATIONS = frozenset(
    "db_constraint on_delete parent_link related_name symmetrical through_fields to_field".split()
)
_MODEL_OPTIONS = frozenset(
    "constraints db_table default_related_name get_latest_by index_together indexes managed "
    "order_with_respect_to ordering proxy unique_together".split()
)
_RELATIONS = {"ForeignKey", "OneToOneField", "ManyToManyField"}
_ELSEWHERE = ("django.contrib.postgres.", "django.contrib.gis.")


# What relations point to whose target is not known.
_STRANGER = ModelState(
    "migfix",
    "Stranger",
    (FieldState("id", "django.db.models.BigAutoField", {"primary_key": True}),),
)
# Classes that are gone from Django, and what they have become.
_TODAY = {
    "django.contrib.postgres.fields.JSONField": "django.db.models.JSONField",
    "django.db.models.NullBooleanField": "django.db.models.BooleanField",
}


class UnknownModel(Exception):
    """A model cannot be built from what the migrations say; the message is why."""


@dataclass
class Written:
    """``source``: a module whose ``MODELS`` are Django's ``ModelState`` objects, with these ``keys``.
    ``notes``: what is not as in the project, a line each.
    """

    source: str
    keys: list[ModelKey] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def taken_for_user(state: ProjectState) -> ModelKey | None:
    """What ``settings.AUTH_USER_MODEL`` names where no settings say it: the one model of the history that looks
    like Django's users, else Django's own.
    """
    models = [model for model in state.models.values() if isinstance(model, ModelState)]
    users = [m.key for m in models if {each.name for each in m.fields} >= _OF_USERS]
    own = [key for key in users if key != _DJANGOS_USER]
    return own[0] if len(own) == 1 else next(iter(users), None) if not own else None


_OF_USERS = {"password", "last_login"}  # of AbstractBaseUser
_DJANGOS_USER = ("auth", "user")


def related(
    state: ProjectState, named: Iterable[ModelKey], user: ModelKey | None = None
) -> list[ModelKey]:
    """The models named, what points to them, and all that these need to exist. Raises UnknownModel.

    ``user`` is what relations to the user model point to where the history does not say it.
    """
    wanted = [_model(state, key).key for key in dict.fromkeys(named)]
    wanted += [model.key for key in [*wanted] for model, _ in state.pointing_to(key)]
    found: dict[ModelKey, None] = {}
    while wanted:
        key = wanted.pop(0)
        if key not in found:
            found[key] = None
            model = _model(state, key)
            wanted += [_model(state, base).key for base in model.bases if isinstance(base, tuple)]
            wanted += [
                to for to in _related_by(model, user) if isinstance(state.model(*to), ModelState)
            ]
    return list(found)


def _model(state: ProjectState, key: ModelKey) -> ModelState:
    model = state.model(*key)
    if isinstance(model, Unknown):
        raise UnknownModel(f"model {key[0]}.{key[1]} is not known: {model.why}")
    return model


def _related_by(model: ModelState, user: ModelKey | None) -> Iterator[ModelKey]:
    for each in model.fields:
        targets = (_target(each, user), each.through)
        yield from (key for key in targets if isinstance(key, tuple))


def _target(field: FieldState, user: ModelKey | None) -> ModelKey | Unknown | None:
    to = field.target
    of_user = isinstance(to, Unknown) and "AUTH_USER_MODEL" in to.why
    return user if of_user and user is not None else to


def written(state: ProjectState, keys: Iterable[ModelKey], user: ModelKey | None = None) -> Written:
    """The models of these keys. Raises UnknownModel."""
    keys = list(keys)
    writer = _Writer(frozenset(keys), user)
    texts = [writer.model(_model(state, key)) for key in keys]
    if writer.needs_stranger:
        texts.append(writer.model(_STRANGER))
        keys.append(_STRANGER.key)
    imports = "".join(f"import {module}\n" for module in sorted(writer.modules))
    source = f"{imports}\nMODELS = [\n" + "".join(f"    {text},\n" for text in texts) + "]\n"
    return Written(source, keys, writer.notes)


class _Writer:
    def __init__(self, known: frozenset[ModelKey], user: ModelKey | None) -> None:
        self.known = known
        self.user = user
        self.modules = {"django.db.migrations.state", "django.db.models"}
        self.notes: list[str] = []
        self.needs_stranger = False

    def model(self, model: ModelState) -> str:
        resolved = [self._resolved(model, each) for each in model.fields]
        fields = [text for each in resolved if (text := self._field(model, each))]
        options = {name: v for name, v in model.options.items() if name in _MODEL_OPTIONS}
        for name in ("indexes", "constraints"):
            if isinstance(rules := options.get(name), tuple):
                kept_rules = tuple(rule for rule in rules if self._value(rule) is not None)
                options[name] = kept_rules
                if len(rules) > len(kept_rules):
                    self.notes.append(f"{model.label} is without some of its {name}")
        kept = {name: text for name, v in options.items() if (text := self._value(v)) is not None}
        for name in options.keys() - kept.keys():
            self.notes.append(f"{model.label} is without its {name}, which cannot be read")
        return (
            f"django.db.migrations.state.ModelState({model.app_label!r}, {model.name!r}, "
            f"[{', '.join(fields)}], options={_mapping(kept)}, "
            f"bases=({', '.join(self._bases(model))},), managers={self._managers(model)})"
        )

    def _bases(self, model: ModelState) -> list[str]:
        parents = []
        for base in model.bases:
            if isinstance(base, tuple):
                parents.append(repr(".".join(base)))
            elif base != "django.db.models.Model":
                name = base.why if isinstance(base, Unknown) else base
                self.notes.append(f"{model.label} is without its base {name}")
        return parents or ["django.db.models.Model"]

    def _managers(self, model: ModelState) -> str:
        managers = model.managers
        if isinstance(managers, Unknown):
            self.notes.append(f"{model.label} is without its managers: {managers.why}")
            return "[]"
        pairs = []
        for name, path in managers.items():
            if path.startswith("django."):
                pairs.append(f"({name!r}, {self._name(path)}())")
            else:
                self.notes.append(f"{model.label}.{name} is a plain manager, not a {path}")
                pairs.append(f"({name!r}, django.db.models.Manager())")
        return f"[{', '.join(pairs)}]"

    def _resolved(self, model: ModelState, each: FieldState) -> FieldState:
        to = _target(each, self.user)
        if to is each.target or not isinstance(to, tuple):
            return each
        what = f"{model.label}.{each.name} points to {'.'.join(to)}"
        self.notes.append(f"{what}, as no settings name the user model")
        return replace(each, target=to)

    def _field(self, model: ModelState, each: FieldState) -> str | None:
        if each.kind == "OrderWrt":
            return None  # Django adds it
        place = f"{model.label}.{each.name}"
        kind = self._class(place, each)
        if kind is None:
            return None
        bare = kind.rpartition(".")[2]
        options = {**_NEEDED.get(bare, {}), **_known(each.options)}
        if each.kind is None and bare == "TextField":
            options = {name: v for name, v in options.items() if name in _OF_ANY_FIELD}
        if bare not in _RELATIONS:  # arguments of a class of the project's own may be called so
            options = {name: v for name, v in options.items() if name not in _OF_RELATIONS}
        texts = {
            name: text
            for name, value in options.items()
            if (name in _OPTIONS or kind.startswith(_ELSEWHERE))
            and (text := self._value(value)) is not None
        }
        needed = _NEEDED.get(bare, {})
        texts |= {n: t for n in needed.keys() - texts.keys() if (t := self._value(needed[n]))}
        if "default" in each.options and "default" not in texts:
            self.notes.append(f"{place} is without its default")
        if each.kind == "NullBooleanField":
            texts["null"] = "True"
        if bare == "BigAutoField":
            texts["primary_key"] = "True"
        if bare in _RELATIONS:
            texts["to"] = repr(
                ".".join(each.target if each.target in self.known else _STRANGER.key)
            )
            if each.through in self.known:
                texts["through"] = repr(".".join(each.through))
        if bare == "ArrayField":
            texts["base_field"] = self._base_field(place, each.options.get("base_field"))
        args = ""
        if bare == "CompositePrimaryKey":
            args = ", ".join(map(repr, each.options.get("args", ()))) + ", "  # type: ignore[call-overload]
        given = ", ".join(f"{name}={text}" for name, text in texts.items())
        return f"({each.name!r}, {self._name(kind)}({args}{given}))"

    def _base_field(self, place: str, value: object) -> str:
        if isinstance(value, Call) and field_class(value.path).startswith("django."):
            options = {
                name: text
                for name, option in value.kwargs.items()
                if name in _OPTIONS and (text := self._value(option)) is not None
            }
            kind = field_class(value.path)
            if kind.endswith(".ArrayField"):
                options["base_field"] = self._base_field(place, value.kwargs.get("base_field"))
            given = ", ".join(f"{name}={text}" for name, text in options.items())
            return f"{self._name(_TODAY.get(kind, kind))}({given})"
        self.notes.append(f"{place} is an array of texts: of what is not known")
        return "django.db.models.TextField()"

    def _class(self, place: str, each: FieldState) -> str | None:
        """The class that the field gets; None for one without a column of its own."""
        kind = each.kind or (each.behind.saved_as if each.behind else None)
        links = {each.target, each.through} - {None}
        if kind == "ManyToManyField" and (each.kind is None or not links <= self.known):
            self.notes.append(f"{place} is left out: what it points to is not known")
            return None
        if kind in _RELATIONS and each.target not in self.known:
            self.needs_stranger = True
            self.notes.append(f"{place} points to a model that is not known")
        if each.kind and each.class_path.startswith("django."):
            return _TODAY.get(each.class_path, each.class_path)
        if kind is None and each.target is not None and "on_delete" not in each.options:
            self.notes.append(f"{place} is left out: it is a {each.class_path}")
            return None
        stand_in = kind or _stand_in(each)
        self.needs_stranger |= stand_in in _RELATIONS and each.target not in self.known
        self.notes.append(f"{place} is a {stand_in} in place of a {each.class_path or 'field'}")
        return f"django.db.models.{stand_in}"

    def _value(self, value: object) -> str | None:
        """The value as source; None where it is not known, or code of the project."""
        match value:
            case Unknown():
                return None
            case Name(path=path):
                return self._name(path) if self._is_importable(path) else None
            case Call():
                return self._call(value)
            case tuple() | list():
                items = [self._value(each) for each in value]
                return None if None in items else f"({''.join(f'{item}, ' for item in items)})"
            case dict():
                pairs = {key: self._value(each) for key, each in value.items()}
                return None if None in pairs.values() else _mapping(pairs)
            case frozenset():
                return self._value(tuple(sorted(value, key=repr)))
        return repr(value)

    def _is_of_django(self, path: str) -> bool:
        return path.startswith("django.") and not path.startswith("django.conf.settings")

    def _is_importable(self, path: str) -> bool:
        return "." not in path or self._is_of_django(path) or _is_of_python(path)

    def _name(self, path: str) -> str:
        module = path.rpartition(".")[0]
        if _is_of_python(path):
            self.modules.add(path.partition(".")[0])
        elif module:
            while module.rpartition(".")[2][:1].isupper():  # a class inside of which it is
                module = module.rpartition(".")[0]
            self.modules.add(module)
        return path

    def _call(self, call: Call) -> str | None:
        if call.path.startswith("django.contrib.postgres.indexes.") or "opclasses" in call.kwargs:
            return None  # for speed alone, on one database
        args = [self._value(each) for each in call.args]
        kwargs = {name: self._value(each) for name, each in call.kwargs.items()}
        if (
            None in args
            or None in kwargs.values()
            or (not [*args, *kwargs] and "." not in call.path)
        ):
            return None
        if call.path.startswith("operator."):
            self.modules.add("operator")
            return f"{call.path.replace('BitOr', 'or_').replace('BitAnd', 'and_')}({', '.join(map(str, args))})"
        if not self._is_of_django(call.path):
            return None
        given = ", ".join([*map(str, args), *(f"{name}={text}" for name, text in kwargs.items())])
        return f"{self._name(call.path)}({given})"


def _is_of_python(path: str) -> bool:
    return path.partition(".")[0] in sys.stdlib_module_names


def _stand_in(each: FieldState) -> str:
    if each.name == "id":
        return "BigAutoField"
    return "ForeignKey" if each.target is not None else "TextField"


def _known(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if not isinstance(value, Unknown)}


def _mapping(texts: Mapping[str, str | None]) -> str:
    return "{" + ", ".join(f"{name!r}: {text}" for name, text in texts.items()) + "}"
