"""What each schema operation does to the state: one small pure function per operation.

They follow ``state_forwards`` of ``django.db.migrations.operations`` and the methods of
``django.db.migrations.state.ProjectState``. An operation that cannot be understood makes what it
touches Unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from migfix.history.reading import EITHER, SIGNATURES, Operation, is_literal
from migfix.history.state import (
    RELATIONS,
    Call,
    FieldState,
    ModelKey,
    ModelState,
    Name,
    ProjectState,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands, and what the names of settings mean there.

    ``setting`` answers with the ``app.Model`` that a setting such as ``AUTH_USER_MODEL`` names.
    """

    app_label: str
    migration: str
    setting: Callable[[str], str | Unknown]

    def why(self, operation: Operation, text: str) -> str:
        return f"{self.migration}, line {operation.line}: {text}"


def apply_operation(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """The state after the operation."""
    if operation.kind is None:
        return _unknown_operation(state, operation, place)
    if operation.kind == EITHER:
        return _either(state, operation, place)
    if operation.kind in _FUNCTIONS:
        state = _FUNCTIONS[operation.kind](state, operation, place)
    if operation.own_database_code:
        why = place.why(operation, f"a subclass of {operation.kind} has its own database code")
        state = _unverified(state, _named_models(operation, state, place), why)
    return state


# Names


def _text(operation: Operation, argument: str) -> str | None:
    value = operation.arguments.get(argument)
    return value if isinstance(value, str) else None


def _key(operation: Operation, place: Place, argument: str = "model_name") -> ModelKey | None:
    name = _text(operation, argument)
    return (place.app_label, name.lower()) if name else None


def _own_key(operation: Operation, place: Place) -> ModelKey | None:
    """The model that the operation names: ``name`` is a field's where there is a ``model_name``."""
    has_both = "model_name" in (*operation.arguments, *SIGNATURES.get(operation.kind or "", ()))
    return _key(operation, place, "model_name" if has_both else "name")


def model_key(name: str, app_label: str) -> ModelKey:
    """``Model`` and ``app.Model`` as a key, as Django resolves them in a migration."""
    label, dot, bare = name.rpartition(".")
    return (label, bare.lower()) if dot else (app_label, bare.lower())


def target(value: object, own: ModelKey, place: Place) -> ModelKey | Unknown:
    if value == "self":
        return own
    if isinstance(value, str):
        return model_key(value, place.app_label)
    if isinstance(value, Name) and value.path.startswith("django.conf.settings."):
        found = place.setting(value.path.rpartition(".")[2])
        return found if isinstance(found, Unknown) else model_key(found, place.app_label)
    return Unknown(f"{place.migration}: the target of a relation is not a literal")


# Fields


_FIELD_PACKAGES = (
    ("django.db.models", "django.db.models"),
    ("django.contrib.postgres.fields", "django.contrib.postgres.fields"),
    ("django.contrib.gis.db.models", "django.contrib.gis.db.models"),
)
_GEO_FIELDS = frozenset(
    [
        "GeometryField",
        "PointField",
        "LineStringField",
        "PolygonField",
        "MultiPointField",
        "MultiLineStringField",
        "MultiPolygonField",
        "GeometryCollectionField",
        "RasterField",
        "ExtentField",
    ]
)


def field_class(path: str) -> str:
    """The path of a field's class in the one spelling that ``FieldState`` promises."""
    for package, home in _FIELD_PACKAGES:
        if path.startswith(f"{package}."):
            bare = path.rpartition(".")[2]
            if "gis" in home and bare not in _GEO_FIELDS:
                home = "django.db.models"
            return f"{home}.{bare}"
    return path


def field_state(name: str, value: object, own: ModelKey, place: Place) -> FieldState:
    """The field written as ``value``; of no known class when it is not a call."""
    if not isinstance(value, Call):
        return FieldState(
            name, "", {"**": Unknown(f"{place.migration}: {name} is not written out")}
        )
    path = field_class(value.path)
    options = {
        key: option if key == "base_field" else _option(option)
        for key, option in value.kwargs.items()
    }
    blank = FieldState(name, path)
    if blank.kind in RELATIONS:
        return _relation(name, path, value, options, (own, place))
    if blank.kind == "CompositePrimaryKey":
        return FieldState(name, path, {**options, "args": value.args})
    if len(value.args) > 1 or any(isinstance(arg, Unknown) for arg in value.args):
        options["**"] = Unknown(f"{value.source} has positional arguments")
    if blank.kind is None and "to" in value.kwargs:
        return FieldState(name, path, options, target(options.pop("to"), own, place))
    return FieldState(name, path, options)


def _option(value: object) -> object:
    if is_literal(value):
        return value
    return (
        value if isinstance(value, Unknown) else Unknown(getattr(value, "source", "not a literal"))
    )


def _relation(
    name: str, path: str, call: Call, options: dict[str, object], where: tuple[ModelKey, Place]
) -> FieldState:
    """Positional arguments of a relation: the target, then ``on_delete`` of all but many-to-manys."""
    own, place = where
    to = call.args[0] if call.args else options.pop("to", None)
    if len(call.args) > 1 and not path.endswith(".ManyToManyField"):
        options["on_delete"] = _option(call.args[1])
    if len(call.args) > 2 or (len(call.args) > 1 and path.endswith(".ManyToManyField")):
        options["**"] = Unknown(f"{call.source} has positional arguments")
    written_through = options.pop("through", None)
    through = None if written_through is None else target(written_through, own, place)
    return FieldState(name, path, options, target(to, own, place), through=through)


# Models


def create_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    key = _key(operation, place, "name")
    if key is None:
        return _whole_app(state, operation, place, "the name of a model is not a literal")
    if isinstance(state.models.get(key), Unknown):
        return state
    return state.with_model(key, _new_model(operation, key, place))


def _new_model(operation: Operation, key: ModelKey, place: Place) -> ModelState | Unknown:
    fields = operation.arguments.get("fields")
    pairs = fields if isinstance(fields, tuple) else (None,)
    states: list[FieldState] = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            return Unknown(place.why(operation, "the fields of the model are not written out"))
        states.append(field_state(pair[0], pair[1], key, place))
    options = operation.arguments.get("options")
    if options is not None and not isinstance(options, dict):
        return Unknown(place.why(operation, "the options of the model are not written out"))
    model = ModelState(
        place.app_label,
        str(operation.arguments["name"]),
        tuple(states),
        _bases(operation, place),
        options or {},
        _managers(operation, place),
    )
    return _with_order(model, model.options.get("order_with_respect_to"))


def _bases(operation: Operation, place: Place) -> tuple[ModelKey | str | Unknown, ...]:
    written = operation.arguments.get("bases")
    if written is None:
        return ("django.db.models.Model",)
    if not isinstance(written, tuple):
        return (Unknown(place.why(operation, "the bases of the model are not written out")),)
    return tuple(_base(base, operation, place) for base in written)


def _base(base: object, operation: Operation, place: Place) -> ModelKey | str | Unknown:
    if isinstance(base, str):
        return model_key(base, place.app_label)
    if isinstance(base, Name):
        return "django.db.models.Model" if base.path == "django.db.models.base.Model" else base.path
    return Unknown(place.why(operation, "a base of the model is not a name"))


def _managers(operation: Operation, place: Place) -> Mapping[str, str] | Unknown:
    written = operation.arguments.get("managers") or ()
    unknown = Unknown(place.why(operation, "the managers of the model are not written out"))
    if not isinstance(written, tuple):
        return unknown
    managers: dict[str, str] = {}
    for pair in written:
        match pair:
            case (str() as name, Call() as call) if not call.path.startswith("."):
                managers[name] = call.path
            case _:
                return unknown
    return managers


def _with_order(model: ModelState, respect_to: object) -> ModelState:
    """``order_with_respect_to`` adds the column ``_order`` (model options reference)."""
    fields = tuple(field for field in model.fields if field.name != "_order")
    if respect_to is not None:
        kept = model.field("_order") or FieldState("_order", "django.db.models.OrderWrt")
        fields = (*fields, kept)
    return replace(model, fields=fields)


def delete_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    key = _key(operation, place, "name")
    if key is None:
        return _whole_app(state, operation, place, "the name of a model is not a literal")
    return state.with_model(key, None)


def rename_model(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    old, new = _key(operation, place, "old_name"), _key(operation, place, "new_name")
    if old is None or new is None:
        return _whole_app(state, operation, place, "the name of a model is not a literal")
    model = state.models.get(old) or Unknown(place.why(operation, f"{old[1]} is not known"))
    if isinstance(model, ModelState):
        model = replace(model, name=str(operation.arguments["new_name"]))
    models = dict(state.models)
    models.pop(old, None)
    models[new] = model
    return replace(state, models={key: _repointed(each, old, new) for key, each in models.items()})


def _repointed(model: ModelState | Unknown, old: ModelKey, new: ModelKey) -> ModelState | Unknown:
    if isinstance(model, Unknown):
        return model
    pointing = any(old in (field.target, field.through) for field in model.fields)
    if not pointing and old not in model.bases:
        return model
    fields = tuple(
        replace(
            field,
            target=new if field.target == old else field.target,
            through=new if field.through == old else field.through,
        )
        for field in model.fields
    )
    return replace(model, fields=fields, bases=tuple(new if b == old else b for b in model.bases))


Change = Callable[[ModelState], "ModelState | Unknown"]


def _change(
    state: ProjectState, operation: Operation, place: Place, change: Change
) -> ProjectState:
    """Change the model that the operation names; what is not known stays unknown."""
    key = _own_key(operation, place)
    if key is None:
        return _whole_app(
            state, operation, place, f"{operation.kind} does not name its model literally"
        )
    model = state.models.get(key)
    if model is None:
        text = f"{operation.kind} of {key[0]}.{key[1]}, which no earlier migration creates"
        return state.with_model(key, Unknown(place.why(operation, text)))
    return state if isinstance(model, Unknown) else state.with_model(key, change(model))


# Fields of a model


def add_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    def change(model: ModelState) -> ModelState | Unknown:
        added = _written_field(operation, model, place)
        if isinstance(added, Unknown):
            return added
        return replace(model, fields=(*_without(model.fields, added.name), added))

    return _change(state, operation, place, change)


def alter_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    def change(model: ModelState) -> ModelState | Unknown:
        altered = _written_field(operation, model, place)
        if isinstance(altered, Unknown):
            return altered
        if model.field(altered.name) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {altered.name}"))
        fields = tuple(altered if field.name == altered.name else field for field in model.fields)
        return replace(model, fields=fields)

    return _change(state, operation, place, change)


def _written_field(operation: Operation, model: ModelState, place: Place) -> FieldState | Unknown:
    name = _text(operation, "name")
    if name is None:
        return Unknown(place.why(operation, "the name of a field is not a literal"))
    field = field_state(name, operation.arguments.get("field"), model.key, place)
    if operation.arguments.get("preserve_default", True) is True:
        return field
    return replace(field, options={k: v for k, v in field.options.items() if k != "default"})


def _without(fields: Iterable[FieldState], name: str) -> tuple[FieldState, ...]:
    return tuple(field for field in fields if field.name != name)


def remove_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    name = _text(operation, "name")

    def change(model: ModelState) -> ModelState | Unknown:
        if name is None or model.field(name) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {name}"))
        return replace(model, fields=_without(model.fields, name))

    return _change(state, operation, place, change)


def rename_field(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    old, new = _text(operation, "old_name"), _text(operation, "new_name")

    def change(model: ModelState) -> ModelState | Unknown:
        if old is None or new is None or model.field(old) is None:
            return Unknown(place.why(operation, f"{model.label} has no field {old}"))
        renamed = (replace(f, name=new) for f in model.fields if f.name == old)
        fields = (*_without(model.fields, old), *renamed)  # last, as in Django's state
        options = {
            key: _renamed(value, old, new) if key in _FIELD_OPTIONS else value
            for key, value in model.options.items()
        }
        return replace(model, fields=fields, options=options)

    key = _key(operation, place)
    state = _change(state, operation, place, change)
    if key is None or old is None or new is None:
        return state
    return replace(
        state, models={k: _with_to_field(m, key, old, new) for k, m in state.models.items()}
    )


_FIELD_OPTIONS = frozenset(
    [
        "unique_together",
        "index_together",
        "constraints",
        "indexes",
        "ordering",
        "get_latest_by",
        "order_with_respect_to",
    ]
)


def _with_to_field(
    model: ModelState | Unknown, key: ModelKey, old: str, new: str
) -> ModelState | Unknown:
    """Foreign keys elsewhere that name the renamed field with ``to_field``."""
    if isinstance(model, Unknown) or all(
        field.target != key or field.options.get("to_field") != old for field in model.fields
    ):
        return model
    fields = tuple(
        (
            replace(f, options={**f.options, "to_field": new})
            if f.target == key and f.options.get("to_field") == old
            else f
        )
        for f in model.fields
    )
    return replace(model, fields=fields)


def _renamed(value: object, old: str, new: str) -> object:
    """A field's name replaced in an option: as a whole, after a minus, and before a lookup."""
    if isinstance(value, str):
        sign = "-" if value.startswith("-") else ""
        head, lookup, rest = value.removeprefix("-").partition("__")
        return f"{sign}{new}{lookup}{rest}" if head == old else value
    if isinstance(value, tuple):
        return tuple(_renamed(item, old, new) for item in value)
    if isinstance(value, frozenset):
        return frozenset(_renamed(item, old, new) for item in value)
    if isinstance(value, Call):
        compares = value.bare == "Q"
        kwargs = {
            str(_renamed(key, old, new)) if compares else key: (
                item
                if key == "name" or (compares and isinstance(item, str))
                else _renamed(item, old, new)
            )
            for key, item in value.kwargs.items()
        }
        return replace(
            value, args=tuple(_renamed(arg, old, new) for arg in value.args), kwargs=kwargs
        )
    return value


# Options of a model


ALTER_OPTION_KEYS = [
    "base_manager_name",
    "default_manager_name",
    "default_related_name",
    "get_latest_by",
    "managed",
    "ordering",
    "permissions",
    "default_permissions",
    "select_on_save",
    "verbose_name",
    "verbose_name_plural",
]
"""The options that AlterModelOptions removes unless it sets them (Django's own list)."""


def alter_model_options(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    given = operation.arguments.get("options")

    def change(model: ModelState) -> ModelState:
        kept = {key: value for key, value in model.options.items() if key not in ALTER_OPTION_KEYS}
        if isinstance(given, dict):
            return replace(model, options={**kept, **given})
        unknown = Unknown(place.why(operation, "the options are not written out"))
        return replace(model, options={**kept, **dict.fromkeys(ALTER_OPTION_KEYS, unknown)})

    return _change(state, operation, place, change)


def alter_model_managers(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    managers = _managers(operation, place)
    return _change(state, operation, place, lambda model: replace(model, managers=managers))


def _set_option(option: str, argument: str) -> Function:
    def alter(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        value = operation.arguments.get(argument)

        def change(model: ModelState) -> ModelState:
            return replace(model, options={**model.options, option: value})

        return _change(state, operation, place, change)

    return alter


def _set_together(option: str) -> Function:
    def alter(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        value = operation.arguments.get(option)
        literal = (value or ()) if is_literal(value) else Unknown(f"{option} is not a literal")

        def change(model: ModelState) -> ModelState:
            return replace(model, options={**model.options, option: literal})

        return _change(state, operation, place, change)

    return alter


def alter_order(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    respect_to = operation.arguments.get("order_with_respect_to")

    def change(model: ModelState) -> ModelState:
        options = {**model.options, "order_with_respect_to": respect_to}
        return _with_order(replace(model, options=options), respect_to)

    return _change(state, operation, place, change)


# Indexes and constraints


def _add_rule(option: str, argument: str) -> Function:
    def add(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        rule = operation.arguments.get(argument)

        def change(model: ModelState) -> ModelState:
            return _with_rules(model, option, lambda rules: (*rules, rule))

        return _change(state, operation, place, change)

    return add


def _remove_rule(option: str) -> Function:
    def remove(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
        name = operation.arguments.get("name")

        def change(model: ModelState) -> ModelState:
            return _with_rules(
                model, option, lambda rules: tuple(r for r in rules if _rule_name(r) != name)
            )

        return _change(state, operation, place, change)

    return remove


def alter_constraint(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    name, new = operation.arguments.get("name"), operation.arguments.get("constraint")

    def change(model: ModelState) -> ModelState:
        return _with_rules(
            model,
            "constraints",
            lambda rules: (*(rule for rule in rules if _rule_name(rule) != name), new),
        )

    return _change(state, operation, place, change)


def rename_index(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """An index keeps its fields; one of ``index_together`` becomes an index with a name."""
    new, old = operation.arguments.get("new_name"), operation.arguments.get("old_name")
    columns = operation.arguments.get("old_fields")

    def change(model: ModelState) -> ModelState:
        if columns is None:
            return _with_rules(
                model, "indexes", lambda rules: tuple(_rule_renamed(r, old, new) for r in rules)
            )
        together = model.options.get("index_together")
        if isinstance(together, tuple | frozenset):
            together = tuple(group for group in together if group != columns)
        model = replace(model, options={**model.options, "index_together": together})
        index = Call("django.db.models.Index", (), {"fields": columns, "name": new}, "Index(...)")
        return _with_rules(model, "indexes", lambda rules: (*rules, index))

    return _change(state, operation, place, change)


def _rule_renamed(rule: object, old: object, new: object) -> object:
    if isinstance(rule, Call) and _rule_name(rule) == old:
        return replace(rule, kwargs={**rule.kwargs, "name": new})
    return rule


def _rule_name(rule: object) -> object:
    return rule.kwargs.get("name") if isinstance(rule, Call) else None


def _with_rules(
    model: ModelState,
    option: str,
    change: Callable[[tuple[object, ...]], tuple[object, ...]],
) -> ModelState:
    rules = model.options.get(option, ())
    if not isinstance(rules, tuple):
        return model
    return replace(model, options={**model.options, option: change(rules)})


# Operations that run code or SQL


def separate(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """Only ``state_operations`` change the state; nobody knows that the tables follow."""
    why = place.why(operation, "SeparateDatabaseAndState changes the state without the tables")
    return _state_only(state, operation, place, why)


def _state_only(state: ProjectState, operation: Operation, place: Place, why: str) -> ProjectState:
    for inner in operation.state_operations:
        state = apply_operation(state, inner, place)
        state = _touched(state, inner, place, why)
    return state


def _touched(state: ProjectState, inner: Operation, place: Place, why: str) -> ProjectState:
    if inner.kind in {"AddField", "AlterField"}:
        name = _text(inner, "name")

        def change(model: ModelState) -> ModelState:
            fields = tuple(
                replace(f, verified=False) if f.name == name else f for f in model.fields
            )
            return replace(model, fields=fields, unverified=model.unverified or why)

        return _change(state, inner, place, change)
    if inner.kind in _SAYS_NOTHING_OF_COLUMNS:
        return state
    return _unverified(state, _named_models(inner, state, place), why)


def _named_models(operation: Operation, state: ProjectState, place: Place) -> list[ModelKey]:
    """The models that an operation names, or all of the app when it names none."""
    by_name = {"RenameModel": "new_name", "RenameField": "model_name", "RenameIndex": "model_name"}
    arguments = ("model_name", by_name.get(operation.kind or "", "name"))
    keys = [key for argument in arguments if (key := _key(operation, place, argument))]
    found = [key for key in keys if key in state.models]
    return found or [key for key in state.models if key[0] == place.app_label]


def _unverified(state: ProjectState, keys: Iterable[ModelKey], why: str) -> ProjectState:
    models = dict(state.models)
    for key in keys:
        model = models.get(key)
        if isinstance(model, ModelState) and not model.unverified:
            models[key] = replace(model, unverified=why)
    return replace(state, models=models)


_SAYS_NOTHING_OF_COLUMNS = frozenset(
    {"RemoveField", "DeleteModel", "AddIndex", "RemoveIndex", "RenameIndex"}
    | {"AlterModelOptions", "AlterModelManagers", "AlterModelTableComment"}
)  # what the state says of the fields that are left holds as before


_HARMLESS_SQL = re.compile(
    r"""\s*(
        (insert|update|delete|vacuum|analyze|comment\s+on|create\s+extension)\b.*
        | set\s+constraints\b.*
        | create\s+index\b.*
        | alter\s+table\s+\S+\s+alter\s+(column\s+)?\S+\s+(drop\s+default|set\s+default[^,]*)
    )?\s*""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def run_sql(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """SQL may do anything to the tables it names, unless it only changes rows, defaults, comments or
    indexes that are not unique.
    """
    texts = _sql_texts(operation.arguments.get("sql"))
    if texts is None:
        why = place.why(operation, "SQL that is not a literal")
        state = _unverified(state, [key for key in state.models if key[0] == place.app_label], why)
    elif not is_harmless_sql(operation):
        why = place.why(operation, "RunSQL names the table")
        state = _unverified(state, _tables_among(_words(tuple(texts)), state), why)
    return _state_only(
        state, operation, place, place.why(operation, "RunSQL stands for a state change")
    )


def is_harmless_sql(operation: Operation) -> bool:
    """Whether SQL leaves columns and constraints as they are."""
    texts = _sql_texts(operation.arguments.get("sql"))
    return texts is not None and _is_harmless(tuple(texts))


@cache
def _is_harmless(texts: tuple[str, ...]) -> bool:
    return all(_HARMLESS_SQL.fullmatch(each) for each in _without_comments(texts).split(";"))


@cache
def _words(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", _without_comments(texts).lower()))


def _without_comments(texts: tuple[str, ...]) -> str:
    return _COMMENT.sub(" ", " ; ".join(texts))


def _sql_texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Name) and value.path.endswith(".RunSQL.noop"):
        return []
    if not isinstance(value, tuple):
        return None
    texts = [item[0] if isinstance(item, tuple) and item else item for item in value]
    return [str(text) for text in texts] if all(isinstance(text, str) for text in texts) else None


def _tables_among(words: frozenset[str], state: ProjectState) -> list[ModelKey]:
    found = []
    for key, model in state.models.items():
        if isinstance(model, ModelState):
            table = model.db_table
            if (
                isinstance(table, Unknown)
                or table.strip('"').rpartition(".")[2].strip('"').lower() in words
            ):
                found.append(key)
    return found


# Operations of which others may run in their place


def _either(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """What is the same whichever run; a model that is not is known no more."""
    after = []
    for operations in operation.alternatives:
        one = state
        for each in operations:
            one = apply_operation(one, each, place)
        after.append(one)
    why = place.why(operation, "code that runs at import decides which operations there are")
    models: dict[ModelKey, ModelState | Unknown] = {}
    for key in dict.fromkeys(key for one in after for key in one.models):
        models[key] = _in_any_case([one.models.get(key) for one in after], why)
    unknown = {label: text for one in after for label, text in one.unknown_apps.items()}
    return replace(state, models=models, unknown_apps=unknown)


_TOLD_APART = frozenset({"unique_together", "index_together", *ALTER_OPTION_KEYS})


def _in_any_case(found: list[ModelState | Unknown | None], why: str) -> ModelState | Unknown:
    """The model that is one of these, with options that are Unknown where they differ."""
    models = [each for each in found if isinstance(each, ModelState)]
    if len(models) < len(found):
        return next((each for each in found if isinstance(each, Unknown)), Unknown(why))
    names = dict.fromkeys(name for each in models for name in each.options)
    options: dict[str, object] = {}
    for name in names:
        values = [each.options.get(name, ()) for each in models]
        same = all(value == values[0] for value in values)
        if not same and name not in _TOLD_APART:
            return Unknown(why)
        options[name] = values[0] if same else Unknown(why)
    unverified = next((each.unverified for each in models if each.unverified), None)
    alike = [replace(each, options=options, unverified=unverified) for each in models]
    return alike[0] if all(each == alike[0] for each in alike) else Unknown(why)


# What is not understood


def _unknown_operation(state: ProjectState, operation: Operation, place: Place) -> ProjectState:
    """The model that it names becomes unknown; without such a name the whole app."""
    why = f"{place.migration}, {operation.problem}"
    key = _own_key(operation, place)
    if key is None or key not in state.models:
        return state.with_unknown_app(place.app_label, why)
    return state.with_model(key, Unknown(why))


def _whole_app(state: ProjectState, operation: Operation, place: Place, text: str) -> ProjectState:
    return state.with_unknown_app(place.app_label, place.why(operation, text))


def changes_state(operation: Operation) -> bool:
    """Whether operations of its kind do anything to the state."""
    return operation.kind in _FUNCTIONS


Function = Callable[[ProjectState, Operation, Place], ProjectState]

_FUNCTIONS: Mapping[str, Function] = {
    "CreateModel": create_model,
    "DeleteModel": delete_model,
    "RenameModel": rename_model,
    "AddField": add_field,
    "AlterField": alter_field,
    "RemoveField": remove_field,
    "RenameField": rename_field,
    "AlterUniqueTogether": _set_together("unique_together"),
    "AlterIndexTogether": _set_together("index_together"),
    "AlterModelOptions": alter_model_options,
    "AlterModelManagers": alter_model_managers,
    "AlterModelTable": _set_option("db_table", "table"),
    "AlterModelTableComment": _set_option("db_table_comment", "table_comment"),
    "AlterOrderWithRespectTo": alter_order,
    "AddIndex": _add_rule("indexes", "index"),
    "AddIndexConcurrently": _add_rule("indexes", "index"),
    "RemoveIndex": _remove_rule("indexes"),
    "RemoveIndexConcurrently": _remove_rule("indexes"),
    "RenameIndex": rename_index,
    "AddConstraint": _add_rule("constraints", "constraint"),
    "AddConstraintNotValid": _add_rule("constraints", "constraint"),
    "RemoveConstraint": _remove_rule("constraints"),
    "AlterConstraint": alter_constraint,
    "SeparateDatabaseAndState": separate,
    "RunSQL": run_sql,
}
