"""
The migrations of a few public Django projects, as one folder per project.

``python tests/corpus/fetch.py`` prints the folder, after downloading what is missing. Wheels are
taken by name with pip and unpacked; nothing of them is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
IMPORT = re.compile(r"^ *(?:from +([\w.]+) +)?import +(\([^)]*\)|[\w., ]+)", re.MULTILINE)
DEFAULT_CACHE = HERE.parents[1] / ".cache" / "corpus"


class CorpusUnavailable(Exception):
    """The packages could not be downloaded; the message is pip's."""


def corpus() -> Path:
    """The folder that holds one folder per project, named like its package.

    Set MIGFIX_CORPUS to keep it elsewhere than in ``.cache/corpus``. The folder's name changes with
    the pinned versions and with this file, so a folder that exists is complete and up to date.
    Processes may call this at the same time: the first to rename its own copy wins.
    """
    cache = Path(os.environ.get("MIGFIX_CORPUS") or DEFAULT_CACHE)
    recipe = REQUIREMENTS.read_bytes() + Path(__file__).read_bytes()
    folder = cache / hashlib.sha256(recipe).hexdigest()[:12]
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as scratch:
        unpacked = Path(scratch, "corpus")
        for wheel in _download(Path(scratch, "wheels")):
            _unpack(wheel, unpacked)
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def _download(into: Path) -> list[Path]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # The same wheels on every interpreter: they are read, so what they require does not matter.
    choice = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    done = subprocess.run(
        [*pip, *choice, "--dest", str(into), "--requirement", str(REQUIREMENTS)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise CorpusUnavailable(done.stderr.strip())
    return sorted(into.glob("*.whl"))


def _unpack(wheel: Path, into: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        package = Parser().parsestr(archive.read(metadata).decode())
        folder = into / package["Name"].lower().replace("_", "-")
        archive.extractall(folder, _wanted(archive))
    dependencies = [line for line in package.get_all("Requires-Dist", []) if "extra ==" not in line]
    (folder / "manage.py").touch()  # marks the top of a project
    # What says which databases it may run on: drivers, and whether it is an app for any project.
    lists = {"classifiers": package.get_all("Classifier", []), "dependencies": dependencies}
    lines = ["[project]", f'name = "{folder.name}"', *(f"{key} = {lists[key]!r}" for key in lists)]
    (folder / "pyproject.toml").write_text("\n".join([*lines, "", "[tool.black]", ""]))


def _wanted(archive: ZipFile) -> list[str]:
    """Migrations, the modules that they import, apps, settings, and the packages around all these."""
    python = {name for name in archive.namelist() if name.endswith(".py") and not _is_test(name)}
    migrations = {name for name in python if "/migrations/" in name}
    kept = migrations | {name for name in python if re.search(r"(^|/)apps\.py$|settings", name)}
    for name in migrations:
        for module in _imported_modules(archive.read(name).decode()):
            path = module.replace(".", "/")
            kept |= {f"{path}.py", f"{path}/__init__.py"}
    packages = {f"{folder}/__init__.py" for name in kept for folder in PurePosixPath(name).parents}
    return sorted(python & (kept | packages))


def _is_test(name: str) -> bool:
    return not {"tests", "test"}.isdisjoint(name.split("/"))


def _imported_modules(source: str) -> Iterator[str]:
    for package, names in re.findall(IMPORT, source):
        for name in re.findall(r"[\w.]+", names):
            yield from (f"{package}.{name}", package) if package else [name]


if __name__ == "__main__":
    print(corpus())
