"""A worker process of ``phoenix.qc.pool``: prepares itself once, then runs one job after the other."""

from __future__ import annotations

import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from phoenix.qc.pool import Failure, Ready


def serve(connection: Connection) -> None:
    """Run jobs until the other side closes the connection."""
    # Ctrl-C is for the caller, who then dismisses us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run, prepare = connection.recv()
        for call in prepare:
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
                answer = run(job)
            except Exception as error:
                answer = _failure(error)
    except (EOFError, ConnectionError):
        return


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
    serve(Connection(int(sys.argv[1])))
