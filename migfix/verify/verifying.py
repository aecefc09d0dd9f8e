"""Both versions of migrations on equal data, RunPython by RunPython."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from migfix.disk.files import Files
from migfix.disk.stamps import digest
from migfix.findings import FileOutcome, Verdict
from migfix.project.discovery import Project
from migfix.reading.vendored import is_of_migfix
from migfix.settings import shown
from migfix.verify.advice import installing
from migfix.verify.comparing import (
    commonest_error,
    difference,
    more_queries,
    raised_in_all,
    statements_of,
    ways_of,
)
from migfix.verify.forks import Forks
from migfix.verify.jobs import (
    CannotTell,
    Run,
    Setting,
    Sources,
    job,
    modules,
    near,
    path_of,
    runs_of,
    versions,
)
from migfix.verify.processes import Failed, Processes
from migfix.verify.proofs import NOT_REACHED, LoopRun, Proof
from migfix.verify.servers import Entry, database
from migfix.verify.unfinished import Unfinished
from migfix.verify.worker.job import Job
from migfix.verify.worker.sources import ENTERED
from migfix.worlds import MENTION, ProjectFacts

Told = Callable[[Proof, int], None]
Answering = Callable[[Job], dict[str, Any]]


class Notes(Protocol):
    """What is kept of a run, made when the folders are known that it may import from."""

    def made(self, projects: Iterable[str]) -> Unfinished | None: ...


@dataclass(frozen=True)
class Task:
    """One RunPython, the two versions of its files, and the loops that differ in it."""

    run: Run
    before: Sources
    after: Sources
    loops: tuple[LoopRun, ...]

    @property
    def digest(self) -> str:
        """What tells it from others of a project in which nothing else has changed."""
        texts = ([*map(str, item)] for each in (self.before, self.after) for item in each.items())
        said = [str(self.run.path), self.run.number, str(self.loops), *texts]
        return digest(json.dumps(said).encode())


def _nobody(proof: Proof, number: int) -> None:
    """Is told of a proof."""


@dataclass(frozen=True)
class Prover:
    """Runs tasks on databases of ``entry``, ``parallel`` at a time, with the account of the entry where it is ``shared``.

    ``notes`` keep what has come for a run after an interrupt.
    """

    processes: Processes
    entry: Entry
    setting: Setting
    parallel: int = 1
    shared: bool = False
    notes: Notes | None = None

    def proofs(self, tasks: Sequence[Task], on_proof: Told | None = None) -> list[Proof]:
        """One proof for each task, in their order. An interrupt leaves no process and no database.

        ``on_proof`` is told of each as it comes, with the number of tasks.
        """
        told = on_proof or _nobody
        found: dict[int, Proof] = {}
        folders = (path for task in tasks for path in path_of(task.run))
        unfinished = self.notes.made(folders) if self.notes else None
        for number, task in enumerate(tasks if unfinished else ()):
            if unfinished and (proof := unfinished.proofs.get(task.digest)) is not None:
                found[number] = proof
                told(proof, len(tasks))
        waiting = {number: task for number, task in enumerate(tasks) if number not in found}
        forks = Forks(self.processes, self.entry, self.shared)
        with closing(forks), ThreadPoolExecutor(self.parallel) as pool:
            futures = {pool.submit(self._shown, task, forks): n for n, task in waiting.items()}
            try:
                for future in as_completed(futures):
                    number = futures[future]
                    proof = found[number] = future.result()
                    if unfinished:
                        unfinished.keep(tasks[number].digest, proof)
                    told(proof, len(tasks))
            except BaseException:
                for future in futures:
                    future.cancel()
                self.processes.stop()
                raise
        return [found[number] for number in range(len(tasks))]

    def _shown(self, task: Task, forks: Forks) -> Proof:
        """What both versions do. Raises SettingsError where the server cannot be used."""
        blank = Proof(task.run.path, task.run.label, Verdict.NOT_RUN, loops=task.loops)
        with (
            tempfile.TemporaryDirectory(
                prefix="migfix-verify-", dir=self.processes.folder
            ) as folder,
            database(self.entry, self.processes, shared=self.shared) as entry,
        ):

            def answer(asked: Job) -> dict[str, Any]:
                return forks.answer(replace(asked, database=dict(entry)), Path(folder).resolve())

            try:
                return self._proof(task, blank, answer)
            except (CannotTell, Failed) as error:
                return replace(blank, reason=str(error))

    def _proof(self, task: Task, blank: Proof, answer: Answering) -> Proof:
        constants = "\n".join(text for _, text in modules(task.run, task.before).values())
        first, notes, whole = self._first(task, constants, answer)
        seen = replace(blank, notes=tuple(notes))
        if first["problem"]:
            return self._failed(seen, first, first["problem"])
        asked, _ = job(task.run, task.after, constants, self.setting, whole=whole)
        second = answer(replace(asked, rounds=[each["spec"] for each in first["rounds"]]))
        if second["problem"]:
            return self._failed(seen, second, f"as rewritten: {second['problem']}")
        return self._compared(seen, first, second)

    def _failed(self, seen: Proof, answer: Mapping[str, Any], problem: str) -> Proof:
        reason = problem if answer["outside"] else self._with_advice(problem)
        return replace(seen, reason=reason, outside=tuple(answer["outside"]))

    def _first(
        self, task: Task, constants: str, answer: Answering
    ) -> tuple[dict[str, Any], list[str], bool]:
        """The first version's answer: with the models that it names, else with all that there are."""
        for whole in (False, True):
            asked, notes = job(task.run, task.before, constants, self.setting, whole=whole)
            found = answer(asked)
            if whole or self.setting.settings or not _lacks_models(found):
                break
        return found, notes, whole

    def _compared(self, seen: Proof, first: Mapping[str, Any], second: Mapping[str, Any]) -> Proof:
        rounds = first["rounds"]
        reached = {(b["file"], b["line"], b["what"]) for b in first["reached"]}
        ways = [(b["file"], b["line"], b["what"]) for b in first["branches"]]
        entered = {(b["file"], b["line"]) for b in first["finished"] if b["what"] == ENTERED}
        loops = tuple(
            replace(each, reached=(str(each.path.resolve()), each.line) in entered)
            for each in seen.loops
        )
        seen = replace(
            seen,
            notes=(*seen.notes, *first["notes"]),
            rounds=len(rounds),
            raised=sum(each["forwards"]["error"] is not None for each in rounds),
            ways=ways_of(rounds, second["rounds"]),
            sql=statements_of(rounds, second["rounds"], tuple(each.line for each in loops)),
            loops=loops,
            branches=len(ways),
            unreached=tuple(
                f"{shown(Path(file))}:{line}: no data for which {what}"
                for file, line, what in ways
                if (file, line, what) not in reached
            ),
            outside=tuple(dict.fromkeys([*first["outside"], *second["outside"]])),
        )
        if [each["start"] for each in rounds] != [each["start"] for each in second["rounds"]]:
            return replace(seen, reason="the versions did not start from equal rows")
        found = difference(rounds, second["rounds"])
        if found is not None and seen.outside:  # it may come of a refusal
            return replace(
                seen, reason=f"the migration {seen.outside[0]}, which verify does not let it do"
            )
        if found is not None:
            return replace(seen, verdict=Verdict.DIFFERENT, difference=found)
        if (error := raised_in_all(rounds, "forwards")) is not None:
            return replace(seen, reason=self._with_advice(f"raises on all generated data: {error}"))
        if not any(each.reached for each in loops) and (error := raised_in_all(rounds, "reverse")):
            text = f"raises in reverse on all generated data: {error}"
            return replace(seen, reason=self._with_advice(text))
        if loops and not any(each.reached for each in loops):
            error = commonest_error(rounds)
            reason = f"{NOT_REACHED}: {error}" if error else NOT_REACHED
            return replace(seen, reason=self._with_advice(reason) if error else reason)
        codes = {code for loop in loops for code in loop.codes}
        if (more := more_queries(rounds, second["rounds"], codes)) is not None:
            return replace(seen, verdict=Verdict.MORE_QUERIES, reason=str(more), more_queries=more)
        return replace(seen, verdict=Verdict.EQUAL)

    def _with_advice(self, problem: str) -> str:
        advice = []
        if self.setting.settings is None:
            advice.append("--settings takes the project's own models")
        if "cannot be created on sqlite" in problem:
            advice.append("--database-url a server of the kind that the project runs on")
        if (command := installing(problem, self.processes.python)) is not None:
            advice.append(command)
        if "No module named" in problem and self.processes.python is None:
            advice.append("--python an interpreter that has its packages")
        return f"{problem} ({'; '.join(advice)})" if advice else problem


def _lacks_models(answer: Mapping[str, Any]) -> bool:
    """Did the function ask for a model that its source does not name?"""
    return any(
        each["forwards"]["error"] == "builtins.LookupError" for each in answer.get("rounds") or ()
    )


def tasks_of(outcomes: Iterable[FileOutcome]) -> tuple[list[Task], list[Proof]]:
    """The RunPythons that reach rewritten loops, and those of which that cannot be told."""
    changed = [outcome for outcome in outcomes if outcome.changed and outcome.edits]
    before, after = versions(
        (edit.path, edit.before, edit.after) for each in changed for edit in each.edits
    )
    loops = [
        LoopRun(outcome.path, loop.line, loop.codes, reached=False)
        for outcome in changed
        for loop in outcome.loops
        if loop.changed
    ]
    tasks, failed = tasks_for(migrations_running([each.path for each in changed]), before, after)
    with_loops = [
        replace(task, loops=tuple(e for e in loops if task.run.runs(e.path, e.line)))
        for task in tasks
    ]
    return [task for task in with_loops if task.loops], failed


def migrations_running(changed: Iterable[Path]) -> list[Path]:
    """The migrations that run the changed files: themselves, or those that import them."""
    found: dict[Path, None] = {}
    for path in changed:
        if MENTION in path.read_bytes():
            found[path] = None
        else:
            importers = ProjectFacts(path, Files()).importers(path.resolve())
            found |= dict.fromkeys(importer.source.path for importer in importers)
    return list(found)


def tasks_for(
    migrations: Iterable[Path], before: Sources, after: Sources
) -> tuple[list[Task], list[Proof]]:
    """Every RunPython of the migrations, with both versions of the files that it may import."""
    tasks: list[Task] = []
    failed: list[Proof] = []
    files = Files()
    projects: dict[Project, ProjectFacts] = {}
    helpers = [path for path, text in after.items() if path not in before or is_of_migfix(text)]
    for path in migrations:
        facts = ProjectFacts(path, files)
        facts = projects.setdefault(facts.project, facts)
        try:
            runs = runs_of(path, before, facts)
        except CannotTell as error:
            failed.append(Proof(path, "", Verdict.NOT_RUN, str(error)))
            continue
        tasks += [
            Task(run, near(run, before, helpers), near(run, after, helpers), ()) for run in runs
        ]
    return tasks, failed
