"""What a run may do: the command line and [tool.migfix]; exit codes."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatch
from functools import cache
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar

from migfix.disk.files import Files, Unreadable
from migfix.quoting import quoted

T = TypeVar("T")

DATABASES = ("postgresql", "mysql", "mariadb", "sqlite", "oracle")
ONE = "postgresql"  # of which is told what it would change to run on it alone
BATCH_SIZE = 1000  # that of the helper, which is not written out


class ExitCode(IntEnum):
    """The same for every command and format."""

    OK = 0
    """Nothing to do, or all of it done."""
    CHANGES = 1
    """``check``, ``diff`` and ``--dry-run``: there is something to rewrite."""
    ERROR = 2
    """A usage error, or a file that could not be read, parsed or written; the others are done."""
    INTERRUPTED = 130


class SettingsError(Exception):
    """A setting that makes no sense, as one line that names where it is and what would be right."""


_CODE = re.compile(rb"""^codemod = Codemod\(\s*__name__,\s*["'](\w+)["'](.*)""", re.MULTILINE)


@cache
def _codes(opt_in: bool) -> Mapping[str, str]:
    package = importlib.import_module("migfix.codemods")
    found: dict[str, str] = {}
    for each in pkgutil.iter_modules(package.__path__):
        code = _CODE.search(pkgutil.get_data(package.__name__, f"{each.name}.py") or b"")
        if code is not None and (b"opt_in=True" in code[2]) is opt_in:
            found[code[1].decode()] = each.name.replace("_", "-")
    return dict(sorted(found.items()))


def known_codes() -> Mapping[str, str]:
    """The codes of the codemods that are in force unless somebody says otherwise, and their names, as their files say
    them, in the order of the codes.
    """
    return _codes(opt_in=False)


def all_codes() -> Mapping[str, str]:
    """The same of all codemods, also of those that are in force only where their own code or name is selected."""
    return {**_codes(opt_in=False), **_codes(opt_in=True)}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says; None where it says nothing."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    unsafe_fixes: bool | None = None
    databases: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    batch_size: int | None = None
    jobs: int = 0
    config: Path | None = None
    settings: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run may do.

    ``select`` and ``ignore`` are full codes; ``per_file_ignores`` are more to ignore, by glob. ``databases`` is None when nobody named them: they
    are then to be detected. ``jobs`` 0 leaves the number of processes to the run. ``config`` is
    the file the settings come from. The globs of ``exclude`` are names or paths from the working
    folder. ``helper`` is the module that holds the helper for the whole project; by default each
    migrations folder has its own. ``cache`` is the folder for kept reports, where the
    file names one. ``batch_size`` is the number of rows that a rewritten loop writes in
    one go. ``quiet_receivers`` are globs of files whose receivers, as the project says, do nothing for
    historical models. ``settings`` is the settings module by which the project's own Django is asked for facts.
    """

    select: frozenset[str]
    ignore: frozenset[str] = frozenset()
    unsafe_fixes: bool = False
    databases: frozenset[str] | None = None
    exclude: tuple[str, ...] = ()
    batch_size: int = BATCH_SIZE
    jobs: int = 0
    config: Path | None = None
    helper: str | None = None
    cache: Path | None = None
    per_file_ignores: tuple[tuple[str, frozenset[str]], ...] = ()
    quiet_receivers: tuple[str, ...] = ()
    settings: str | None = None

    @property
    def codes(self) -> frozenset[str]:
        """The codes of the codemods that may rewrite."""
        return self.select - self.ignore

    def codes_for(self, path: Path) -> frozenset[str]:
        """Those that may rewrite this file."""
        ignored = (c for glob, c in self.per_file_ignores if matches(path, glob))
        return self.codes.difference(*ignored)


def settings_for(path: Path, overrides: Overrides, files: Files) -> Settings:
    """The settings for ``path``: the command line, else the nearest [tool.migfix], else defaults.

    A ``--select`` replaces both ``select`` and ``ignore`` of the file, since it names what is
    wanted now; an ``--ignore`` adds to what the file ignores. Raises SettingsError.
    """
    if overrides.config is None:
        config, said = files.once(_nearest_config, folder_of(path, files))
    else:
        config, said = files.once(_named_config, overrides.config)
    reading = _Reading(config, said)
    select, ignore = reading.codes("select"), reading.codes("ignore")
    unsafe, databases = reading.flag("unsafe-fixes"), reading.databases("databases")
    exclude = _from_here(reading.strings("exclude"), config)
    batch_size = reading.number("batch-size")
    helper = reading.module("helper")
    cache = reading.folder("cache-dir")
    own_django = reading.module("settings", like="shop.settings")
    per_file = reading.codes_by_glob("per-file-ignores")
    quiet = _from_here(reading.strings("quiet-receivers"), config)
    reading.reject_unknown_keys()
    if overrides.select is not None:
        select, ignore = codes_of(overrides.select, "--select"), None
    if overrides.settings is not None and not _is_module(overrides.settings):
        raise SettingsError(
            f"--settings: {overrides.settings!r} is not the dotted name of a module, like shop.settings"
        )
    ignored_now = codes_of(overrides.ignore or (), "--ignore")
    if overrides.databases is not None:
        databases = databases_of(overrides.databases, "--database")
    return Settings(
        select=frozenset(known_codes()) if select is None else select,
        ignore=(ignore or frozenset()) | ignored_now,
        unsafe_fixes=_first(overrides.unsafe_fixes, unsafe, False),
        databases=databases,
        exclude=_first(overrides.exclude, exclude, ()),
        batch_size=_first(overrides.batch_size, batch_size, BATCH_SIZE),
        jobs=overrides.jobs,
        config=config,
        helper=helper,
        cache=cache,
        per_file_ignores=tuple(
            ((_from_here((glob,), config) or (glob,))[0], codes) for glob, codes in per_file
        ),
        quiet_receivers=quiet or (),
        settings=overrides.settings or own_django,
    )


def matches(path: Path, glob: str) -> bool:
    """Does the glob mean the file, by its name, by that of a folder above it, or by its path from here?"""
    steps = os.path.relpath(path).replace(os.sep, "/").split("/")
    return any(is_meant("/".join(steps[:end]), glob) for end in range(1, len(steps) + 1))


def is_meant(path: str, glob: str) -> bool:
    """Does the glob mean the file or folder itself, by its name or by its path from here?"""
    glob = glob.rstrip("/").removeprefix("./")
    return fnmatch(path.rpartition("/")[2], glob) or fnmatch(path, glob.lstrip("/"))


def _from_here(globs: tuple[str, ...] | None, config: Path | None) -> tuple[str, ...] | None:
    """Globs that name a path from the folder of ``config``, as paths from the working folder."""
    if globs is None or config is None:
        return globs
    return tuple(
        (
            os.path.relpath(config.parent / glob).replace(os.sep, "/")
            if "/" in glob and not glob.startswith("*")
            else glob
        )
        for glob in globs
    )


def codes_of(names: Iterable[str], said_at: str) -> frozenset[str]:
    """The codes that codes (MF101), prefixes of codes (MF1) and names (loop-to-update) stand for.

    No prefix stands for what is only in force where it is selected. Raises SettingsError for one that stands for none.
    """
    return frozenset(code for name in names for code in _codes_named(name, said_at))


def _codes_named(name: str, said_at: str) -> list[str]:
    code, kebab, known = name.upper(), name.lower().replace("_", "-"), all_codes()
    found = [each for each in known_codes() if each.startswith(code) and code.startswith("MF")]
    found = found or [each for each in known if each == code]
    found = found or [each for each, its_name in known.items() if its_name == kebab]
    if not found:
        close = _closest(code, known) or _closest(kebab, known.values())
        raise SettingsError(_unknown(said_at, name, "codemod", close, known))
    return found


def databases_of(names: Iterable[str], said_at: str) -> frozenset[str]:
    """The databases of these names. Raises SettingsError for an unknown one, and for none at all."""
    databases = frozenset(name.lower() for name in names)
    for name in sorted(databases.difference(DATABASES)):
        close = _closest(name, DATABASES)
        raise SettingsError(_unknown(said_at, name, "database", close, DATABASES))
    if not databases:
        raise SettingsError(f"{said_at}: names no database; leave it out to have them detected")
    return databases


def _unknown(said_at: str, name: str, kind: str, close: str | None, known: Iterable[str]) -> str:
    hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
    return f"{said_at}: there is no {kind} {name!r}; {hint}"


def _closest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1)), None)


def _first(*values: T | None) -> T:
    return next(value for value in values if value is not None)


def _is_module(name: str) -> bool:
    return all(part.isidentifier() and not iskeyword(part) for part in name.split("."))


class _Reading:
    """The keys of one [tool.migfix] table, checked as they are asked for."""

    def __init__(self, file: Path | None, table: Mapping[str, Any]) -> None:
        self.file = file
        self.table = table
        self.known: list[str] = []

    def codes(self, key: str) -> frozenset[str] | None:
        names = self.strings(key)
        return None if names is None else codes_of(names, self._place(key))

    def databases(self, key: str) -> frozenset[str] | None:
        names = self.strings(key)
        return None if names is None else databases_of(names, self._place(key))

    def strings(self, key: str) -> tuple[str, ...] | None:
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f'{self._place(key)} must be a list of strings, like ["a", "b"]')
        return tuple(value)

    def codes_by_glob(self, key: str) -> list[tuple[str, frozenset[str]]]:
        value = self._value(key)
        if value is None:
            return []
        lists = list(value.values()) if isinstance(value, Mapping) else [None]
        if not all(
            isinstance(each, list) and all(isinstance(item, str) for item in each) for each in lists
        ):
            raise SettingsError(
                f'{self._place(key)} must be a table of lists, like {{"old/*" = ["MF2"]}}'
            )
        return [(glob, codes_of(names, self._place(key))) for glob, names in value.items()]

    def module(self, key: str, like: str = "common.migfix") -> str | None:
        value = self._value(key)
        if value is not None and not (isinstance(value, str) and _is_module(value)):
            raise SettingsError(
                f'{self._place(key)} must be the dotted name of a module, like "{like}"'
            )
        return value

    def folder(self, key: str) -> Path | None:
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{self._place(key)} must be the path of a folder, in quotes")
        return (self.file or Path()).parent / value

    def flag(self, key: str) -> bool | None:
        value = self._value(key)
        if value is not None and not isinstance(value, bool):
            raise SettingsError(f"{self._place(key)} must be true or false, without quotes")
        return value

    def number(self, key: str) -> int | None:
        value = self._value(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SettingsError(f"{self._place(key)} must be a whole number, 1 or more")
        return value

    def reject_unknown_keys(self) -> None:
        for key in sorted(set(self.table).difference(self.known)):
            close = _closest(key.replace("_", "-"), self.known)
            raise SettingsError(_unknown(self._place(), key, "key", close, self.known))

    def _value(self, key: str) -> Any:
        self.known.append(key)
        return self.table.get(key)

    def _place(self, key: str = "") -> str:
        return f"{shown(self.file or Path())}: [tool.migfix] {key}".rstrip()


def from_here(path: Path) -> str:
    """``path`` as a user in the working folder would write it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def shown(path: Path) -> str:
    """The same for people to read."""
    return quoted(from_here(path))


# -- files of settings


def folder_of(path: Path, files: Files) -> Path:
    path = path.absolute()
    return path if files.has_folder(path) else path.parent


def folders_up(folder: Path, files: Files) -> Iterator[Path]:
    """``folder`` and its parents, to the root of the repository or else of the disk."""
    for each in (folder, *folder.parents):
        yield each
        if files.has(each / ".git") or files.has(each / ".hg"):
            return


def _nearest_config(files: Files, folder: Path) -> tuple[Path | None, Mapping[str, Any]]:
    for each in folders_up(folder, files):
        file = each / "pyproject.toml"
        table = table_in(read_toml(file, "migfix", files), "tool", "migfix")
        if table is not None:
            return file, table
    return None, {}


def _named_config(files: Files, file: Path) -> tuple[Path, Mapping[str, Any]]:
    """A ``pyproject.toml`` with [tool.migfix], or a file of its keys alone."""
    content = files.read(file)
    if isinstance(content, Unreadable):
        raise SettingsError(f"--config: {shown(file)} cannot be read: {content.why}")
    found = _parse_toml(file, content)
    table = table_in(found, "tool", "migfix")
    return file.absolute(), found if table is None and "tool" not in found else table or {}


def read_toml(file: Path, mentioning: str, files: Files) -> Mapping[str, Any]:
    """The content of a TOML file; empty when it is not there or does not mention the word.

    The word spares the parser, and its import, the many files that do not concern us.
    """
    if not files.has_file(file):
        return {}
    content = files.read(file)
    if isinstance(content, Unreadable):
        raise SettingsError(f"{shown(file)}: cannot be read: {content.why}")
    return _parse_toml(file, content) if mentioning.encode() in content else {}


def _parse_toml(file: Path, content: bytes) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:  # also of letters and of numbers
        raise SettingsError(f"{shown(file)}: is not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{shown(file)}: its values are nested too deeply") from None


def cache_folder_in(data: bytes, folder: str) -> str | None:
    """The ``cache-dir`` that a ``pyproject.toml`` in ``folder`` names, if it makes sense."""
    file = Path(folder, "pyproject.toml")
    try:
        table = table_in(_parse_toml(file, data), "tool", "migfix")
        named = _Reading(file, table or {}).folder("cache-dir")
    except SettingsError:
        return None
    return None if named is None else str(named)


def table_in(content: Any, *keys: str) -> Mapping[str, Any] | None:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else None


def grouped_by_settings(
    paths: Iterable[Path], settings: Callable[[Path], Settings]
) -> list[tuple[Settings, list[Path]]]:
    """The paths under the settings that hold for them, deepest configuration file first.

    So a run over several projects obeys each; a file reached through two paths belongs to the
    first group that names it, which is that of the nearer configuration.
    """
    groups: dict[Settings, list[Path]] = {}
    for path in paths:
        groups.setdefault(settings(path), []).append(path)
    return sorted(groups.items(), key=lambda group: -_depth(group[0].config))


def _depth(config: Path | None) -> int:
    return len(config.parts) if config else 0
