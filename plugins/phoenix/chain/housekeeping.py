"""Clears away what lost processes left: containers nobody follows, working folders of ended attempts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.config.loader import Configuration
from phoenix.execution.container import QUESTION, ContainerRegister, KnownContainer
from phoenix.execution.docker_engine import DockerRunner
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.batch import BatchState
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_lock import AbBusyError, sole_run
from phoenix.store.attempts import LOST, AttemptRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, AttemptRow, BatchRow

_ATTEMPT = re.compile(r"\d{2,}")
_UNPUBLISHED = ".*.new"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something found, and what becomes of it.

    Attributes
    ----------
    what
        ``container``, ``working folder`` or ``unpublished products``.
    action
        ``stopped``, ``removed`` or ``kept``.
    """

    what: str
    where: str
    ab: str
    action: str
    why: str


def sweep(
    database: Database,
    configuration: Configuration,
    register: ContainerRegister | None = None,
    *,
    dry_run: bool = False,
) -> list[Leftover]:
    """Look through containers and folders of this installation and clear what nobody will come back for.

    What a living process works on is never touched: its lock on the AB tells. What a lost process of a
    running batch left is kept, since the next try takes it over.

    Parameters
    ----------
    dry_run : bool
        Only tell.

    Raises
    ------
    InfrastructureError
        If engine or database do not answer.
    """
    with nullcontext(register) if register else _docker(configuration) as engine:
        sweeper = _Sweeper(database, configuration, engine, dry_run)
        return [*sweeper.containers(), *sweeper.working_folders(), *sweeper.unpublished()]


def _docker(configuration: Configuration) -> DockerRunner:
    return DockerRunner(configuration.engine, str(configuration.root))


class _Sweeper:
    def __init__(
        self, database: Database, configuration: Configuration, register: ContainerRegister, dry_run: bool
    ) -> None:
        self._database = database
        self._folders = configuration.folders
        self._register = register
        self._dry_run = dry_run

    def containers(self) -> Iterator[Leftover]:
        for container in self._register.containers():
            if container.release == QUESTION:
                # Who asked an image a question waits for the answer, unless it has been given.
                if not container.running:
                    yield self._stop(container, "its question was answered")
                continue
            yield self._container(container)

    def _container(self, container: KnownContainer) -> Leftover:
        release, ab = container.release, container.ab
        try:
            with sole_run(self._database, release, ab, lambda: True, wait_s=0):
                needed = self._needed(release, ab, container.attempt)
                if needed:
                    return Leftover("container", container.name, ab, "kept", needed)
                self._end_attempt(release, ab, container)
                return self._stop(container, "nobody follows it")
        except AbBusyError:
            return Leftover("container", container.name, ab, "kept", "its recipe is being run")

    def _stop(self, container: KnownContainer, why: str) -> Leftover:
        if not self._dry_run:
            self._register.stop(container.release, container.ab)
        return Leftover(
            "container", container.name, container.ab, "stopped" if container.running else "removed", why
        )

    def _end_attempt(self, release: str, ab: str, container: KnownContainer) -> None:
        """Let the history say what became of an attempt that nobody will end any more."""
        if self._dry_run:
            return
        with self._database.transaction() as session:
            row = _attempt_row(session, release, ab, container.attempt)
            if row is None or row.ended_at is not None:
                return
            lost = Attempt(
                number=row.number,
                outcome=Outcome.CRASHED,
                started_at=row.started_at,
                ended_at=datetime.now(UTC),
                image=row.image,
                container=container.name,
                findings=(LOST, "its container was found by housekeeping and stopped"),
            )
            AttemptRepository(session).end(release, ab, lost)

    def working_folders(self) -> Iterator[Leftover]:
        for folder in sorted(self._folders.work.glob("*/*/*/*")):
            release, stem, number = folder.parts[-4], folder.parts[-2], folder.name
            work = WorkFolder(folder)
            if not _ATTEMPT.fullmatch(number) or not (work.input.exists() or work.output.exists()):
                continue
            yield self._folder("working folder", folder, release, f"{stem}.ab", int(number))

    def unpublished(self) -> Iterator[Leftover]:
        for folder in sorted(self._folders.products.glob(f"*/*/{_UNPUBLISHED}")):
            stem, _, number = folder.name.removeprefix(".").removesuffix(".new").rpartition(".")
            release = folder.parts[-3]
            if number.isdigit():
                yield self._folder("unpublished products", folder, release, f"{stem}.ab", int(number))

    def _folder(self, what: str, folder: Path, release: str, ab: str, number: int) -> Leftover:
        try:
            with sole_run(self._database, release, ab, lambda: True, wait_s=0):
                needed = self._needed(release, ab, number)
                if needed:
                    return Leftover(what, str(folder), ab, "kept", needed)
                if not self._dry_run:
                    self._clear(what, folder)
                return Leftover(what, str(folder), ab, "removed", "its attempt is over")
        except AbBusyError:
            return Leftover(what, str(folder), ab, "kept", "its recipe is being run")

    @staticmethod
    def _clear(what: str, folder: Path) -> None:
        if what == "working folder":
            WorkFolder(folder).drop_data()  # logs stay for the people who look into a failure
        else:
            shutil.rmtree(folder)

    def _needed(self, release: str, ab: str, number: int) -> str:
        """Return who will come back for what an attempt left; empty when nobody will."""
        with self._database.transaction() as session:
            row = _attempt_row(session, release, ab, number)
            if row is None or row.ended_at is not None:
                return ""
            state = session.scalar(
                select(BatchRow.state)
                .join(AbRow, AbRow.batch_id == BatchRow.id)
                .where(AbRow.release == release, AbRow.name == ab)
            )
        running = state == BatchState.RUNNING.value
        return "its batch is running, and the next try takes it over" if running else ""


def _attempt_row(session: Session, release: str, ab: str, number: int) -> AttemptRow | None:
    return session.scalar(
        select(AttemptRow)
        .join(AbRow, AttemptRow.ab_id == AbRow.id)
        .where(AbRow.release == release, AbRow.name == ab, AttemptRow.number == number)
    )
