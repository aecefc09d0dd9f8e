"""A function of options as a Typer command, and where the errors of a whole run end."""

from __future__ import annotations

import inspect
import sys
import traceback
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from migfix.commandline.options import (
    PANELS,
    Applying,
    Options,
    Proving,
    Reporting,
    Showing,
    UsageError,
)
from migfix.commandline.output import complain, encoded, traceback_of
from migfix.printing import write
from migfix.settings import ExitCode, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


_GROUPS = (Options, Proving, Applying, Showing, Reporting)


_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names.split()}


def command(
    run: Callable[..., ExitCode], *, without: str = "", about: Any = None
) -> Callable[..., None]:
    """A Typer command from a function of ``Options``, perhaps of other groups of options, and options of its own.

    The fields of these stand in the signature that Typer reads, but those ``without`` which it would do the same;
    ``about`` is the argument, where that is not a path. The one place where errors of a whole run end: a wrong
    setting, an interrupt, a bug of ours.
    """
    # Not by get_type_hints(), which on Python 3.10 wraps what has None as its default into Optional.
    asked = inspect.signature(run, eval_str=True).parameters
    groups = {name: each.annotation for name, each in asked.items() if each.annotation in _GROUPS}
    own = [each for name, each in asked.items() if name not in groups]

    @wraps(run)
    def with_options(**values: Any) -> None:
        given = {
            name: group(**{f.name: values.pop(f.name) for f in fields(group) if f.name in values})
            for name, group in groups.items()
        }
        raise typer.Exit(_guarded(given["options"], lambda: run(**given, **values)))

    parameters = [
        each.replace(annotation=shared[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for group in groups.values()
        for shared in [get_type_hints(group, include_extras=True)]
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


def _guarded(options: Options, run: Callable[[], ExitCode]) -> ExitCode:
    try:
        options.refuse_contradictions()
        return run()
    except (SettingsError, UsageError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:
        if options.debug:
            write(sys.stderr, encoded(traceback_of(traceback.format_exc()), sys.stderr))
        complain(f"internal error: {type(error).__name__}: {error} (--debug shows where)")
    return ExitCode.ERROR
