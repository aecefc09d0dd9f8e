"""What the tests of the helper share."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import pytest

from tests.runtime import helper


@pytest.fixture
def together() -> Iterator[None]:
    """Let batches of two rows be written in one go, as those of many are."""

    def is_one(rows: Sized, *_: object) -> bool:
        return len(rows) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helper, "_are_few", is_one)
        patch.setattr(helper, "_FEW", 0)
        patch.setattr(helper, "_MANY", 2)
        yield
