"""The one place where the errors of a whole run end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from migfix.commandline.options import Options, UsageError
from migfix.commandline.output import complain, encoded, traceback_of
from migfix.printing import write
from migfix.settings import ExitCode, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(options: Options, run: Callable[[], ExitCode]) -> ExitCode:
    """What the run ends with: a wrong setting, an interrupt or a bug of ours is one line of complaint."""
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
            import traceback

            write(sys.stderr, encoded(traceback_of(traceback.format_exc()), sys.stderr))
        complain(f"internal error: {type(error).__name__}: {error} (--debug shows where)")
    return ExitCode.ERROR
