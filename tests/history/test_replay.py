"""A model is replayed alone, and is the very same as when everything is replayed."""

from __future__ import annotations

import pytest

from migfix.history.files.migration import Operation
from migfix.history.operations.places import Place
from migfix.history.state import ModelState, Unknown
from migfix.history.touching import touch

INITIAL = '("shop", "0001_initial")'
KEY = '("id", models.AutoField(primary_key=True)),'


def create(name: str, fields: str = "", rest: str = "") -> str:
    return f'migrations.CreateModel("{name}", fields=[{KEY}{fields}]{rest}),'


TO_AUTHOR = '("author", models.ForeignKey("Author", models.CASCADE, to_field="code")),'
BOOK = create("Author", '("code", models.TextField(unique=True)),') + create("Book", TO_AUTHOR)

# What a later migration does without naming Book, and what becomes of Book.
FROM_AFAR = {
    "a rename of what it points to": 'migrations.RenameModel("Author", "Writer"),',
    "a rename of the field it points to": 'migrations.RenameField("author", "code", "key"),',
    "SQL on its table": 'migrations.RunSQL("ALTER TABLE shop_book ADD x int"),',
    "SQL from elsewhere": "migrations.RunSQL(find_sql()),",
    "an operation of unknown kind": "Custom(),",
    "an operation on a model that is not there": 'Custom(model_name="Nothing"),',
    "operations built at run time": "*build(),",
    "a name that is computed": 'migrations.AddField(find(), "x", models.IntegerField()),',
}


@pytest.mark.parametrize("operation", FROM_AFAR.values(), ids=FROM_AFAR)
def test_what_changes_a_model_without_naming_it_is_replayed(written, operation):
    written.migration("shop.0001_initial", BOOK)
    written.migration("shop.0002_before", "", INITIAL)
    written.migration("shop.0003_change", operation, '("shop", "0002_before")')
    written.migration("shop.0004_after", "", '("shop", "0003_change")')
    before, after = (written.state(f"shop.{name}") for name in ("0002_before", "0004_after"))
    assert before.model("shop", "Book") != after.model("shop", "Book")
    assert_alone_as_in_all(after)


NAMED = {
    "a former name": (
        create("Scroll"),
        'migrations.AddField("scroll", "x", models.TextField()),'
        'migrations.RenameModel("Scroll", "Book"),',
    ),
    "a name from a constant": (
        create("Book"),
        'migrations.AddField(NAME, "x", models.TextField()),',
    ),
    "a name put together": (
        create("Book"),
        'migrations.AddField("bo" + "ok", "x", models.TextField()),',
    ),
    "a state operation": (
        create("Book"),
        "migrations.SeparateDatabaseAndState(state_operations=["
        'migrations.AddField("Book", "x", models.TextField())]),',
    ),
    "a state operation of SQL": (
        create("Book"),
        'migrations.RunSQL("", state_operations=['
        'migrations.AddField("book", "x", models.TextField())]),',
    ),
    "a parent of a child": (
        create("Book") + create("Novel", rest=', bases=("shop.book",)'),
        'migrations.AddField("book", "x", models.TextField()),',
    ),
}


@pytest.mark.parametrize(("first", "second"), NAMED.values(), ids=NAMED)
def test_a_model_is_found_under_every_name_it_had(written, first, second):
    written.migration("shop.0001_initial", first)
    written.migration("shop.0002_change", second, INITIAL, top='NAME = "book"\n')
    written.migration("shop.0003_after", "", '("shop", "0002_change")')
    state = written.state("shop.0003_after")
    assert [field.name for field in state.model("shop", "Book").fields] == ["id", "x"]
    assert_alone_as_in_all(state)


def test_a_relation_is_found_under_the_names_that_both_models_have_now(written):
    written.migration("shop.0001_initial", BOOK)
    written.migration(
        "shop.0002_rename",
        'migrations.RenameModel("Author", "Writer"), migrations.RenameModel("Book", "Novel"),',
        INITIAL,
    )
    written.migration("shop.0003_after", "", '("shop", "0002_rename")')
    found = written.state("shop.0003_after").relations_to(("shop", "writer")).found
    assert [(model.label, field.name) for model, field in found] == [("shop.Novel", "author")]


def test_an_unknown_operation_of_one_app_leaves_the_models_of_others(written):
    written.migration("shop.0001_initial", create("Book"))
    written.migration("blog.0001_initial", create("Post") + "Custom(),", INITIAL)
    state = written.states("blog.0001_initial", "blog shop")[-1]
    assert "Custom" in state.unknown_apps["blog"]
    assert isinstance(state.model("blog", "Post"), Unknown)
    assert isinstance(state.model("shop", "Book"), ModelState)


def test_steps_that_name_other_models_make_no_states(written, monkeypatch):
    written.migration("shop.0001_initial", create("Book") + create("Shelf"))
    for number in range(2, 9):
        field = f'migrations.AddField("shelf", "f{number}", models.TextField()),'
        before = f'("shop", "{number - 1:04}_{"initial" if number == 2 else "more"}")'
        written.migration(f"shop.{number:04}_more", field, before)
    path = written.migration("blog.0001_initial", create("Post"), INITIAL)
    history = written.history()
    migration = history.project.migration(path)
    found = history.states_at(migration, 0, {"shop"}, {("shop", "book")})
    assert len(found) == 1
    assert len(history.states_at(migration, 0, {"shop"}, {("shop", "shelf")})) == 8


@pytest.mark.parametrize(
    "operation",
    [
        'migrations.AddField("Book", "pages", models.IntegerField(null=True)),',
        'migrations.RenameModel("Book", "Novel"),',
        'migrations.DeleteModel("Book"),',
    ],
)
def test_who_was_asked_of_a_model_before_more_was_read_knows_what_came_of_it(written, operation):
    first = written.migration("shop.0001_initial", create("Book"))
    next_ = written.migration("shop.0002_next", operation, INITIAL)
    last = written.migration("shop.0003_last", "", '("shop", "0002_next")')
    history = written.history()
    found = []
    for path in (first, next_, last):
        (state,) = history.states_at(history.project.migration(path), 99, ())
        found.append({name: state.model("shop", name) for name in ("Book", "Novel")})
    alone = [written.state(f"shop.{path.stem}") for path in (first, next_, last)]
    assert found == [{n: s.model("shop", n) for n in ("Book", "Novel")} for s in alone]


@pytest.mark.parametrize("kind", ["RunPython", "ValidateConstraint", "HStoreExtension"])
def test_operations_without_a_state_change_touch_nothing(kind):
    place = Place("shop", "shop.0001", lambda name: Unknown(name))
    assert not touch(Operation(kind, {"name": "book"}, 1), place).models
    own = Operation(kind, {"name": "book"}, 1, own_database_code=True)
    assert touch(own, place).others


def assert_alone_as_in_all(state) -> None:
    everything = dict(state.models.items())
    assert everything
    assert {key: state.models.get(key) for key in everything} == everything
