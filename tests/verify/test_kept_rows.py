"""The database of a data set is kept as a file, for the next time that it is asked for."""

from __future__ import annotations

from pathlib import Path

from migfix.verify.worker.databases import Database

_ENTRY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ""}


def test_a_file_is_put_back_as_it_was_kept(tmp_path: Path) -> None:
    first = Database(_ENTRY, str(tmp_path))
    file = Path(first.entry["NAME"])
    file.write_text("rows")
    first.keep("1-30")
    file.write_text("changed")
    journal = Path(f"{file}-journal")
    journal.write_text("of what was changed")
    second = Database(_ENTRY, str(tmp_path))
    assert not second.restored("1-31")
    assert second.restored("1-30")
    assert file.read_text() == "rows"
    assert not journal.exists()
    second.forget_kept()
    assert not first.restored("1-30")


def test_a_server_keeps_nothing(tmp_path: Path) -> None:
    entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "migfix_verify_x"}
    database = Database(entry, str(tmp_path))
    database.keep("1-30")
    database.forget_kept()
    assert not database.restored("1-30")
    assert not [*tmp_path.iterdir()]
