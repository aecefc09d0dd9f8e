"""What a server of forks has read of a project's migrations is what each fork would read; nothing of it has run."""

from __future__ import annotations

import importlib
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from migfix.verify.worker import compiled
from migfix.verify.worker.databases import provide_mysqldb


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "verify_compiled" / "migrations"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "0001_first.py").write_text("ran = [1]\n")
    (folder / "0002_broken.py").write_text("def (\n")
    (folder / "0003_odd.py").write_bytes(b"# coding: latin-1\nname = '\xe9'\n")
    (folder / "_none.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(
        compiled, "_packages", lambda: ["verify_compiled.migrations", "nowhere.at_all"]
    )
    yield folder
    for name in [each for each in sys.modules if each.startswith("verify_compiled")]:
        del sys.modules[name]


def test_modules_are_run_from_what_was_read(package: Path) -> None:
    compiled.install()
    assert "verify_compiled.migrations.0001_first" not in sys.modules
    (package / "0001_first.py").write_text("ran = [2]\n")
    first = importlib.import_module("verify_compiled.migrations.0001_first")
    assert first.ran == [1]
    assert first.__file__ == str(package / "0001_first.py")
    assert importlib.import_module("verify_compiled.migrations.0003_odd").name == "é"


def test_what_cannot_be_compiled_or_is_not_there_is_told_as_ever(package: Path) -> None:
    compiled.install()
    with pytest.raises(SyntaxError):
        importlib.import_module("verify_compiled.migrations.0002_broken")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("verify_compiled.migrations.0009_gone")
    (package / "0004_new.py").write_text("ran = [4]\n")
    importlib.invalidate_caches()
    assert importlib.import_module("verify_compiled.migrations.0004_new").ran == [4]


def test_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pymysql = pytest.importorskip("pymysql")
    provide_mysqldb()
    if sys.modules["MySQLdb"] is not pymysql:
        pytest.skip("mysqlclient is installed")
    make = pymysql.connections.Connection._create_ssl_ctx
    read = []
    monkeypatch.setattr(
        ssl,
        "create_default_context",
        lambda **_: read.append(1) or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    assert make(None, {}) is make(None, {})
    assert not read
    own = make(None, {"check_hostname": False})
    assert own is not make(None, {})
    assert read
    provide_mysqldb()
    assert pymysql.connections.Connection._create_ssl_ctx is make
