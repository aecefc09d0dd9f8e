"""Any codemod as a stock LibCST command: ``python -m libcst.tool codemod migfix.codemods.<file>.Command FILE``."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
from libcst.codemod import CodemodCommand, SkipFile

from migfix.codemod import Codemod
from migfix.disk.files import Files
from migfix.settings import Overrides, settings_for


def command_for(codemod: Codemod) -> type[CodemodCommand]:
    """A command that applies this codemod alone, safe rewrites only.

    The file is read from disk by its name, as its models are those of the migrations beside it;
    the helper is written by ``migfix apply``, before or after, not by the command.
    """

    class Command(CodemodCommand):
        DESCRIPTION = codemod.documentation

        def transform_module_impl(self, tree: cst.Module) -> cst.Module:
            from migfix import pipeline

            path = Path(self.context.filename or "stdin.py")
            files = Files()
            settings = settings_for(path, Overrides(select=(codemod.code,)), files)
            outcome = pipeline.run_source(tree.bytes, path, settings, files, rewrite=True)
            if outcome.error:
                raise SkipFile(outcome.error)
            for loop in outcome.loops:
                if not loop.changed:
                    self.warn(f"line {loop.line}: {loop.reason}")
            if outcome.helper is not None:
                self.warn(f"{path} needs {outcome.helper.path}: migfix apply {path} writes it")
            after = next((e.after for e in outcome.edits if e.path == path), None)
            return cst.parse_module(after) if after is not None else tree

    return Command
