"""Options, hooks and fixtures of every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import golden


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="Write what differs to snapshots/."
    )


def pytest_configure(config: pytest.Config) -> None:
    golden.update = config.getoption("--update-snapshots")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Collects what a worker of pytest-xdist claimed."""
    claimed = getattr(node, "workeroutput", {}).get("claimed_snapshots", [])
    golden.claimed.update(map(Path, claimed))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A snapshot without a test fails a run of the whole suite."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["claimed_snapshots"] = list(map(str, golden.claimed))
    elif _is_whole_suite(session) and golden.unclaimed():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _is_whole_suite(terminalreporter._session):
        for path in golden.unclaimed():
            terminalreporter.write_line(f"{path}: no test compares this snapshot; delete it")


def _is_whole_suite(session: pytest.Session) -> bool:
    option = session.config.option
    chosen = option.keyword or option.markexpr or option.collectonly or option.file_or_dir
    return not chosen and not session.testsfailed
