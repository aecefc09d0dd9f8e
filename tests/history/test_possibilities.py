"""Which migrations may have run before a function that fails without some models."""

from __future__ import annotations

import pytest

from migfix.history.state import ModelState, Unknown
from tests.history.test_history import add, create

NEXT = '("shop", "0001_initial")'
DELETE = 'migrations.DeleteModel("Order"),'
BY_CODE = 'Extension("x"),'


def found(written, *needed, labels="shop tags"):
    """What may be found of shop.Order and tags.Tag by a migration of another app: their columns, None for neither."""
    migration = written.migration("news.0001_initial", "migrations.RunPython(forwards),")
    history = written.history()
    keys = frozenset(tuple(each.split(".")) for each in needed)
    states = history.states_at(history.project.migration(migration), 0, labels.split(), needed=keys)
    return {
        tuple(_columns(state, *key) for key in (("shop", "order"), ("tags", "tag")))
        for state in states
    }


def _columns(state, label, name):
    model = state.model(label, name)
    if isinstance(model, Unknown):
        return None if state.surely_lacks((label, name)) else "?"
    assert isinstance(model, ModelState)
    return " ".join(field.name for field in model.fields)


@pytest.fixture
def unordered(written):
    """Neither app depends on the other."""
    written.migration("shop.0001_initial", create("Order") + add("order", "a"))
    written.migration("shop.0002_next", add("order", "b"), NEXT)
    written.migration("tags.0001_initial", create("Tag") + add("tag", "x"))
    written.migration("tags.0002_next", add("tag", "y"), '("tags", "0001_initial")')
    return written


def test_any_may_be_missing_where_none_is_asked_for(unordered):
    everything = found(unordered)
    assert {(None, None), ("a", None), (None, "x y"), ("a b", "x y")} <= everything


def test_what_made_a_model_that_is_asked_for_has_run(unordered):
    assert found(unordered, "shop.order") == {
        ("a", None), ("a b", None), ("a", "x"), ("a", "x y"), ("a b", "x y"),
    }  # fmt: skip


def test_each_step_of_one_app_is_looked_at_beside_what_made_the_models_of_others(unordered):
    assert found(unordered, "shop.order", "tags.tag") == {
        ("a", "x"), ("a b", "x"), ("a", "x y"), ("a b", "x y"),
    }  # fmt: skip


def test_a_migration_that_takes_it_away_has_not_run(unordered):
    unordered.migration("shop.0003_last", DELETE, '("shop", "0002_next")')
    assert {order for order, _ in found(unordered, "shop.order")} == {"a", "a b"}
    assert None in {order for order, _ in found(unordered)}


def test_of_two_that_may_have_made_it_neither_has_surely_run(written):
    written.migration("shop.0001_initial", create("Old") + add("old", "a"))
    for name in ("b", "c"):
        rename = 'migrations.RenameModel("Old", "Order"),'
        written.migration(f"shop.0002_{name}", rename + add("order", name), NEXT)
    assert {"a b", "a c", None} <= {
        order for order, _ in found(written, "shop.order", labels="shop")
    }


def test_a_model_of_an_app_that_is_not_known_may_be_made_by_anything(unordered):
    unordered.migration("shop.0000_before", "Unreadable(*of, **them),")
    unordered.migration("shop.0003_last", DELETE, '("shop", "0002_next")')
    assert "?" in {order for order, _ in found(unordered, "shop.order")}


def test_a_model_that_nothing_makes_changes_nothing(unordered):
    assert found(unordered, "shop.none") == found(unordered)
