"""What is said while migrations run, and what is kept of that for a run after an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from migfix.commandline.options import Options, Proving
from migfix.commandline.output import complain, is_colored
from migfix.commandline.runs import Progress

if TYPE_CHECKING:
    from migfix.verify.proofs import Proof
    from migfix.verify.unfinished import Unfinished


class Coming:
    """Is told of proofs as they come: ``proofs`` are those that came. At a terminal, it shows each verdict."""

    def __init__(self, options: Options) -> None:
        self.proofs: list[Proof] = []
        self.total = 0
        self._progress = Progress(options, "migrations", after=0.0)
        self._color = is_colored(options.color)

    def __enter__(self) -> Coming:
        self._show = self._progress.__enter__()
        return self

    def __call__(self, proof: Proof, total: int) -> None:
        from migfix.verify import report

        self.proofs.append(proof)
        self.total = total
        if self._show is not None:
            text = "\n".join(report.verdict_lines(proof, color=self._color))
            print(f"\r\x1b[K{text}", file=sys.stderr, flush=True)
            self._show(len(self.proofs), total)

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)


class Notes:
    """The notes of a run for the next one: none where nothing may be kept, or it cannot be seen what an
    interpreter has.
    """

    def __init__(self, options: Options, proving: Proving, python: str | None) -> None:
        from migfix.verify.unfinished import installed_for

        self._options = options
        self._about = [
            vars(proving),
            options.of_project(),
            options.timeout,
            python,
            installed := installed_for(python),
        ]
        self._may = not options.no_cache and installed != []
        self._made: Unfinished | None = None

    def made(self, projects: Iterable[str]) -> Unfinished | None:
        """Those of a run that may import from these folders, the same for the whole run."""
        if self._may and self._made is None:
            from migfix.verify.unfinished import Unfinished

            self._made = Unfinished(self._options.cache_folder, self._about, projects)
            if number := len(self._made.proofs):
                complain(f"{number} migrations were verified before an interrupt; the rest follows")
        return self._made

    def forget(self) -> None:
        """The run has come to its end."""
        if self._made is not None:
            self._made.forget()
