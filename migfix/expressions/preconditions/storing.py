"""What a loop's paths store: by ``save()``, by ``bulk_update()``, and by ``auto_now``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from migfix.expressions.context import Refused
from migfix.expressions.path import Path
from migfix.expressions.preconditions import saves
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState


def stored_paths(paths: Sequence[Path], loop: Loop) -> list[Path]:
    """The paths with what their rows are saved with, by ``bulk_update()`` too. Raises ``Refused``."""
    if (bulk := loop.bulk_update) is not None:
        if any(path.saves for path in paths):
            raise Refused(Reason.SAVED_TWICE, "the rows are saved and go into bulk_update()")
        return [_in_bulk(path, frozenset(bulk.fields), bulk.list_name is None) for path in paths]
    if all(path.saved is None for path in paths):
        return [dataclasses.replace(path, saved=path.values) for path in paths]
    return list(paths)


def _in_bulk(path: Path, fields: frozenset[str], every: bool) -> Path:
    """The path with what ``bulk_update()`` writes, which refreshes no ``auto_now``."""
    if not every and not path.collected:
        return path
    columns = {column.name: column for column in map(path.context.column, fields)}
    if any(column.primary_key is not False for column in columns.values()):
        raise Refused(Reason.SAVE_ARGUMENTS, "bulk_update() does not take the primary key")
    written = {name: value for name, value in path.values.items() if name in columns}
    back = (name for name, column in columns.items() if column.auto_now is False)
    return dataclasses.replace(path, saved=written, fields=frozenset({*back, *written}), saves=1)


def _never_saved(paths: Sequence[Path]) -> Iterator[Refusal]:
    if not any(path.saves for path in paths):
        yield Refusal(
            Reason.NEVER_SAVED, "the loop assigns but never saves: it changes nothing today"
        )


def storing_caveats(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], paths: Sequence[Path]
) -> Iterator[Refusal]:
    """What may differ because of what is stored, and what save() does besides. Raises ``Refused``."""
    assigned = {name: value for path in paths for name, value in (path.saved or {}).items()}
    yield from _never_saved(paths)
    yield from saves.unique_caveats(loop, model, assigned)
    yield from saves.save_caveats(loop, columns, paths)
    saves.check_saved_twice(loop, model, paths)
    saves.check_explicit(loop, paths)
    saves.check_walk(loop, assigned)


def with_clocks(loop: Loop, columns: Mapping[str, FieldState], paths: Sequence[Path]) -> list[Path]:
    """The paths where what ``auto_now`` refreshes is set like any other column."""
    return [
        (
            path
            if path.saved is None
            else dataclasses.replace(
                path, saved={**path.saved, **saves.refreshed(loop, columns, path)}
            )
        )
        for path in paths
    ]
