"""The documentation says what the code does."""

from __future__ import annotations

from pathlib import Path

from migfix import catalog

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# The rewrites

Each is also a LibCST command, and one name for `--select`, `--ignore` and comments. `migfix explain CODE` prints its entry.
"""


def codemods() -> str:
    """``docs/codemods.md``, of what the modules say of themselves."""
    entries = [f"## {each.code} {each.name}\n\n{each.documentation}\n" for each in catalog.load()]
    return "\n".join([HEAD, *entries])


def test_the_page_of_the_rewrites_is_that_of_the_codemods(request):
    path = ROOT / "docs" / "codemods.md"
    if request.config.getoption("--update-snapshots"):
        path.write_text(codemods())
    assert path.read_text() == codemods(), "pytest tests/test_docs.py --update-snapshots writes it"
