"""Options, hooks and fixtures of every test."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from tests import checking, databases, golden, turns


@pytest.fixture(params=databases.PARAMETERS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """An empty database as `connections["default"]`, once for each kind of database."""
    with databases.opened(request.param, tmp_path) as connection:
        yield connection


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of an app with the models of ``checking``; the working folder is the project's."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_initial.py").write_text(checking.MODELS)
    monkeypatch.chdir(tmp_path)
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="Write what differs to snapshots/."
    )
    parser.addoption(
        "--by-turns", action="store_true", help="Where a test has many cases, each on one database."
    )


def pytest_configure(config: pytest.Config) -> None:
    golden.update = config.getoption("--update-snapshots")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Nightly tests run only where they are asked for by their mark."""
    chosen = items
    if "nightly" not in config.option.markexpr:
        chosen = [item for item in items if not item.get_closest_marker("nightly")]
    if config.option.by_turns:
        chosen = turns.by_turns(chosen)
    if len(chosen) < len(items):
        known = set(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in known])
        items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Ten thousands of tests stay to the end: the collector of garbage is kept from looking at them over and over."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(5000, 10, 10)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Some tests of one function run in one process: they share tables and what migfix wrote for them."""
    if config.option.dist != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class SomeOfAFunction(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return self._scopes[nodeid]

        @cached_property
        def _scopes(self) -> dict[str, str]:
            met: Counter[str] = Counter()
            scopes = {}
            for nodeid in next(iter(self.registered_collections.values())):
                group = super()._split_scope(nodeid)
                function = nodeid.partition("[")[0]
                scopes[nodeid] = f"{function} {met[function] // 8}" if group == nodeid else group
                met[function] += 1
            return scopes

    return SomeOfAFunction(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Collects what a worker of pytest-xdist claimed."""
    claimed = getattr(node, "workeroutput", {}).get("claimed_snapshots", [])
    golden.claimed.update(map(Path, claimed))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A snapshot without a test fails a run of the whole suite."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["claimed_snapshots"] = list(map(str, golden.claimed))
    elif _is_whole_suite(session.config) and not session.testsfailed:
        _report_unclaimed(session)


def _is_whole_suite(config: pytest.Config) -> bool:
    option = config.option
    return not (option.keyword or option.markexpr or option.collectonly or option.file_or_dir)


def _report_unclaimed(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    for path in golden.unclaimed():
        reporter.write_line(f"\n{path}: no test compares this snapshot; delete it", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
