"""The pool: a job that fails, dies, hangs or answers nonsense fails alone; the others go on."""

import os
import signal
import time
from functools import partial

import pytest

from phoenix.errors import InfrastructureError
from phoenix.qc.pool import run_all

_PREPARED: list[str] = []


def prepare(word: str) -> None:
    _PREPARED.append(word)


def work(job: str) -> object:
    """Do what the job's text says; found by its name in the worker."""
    match job:
        case "fail":
            raise ValueError("bad pixel")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "unpicklable":
            return lambda: None
        case "prepared":
            return tuple(_PREPARED)
        case "pid":
            return os.getpid()
    return f"done {job}"


def broken_preparation() -> None:
    raise RuntimeError("no such instrument")


def test_every_job_ends_once_with_its_own_result() -> None:
    jobs = [str(number) for number in range(23)]
    ended = list(run_all(jobs, work, workers=3, timeout_s=60))
    assert {one.job: one.result for one in ended} == {job: f"done {job}" for job in jobs}
    assert len(ended) == len(jobs)


def test_bad_jobs_fail_alone_with_their_reason() -> None:
    jobs = ["a", "fail", "b", "die", "c", "exit", "d", "unpicklable", "e"]
    ended = {one.job: one for one in run_all(jobs, work, workers=2, timeout_s=60)}
    assert {job for job, one in ended.items() if one.failure is None} == {"a", "b", "c", "d", "e"}
    reasons = {job: one.failure.reason for job, one in ended.items() if one.failure}
    assert reasons["fail"] == "ValueError: bad pixel"
    assert reasons["die"] == "its process was killed by SIGKILL"
    assert reasons["exit"] == "its process ended with exit code 3"
    assert "pickle" in reasons["unpicklable"]
    assert ended["fail"].failure is not None
    assert "in work" in ended["fail"].failure.trace


def test_a_job_beyond_its_time_is_stopped_and_the_next_one_runs() -> None:
    ended = list(run_all(["hang", "after"], work, workers=1, timeout_s=1.0))
    assert [one.job for one in ended] == ["hang", "after"]
    assert ended[0].failure is not None
    assert "time limit" in ended[0].failure.reason
    assert ended[1].result == "done after"


def test_a_worker_is_prepared_once_and_kept() -> None:
    calls = (partial(prepare, "UVES"), partial(prepare, "matplotlib"))
    ended = list(run_all(["prepared", "prepared", "prepared"], work, workers=1, timeout_s=60, prepare=calls))
    assert [one.result for one in ended] == [("UVES", "matplotlib")] * 3


def test_no_more_workers_than_jobs_and_all_are_gone_at_the_end() -> None:
    pids = {one.result for one in run_all(["pid", "pid"], work, workers=8, timeout_s=60)}
    assert 1 <= len(pids) <= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(str(pid)), 0)


def test_workers_are_gone_when_the_caller_stops_listening() -> None:
    running = run_all(["pid", "hang"], work, workers=1, timeout_s=60)
    pid = next(running).result
    running.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(pid)), 0)


def test_no_jobs_need_no_workers() -> None:
    assert list(run_all([], work, workers=2, timeout_s=1)) == []


def test_a_worker_that_cannot_start_is_told_once_for_all() -> None:
    with pytest.raises(InfrastructureError, match="no such instrument"):
        list(run_all(["a", "b"], work, workers=2, timeout_s=60, prepare=(broken_preparation,)))
