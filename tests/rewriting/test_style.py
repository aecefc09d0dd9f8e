"""How a project formats its code, by what it configures."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.rewriting import style as read
from migfix.rewriting.style import Style


def style_of(path: Path) -> Style:
    return read.style_of(path, Files())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder that is a repository, so that no settings above it count."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def configure(folder: Path, content: str, name: str = "pyproject.toml") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def test_a_project_that_configures_nothing_keeps_its_quotes(repository: Path) -> None:
    assert style_of(repository) == Style(88, string_normalization=False)


def test_the_style_of_black_is_read_whole(repository: Path) -> None:
    configure(
        repository,
        "[tool.black]\nline-length = 100\nskip-string-normalization = true\n"
        'skip-magic-trailing-comma = true\ntarget-version = ["py310"]\npreview = true\n',
    )
    assert style_of(repository / "shop" / "x.py") == Style(
        100,
        string_normalization=False,
        magic_trailing_comma=False,
        black=True,
        target_versions=("py310",),
        preview=True,
    )


STYLES = {
    "black with its defaults": ("pyproject.toml", "[tool.black]", Style(88, True, True, True)),
    "a length that is none": (
        "pyproject.toml",
        '[tool.black]\nline-length = "x"',
        Style(88, True, True, True),
    ),
    "ruff without its formatter": ("pyproject.toml", "[tool.ruff]\nline-length = 99", Style(99)),
    "ruff's formatter": (
        "pyproject.toml",
        "[tool.ruff.format]\ndocstring-code-format = true",
        Style(88, True),
    ),
    "ruff with single quotes": (
        "ruff.toml",
        'line-length = 79\ntarget-version = "py312"\n[format]\nquote-style = "single"\n'
        "skip-magic-trailing-comma = true",
        Style(79, False, False, target_versions=("py312",)),
    ),
    "a hidden ruff.toml": (".ruff.toml", "line-length = 77", Style(77)),
    "flake8 in setup.cfg": ("setup.cfg", "[flake8]\nmax-line-length = 110", Style(110)),
    "flake8 in tox.ini": ("tox.ini", "[flake8]\nmax-line-length = 120", Style(120)),
    "flake8 in its own file": (".flake8", "[flake8]\nmax-line-length = 90", Style(90)),
    "flake8 told not to complain": ("setup.cfg", "[flake8]\nmax-line-length = 160", Style(88)),
    "flake8 with a length that is none": ("setup.cfg", "[flake8]\nmax-line-length = x", Style(88)),
}


@pytest.mark.parametrize(("name", "content", "style"), STYLES.values(), ids=STYLES)
def test_the_style_of_other_tools(repository: Path, name: str, content: str, style: Style) -> None:
    configure(repository, content, name)
    assert style_of(repository / "shop") == style


def test_black_goes_before_ruff_in_one_file(repository: Path) -> None:
    configure(repository, "[tool.ruff]\nline-length = 70\n[tool.black]\nline-length = 90\n")
    assert style_of(repository).line_length == 90


def test_the_nearer_formatter_goes_before_the_farther(repository: Path) -> None:
    configure(repository, "[tool.black]\nline-length = 90\n")
    configure(repository / "api", "line-length = 70\n", "ruff.toml")
    assert style_of(repository / "api" / "x.py").line_length == 70


def test_a_formatter_farther_away_goes_before_flake8_nearby(repository: Path) -> None:
    configure(repository, "[tool.black]\nline-length = 90\n")
    configure(repository / "api", "[flake8]\nmax-line-length = 100\n", "setup.cfg")
    assert style_of(repository / "api").line_length == 90
