"""The pool: a job that fails, dies, hangs or answers nonsense fails alone; the others go on."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from phoenix.errors import InfrastructureError
from phoenix.qc.pool import Ended, Limits, run_all

LIMITS = Limits(timeout_s=60)
_PREPARED: list[str] = []


def prepare(word: str) -> None:
    _PREPARED.append(word)


def flat(rounds: Iterable[list[Ended[str, object]]]) -> list[Ended[str, object]]:
    return [one for ended in rounds for one in ended]


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
        case "eat":
            return len(bytearray(1_000_000_000))
        case "nibble":
            return len(bytearray(20_000_000))
    return f"done {job}"


def broken_preparation() -> None:
    raise RuntimeError("no such instrument")


def test_every_job_ends_once_with_its_own_result() -> None:
    jobs = [str(number) for number in range(23)]
    ended = flat(run_all(jobs, work, workers=3, limits=LIMITS))
    assert {one.job: one.result for one in ended} == {job: f"done {job}" for job in jobs}
    assert len(ended) == len(jobs)


def test_bad_jobs_fail_alone_with_their_reason() -> None:
    jobs = ["a", "fail", "b", "die", "c", "exit", "d", "unpicklable", "e"]
    ended = {one.job: one for one in flat(run_all(jobs, work, workers=2, limits=LIMITS))}
    assert {job for job, one in ended.items() if one.failure is None} == {"a", "b", "c", "d", "e"}
    reasons = {job: one.failure.reason for job, one in ended.items() if one.failure}
    assert reasons["fail"] == "ValueError: bad pixel"
    assert reasons["die"] == "its process was killed by SIGKILL"
    assert reasons["exit"] == "its process ended with exit code 3"
    assert "pickle" in reasons["unpicklable"]
    assert ended["fail"].failure is not None
    assert "in work" in ended["fail"].failure.trace


def test_a_job_beyond_its_time_is_stopped_and_the_next_one_runs() -> None:
    ended = flat(run_all(["hang", "after"], work, workers=1, limits=Limits(1.0)))
    assert [one.job for one in ended] == ["hang", "after"]
    assert ended[0].failure is not None
    assert "time limit" in ended[0].failure.reason
    assert ended[1].result == "done after"


def test_a_worker_is_prepared_once_and_kept() -> None:
    calls = (partial(prepare, "UVES"), partial(prepare, "matplotlib"))
    ended = flat(run_all(["prepared", "prepared", "prepared"], work, workers=1, limits=LIMITS, prepare=calls))
    assert [one.result for one in ended] == [("UVES", "matplotlib")] * 3


def test_no_more_workers_than_jobs_and_all_are_gone_at_the_end() -> None:
    pids = {one.result for one in flat(run_all(["pid", "pid"], work, workers=8, limits=LIMITS))}
    assert 1 <= len(pids) <= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(str(pid)), 0)


def test_workers_are_gone_when_the_caller_stops_listening() -> None:
    running = run_all(["pid", "hang"], work, workers=1, limits=LIMITS)
    pid = next(one.result for ended in running for one in ended)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(pid)), 0)


def test_no_jobs_need_no_workers() -> None:
    assert flat(run_all([], work, workers=2, limits=LIMITS)) == []


def test_a_worker_that_cannot_start_is_told_once_for_all() -> None:
    with pytest.raises(InfrastructureError, match="no such instrument"):
        flat(run_all(["a", "b"], work, workers=2, limits=LIMITS, prepare=(broken_preparation,)))


def test_a_job_beyond_its_memory_is_told_so_and_the_next_one_has_a_new_worker() -> None:
    jobs = ["pid", "eat", "nibble", "pid"]
    ended = flat(run_all(jobs, work, workers=1, limits=Limits(60, memory_gb=0.5)))
    assert [one.job for one in ended] == jobs
    before, eater, nibbler, after = ended
    assert eater.failure is not None
    assert eater.failure.reason == "needed more than its memory limit of 0.5 GB"
    assert "in work" in eater.failure.trace
    assert nibbler.result == 20_000_000
    assert before.result != after.result


def test_where_there_is_room_for_one_worker_it_does_all_and_gives_it_back() -> None:
    taken: list[int] = []

    def seat() -> AbstractContextManager[object] | None:
        if taken:
            return None
        taken.append(1)
        room = ExitStack()
        room.callback(taken.clear)
        return room

    ended = flat(run_all(["pid"] * 6, work, workers=3, limits=LIMITS, seat=seat))
    assert len({one.result for one in ended}) == 1
    assert (len(ended), taken) == (6, [])


def test_without_room_there_is_a_word_now_and_then() -> None:
    running = run_all(["a"], work, workers=1, limits=LIMITS, seat=lambda: None, round_s=0.01)
    assert [next(running) for _ in range(3)] == [[], [], []]
    running.close()


def test_workers_die_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    caller = os.fork()
    if caller == 0:
        for ended in run_all(["pid", "hang"], work, workers=1, limits=LIMITS):
            for one in ended:
                told.write_text(str(one.result))
        os._exit(0)
    while not (told.exists() and told.read_text()):
        time.sleep(0.01)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    worker = int(told.read_text())
    for _ in range(500):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
                continue
        return
    pytest.fail("the worker of a killed caller lives on")
