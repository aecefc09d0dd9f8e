"""Wrong rewrites are caught, and the original beside itself is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.findings import Verdict
from tests.verify.planted import PLANTED, Planted
from tests.verify.proving import proof_of

pytestmark = [pytest.mark.behaviour, pytest.mark.thorough]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_wrong_rewrite_is_caught(planted: Planted, tmp_path: Path) -> None:
    before, after = planted.modules()
    proof = proof_of(tmp_path, before, after, planted.database)
    assert proof.verdict is Verdict.DIFFERENT, proof
    assert proof.difference is not None
    assert proof.difference.lines


# With clocks, errors, indexes and rows that come and go.
@pytest.mark.parametrize("planted", PLANTED[::8], ids=lambda planted: planted.name)
def test_the_original_beside_itself_is_not(planted: Planted, tmp_path: Path) -> None:
    before, _ = planted.modules()
    proof = proof_of(tmp_path, before, before + "\n", planted.database)
    assert proof.difference is None, proof
