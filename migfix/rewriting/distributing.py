"""Whether an app of a project may be installed without the package of the project's settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from migfix.project.discovery import Project, inside_repository
from migfix.settings import SettingsError, read_toml

# Keys under which Hatch's configuration says no more than what is asked here.
# https://hatch.pypa.io/latest/config/build/
_OF_WHEEL = {"packages", "sources", "exclude", "force-include", "core-metadata-version"}
_OF_SDIST = {"include", "exclude", "force-include", "core-metadata-version"}


def may_come_apart(package: Path, folder: Path, module: str, project: Project) -> bool:
    """May a distribution hold the migrations of a folder, but not this module of the package beside their app?

    Not where none is built here, nor where Hatch is told to build one that holds both packages.
    """
    files = project.files
    for above in inside_repository(project.root, files):
        if files.has(above / "setup.py") or b"[metadata]" in files.read_if_there(
            above / "setup.cfg"
        ):
            return True
        if b"[build-system]" in files.read_if_there(above / "pyproject.toml"):
            app = folder.relative_to(project.root).parts[0]
            own = {project.root / app, package}
            if not _hatch_takes(own, (package / module, folder), above, project):
                return True
    return False


def _hatch_takes(
    packages: Iterable[Path], places: Iterable[Path], above: Path, project: Project
) -> bool:
    """Is Hatch told to put all of these packages into its wheel, and to leave out none of the places?"""
    try:
        read = read_toml(above / "pyproject.toml", "hatch", project.files)
    except SettingsError:
        return False
    if _at(read, "build-system", "build-backend") != "hatchling.build":
        return False
    build = _at(read, "tool", "hatch", "build")
    targets = _at(read, "tool", "hatch", "build", "targets")
    if (
        not isinstance(targets, dict)
        or set(build) != {"targets"}
        or not set(targets) <= {"wheel", "sdist"}
    ):
        return False
    wheel, sdist = targets.get("wheel"), targets.get("sdist", {})
    if not isinstance(wheel, dict) or not isinstance(sdist, dict):
        return False
    if not set(wheel) <= _OF_WHEEL or not set(sdist) <= _OF_SDIST:
        return False
    named = [each.relative_to(above).as_posix() for each in packages]
    paths = [each.relative_to(above).as_posix() for each in places]
    return (
        set(named) <= set(_texts(wheel.get("packages", [])))
        and not _matched(paths, wheel.get("exclude"))
        and not _matched(paths, sdist.get("exclude"))
        and ("include" not in sdist or _matched(paths, sdist["include"]) == paths)
    )


def _at(read: Mapping[str, Any], *keys: str) -> Any:
    found: Any = read
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _texts(given: object) -> list[str]:
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def _matched(paths: Iterable[str], patterns: object) -> list[str]:
    """Those that patterns match as Git has them."""
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(_texts(patterns))
    return [each for each in paths if spec.match_file(each)]
