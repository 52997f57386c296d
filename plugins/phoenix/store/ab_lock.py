"""One process at a time may run an AB: a lock in our database that a dead holder cannot keep."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from phoenix.errors import InfrastructureError
from phoenix.store.database import Database

#: A cleared task needs a moment to stop its container and to record that; longer is somebody at work.
_WAIT_S = 60.0
_POLL_S = 0.2
_TRY = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
#: A holder whose machine is gone without a word is noticed after two minutes, not after the usual two hours.
_NOTICE_DEAD_PEERS = text(
    "SELECT set_config('tcp_keepalives_idle', '60', false),"
    " set_config('tcp_keepalives_interval', '20', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)


class AbBusyError(InfrastructureError):
    """Another process is running the AB."""


@contextmanager
def sole_run(
    database: Database, release: str, ab: str, should_stop: Callable[[], bool], wait_s: float = _WAIT_S
) -> Iterator[None]:
    """Hold the lock of an AB; it belongs to a connection, so it goes with the process that holds it.

    Parameters
    ----------
    should_stop : callable
        Asked while waiting; True gives up.
    wait_s : float
        How long to wait for another holder.

    Raises
    ------
    AbBusyError
        If another process holds it still.
    InfrastructureError
        If the database does not answer.
    """
    # A connection of its own: those of the pool are for transactions, and as many locks as recipes are held.
    engine = create_engine(database.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(_NOTICE_DEAD_PEERS)
            _acquire(connection, release, ab, should_stop, time.monotonic() + wait_s)
            yield
    except OperationalError as error:
        raise InfrastructureError(
            database.engine.url.render_as_string(hide_password=True),
            f"the database does not answer: {error.orig}",
            remedy="`make up` starts the embedded one; `make doctor` tells more",
        ) from error


def _acquire(
    connection: Connection, release: str, ab: str, should_stop: Callable[[], bool], deadline: float
) -> None:
    while not connection.scalar(_TRY, {"name": f"{release}/{ab}"}):
        if should_stop() or time.monotonic() > deadline:
            raise AbBusyError(
                f"AB {ab}",
                f"another process is running it for release {release}",
                "one run of an AB at a time",
                "wait for that run, or clear or kill it first",
            )
        time.sleep(_POLL_S)
