"""Memory and cores of a host, shared by all processes that run recipes on it.

Airflow's pool lets tasks begin only where there is room, but knows neither which of several hosts a task
comes to nor what the command line runs. What counts is decided here, on the host: each recipe locks as many
bytes of one file as it takes MB, and waits until they are free. Locks go with the process that holds them,
however it ends.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from phoenix.errors import InfrastructureError

_POLL_S = 0.2
#: struct flock: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")


@contextmanager
def share_of_host(
    file: Path, taken: int, total: int, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Hold `taken` of the `total` units of a host; wait until they are free.

    Parameters
    ----------
    file : Path
        One for each host; made if need be.
    should_stop : callable
        Asked while waiting; True gives up.

    Raises
    ------
    InfrastructureError
        If the waiting was given up, or the file cannot be locked.
    """
    handle = _open(file)
    try:
        while not _lock(file, handle, taken, total):
            if should_stop():
                raise InfrastructureError(
                    str(file), f"stopped while waiting for {taken} of {total} MB of this host"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def share_if_free(file: Path, taken: int, total: int) -> AbstractContextManager[object] | None:
    """Take `taken` of the `total` units of a host, until its context is left; None if they are not free now.

    Raises
    ------
    InfrastructureError
        If the file cannot be locked.
    """
    with ExitStack() as held:
        handle = _open(file)
        held.callback(os.close, handle)
        return held.pop_all() if _lock(file, handle, taken, total) else None


def _open(file: Path) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise _no_lock(file, error) from error


def _lock(file: Path, handle: int, taken: int, total: int) -> bool:
    """Lock the first gap that is large enough; False when there is none."""
    start = 0
    try:
        while start + taken <= total:
            wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, taken, 0)
            kind, _, held, length, _ = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_OFD_GETLK, wanted))
            if kind != fcntl.F_UNLCK:
                start = held + length
                continue
            try:
                fcntl.fcntl(handle, fcntl.F_OFD_SETLK, wanted)
            except BlockingIOError:  # somebody was faster: look again
                continue
            return True
    except OSError as error:
        raise _no_lock(file, error) from error
    return False


def _no_lock(file: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        str(file),
        f"cannot be locked: {error.strerror}",
        "a file system that can lock, writable for us",
        "put the data root on one that can",
    )
