"""Where a package or a driver is missing, it is said what to install."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from migfix.settings import SettingsError
from migfix.verify.advice import installing
from migfix.verify.processes import Processes
from migfix.verify.servers import database, entry_of

_SAID = {
    "ModuleNotFoundError: No module named 'yaml'": "PyYAML",
    "cannot import what it needs: No module named 'holidays'": "holidays, if its package is called so",
    "ImproperlyConfigured: Error loading psycopg2 or psycopg module": '"psycopg[binary]"',
    "ImproperlyConfigured: Error loading MySQLdb module. Did you install mysqlclient?": "mysqlclient",
    "ModuleNotFoundError: No module named 'pymysql'": "PyMySQL",
}


@pytest.mark.parametrize("problem", _SAID)
def test_it_is_said_what_to_install_and_where(problem: str) -> None:
    assert installing(problem, "/x/python") == f"/x/python -m pip install {_SAID[problem]}"
    assert installing(problem, None) == f"{sys.executable} -m pip install {_SAID[problem]}"


@pytest.mark.parametrize(
    "problem", ["No module named 'shop.rates'", "KeyError: 'yaml'", "raises on all generated data"]
)
def test_nothing_is_said_of_what_no_package_has(problem: str) -> None:
    assert installing(problem, None) is None


def test_the_driver_of_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def server(self: Processes, command: str, entry: Any) -> tuple[int, str]:
        return 1, "ImproperlyConfigured: Error loading psycopg2 or psycopg module"

    monkeypatch.setattr(Processes, "server", server)
    with (
        pytest.raises(SettingsError) as error,
        database(entry_of("postgres://h/x"), Processes("/p")),
    ):
        raise AssertionError
    assert str(error.value).endswith('module (/p -m pip install "psycopg[binary]")')
