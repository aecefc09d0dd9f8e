"""The tests of the helper, on each text of it that a project may get."""

from __future__ import annotations

import os
import sys
from itertools import combinations
from pathlib import Path

import pytest

from tests.processes import ran

PARTS = (
    "stream stream_sql",
    "update_in_batches",
    "update_by_key",
    "create_in_batches",
    "link_in_batches",
)
TWO = [" ".join(parts) for parts in combinations(PARTS, 2)]


@pytest.mark.parametrize(
    "functions",
    [
        *(pytest.param(part, marks=pytest.mark.thorough) for part in PARTS),
        *(pytest.param(parts, marks=pytest.mark.nightly) for parts in TWO),
    ],
)
def test_what_a_project_gets_that_uses_no_others(functions: str) -> None:
    """What a database does differs no more than on the whole: each definition is the same."""
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not thorough and not nightly",
        "--timeout",
        "300",
    ]
    # What a process holds beside the rows depends on the tests before, which are skipped here.
    options += ["-k", "not memory_stays_flat"]
    done = ran(
        [sys.executable, "-m", "pytest", *options, str(Path(__file__).parent)],
        env={
            **os.environ,
            "MIGFIX_TEST_HELPER": functions,
            "MIGFIX_TEST_DATABASES": "sqlite-memory",
        },
        capture_output=True,
        text=True,
        limit=600,
    )
    assert done.returncode == 0, done.stdout
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > (5 if functions in {"update_by_key", "link_in_batches"} else 50), done.stdout
