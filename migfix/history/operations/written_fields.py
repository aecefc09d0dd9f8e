"""The field that an operation adds or alters, as it is written."""

from __future__ import annotations

from migfix.history.files.scope import is_literal
from migfix.history.operations.places import Place, target
from migfix.history.state import (
    RELATIONS,
    Call,
    FieldState,
    ModelKey,
    Unknown,
)

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
