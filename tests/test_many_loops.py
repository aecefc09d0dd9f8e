"""What a file with many loops or functions takes grows as they do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes import ran

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "many_loops.py"


@pytest.mark.thorough
def test_twice_as_many_take_about_twice_as_long():
    done = ran(
        [sys.executable, str(BENCHMARK), "--number", "120", "--enforce"],
        capture_output=True,
        text=True,
        limit=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok\n") == 4
