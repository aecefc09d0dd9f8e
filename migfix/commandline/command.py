"""A function of options as a Typer command."""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from migfix.commandline.ending import guarded
from migfix.commandline.options import (
    PANELS,
    Applying,
    Options,
    Proving,
    Reporting,
    Showing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from migfix.settings import ExitCode

_GROUPS = (Options, Proving, Applying, Showing, Reporting)


# What those modules name that are also imported without Typer.
_NAMES = {"typer": typer}
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names.split()}


def command(
    run: Callable[..., ExitCode], *, without: str = "", about: Any = None
) -> Callable[..., None]:
    """A Typer command from a function of ``Options``, perhaps of other groups of options, and options of its own.

    The fields of these stand in the signature that Typer reads, but those ``without`` which it would do the same;
    ``about`` is the argument, where that is not a path.
    """
    # Not by get_type_hints(), which on Python 3.10 wraps what has None as its default into Optional.
    asked = inspect.signature(run, eval_str=True, locals=_NAMES).parameters
    groups = {name: each.annotation for name, each in asked.items() if each.annotation in _GROUPS}
    own = [each for name, each in asked.items() if name not in groups]

    @wraps(run)
    def with_options(**values: Any) -> None:
        given = {
            name: group(**{f.name: values.pop(f.name) for f in fields(group) if f.name in values})
            for name, group in groups.items()
        }
        raise typer.Exit(guarded(given["options"], lambda: run(**given, **values)))

    parameters = [
        each.replace(annotation=shared[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for group in groups.values()
        for shared in [get_type_hints(group, localns=_NAMES, include_extras=True)]
        for each in inspect.signature(group).parameters.values()
        if each.name not in without.split()
    ] + own
    if about is not None:
        parameters[0] = parameters[0].replace(annotation=about)
    for each in parameters:
        for told in getattr(each.annotation, "__metadata__", ()):
            told.rich_help_panel = _PANEL_OF.get(each.name)
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options
