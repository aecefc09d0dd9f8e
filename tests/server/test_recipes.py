"""The recipes for editors that no test runs: they are of the format that the editor reads, and start the server."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text()


def recipe(editor: str, language: str) -> str:
    section = PAGE.partition(f"\n## {editor}\n")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, editor
    return found[1]


@pytest.mark.parametrize(
    ("editor", "language", "command"),
    [
        ("Helix", "toml", lambda said: _helix(said["language-server"]["migfix"])),
        ("Kate", "json", lambda said: said["servers"]["python"]["command"]),
        ("Sublime Text", "json", lambda said: said["clients"]["migfix"]["command"]),
    ],
)
def test_recipes_start_the_server(
    editor: str, language: str, command: Callable[[Any], Any]
) -> None:
    read: Callable[[str], Any] = {"toml": tomllib.loads, "json": json.loads}[language]
    assert command(read(recipe(editor, language))) == ["migfix", "server"]


def _helix(server: dict[str, Any]) -> list[str]:
    return [server["command"], *server["args"]]
