"""Where an import goes that a rewrite needs."""

from __future__ import annotations

import pytest

from migfix.rewriting.imports import with_imports
from migfix.rewriting.style import Style

DJANGO = "from django.db import migrations\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{DJANGO}\n\nx = 1\n", f"{DJANGO}\nfrom site1._migfix import stream\n\n\nx = 1\n"),
        ("import re\n\n\nx = 1\n", "import re\n\nfrom site1._migfix import stream\n\n\nx = 1\n"),
        (
            f"{DJANGO}from . import texts\n",
            f"{DJANGO}\nfrom site1._migfix import stream\n\nfrom . import texts\n",
        ),
        (
            f"{DJANGO}\nfrom . import texts\n",
            f"{DJANGO}\nfrom site1._migfix import stream\n\nfrom . import texts\n",
        ),
        (
            f"{DJANGO}\nfrom site1.texts import x\n",
            f"{DJANGO}\nfrom site1._migfix import stream\nfrom site1.texts import x\n",
        ),
        (
            "from elsewhere import x\n",
            "from elsewhere import x\n\nfrom site1._migfix import stream\n",
        ),
        (
            f"{DJANGO}\nfrom shop.texts import x\n",
            f"{DJANGO}\nfrom shop.texts import x\nfrom site1._migfix import stream\n",
        ),
        (
            f"{DJANGO}\nfrom site1._migfix import save\n",
            f"{DJANGO}\nfrom site1._migfix import save, stream\n",
        ),
    ],
)
def test_the_helper_of_a_project(before, after):
    assert with_imports(before, [("site1._migfix", "stream")], Style(), {"site1", "shop"}) == after
