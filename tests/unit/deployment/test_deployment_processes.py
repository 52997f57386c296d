"""Supervision of real processes: own session, clean end of all they started, never a stranger's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from phoenix.deployment.processes import Processes
from phoenix.errors import InfrastructureError


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    supervised = Processes(tmp_path / "run", tmp_path / "log")
    yield supervised
    supervised.stop(supervised.names(), grace_s=0.1)


@pytest.fixture
def run(processes: Processes, tmp_path: Path) -> Callable[..., bool]:
    """Start a shell script as a component."""

    def start(name: str, script: str) -> bool:
        return processes.start(name, ["sh", "-c", script], dict(os.environ), tmp_path)

    return start


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def written_pid(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def test_start_twice_starts_once(processes: Processes, run: Callable[..., bool]) -> None:
    assert run("one", "exec sleep 60")
    record = processes.record("one")
    assert not run("one", "exec sleep 60")
    assert processes.record("one") == record
    assert processes.lives("one")


def test_a_process_leads_its_own_session(processes: Processes, run: Callable[..., bool]) -> None:
    run("one", "exec sleep 60")
    record = processes.record("one")
    assert record is not None
    assert os.getsid(record.pid) == record.pid != os.getsid(0)


def test_output_goes_to_the_log(processes: Processes, run: Callable[..., bool]) -> None:
    run("one", "echo to stdout; echo to stderr >&2")
    wait_for(lambda: not processes.lives("one"))
    assert processes.log_tail("one").splitlines() == ["to stdout", "to stderr"]
    assert processes.log_tail("never started") == ""


def test_stop_ends_all_and_says_what_ran(processes: Processes, run: Callable[..., bool]) -> None:
    run("one", "exec sleep 60")
    run("two", "true")
    wait_for(lambda: not processes.lives("two"))
    assert processes.stop(["one", "two", "never started"]) == ["one"]
    assert processes.names() == []
    assert not processes.lives("one")


def test_a_process_deaf_to_term_is_killed(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    run("deaf", f"trap '' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.1; done")
    pid = written_pid(tmp_path / "pid")
    assert processes.stop(["deaf"], grace_s=0.3) == ["deaf"]
    assert not alive(pid)


def test_grandchildren_in_groups_of_their_own_end_too(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    # "set -m" gives each background job its process group, as Airflow's supervisor does for tasks.
    run("parent", f"exec bash -c 'set -m; sleep 60 & echo $! > {tmp_path}/pid; wait'")
    pid = written_pid(tmp_path / "pid")
    assert os.getpgid(pid) == pid
    processes.stop(["parent"])
    assert not alive(pid)


def test_children_in_sessions_of_their_own_end_too(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    run("parent", f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' & wait")
    pid = written_pid(tmp_path / "pid")
    wait_for(lambda: os.getsid(pid) == pid)
    processes.stop(["parent"])
    assert not alive(pid)


def test_orphans_of_a_dead_leader_are_stopped(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    run("parent", f"sleep 60 & echo $! > {tmp_path}/pid; exit 1")
    pid = written_pid(tmp_path / "pid")
    wait_for(lambda: not processes.lives("parent"))
    assert alive(pid)
    assert processes.stop(["parent"]) == ["parent"]
    assert not alive(pid)


def test_a_restart_removes_what_a_dead_leader_left(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    run("parent", f"sleep 60 & echo $! > {tmp_path}/pid; exit 1")
    pid = written_pid(tmp_path / "pid")
    wait_for(lambda: not processes.lives("parent"))
    assert run("parent", "exec sleep 60")
    assert not alive(pid)


@pytest.mark.parametrize("kill", [True, False])
def test_what_a_dead_leader_left_is_asked_to_end_unless_told_otherwise(
    processes: Processes, run: Callable[..., bool], tmp_path: Path, kill: bool
) -> None:
    left = tmp_path / "left.sh"
    left.write_text(
        f"trap 'touch {tmp_path}/asked; exit' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.02; done"
    )
    run("parent", f"sh {left} & exit 1")
    pid = written_pid(tmp_path / "pid")
    wait_for(lambda: not processes.lives("parent"))
    processes.start("parent", ["sleep", "60"], dict(os.environ), tmp_path, kill_leftovers=kill)
    assert not alive(pid)
    assert (tmp_path / "asked").exists() is not kill


@pytest.mark.parametrize("field", ["start_ticks", "boot_id"])
def test_a_later_process_with_the_same_id_is_left_alone(
    processes: Processes, tmp_path: Path, run: Callable[..., bool], field: str
) -> None:
    run("old", "true")
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as stranger:
        path = tmp_path / "run" / "old.process"
        record = json.loads(path.read_text())
        ticks = int(Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19])
        record |= {"pid": stranger.pid, "start_ticks": ticks}
        record |= {"start_ticks": ticks - 1} if field == "start_ticks" else {"boot_id": "another boot"}
        path.write_text(json.dumps(record))
        assert not processes.lives("old")
        assert processes.stop(["old"]) == []
        assert stranger.poll() is None
        assert stranger.stdin is not None
        stranger.stdin.write(b"\n")


def test_other_installations_are_left_alone(
    processes: Processes, run: Callable[..., bool], tmp_path: Path
) -> None:
    other = Processes(tmp_path / "other" / "run", tmp_path / "other" / "log")
    other.start("one", ["sleep", "60"], dict(os.environ), tmp_path)
    run("one", "exec sleep 60")
    processes.stop(["one"])
    assert other.lives("one")
    other.stop(["one"])


def test_a_missing_program_is_named(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no-such-program"):
        processes.start("one", ["no-such-program"], dict(os.environ), tmp_path)
    assert processes.names() == []


def test_a_broken_record_is_named(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "one.process"
    path.write_text("{")
    with pytest.raises(InfrastructureError, match=r"one\.process"):
        processes.stop(["one"])
    path.unlink()
