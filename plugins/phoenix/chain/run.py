"""A whole batch without Airflow: the same steps in the same order, recipes in parallel threads."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from enum import StrEnum
from pathlib import Path

from phoenix.association.cascade import upstream
from phoenix.chain.batch import close_batch, open_batch
from phoenix.chain.convert import convert_idps
from phoenix.chain.create import create_abs
from phoenix.chain.disk_watch import require_disk
from phoenix.chain.edit import edit_abs
from phoenix.chain.ingest import enqueue, ingest
from phoenix.chain.plan import nights_with_frames, pending
from phoenix.chain.qc import qc_reports
from phoenix.chain.resources import at_once
from phoenix.chain.retries import run_with_retries
from phoenix.chain.scan import scan_into_catalogue
from phoenix.config.loader import Configuration
from phoenix.config.release import QcMode
from phoenix.errors import PhoenixError, UsageError
from phoenix.model.report import BatchReport
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database

#: Told one line at a time what is going on.
Progress = Callable[[str], None]


class Step(StrEnum):
    """The steps of a batch, named as the task groups of the DAG."""

    CREATE_ABS = "create_abs"
    EDIT_ABS = "edit_abs"
    RUN_RECIPES = "run_recipes"
    QC_REPORTS = "qc_reports"
    CONVERT_IDPS = "convert_idps"
    INGEST = "ingest"


class BatchRun:
    """One run of a batch from the command line.

    Parameters
    ----------
    owner : str
        Who runs it; another owner's running batch is refused.
    abs_ : collection of str, optional
        Run only the recipes of these ABs, and of those they wait for; default: of all. A name that is none of
        an AB of the batch is a problem of the batch, and no recipe runs.
    """

    def __init__(
        self,
        database: Database,
        configuration: Configuration,
        release: str,
        key: str,
        owner: str,
        say: Progress,
        abs_: Collection[str] = (),
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._release = release
        self._key = key
        self._owner = owner
        self._say = say
        self._abs = abs_

    def run(self, only: Iterable[Step] = tuple(Step)) -> BatchReport:
        """Do the steps that are asked for, each only as far as it is not done yet; always close the batch.

        As in the DAG, a bad night or AB stops no other, and a failed scan stops all.

        Raises
        ------
        UsageError
            If the batch is being processed by somebody else.
        InfrastructureError
            If the disk has no room before anything could start, or the database fails.
        """
        wanted = set(only)
        open_batch(self._database, self._configuration, self._release, self._key, self._owner)
        try:
            self._process(wanted)
        except Exception as error:  # whatever it is, the batch tells it and ends
            self._problem(error)
        return close_batch(*self._batch(), self._owner, tell=wanted == set(Step))

    def _process(self, wanted: set[Step]) -> None:
        if Step.CREATE_ABS in wanted:
            self._say(str(scan_into_catalogue(self._database, self._configuration)))
            self._say(f"disk: {require_disk(*self._batch())}")
        nights = nights_with_frames(self._database, self._configuration, self._release, self._key)
        if Step.CREATE_ABS in wanted:
            self._each_night(nights, lambda night: create_abs(*self._batch(), nights=[night]))
        if Step.EDIT_ABS in wanted:
            self._each_night(nights, lambda night: edit_abs(*self._batch(), night))
        if Step.RUN_RECIPES in wanted:
            self._cascade()
        if Step.QC_REPORTS in wanted:
            self._qc(nights)
        if Step.CONVERT_IDPS in wanted:
            self._each_night(nights, lambda night: convert_idps(*self._batch(), night))
        if Step.INGEST in wanted:
            self._say(str(enqueue(*self._batch())))
            self._say(str(ingest(*self._batch())))

    def _qc(self, nights: list[str]) -> None:
        if self._configuration.release(self._release).qc is QcMode.NIGHTLY:
            self._each_night(nights, lambda night: qc_reports(*self._batch(), night))
            return
        try:
            self._say(str(qc_reports(*self._batch())))
        except Exception as error:  # as in the DAG, where it is a task
            self._problem(error)

    def _batch(self) -> tuple[Database, Configuration, str, str]:
        return self._database, self._configuration, self._release, self._key

    def _each_night(self, nights: list[str], step: Callable[[str], object]) -> None:
        """Do a step night by night; a bad night is noted and the next one goes on."""
        for night in nights:
            try:
                self._say(f"{night}: {step(night)}")
            except Exception as error:  # as in the DAG, where each night is a task of its own
                self._problem(error)

    def _cascade(self) -> None:
        """Run the ABs task by task; ABs of one task in parallel, a bad one stops no other."""
        release = self._configuration.release(self._release)
        wanted = self._wanted()
        for task in self._configuration.rules(release.instrument).tasks_for(release):
            names = pending(self._database, self._release, self._key, task.name)
            names = [name for name in names if wanted is None or name in wanted]
            # Each takes its share of the host before it starts: not more than cores and memory allow.
            with ThreadPoolExecutor(at_once(self._configuration, self._release)) as pool:
                running = {pool.submit(run_with_retries, *self._ab(name)): name for name in names}
                for future in as_completed(running):
                    try:
                        attempt = future.result()
                    except Exception as error:  # as in the DAG, where each AB is a task
                        self._problem(error)
                    else:
                        notes = f": {attempt.findings[0]}" if attempt.findings else ""
                        self._say(f"{task.name} {running[future]} {attempt.outcome}{notes}")

    def _wanted(self) -> set[str] | None:
        """Return the ABs whose recipes shall run, with those of the batch they wait for; None: all."""
        if not self._abs:
            return None
        with self._database.transaction() as session:
            batch = BatchRepository(session).find(self._release, self._key)
            abs_ = AbRepository(session, AbTrees(self._configuration.folders))
            graph = {state.name: state.waits_for for state in abs_.states(batch.id)}
        for name in self._abs:
            if name not in graph:
                raise UsageError(
                    f"AB {name}",
                    f"is not of batch {self._release} {self._key}",
                    "a name as `phoenix ab list` shows it",
                    f"phoenix ab list {self._release} '{self._key}'",
                )
        return upstream(graph, self._abs)

    def _ab(self, name: str) -> tuple[Database, Configuration, str, str]:
        return self._database, self._configuration, self._release, name

    def _problem(self, error: Exception) -> None:
        """Tell an error and note it in the batch, with its place if it is one of our own making."""
        told = str(error) if isinstance(error, PhoenixError) else _unexpected(error)
        self._say(told)
        with self._database.transaction() as session:
            BatchRepository(session).note_problems(self._release, self._key, [told])


def _unexpected(error: Exception) -> str:
    """Name an error nobody foresaw and the line it came from; a defect of the program, not of the data."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return (
        f"unexpected {type(error).__name__} in {last.name}, {Path(last.filename).name}:{last.lineno}: {error}"
    )
