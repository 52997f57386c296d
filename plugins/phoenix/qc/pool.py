"""Runs many jobs in warm worker processes; a job that fails, dies or takes too much fails alone.

A worker is a fresh Python that imports what the jobs need once and then takes one job after the other. The
standard library's pool is not used: there, one killed worker ends all jobs, and a job cannot be stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, TypeVar, cast

from phoenix.errors import InfrastructureError

Job = TypeVar("Job")
Answer = TypeVar("Answer")
#: What a worker occupies as long as it lives; None when there is no room for one now.
Seat = Callable[[], AbstractContextManager[object] | None]

#: How often room for another worker is looked for.
_SEAT_POLL_S = 0.2
#: A worker without a job ends by itself as soon as it is told; this is for one that does not.
_FAREWELL_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take: wall time, and memory of its worker."""

    timeout_s: float
    memory_gb: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job gave no result; ``trace`` holds the traceback when there is one."""

    reason: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Ended(Generic[Job, Answer]):
    """A job that is over: with a result, or with the reason why there is none."""

    job: Job
    result: Answer | None
    failure: Failure | None
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker is told first."""

    run: Callable[[Any], object]
    prepare: tuple[Callable[[], object], ...]
    memory_gb: float | None


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says when it has imported everything."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """What a worker says of a job that ran into the memory limit; it ends after that."""

    trace: str


@dataclass(eq=False)
class _Worker(Generic[Job]):
    process: subprocess.Popen[bytes]
    connection: Connection
    seat: AbstractContextManager[object] | None
    job: Job | None = None
    started: float = field(default_factory=time.monotonic)
    deadline: float = float("inf")


def run_all(
    jobs: Iterable[Job],
    run: Callable[[Job], Answer],
    *,
    workers: int,
    limits: Limits,
    prepare: Iterable[Callable[[], object]] = (),
    seat: Seat | None = None,
    round_s: float = 1.0,
) -> Generator[list[Ended[Job, Answer]], None, None]:
    """Run jobs in worker processes, in their order, and give each as soon as it is over.

    Workers die with the thread that iterates; those who stop iterating end them.

    Parameters
    ----------
    jobs : iterable
        Picklable values.
    run : callable
        What to do with a job; found by its name in the worker, as are the callables in ``prepare``.
    workers : int
        Number of processes; never more than jobs.
    limits : Limits
        A job beyond them fails, and its worker is replaced.
    prepare : iterable of callable
        Called once in each worker before its first job.
    seat : callable, optional
        Asked before a worker starts; where there is no room, those that are there go on alone.
    round_s : float
        Longest time without a word, seconds.

    Yields
    ------
    list of Ended
        What ended since the last time; empty when nothing did for ``round_s``.

    Raises
    ------
    InfrastructureError
        If a worker cannot start.
    """
    team = _Team(jobs, Start(run, tuple(prepare), limits.memory_gb), workers, limits, seat)
    try:
        while team.has_work:
            team.hire()
            yield team.listen(round_s)
    finally:
        team.dismiss(team.members)


class _Team(Generic[Job]):
    """The workers that are there and the jobs that wait for them."""

    def __init__(
        self, jobs: Iterable[Job], start: Start, size: int, limits: Limits, seat: Seat | None
    ) -> None:
        self.members: list[_Worker[Job]] = []
        self._waiting = deque(jobs)
        self._start = start
        self._size = size
        self._limits = limits
        self._seat = seat
        self._next_look = 0.0

    @property
    def has_work(self) -> bool:
        return bool(self._waiting) or any(worker.job is not None for worker in self.members)

    def hire(self) -> None:
        """Start workers for jobs nobody is there for, as far as there is room."""
        while self._is_short():
            seat = None
            if self._seat is not None:
                if time.monotonic() < self._next_look:
                    return
                seat = self._seat()
                if seat is None:
                    self._next_look = time.monotonic() + _SEAT_POLL_S
                    return
            self.members.append(_hire(self._start, seat))

    def listen(self, round_s: float) -> list[Ended[Job, Any]]:
        """Wait for workers that speak, have died or are beyond their time; give them work."""
        ended: list[Ended[Job, Any]] = []
        free: list[_Worker[Job]] = []
        for worker in self._due(_SEAT_POLL_S if self._is_short() else round_s):
            one, alive = self._hear(worker)
            if one is not None:
                ended.append(one)
            if alive and self._waiting:
                self._assign(worker, self._waiting.popleft())
            else:
                free.append(worker)
        self.dismiss(free)
        return ended

    def dismiss(self, workers: Iterable[_Worker[Job]]) -> None:
        """End workers: at once if they are busy, else by closing their connections."""
        leaving = list(workers)
        for worker in leaving:
            if worker.job is not None:
                worker.process.kill()
            worker.connection.close()
        for worker in leaving:
            try:
                worker.process.wait(_FAREWELL_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            if worker.seat is not None:
                worker.seat.__exit__(None, None, None)
        self.members = [worker for worker in self.members if worker not in leaving]

    def _is_short(self) -> bool:
        starting = sum(worker.job is None for worker in self.members)
        return len(self.members) < self._size and starting < len(self._waiting)

    def _assign(self, worker: _Worker[Job], job: Job) -> None:
        worker.job, worker.started = job, time.monotonic()
        worker.deadline = worker.started + self._limits.timeout_s
        # A worker killed while it waited is noticed when it is listened to.
        with suppress(ConnectionError):
            worker.connection.send(job)

    def _due(self, at_most_s: float) -> list[_Worker[Job]]:
        earliest = min((worker.deadline for worker in self.members), default=float("inf"))
        timeout_s = max(0.0, min(at_most_s, earliest - time.monotonic()))
        speaking = wait([worker.connection for worker in self.members], timeout_s)
        now = time.monotonic()
        return [worker for worker in self.members if worker.connection in speaking or worker.deadline <= now]

    def _hear(self, worker: _Worker[Job]) -> tuple[Ended[Job, Any] | None, bool]:
        """Return what became of the worker's job, if it had one, and whether the worker can take another."""
        job, wall_s = worker.job, time.monotonic() - worker.started
        worker.job, worker.deadline = None, float("inf")
        if not worker.connection.poll():
            worker.process.kill()
            reason = f"took longer than its time limit of {self._limits.timeout_s:g} s and was stopped"
            return _failed(job, Failure(reason), wall_s), False
        try:
            said = worker.connection.recv()
        except (EOFError, ConnectionError):
            return _failed(job, Failure(_cause_of_death(worker.process)), wall_s), False
        if isinstance(said, Ready):
            return None, True
        if isinstance(said, OutOfMemory):
            reason = f"needed more than its memory limit of {self._limits.memory_gb:g} GB"
            return _failed(job, Failure(reason, said.trace), wall_s), False
        if isinstance(said, Failure):
            return _failed(job, said, wall_s), True
        return Ended(cast("Job", job), said, None, wall_s), True


def _hire(start: Start, seat: AbstractContextManager[object] | None) -> _Worker[Any]:
    ours, theirs = Pipe()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",  # one core for one worker
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "phoenix.qc.worker", str(theirs.fileno()), str(os.getpid())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    theirs.close()
    with suppress(ConnectionError):  # one that died at once is noticed when it is listened to
        ours.send(start)
    return _Worker(process, ours, seat)


def _failed(job: Job | None, failure: Failure, wall_s: float) -> Ended[Job, Any]:
    if job is None:
        raise InfrastructureError(
            "a QC worker process",
            f"cannot start: {failure.reason}",
            remedy=failure.trace or "read the lines above; `phoenix doctor` tells more",
        )
    return Ended(job, None, failure, wall_s)


def _cause_of_death(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
