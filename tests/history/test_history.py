"""Which migrations have run when another one does: order, squashes, other apps, settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.history import History
from migfix.history.environment import Environment
from migfix.history.sources import Sources
from migfix.history.state import ModelState, Unknown
from migfix.project.discovery import project_of

INITIAL = '("shop", "0001_initial")'


def create(name: str, fields: str = "") -> str:
    return f'migrations.CreateModel("{name}", fields=[{fields}]),'


def add(model: str, name: str) -> str:
    return f'migrations.AddField("{model}", "{name}", models.IntegerField()),'


def fields(state, model="Order", label="shop"):
    found = state.model(label, model)
    assert isinstance(found, ModelState), found
    return [field.name for field in found.fields]


def test_operations_of_the_same_file_count_up_to_the_index(written):
    run = "migrations.RunPython(forwards),"
    written.migration(
        "shop.0001_initial", create("Order") + add("order", "a") + run + add("order", "b")
    )
    assert fields(written.state("shop.0001_initial", index=2)) == ["a"]


def test_descendants_have_not_run(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_now", "", INITIAL)
    written.migration("shop.0003_later", add("order", "later"), '("shop", "0002_now")')
    assert fields(written.state("shop.0002_now")) == []


def test_other_apps_bring_their_history_in_order(written):
    written.migration("blog.0001_initial", 'migrations.RenameModel("Order", "Sale"),')
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_rename", 'migrations.RenameModel("Order", "Sale"),', INITIAL)
    written.migration("blog.0001_initial", create("Post"), '("shop", "0002_rename")')
    state = written.state("blog.0001_initial", "shop")
    assert fields(state, "Sale") == []
    assert isinstance(state.model("shop", "Order"), Unknown)


def test_each_step_of_an_independent_app_is_a_possibility_of_its_own(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_a", add("order", "a"), INITIAL)
    written.migration("shop.0003_nothing", "", '("shop", "0002_a")')
    written.migration("shop.0004_b", add("order", "b"), '("shop", "0003_nothing")')
    written.migration("blog.0001_initial", create("Post"), INITIAL)
    states = written.states("blog.0001_initial", "shop blog")
    assert [fields(state) for state in states] == [[], ["a"], ["a", "b"]]
    assert len(written.states("blog.0001_initial", "blog")) == 1


def test_an_app_that_nothing_depends_on_may_not_have_run_at_all(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("blog.0001_initial", create("Post"))
    first, second = written.states("blog.0001_initial", "shop blog")
    assert isinstance(first.model("shop", "Order"), Unknown)
    assert isinstance(second.model("shop", "Order"), ModelState)


def test_what_depends_on_the_migration_cannot_have_run(written):
    written.migration("blog.0001_initial", create("Post"))
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_after", add("order", "a"), f'{INITIAL}, ("blog", "0001_initial")')
    states = written.states("blog.0001_initial", "shop")
    assert [("shop", "order") in state.models for state in states] == [False, True]
    assert fields(states[-1]) == []


def test_branches_of_an_app_may_have_run_in_any_combination(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_a", add("order", "a"), INITIAL)
    written.migration("shop.0002_b", add("order", "b"), INITIAL)
    written.migration("blog.0001_initial", "", INITIAL)
    found = [fields(state) for state in written.states("blog.0001_initial")]
    assert found == [[], ["a"], ["b"], ["a", "b"]]


def test_run_before_makes_a_migration_an_ancestor(written):
    written.migration("blog.0001_initial", "")
    written.migration(
        "shop.0001_initial", create("Order"), extra='run_before = [("blog", "0001_initial")]'
    )
    assert fields(written.state("blog.0001_initial")) == []


@pytest.mark.parametrize(("which", "expected"), [("__first__", []), ("__latest__", ["a"])])
def test_the_first_and_the_latest_migration_of_an_app(written, which, expected):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_a", add("order", "a"), INITIAL)
    written.migration("blog.0001_initial", "", f'("shop", "{which}")')
    assert fields(written.states("blog.0001_initial")[0]) == expected


# Squashes

REPLACES = 'replaces = [("shop", "0001_initial"), ("shop", "0002_a")]'


@pytest.fixture
def squashed(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_a", add("order", "a"), INITIAL)
    written.migration(
        "shop.0001_squashed", create("Order", '("a", models.IntegerField())'), extra=REPLACES
    )
    written.migration("shop.0003_b", add("order", "b"), '("shop", "0001_squashed")')
    return written


def test_a_replaced_migration_finds_the_history_of_its_own_files(squashed):
    assert fields(squashed.state("shop.0002_a", index=0)) == []


def test_a_migration_after_a_squash_finds_what_it_replaced(squashed):
    assert fields(squashed.state("shop.0003_b")) == ["a", "b"]


def test_a_squash_finds_only_its_dependencies(squashed):
    assert isinstance(squashed.state("shop.0001_squashed", index=0).model("shop", "Order"), Unknown)
    assert fields(squashed.state("shop.0001_squashed", index=1)) == ["a"]


def test_the_squash_stands_for_replaced_files_that_are_gone(squashed):
    squashed.migration("blog.0001_initial", "", '("shop", "0002_a")')
    (squashed.root / "shop/migrations/0001_initial.py").unlink()
    (squashed.root / "shop/migrations/0002_a.py").unlink()
    assert [fields(each) for each in squashed.states("blog.0001_initial")] == [["a"], ["a", "b"]]
    assert fields(squashed.state("shop.0003_b")) == ["a", "b"]


def test_the_squash_stands_for_all_when_one_file_is_gone(squashed):
    (squashed.root / "shop/migrations/0001_initial.py").unlink()
    assert fields(squashed.state("shop.0003_b")) == ["a", "b"]


# What cannot be had


def test_a_missing_dependency_makes_its_app_unknown(written):
    written.migration("shop.0001_initial", create("Order"), '("blog", "0009_gone")')
    written.migration("blog.0001_initial", create("Post"))
    state = written.states("shop.0001_initial", "shop")[0]
    assert (
        "blog.0009_gone is a dependency, but there is no such file"
        in state.model("blog", "Post").why
    )
    assert fields(state) == []


def test_an_app_that_is_not_installed_is_named(written):
    written.migration("shop.0001_initial", create("Order"), '("nowhere", "0001_initial")')
    state = written.state("shop.0001_initial")
    assert "app nowhere is neither in the project nor installed" in state.unknown_apps["nowhere"]


def test_a_file_that_does_not_parse_makes_the_app_unknown_with_its_line(written):
    written.migration("shop.0001_initial", create("Order"))
    written.file("shop/migrations/0002_broken.py", "from django.db import migrations\n\nclass (")
    written.migration("shop.0003_next", "", '("shop", "0002_broken")')
    why = written.states("shop.0003_next")[0].model("shop", "Order").why
    assert "0002_broken.py cannot be read: line 3" in why


def test_migrations_in_a_circle_are_unknown(written):
    written.migration("shop.0001_initial", create("Order"), '("blog", "0001_initial")')
    written.migration("blog.0001_initial", create("Post"), INITIAL)
    written.migration("blog.0002_next", "", '("blog", "0001_initial")')
    assert "in a circle" in written.states("blog.0002_next", "blog")[0].model("blog", "Post").why


def test_what_a_dependency_that_is_not_literal_would_bring_may_have_run_or_not(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_a", add("order", "a"), INITIAL)
    written.migration("blog.0001_initial", create("Post"))
    written.migration("blog.0002_next", "", '("blog", "0001_initial"), find_it()')
    states = written.states("blog.0002_next", "shop blog")
    assert all(isinstance(state.model("blog", "Post"), ModelState) for state in states)
    assert isinstance(states[0].model("shop", "Order"), Unknown)
    assert [fields(state) for state in states[1:]] == [[], ["a"]]


def test_an_app_whose_own_order_is_not_literal_may_not_have_run_at_all(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("shop.0002_next", "", "find_it()")
    first, *_ = written.states("shop.0002_next", "shop")
    assert isinstance(first.model("shop", "Order"), Unknown)


CUSTOM = """
from django.db.migrations.operations.base import Operation
class Extension(Operation):
    def __init__(self, name): self.name = name
    def state_forwards(self, app_label, state): {body}
    def database_forwards(self, app_label, editor, before, after): editor.execute(self.name)
"""


def test_an_operation_of_the_project_that_leaves_the_state_alone_may_run_any_sql(written):
    operations = create("Order") + 'Extension("x"),'
    written.migration("shop.0001_initial", operations, top=CUSTOM.format(body="pass"))
    written.migration("shop.0002_next", "", INITIAL)
    found = written.state("shop.0002_next").model("shop", "Order")
    assert isinstance(found, ModelState), found
    assert "SQL" in (found.unverified or "")


def test_an_operation_of_the_project_that_changes_the_state_makes_it_unknown(written):
    operations = create("Order") + 'Extension("x"),'
    written.migration("shop.0001_initial", operations, top=CUSTOM.format(body="state.clear()"))
    written.migration("shop.0002_next", "", INITIAL)
    found = written.state("shop.0002_next").model("shop", "Order")
    assert isinstance(found, Unknown)
    assert "not an operation of Django's own" in found.why


def test_a_replaced_migration_whose_own_past_is_gone_is_unknown(squashed):
    (squashed.root / "shop/migrations/0001_initial.py").unlink()
    found = squashed.state("shop.0002_a", index=0).model("shop", "Order")
    assert "after a squash that replaces it" in found.why


def test_two_folders_of_one_app_make_it_unknown(written):
    for key in ("one/shop.0001_initial", "two/shop.0001_initial", "blog.0001_initial"):
        dependency = INITIAL if key.startswith("blog") else ""
        written.migration(key, create("Order"), dependency)
    assert "has two folders" in written.state("blog.0001_initial").model("shop", "Order").why


def test_a_chain_longer_than_the_recursion_limit_is_replayed(written):
    written.migration("shop.0000", create("Order"))
    for number in range(1, 1200):
        written.migration(f"shop.{number:04}", "", f'("shop", "{number - 1:04}")')
    assert fields(written.state("shop.1199")) == []


def test_files_of_an_app_that_nobody_asks_for_are_not_parsed(written, monkeypatch):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("blog.0001_initial", create("Post"))
    history = written.history()
    read: list[Path] = []
    plain = Sources._read
    monkeypatch.setattr(
        Sources, "_read", lambda self, file: read.append(file.path) or plain(self, file)
    )
    migration = history.project.migration(written.root / "shop/migrations/0001_initial.py")
    for _ in range(2):
        history.states_at(migration, 0, {"shop"})
    assert [path.name for path in read] == ["0001_initial.py"]


def test_the_text_of_an_editor_counts_instead_of_the_file(written):
    path = written.migration("shop.0001_initial", create("Order"))
    history = written.history()
    history.provide(path, path.read_bytes().replace(b"Order", b"Sale"))
    (state,) = history.states_at(history.project.migration(path), 9, {"shop"})
    assert fields(state, "Sale") == []


# Settings

USER = create("Order", '("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE))')
SWAPPABLE = "migrations.swappable_dependency(settings.AUTH_USER_MODEL)"


def user_target(written):
    return written.states("shop.0001_initial")[0].model("shop", "Order").field("user").target


def test_the_user_model_is_djangos_where_no_settings_name_another(written):
    written.migration("shop.0001_initial", USER, SWAPPABLE)
    state = written.states("shop.0001_initial")[0]
    assert user_target(written) == ("auth", "user")
    assert fields(state, "User", "auth")[:2] == ["id", "password"]


def test_the_user_model_of_the_settings_is_a_dependency(written):
    written.file("config/settings/base.py", 'AUTH_USER_MODEL = "people.Person"\n')
    written.migration("people.0001_initial", create("Person"))
    written.migration("shop.0001_initial", USER, SWAPPABLE)
    assert user_target(written) == ("people", "person")
    assert fields(written.state("shop.0001_initial"), "Person", "people") == []


@pytest.mark.parametrize("text", ['AUTH_USER_MODEL = "a.B"', "AUTH_USER_MODEL = env('X')"])
def test_settings_that_disagree_leave_the_user_model_unknown(written, text):
    written.file("config/settings.py", 'AUTH_USER_MODEL = "people.Person"\n')
    written.file("config/settings_test.py", text)
    written.migration("shop.0001_initial", USER, SWAPPABLE)
    assert isinstance(user_target(written), Unknown)


# Incoming relations

POINTING = create("Post", '("order", models.ForeignKey("shop.Order", models.CASCADE))')


def test_relations_to_a_model_are_complete_when_every_app_that_names_it_was_asked_for(written):
    written.migration("shop.0001_initial", create("Order"))
    written.migration("blog.0001_initial", POINTING, INITIAL)
    written.migration("shop.0002_next", "", INITIAL)
    alone = written.state("shop.0002_next").relations_to(("shop", "order"))
    assert alone.incomplete == "blog.0001_initial may have run already and names it"
    assert written.history().apps_naming(("shop", "order")) == {"blog"}
    states = written.states("shop.0002_next", "shop blog")
    assert [len(state.relations_to(("shop", "order")).found) for state in states] == [0, 1]
    assert [state.relations_to(("shop", "order")).incomplete for state in states] == [None, None]


def test_relations_are_incomplete_where_an_app_of_the_project_is_unknown(written):
    written.migration("shop.0001_initial", create("Order"), '("blog", "0009_gone")')
    written.migration("blog.0001_initial", create("Post"))
    found = written.states("shop.0001_initial")[0].relations_to(("shop", "order"))
    assert "app blog may point to it" in found.incomplete


def test_a_package_that_is_not_installed_cannot_point_to_a_model_of_the_project(written):
    written.migration("shop.0001_initial", create("Order"), '("nowhere", "0001_initial")')
    assert written.state("shop.0001_initial").relations_to(("shop", "order")).incomplete is None
    written.file("settings.py", 'AUTH_USER_MODEL = "shop.Order"')
    found = written.state("shop.0001_initial").relations_to(("shop", "order"))
    assert found.incomplete == "an installed package may point to shop.order"


@pytest.mark.parametrize(("base", "plain"), [("JSONField", True), ("ForeignKey", False)])
def test_the_source_of_a_field_class_tells_whether_it_may_be_a_relation(written, base, plain):
    written.file(
        "shop/fields.py",
        f"from django.db import models\nclass Base(models.{base}): pass\nclass Ours(Base): pass\n",
    )
    written.migration(
        "shop.0001_initial", create("Order", '("x", Ours())'), top="from shop.fields import Ours"
    )
    found = written.state("shop.0001_initial").relations_to(("shop", "order"))
    assert (found.incomplete is None) is plain


def test_a_field_of_another_class_may_be_a_relation(written):
    written.migration("shop.0001_initial", create("Order", '("x", uuid.Field())'))
    found = written.state("shop.0001_initial").relations_to(("shop", "order"))
    assert "shop.Order.x may be a relation" in found.incomplete


# Installed packages


def test_an_installed_package_is_found_by_its_label(written):
    installed = written.root / "env/packages"
    written.migration("env/packages/things.0001_initial", create("Thing"))
    written.file("env/pyvenv.cfg", "")
    written.migration("shop.0001_initial", create("Order"), '("things", "0001_initial")')
    history = History(project_of(written.root, Files()), Environment(installed, Files()))
    migration = history.project.migration(written.root / "shop/migrations/0001_initial.py")
    (state,) = history.states_at(migration, 1, {"shop"})
    assert fields(state, "Thing", "things") == []
    assert state.project_apps == {"shop"}
