"""What the table says of Django's field classes is what they are."""

from __future__ import annotations

import ast
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.postgres import fields as postgres
from django.db import models
from django.db.models.fields import AutoFieldMixin
from django.db.models.fields.proxy import OrderWrt

from migfix.history.classes.methods import is_own_business
from migfix.history.fields import FIELDS, Is
from migfix.reading.kinds.plain import parsed

GIVEN = {
    "DecimalField": {"max_digits": 5, "decimal_places": 2},
    "ArrayField": {"base_field": models.IntegerField()},
    "ForeignKey": {"to": "self", "on_delete": models.CASCADE},
    "OneToOneField": {"to": "self", "on_delete": models.CASCADE},
    "ManyToManyField": {"to": "self"},
    "FilePathField": {"path": "/"},
    "GeneratedField": {
        "expression": models.Value(1),
        "output_field": models.IntegerField(),
        "db_persist": True,
    },
    "ForeignObject": {
        "to": "self",
        "on_delete": models.CASCADE,
        "from_fields": ["a"],
        "to_fields": ["b"],
    },
}
MOMENTS = (models.DateField, models.TimeField)
SAMPLES: dict[str, object] = {
    "int": 1,
    "bool": True,
    "str": "a",
    "float": 1.5,
    "Decimal": Decimal("1.5"),
    "date": date(2020, 1, 1),
    "datetime": datetime(2020, 1, 1),
    "time": time(1),
    "timedelta": timedelta(1),
    "UUID": UUID(int=1),
    "bytes": b"a",
    "file": "a",
    "data": None,
}


def class_of(name: str) -> type[models.Field]:
    own = {"OrderWrt": OrderWrt}
    found = own.get(name) or getattr(models, name, None) or getattr(postgres, name, None)
    return found or pytest.skip("removed from Django, or new")


@pytest.fixture(params=FIELDS)
def name(request):
    return request.param


@pytest.fixture
def made(name):
    return class_of(name)(**GIVEN.get(name, {}))


def test_groups_are_those_of_the_classes(name, made):
    traits = FIELDS[name].traits
    relation = isinstance(made, models.ForeignObject | models.ManyToManyField)
    assert (Is.RELATION in traits) == relation
    assert (Is.KEY in traits) == isinstance(made, models.ForeignKey)
    assert (Is.COUNTED in traits) == isinstance(made, AutoFieldMixin)
    whole = isinstance(made, models.IntegerField) and not isinstance(made, OrderWrt)
    assert (Is.INTEGER in traits) == whole
    assert (Is.UNSIGNED in traits) == made.get_internal_type().startswith("Positive")
    assert (Is.MOMENT in traits) == isinstance(made, MOMENTS)
    assert (Is.INDEXED in traits) == bool(made.db_index)


def test_what_is_inert_does_nothing_of_its_own_before_a_save(name, made):
    if Is.INERT in FIELDS[name].traits and Is.MOMENT not in FIELDS[name].traits:
        owner = next(each for each in type(made).__mro__ if "pre_save" in vars(each))
        assert owner is models.Field or name == "GeneratedField"


def test_only_options_make_moments_do_something(name, made):
    if Is.MOMENT in FIELDS[name].traits:
        made.set_attributes_from_name("day")
        row = type("Row", (), {"day": "as it is"})()
        assert made.pre_save(row, add=False) == "as it is"


def test_what_is_loaded_is_of_the_type(name, made):
    """``to_python`` gives what a query does."""
    loads = FIELDS[name].loads
    if loads is None:
        assert Is.RELATION in FIELDS[name].traits or name == "GeneratedField"
        return
    assert parsed(loads) is not None
    if loads not in {"file", "data", "bytes"}:
        value = made.to_python(SAMPLES[loads])
        assert type(value).__name__ == loads


def test_what_is_fixed_has_values_that_cannot_be_changed(name):
    if Is.FIXED in FIELDS[name].traits:
        hash(SAMPLES[FIELDS[name].loads])
        assert FIELDS[name].loads not in {"data", "file", "bytes"}


@pytest.mark.parametrize("name", FIELDS)
def test_no_name_of_django_is_taken_for_a_method_of_somebody_else(name):
    (method,) = ast.parse("def x(self): pass").body
    made = class_of(name)(**GIVEN.get(name, {}))
    assert [each for each in {*dir(made), *vars(made)} if is_own_business(each, method)] == []
    assert is_own_business("to_activity", method)
