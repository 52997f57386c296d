"""Long-running processes of an installation: each in its own session, with a record, a log and a clean end.

A record names the process by id, start time and boot, so that a later process with the same id is never taken
for it. A session outlives its leader: children left behind by one that died are found and stopped as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from phoenix.errors import InfrastructureError
from phoenix.store.files import write_atomically

_POLL_S = 0.05
#: Kept so that a child that ended while we still run is reaped when it is looked at.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """What is written down about a started process; its session has the same number."""

    name: str
    pid: int
    start_ticks: int
    boot_id: str
    command: tuple[str, ...]

    @property
    def leader_lives(self) -> bool:
        """Tell whether the process itself runs."""
        return self.boot_id == _boot_id() and _start_ticks(self.pid) == self.start_ticks

    def members(self) -> list[psutil.Process]:
        """Return the living processes of its session and all that descend from them."""
        if self.boot_id != _boot_id() or _start_ticks(self.pid) not in {None, self.start_ticks}:
            # Another process has this id; the system gives it away only when the old session is empty.
            return []
        return [process for process in _session_and_descendants(self.pid) if _lives(process)]


class Processes:
    """The processes of one installation.

    Parameters
    ----------
    run : Path
        Folder of the records.
    log : Path
        Folder of the logs.
    """

    def __init__(self, run: Path, log: Path) -> None:
        self._run = run
        self._log = log

    def names(self) -> list[str]:
        """Return the names of all that were started and not stopped since."""
        return sorted(path.stem for path in self._run.glob("*.process"))

    def record(self, name: str) -> Record | None:
        """Return what is written about a process, running or not."""
        path = self._record_file(name)
        try:
            content = json.loads(path.read_text())
            return Record(**content | {"command": tuple(content["command"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise InfrastructureError(
                str(path), f"is not a process record: {error}", remedy=f"look for it with ps, then rm {path}"
            ) from error

    def lives(self, name: str) -> bool:
        """Tell whether a process runs."""
        record = self.record(name)
        return record is not None and record.leader_lives

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        kill_leftovers: bool = False,
    ) -> bool:
        """Start a process unless it runs; return whether it was started.

        Parameters
        ----------
        kill_leftovers : bool
            What a dead predecessor left behind is stopped first: politely, or without a word.

        Raises
        ------
        InfrastructureError
            If the command cannot be run.
        """
        if self.lives(name):
            return False
        self.stop([name], polite=not kill_leftovers)
        for path in (self._run, self._log):
            path.mkdir(parents=True, exist_ok=True)
        try:
            with self.log_file(name).open("ab") as log:
                child = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            raise InfrastructureError(name, f"{command[0]}: {error.strerror}", remedy="make setup") from error
        _children[child.pid] = child
        record = Record(name, child.pid, _start_ticks(child.pid) or 0, _boot_id(), tuple(command))
        write_atomically(self._record_file(name), json.dumps(asdict(record), indent=1))
        return True

    def stop(
        self,
        names: Sequence[str],
        grace_s: float = 15.0,
        *,
        leaders_first: bool = False,
        polite: bool = True,
    ) -> list[str]:
        """Stop processes with all they started: a polite signal first, KILL after the grace time.

        Parameters
        ----------
        names : sequence of str
            The processes.
        grace_s : float
            How long they may take to end by themselves.
        leaders_first : bool
            Let the leaders end their children, and signal these only when that fails.
        polite : bool
            False: KILL at once.

        Returns
        -------
        list of str
            Names of those of which something still ran.

        Raises
        ------
        InfrastructureError
            If one cannot be killed.
        """
        records = [record for name in names if (record := self.record(name))]
        stopped = [record.name for record in records if record.members()]
        seen: set[psutil.Process] = set()
        if leaders_first:
            _signal_until_gone(records, signal.SIGTERM, grace_s, seen, {record.pid for record in records})
        if polite:
            _signal_until_gone(records, signal.SIGTERM, grace_s, seen)
        _signal_until_gone(records, signal.SIGKILL, 10.0, seen)
        if left := sorted(process.pid for process in seen if _lives(process)):
            raise InfrastructureError(
                ", ".join(names),
                f"processes {left} do not end",
                remedy="they hang in the kernel (a lost network disk?); look with ps -o pid,stat,wchan,cmd",
            )
        for record in records:
            self._record_file(record.name).unlink(missing_ok=True)
        return stopped

    def log_file(self, name: str) -> Path:
        """Return the log of a process."""
        return self._log / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a process's log."""
        try:
            with self.log_file(name).open("rb") as handle:
                handle.seek(max(0, handle.seek(0, os.SEEK_END) - 200 * lines))
                return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _record_file(self, name: str) -> Path:
        return self._run / f"{name}.process"


def _signal_until_gone(
    records: Sequence[Record],
    number: signal.Signals,
    wait_s: float,
    seen: set[psutil.Process],
    only: set[int] | None = None,
) -> None:
    """Signal every member once, also late ones; `seen` keeps track of those that leave their session."""
    told: set[psutil.Process] = set()
    deadline = time.monotonic() + wait_s
    while True:
        seen.update(process for record in records for process in record.members())
        living = {process for process in seen if _lives(process)}
        if not living or time.monotonic() > deadline:
            return
        for process in living - told:
            told.add(process)
            if only is not None and process.pid not in only:
                continue
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)  # compares start times: never a later process of that id
        time.sleep(_POLL_S)


def _session_and_descendants(session: int) -> list[psutil.Process]:
    processes = {process.pid: process for process in psutil.process_iter()}
    children: dict[int, list[int]] = {}
    inside: list[int] = []
    for pid, process in processes.items():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            children.setdefault(process.ppid(), []).append(pid)
            if os.getsid(pid) == session:
                inside.append(pid)
    found = dict.fromkeys(inside)
    for pid in inside:  # grows while it is walked
        new = [child for child in children.get(pid, []) if child not in found]
        found.update(dict.fromkeys(new))
        inside.extend(new)
    return [processes[pid] for pid in found]


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _start_ticks(pid: int) -> int | None:
    """Return when a living process started, in clock ticks since boot; None if there is no such process."""
    if pid in _children and _children[pid].poll() is not None:
        del _children[pid]
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(")")[2].split()  # the command's name may hold blanks and parentheses
    return None if state in "ZX" else int(fields[18])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
