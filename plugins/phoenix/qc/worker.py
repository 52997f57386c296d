"""A worker process of ``phoenix.qc.pool``: prepares itself once, then runs one job after the other."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from phoenix.qc.pool import Failure, OutOfMemory, Ready

_PR_SET_PDEATHSIG = 1
_BYTES_PER_GB = 1024**3


def serve(connection: Connection) -> None:
    """Run jobs until the other side closes the connection."""
    # Ctrl-C is for the caller, who then dismisses us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        start = connection.recv()
        _limit_memory(start.memory_gb)
        for call in start.prepare:
            call()
    except EOFError:
        return
    except Exception as error:
        connection.send(_failure(error))
        return
    answer: Any = Ready()
    try:
        while True:
            _send(connection, answer)
            job = connection.recv()
            try:
                answer = start.run(job)
            except MemoryError as error:
                _limit_memory(None)
                _send(connection, OutOfMemory(_failure(error).trace))
                return  # what the job left behind goes with the process
            except Exception as error:
                answer = _failure(error)
    except (EOFError, ConnectionError):
        return


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone, however that ends, even in a long job."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was faster
        sys.exit(1)


def _limit_memory(memory_gb: float | None) -> None:
    """Set what this process may allocate, or lift the limit.

    Data and not address space: libraries reserve a lot of that without ever using it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if memory_gb is None else int(memory_gb * _BYTES_PER_GB)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _send(connection: Connection, answer: Any) -> None:
    try:
        connection.send(answer)
    except ConnectionError:
        raise
    except Exception as error:  # a result that cannot be pickled
        connection.send(_failure(error))


def _failure(error: Exception) -> Failure:
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(reason, "".join(traceback.format_exception(error)))


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    serve(Connection(int(sys.argv[1])))
