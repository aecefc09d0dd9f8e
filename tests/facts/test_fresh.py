"""What a turn makes itself, which no other turn knows of."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.checking import EVERYWHERE, outcome_of, whole


def dependence(body: str) -> str | None:
    """Why the rows need an order of their own, by what the report says of ``.only()`` and streams."""
    loop = "for token in Token.objects.all():\n" + dedent(body).replace("\n", "\n    ").rstrip(" ")
    outcome = outcome_of(whole(loop), databases=EVERYWHERE, select=("MF201", "MF202", "MF203"))
    assert outcome.error is None, outcome.traceback
    (found,) = outcome.loops
    return None if found.changed else found.blocked_by


OWN = {
    "a dict of its own": """
        found = {}
        for key, value in token.data.items():
            found[key] = [value]
        token.data = found
        token.save(update_fields=["data"])
        """,
    "a dict that is put into another": """
        found, other = {}, {}
        for key, value in token.data.items():
            other["last"] = found
            found[key] = [value]
            kept = found[key]
            found["more"] = kept
        token.data = other
        token.save(update_fields=["data"])
        """,
    "a list that is loaded, or not": """
        found = {}
        for key, value in token.data.items():
            if isinstance(value, str):
                loaded = json.loads(value)
                found[key] = loaded
            elif not isinstance(value, list):
                found[key] = [value]
            else:
                found[key] = value
        token.data = found
        token.save(update_fields=["data"])
        """,
}


@pytest.mark.parametrize("name", OWN)
def test_what_a_turn_makes_is_its_own(name):
    assert dependence(OWN[name]) is None
