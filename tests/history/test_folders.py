"""Which of several folders of migrations is that of an app."""

from __future__ import annotations

import pytest

from migfix.history.graph import History
from migfix.history.state import Unknown
from tests.history.test_history import INITIAL, create, fields

OLD = "migrations_old"


def order(column: str) -> str:
    return create("Order", f'("{column}", models.IntegerField()),')


@pytest.fixture
def copied(written):
    """Shop's history began anew in ``migrations``; blog depends on it."""
    written.migration("shop.0001_initial", order("old"), folder=OLD)
    written.migration("shop.0002_old", "", INITIAL, folder=OLD)
    written.migration("shop.0001_initial", order("now"))
    written.migration("shop.0002_now", "", INITIAL)
    written.migration("blog.0001_initial", "", INITIAL)
    return written


def of_shop(written, key="blog.0001_initial", **where):
    """The names of the columns that a migration finds, or that they are not known."""
    *_, found = written.states(key, **where)
    order = found.model("shop", "Order")
    return order.why if isinstance(order, Unknown) else fields(found)


def test_the_folder_that_django_takes_is_that_of_the_app(copied):
    assert of_shop(copied) == ["now"]


def test_a_migration_of_another_folder_finds_what_that_folder_made(copied):
    assert of_shop(copied, "shop.0002_old", folder=OLD) == ["old"]
    assert of_shop(copied, "shop.0002_now") == ["now"]


def test_what_else_is_loaded_together_with_another_folder_is_not_known(copied):
    copied.migration("blog.0001_initial", "", INITIAL, folder=OLD)
    copied.migration("blog.0002_old", "", '("blog", "0001_initial")', folder=OLD)
    assert "has two folders" in of_shop(copied, "blog.0002_old", folder=OLD)


def test_a_folder_that_is_no_package_is_not_what_django_takes(copied):
    (copied.root / "shop/migrations/__init__.py").unlink()
    assert "has two folders" in of_shop(copied)


@pytest.mark.parametrize(
    "settings",
    [
        'MIGRATION_MODULES = {"shop": "shop.migrations_old"}',
        'MIGRATION_MODULES = {"blog": "blog.other", "shop": "shop.migrations"}',
        'MIGRATION_MODULES = {"shop": None}',
        'MIGRATION_MODULES = {"sh" + "op": "shop.migrations_old"}',
        "MIGRATION_MODULES = {**OTHERS}",
        "MIGRATION_MODULES = dict(shop='shop.migrations_old')",
        'MIGRATION_MODULES = {}\nMIGRATION_MODULES["shop"] = "shop.migrations_old"',
        'MIGRATION_MODULES: dict = {"shop": "shop.migrations_old"}',
        "from elsewhere import MIGRATION_MODULES",
        'globals().update({"MIGRATION_MODULES": OTHERS})',
        "settings.configure(MIGRATION_MODULES=OTHERS)",
        "if (",
    ],
)
def test_settings_may_take_the_other_one(copied, settings):
    copied.file("site/settings.py", settings + "\n# MIGRATION_MODULES\n")
    assert "has two folders" in of_shop(copied)


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("site/settings.py", 'MIGRATION_MODULES = {"blog": "blog.lite"}'),
        ("site/settings.py", "# MIGRATION_MODULES: none"),
        ("site/settings/test.py", "MIGRATION_MODULES = NoMigrations()"),
    ],
)
def test_settings_that_say_nothing_of_an_app_leave_it_at_the_default(copied, path, settings):
    copied.file(path, settings)
    assert of_shop(copied) == ["now"]


@pytest.fixture
def named(written):
    """Neither of shop's folders has the default's name."""
    for folder in ("full", "lite"):
        written.migration("shop.0001_initial", order(folder), folder=folder)
    written.migration("blog.0001_initial", "", INITIAL)
    return written


def test_settings_say_which_folder_is_that_of_the_app(named):
    named.file("site/settings.py", 'MIGRATION_MODULES = {"shop": "shop.lite"}')
    assert of_shop(named) == ["lite"]


def test_settings_that_disagree_say_nothing(named):
    for folder in ("full", "lite"):
        named.file(f"site/settings/{folder}.py", f'MIGRATION_MODULES = {{"shop": "shop.{folder}"}}')
    assert "has two folders" in of_shop(named)


def test_a_squash_stands_for_what_lies_in_another_folder(written):
    written.migration("shop.0001_initial", order("old"), folder=OLD)
    replaces = 'replaces = [("shop", "0001_initial")]\n'
    written.migration("shop.0001_squashed", order("now"), extra=replaces)
    written.migration("shop.0002_next", "", INITIAL)
    assert of_shop(written, "shop.0002_next") == ["now"]


def test_what_asks_to_run_before_from_a_folder_that_is_not_loaded_does_not_run(copied):
    asks = 'run_before = [("blog", "0001_initial")]\n'
    copied.migration("shop.0003_dead", "", INITIAL, extra=asks, folder=OLD)
    assert of_shop(copied) == ["now"]


def test_what_a_folder_that_is_not_loaded_names_has_not_run(copied):
    points = 'migrations.AddField("Order", "x", models.ForeignKey("blog.Post", models.CASCADE)),'
    copied.migration("blog.0002_post", create("Post"), '("blog", "0001_initial")')
    copied.migration("shop.0003_dead", points, INITIAL, folder=OLD)
    assert copied.states("blog.0002_post", "blog")[-1].why_open(("blog", "post")) is None
    copied.migration("shop.0003_alive", points, INITIAL)
    assert copied.states("blog.0002_post", "blog")[-1].why_open(("blog", "post"))


def test_only_a_folder_that_names_its_own_app_is_one_of_several_places(written):
    for place in ("one", "two"):
        written.migration(f"{place}/shop.0001_initial", order(place))
    assert "may be that of another app" in of_shop(written, "one/shop.0001_initial")
    written.migration("one/shop.0002_next", "", INITIAL)
    assert of_shop(written, "one/shop.0001_initial") == ["one"]


def test_an_app_of_the_tests_does_not_find_the_models_of_its_namesake(copied):
    copied.migration("tests/shop.0001_initial", order("tested"))
    copied.migration("tests/shop.0002_next", "", INITIAL)
    assert of_shop(copied, "tests/shop.0002_next") == ["tested"]
    assert of_shop(copied, "shop.0002_now") == ["now"]


def unsaved(written, folder="migrations"):
    """The columns that a migration finds which only an editor has."""
    path = written.migration("shop.0003_new", "", INITIAL, folder=folder)
    text = path.read_bytes()
    path.unlink()
    project = written.project
    history = History(project)
    history.provide(path, text)
    (state,) = history.states_at(project.migration(path), 0, frozenset({"shop"}))
    return fields(state)


def test_a_migration_that_an_editor_has_not_saved_yet(written):
    written.migration("shop.0001_initial", order("only"))
    assert unsaved(written) == ["only"]


@pytest.mark.parametrize(("folder", "columns"), [("migrations", ["now"]), (OLD, ["old"])])
def test_one_of_two_folders_that_an_editor_has_not_saved_yet(copied, folder, columns):
    assert unsaved(copied, folder) == columns
