"""What a run over a project found in a file, for a run that asks for that file alone.

A run over a folder has asked the disk for all that decides on each of its files, and for more. As long as all these
answers hold, so does what was found, whoever asks for it.
"""

from __future__ import annotations

import json
import os
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migfix import findings
from migfix.disk.files import Unreadable
from migfix.findings import FileOutcome
from migfix.screening import MENTION, calls_no_module, outcome_without_a_look
from migfix.settings import settings_for

if TYPE_CHECKING:
    from migfix.cache import Cache
    from migfix.commandline.options import Options
    from migfix.disk.files import Seen
    from migfix.settings import Settings


def remembered(options: Options, cache: Cache, *, apart: bool) -> list[FileOutcome] | None:
    """The outcomes of the files that the options name, where a run over more found all of them and still would.

    ``apart`` as of ``Selection``.
    """
    if not _is_alike_for_all(options, cache):
        return None
    paths = [options.stdin_filename] if options.reads_stdin else options.paths
    outcomes: dict[str, FileOutcome] = {}
    known: dict[str, Any] = {}
    for path in [Path(each) for each in paths if each is not None]:
        data = options.files.read(path) if options.files.has_file(path) else _NONE
        if isinstance(data, Unreadable) or (options.reads_stdin and data != options.stdin):
            return None
        settings = settings_for(path, options.overrides(), options.files)
        outcome = outcome_without_a_look(path, data, settings)
        if outcome is None and MENTION in data and _is_by_itself(path, data):
            about = _about(settings, apart=apart)
            if about not in known:
                known[about] = _kept(cache, about)
            outcome = known[about].get(str(path))
        if outcome is None:
            return None
        outcomes.setdefault(os.path.abspath(path), outcome)
    return sorted(outcomes.values(), key=lambda each: each.path) or None


def remember(
    options: Options, cache: Cache, outcomes: list[FileOutcome], seen: Seen, *, apart: bool
) -> None:
    """Keep what a run over folders found in each file.

    Where no RunPython reaches it, more is looked for in a file that is named.
    """
    if not _is_alike_for_all(options, cache) or options.reads_stdin:
        return
    paths = [Path(each) for each in options.paths]
    if not any(map(options.files.has_folder, paths)):
        return
    under = {settings_for(path, options.overrides(), options.files) for path in paths}
    if len(under) == 1:
        found = {str(each.path): written(each) for each in outcomes if each.is_reached}
        about = _about(under.pop(), apart=apart)
        cache.keep_found(str(options.cache_folder), seen, about, json.dumps(found).encode())


_NONE = Unreadable("there is no such file")


def _is_alike_for_all(options: Options, cache: Cache) -> bool:
    """May another run find the same? Not where it is asked for some loops, or for what git says of a file."""
    return cache.is_on and options.only is None and options.since is None


def _is_by_itself(path: Path, data: bytes) -> bool:
    """Is all that is found by way of this file found in it, and by no way but it? No statement imports ``0007_fill``."""
    return not path.stem.isidentifier() and calls_no_module(path, data)


def _kept(cache: Cache, about: str) -> dict[str, FileOutcome]:
    content = cache.found(about)
    try:
        kept = json.loads(content or b"{}")
        outcomes = {path: read(outcome) for path, outcome in kept.items()}
        return {path: each for path, each in outcomes.items() if isinstance(each, FileOutcome)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _about(settings: Settings, *, apart: bool) -> str:
    """All that the outcome of a file depends on but the disk and the surroundings."""
    return json.dumps([_plain(settings), apart])


def _plain(value: object) -> object:
    if is_dataclass(value):
        return [[each.name, _plain(getattr(value, each.name))] for each in fields(value)]
    if isinstance(value, frozenset):
        return sorted(map(_plain, value), key=repr)
    if isinstance(value, (tuple, list)):
        return [*map(_plain, value)]
    return os.fspath(value) if isinstance(value, Path) else value


# -- outcomes as JSON


def written(value: object) -> object:
    """An outcome, or a part of one, as JSON holds it. Raises ``TypeError`` for what no outcome is made of."""
    match value:
        case None | bool() | int() | str() if not isinstance(value, Enum):
            return value
        case tuple():
            return ["tuple", *map(written, value)]
        case frozenset():
            return ["frozenset", *sorted(map(written, value), key=repr)]
        case bytes():
            return ["bytes", value.decode("latin-1")]
        case Path():
            return ["Path", str(value)]
        case Enum():
            return [type(value).__name__, value.value]
    name = type(value).__name__
    if getattr(findings, name, None) is not type(value) or not is_dataclass(value):
        raise TypeError(name)
    return [name, *(written(getattr(value, each.name)) for each in fields(value))]


def read(value: Any) -> Any:
    """The reverse. Raises ``LookupError``, ``TypeError`` or ``ValueError``."""
    if not isinstance(value, list):
        return value
    name, *parts = value
    match name:
        case "tuple":
            return tuple(map(read, parts))
        case "frozenset":
            return frozenset(map(read, parts))
        case "bytes":
            return parts[0].encode("latin-1")
        case "Path":
            return Path(parts[0])
    kind = vars(findings)[name]
    if not isinstance(kind, type) or not (is_dataclass(kind) or issubclass(kind, Enum)):
        raise TypeError(name)
    return kind(*map(read, parts))
