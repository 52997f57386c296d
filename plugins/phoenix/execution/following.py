"""A container followed to its end: its lines handed on, its time kept, an engine's restart outlasted."""

from __future__ import annotations

import queue
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from phoenix.execution.container import ContainerEnd, OnLine, ShouldStop
from phoenix.execution.container_log import LogReader

if TYPE_CHECKING:
    from docker.models.containers import Container

#: Grace between SIGTERM and SIGKILL; shorter than what Airflow gives a task it kills (5 s).
STOP_GRACE_S = 3
#: Exit codes of what was ended by SIGKILL or SIGTERM.
KILLED = {137, 143}
_POLL_S = 0.1
#: How long a quiet log may stay quiet before the engine is asked whether the container still runs.
_QUIET_S = 15.0
#: A stream ends a moment before the engine calls the container ended.
_END_S = 2.0


class _Watch:
    """Keeps a container's time, which runs from its start, and heeds requests to stop it."""

    def __init__(self, container: Container, timeout_s: float, should_stop: ShouldStop) -> None:
        self._container = container
        self._should_stop = should_stop
        began = moment(container.attrs["State"]["StartedAt"], datetime.now(UTC))
        self._deadline = time.monotonic() + timeout_s - (datetime.now(UTC) - began).total_seconds()
        self.timed_out = self.stopped = False

    def keep(self) -> None:
        """Stop the container if its time is up or somebody wants it stopped."""
        if self.timed_out or self.stopped:
            return
        self.timed_out, self.stopped = time.monotonic() > self._deadline, self._should_stop()
        if self.timed_out or self.stopped:
            stop(self._container)


def follow(
    container: Container, timeout_s: float, patience_s: float, on_line: OnLine, should_stop: ShouldStop
) -> ContainerEnd:
    """Hand log lines on, from the first, until the container ends; see `ContainerRunner.follow`.

    Parameters
    ----------
    container : Container
        Running or ended; its state was just read.
    timeout_s : float
        How long it may run, from its start.
    patience_s : float
        How long an engine may stay away before the container is given up.
    """
    watch = _Watch(container, timeout_s, should_stop)
    followed_since = datetime.now(UTC)
    reader = LogReader(container)
    reader.start()
    while True:
        _hand_on(reader, container, on_line, watch)
        state = _settled(container, watch, patience_s)
        if not state.get("Running"):
            break
        reader = reader.resumed()
    for line in reader.missed():
        on_line(line)
    name = str(container.name)
    # Who wants it stopped may have stopped and removed it before we were asked to.
    stopped = watch.stopped or (_died(state) and should_stop())
    if not state:
        lost = reader.problem or "the engine no longer answers or knows it"
        now = datetime.now(UTC)
        return ContainerEnd(
            name, None, followed_since, now, timed_out=watch.timed_out, stopped=stopped, lost=lost
        )
    return ContainerEnd(
        name,
        int(state["ExitCode"]),
        moment(state["StartedAt"], followed_since),
        moment(state["FinishedAt"], datetime.now(UTC)),
        bool(state["OOMKilled"]),
        watch.timed_out or out_of_time(state, timeout_s),
        stopped,
    )


def _hand_on(reader: LogReader, container: Container, on_line: OnLine, watch: _Watch) -> None:
    """Hand lines on until the stream ends, or stays quiet because its end got lost."""
    heard = time.monotonic()
    while True:
        try:
            line = reader.lines.get(timeout=_POLL_S)
        except queue.Empty:
            if time.monotonic() - heard > _QUIET_S:
                if not (_state(container) or {}).get("Running"):
                    return
                heard = time.monotonic()
        else:
            if line is None:
                return
            heard = time.monotonic()
            on_line(line)
        watch.keep()


def _settled(container: Container, watch: _Watch, patience_s: float) -> dict[str, Any]:
    """Return the state of a container whose stream has ended; empty when it is lost.

    An engine that does not answer is waited for: it may be restarted, and containers may outlive that.
    """
    given_up = time.monotonic() + patience_s
    ended_soon = time.monotonic() + _END_S
    while True:
        state = _state(container)
        if state is None:
            if time.monotonic() > given_up:
                return {}
        elif not state.get("Running") or time.monotonic() > ended_soon:
            return state
        watch.keep()
        if watch.stopped and state is None:
            return {}
        time.sleep(_POLL_S)


def _state(container: Container) -> dict[str, Any] | None:
    """Return what the engine says of a container; empty when it knows none, None when it does not answer."""
    import docker
    import requests

    try:
        container.reload()
    except docker.errors.NotFound:
        return {}
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return None
    return dict(container.attrs["State"])


def _died(state: dict[str, Any]) -> bool:
    """Tell whether a container is gone or was killed, rather than come to its own end."""
    return not state or int(state["ExitCode"]) in KILLED


def out_of_time(state: dict[str, Any], timeout_s: float) -> bool:
    """Tell whether an ended container was stopped because its time was up, though nobody noted that."""
    now = datetime.now(UTC)
    took = moment(state["FinishedAt"], now) - moment(state["StartedAt"], now)
    return int(state["ExitCode"]) in KILLED and took >= timedelta(seconds=timeout_s)


def stop(container: Container) -> None:
    """Stop a container, politely first; one that is gone or whose engine is gone needs no more stopping."""
    import docker
    import requests

    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        container.stop(timeout=STOP_GRACE_S)


def moment(text: str, otherwise: datetime) -> datetime:
    """Read the engine's time, which has nanoseconds; the year 1 stands for `not yet`."""
    try:
        found = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
        fraction = text[19:].rstrip("Z").lstrip(".")
        found = found.replace(microsecond=int(fraction[:6].ljust(6, "0") or 0))
    except ValueError:
        return otherwise
    return found if found.year > 1 else otherwise
