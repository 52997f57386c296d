"""Runs many jobs in warm worker processes; a job that fails, dies or takes too long fails alone.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, TypeVar, cast

from phoenix.errors import InfrastructureError

Job = TypeVar("Job")
Answer = TypeVar("Answer")


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


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says when it has imported everything."""


@dataclass
class _Worker(Generic[Job]):
    process: subprocess.Popen[bytes]
    connection: Connection
    job: Job | None = None
    deadline: float = 0.0


def run_all(
    jobs: Iterable[Job],
    run: Callable[[Job], Answer],
    *,
    workers: int,
    timeout_s: float,
    prepare: Iterable[Callable[[], object]] = (),
) -> Iterator[Ended[Job, Answer]]:
    """Run jobs in worker processes and give each as soon as it is over.

    Parameters
    ----------
    jobs : iterable
        Picklable values.
    run : callable
        What to do with a job; found by its name in the worker, as are the callables in ``prepare``.
    workers : int
        Number of processes; never more than jobs.
    timeout_s : float
        Time limit of one job, seconds. A job beyond it is killed with its worker, which is replaced.
    prepare : iterable of callable
        Called once in each worker before its first job.

    Yields
    ------
    Ended
        In the order the jobs end.

    Raises
    ------
    InfrastructureError
        If a worker cannot start.
    """
    waiting = deque(jobs)
    start = (run, tuple(prepare))
    team: list[_Worker[Job]] = []
    try:
        team += [_hire(start) for _ in range(min(workers, len(waiting)))]
        while team:
            for worker in _due(team):
                ended, alive = _listen(worker)
                if ended is not None:
                    yield ended
                if not alive:
                    _dismiss(worker)
                    team.remove(worker)
                    if waiting:
                        team.append(_hire(start))
                elif waiting:
                    _assign(worker, waiting.popleft(), timeout_s)
                else:
                    _dismiss(worker)
                    team.remove(worker)
    finally:
        for worker in team:
            _dismiss(worker)


def _hire(start: tuple[Any, ...]) -> _Worker[Any]:
    ours, theirs = Pipe()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",  # one core for one worker
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "phoenix.qc.worker", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    theirs.close()
    ours.send(start)
    return _Worker(process, ours, deadline=float("inf"))


def _assign(worker: _Worker[Job], job: Job, timeout_s: float) -> None:
    worker.job, worker.deadline = job, time.monotonic() + timeout_s
    # A worker killed while it waited is noticed when it is listened to.
    with suppress(ConnectionError):
        worker.connection.send(job)


def _due(team: list[_Worker[Job]]) -> list[_Worker[Job]]:
    """Wait until workers have something to say, have died or are beyond their time; return those."""
    earliest = min(worker.deadline for worker in team)
    timeout = None if earliest == float("inf") else max(0.0, earliest - time.monotonic())
    speaking = wait([worker.connection for worker in team], timeout)
    now = time.monotonic()
    return [worker for worker in team if worker.connection in speaking or worker.deadline <= now]


def _listen(worker: _Worker[Job]) -> tuple[Ended[Job, Any] | None, bool]:
    """Return what became of the worker's job, if it had one, and whether the worker can take another."""
    job, worker.job = worker.job, None
    if not worker.connection.poll():
        worker.process.kill()
        return _ended(job, Failure("took longer than its time limit and was stopped")), False
    worker.deadline = float("inf")
    try:
        said = worker.connection.recv()
    except (EOFError, ConnectionError):
        return _ended(job, Failure(_cause_of_death(worker.process))), False
    if isinstance(said, Ready):
        return None, True
    if isinstance(said, Failure):
        return _ended(job, said), True
    return Ended(cast("Job", job), said, None), True


def _ended(job: Job | None, failure: Failure) -> Ended[Job, Any]:
    if job is None:
        raise InfrastructureError(
            "a QC worker process",
            f"cannot start: {failure.reason}",
            remedy=failure.trace or "read the lines above; `phoenix doctor` tells more",
        )
    return Ended(job, None, failure)


def _cause_of_death(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _dismiss(worker: _Worker[Any]) -> None:
    """End a worker: at once if it is busy, else by closing its connection."""
    if worker.job is not None:
        worker.process.kill()
    worker.connection.close()
    try:
        worker.process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
