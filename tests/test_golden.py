"""The comparison with files in snapshots/ and the search for files that nobody compares."""

from __future__ import annotations

import pytest

from tests import golden


@pytest.fixture
def snapshots(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "SNAPSHOTS", tmp_path)
    monkeypatch.setattr(golden, "claimed", set())
    monkeypatch.setattr(golden, "update", False)
    return tmp_path


def test_a_missing_snapshot_fails_and_is_not_written(snapshots):
    with pytest.raises(pytest.fail.Exception, match="does not exist"):
        golden.golden("a/report.txt", "text")
    assert not (snapshots / "a").exists()


def test_a_stale_snapshot_fails_and_stays(snapshots):
    (snapshots / "report.txt").write_text("old\n")
    with pytest.raises(AssertionError, match="update-snapshots"):
        golden.golden("report.txt", "new\n")
    assert (snapshots / "report.txt").read_text() == "old\n"


def test_an_update_writes_the_bytes_as_they_are(snapshots, monkeypatch):
    monkeypatch.setattr(golden, "update", True)
    golden.golden("a/apply.diff", b"one\r\ntwo\n")
    assert (snapshots / "a" / "apply.diff").read_bytes() == b"one\r\ntwo\n"


def test_a_file_that_no_test_claims_is_listed(snapshots):
    for name in ("compared.txt", "skipped.txt", "left.txt"):
        (snapshots / name).write_text("text")
    golden.golden("compared.txt", "text")
    golden.claim("skipped.txt")
    assert golden.unclaimed() == [snapshots / "left.txt"]
