"""Recipe containers on a Docker engine, local or remote, hardened the same way always.

Non-root user, read-only root, no network, no capabilities, no new privileges, limits on processes, memory,
swap and CPU, inputs read-only, an init process so that signals arrive. No configuration can switch any off.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError
from phoenix.execution.container import (
    INPUT,
    LABEL_AB,
    LABEL_INSTALLATION,
    LABEL_RELEASE,
    OUTPUT,
    ContainerEnd,
    ContainerJob,
    OnLine,
    ShouldStop,
)
from phoenix.execution.container_log import LogReader

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

#: The user of recipes when we are root ourselves; root is never one.
UNPRIVILEGED_UID = 1000
_PIDS_LIMIT = 256
_TMPFS_OPTIONS = "size=256m,mode=1777,nosuid,nodev,noexec"
#: Grace between SIGTERM and SIGKILL.
_STOP_GRACE_S = 5
_POLL_S = 0.1
#: How long a quiet log may stay quiet before the engine is asked whether the container still runs.
_QUIET_S = 15.0
_REQUEST_TIMEOUT_S = 60


def recipe_user() -> tuple[int, int]:
    """Return user and group id recipes run as: ours, or an unprivileged one when we are root."""
    uid, gid = os.getuid(), os.getgid()
    return (uid, gid) if uid else (UNPRIVILEGED_UID, UNPRIVILEGED_UID)


class DockerRunner:
    """Runs recipe containers on one Docker engine.

    Parameters
    ----------
    engine : Engine
        The site's engine; without a URL the one of this machine (or ``DOCKER_HOST``).
    installation : str
        Whose containers these are; several data roots may share an engine, and each stops only its own.
    """

    def __init__(self, engine: Engine, installation: str) -> None:
        self._engine = engine
        self._installation = installation
        self._connected: DockerClient | None = None
        self._cpus = 0

    def image_id(self, image: str) -> str:
        """Return the content address of an image, ``sha256:...``."""
        import docker

        with self._told(f"image {image}"):
            try:
                return str(self._client().images.get(image).id)
            except docker.errors.ImageNotFound as error:
                raise InfrastructureError(
                    f"image {image}", "the engine has no such image", remedy="make images"
                ) from error

    def run(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        """Run a container to its end and remove it; see `ContainerRunner.run`."""
        self.stop(job.release, job.ab)
        name = job.unique_name()
        with self._told(f"container {name}"):
            container = self._client().containers.create(**self._settings(job, name))
        try:
            with self._told(f"container {name}"):
                container.start()
            return _follow(container, name, job.timeout_s, on_line, should_stop)
        finally:
            _remove(container)

    def stop(self, release: str, ab: str) -> int:
        """Stop and remove this installation's containers of an AB; return how many there were."""
        labels = [
            f"{LABEL_INSTALLATION}={self._installation}",
            f"{LABEL_RELEASE}={release}",
            f"{LABEL_AB}={ab}",
        ]
        with self._told(f"containers of {ab}"):
            found = self._client().containers.list(all=True, ignore_removed=True, filters={"label": labels})
            for container in found:
                _stop(container)
                _remove(container)
        return len(found)

    def __enter__(self) -> DockerRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection to the engine back; the next call opens a new one."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def _client(self) -> DockerClient:
        if self._connected is None:
            import docker

            url, tls = self._engine.url, self._tls()
            client = (
                docker.DockerClient(base_url=url, tls=tls, timeout=_REQUEST_TIMEOUT_S)
                if url
                else docker.from_env(timeout=_REQUEST_TIMEOUT_S)
            )
            self._cpus = int(client.info()["NCPU"])
            self._connected = client
        return self._connected

    def _tls(self) -> Any:
        import docker

        folder = self._engine.tls_folder
        if folder is None:
            return False
        return docker.tls.TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        )

    def _settings(self, job: ContainerJob, name: str) -> dict[str, Any]:
        """Return what the engine is told, all of the hardening included."""
        from docker.types import LogConfig, Mount

        uid, gid = recipe_user()
        memory_bytes = int(job.memory_gb * 2**30)
        return {
            "image": job.image,
            "name": name,
            "entrypoint": [job.command[0]],
            "command": list(job.command[1:]),
            "labels": {LABEL_INSTALLATION: self._installation, **job.labels},
            "environment": {"HOME": "/tmp", "LC_ALL": "C", **job.environment},  # noqa: S108 (in the container)
            "working_dir": str(OUTPUT),
            "user": f"{uid}:{gid}",
            "read_only": True,
            "tmpfs": {"/tmp": _TMPFS_OPTIONS},  # noqa: S108 (in the container)
            "network_mode": "none",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _PIDS_LIMIT,
            "mem_limit": memory_bytes,
            "memswap_limit": memory_bytes,
            "nano_cpus": int(min(job.cpus, self._cpus) * 1e9),
            "init": True,
            "mounts": [
                Mount(str(INPUT), str(self._as_engine_sees(job.input_folder)), type="bind", read_only=True),
                Mount(str(OUTPUT), str(self._as_engine_sees(job.output_folder)), type="bind"),
            ],
            "log_config": LogConfig(type="json-file", config={"max-size": "64m", "max-file": "2"}),
        }

    def _as_engine_sees(self, folder: Path) -> PurePosixPath:
        """Return a folder of this machine by the name it has on the engine's machine."""
        for here, there in self._engine.path_map.items():
            if folder.is_relative_to(here):
                return PurePosixPath(there / folder.relative_to(here))
        return PurePosixPath(folder)

    @contextmanager
    def _told(self, subject: str) -> Iterator[None]:
        """Turn what the client library raises into an error that says what to do."""
        import docker
        import requests

        try:
            yield
        except docker.errors.APIError as error:
            raise InfrastructureError(
                subject,
                f"the engine refused: {error.explanation or error}",
                remedy="`phoenix doctor` looks at engine and images",
            ) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise InfrastructureError(
                f"Docker engine {self._engine.url or os.environ.get('DOCKER_HOST') or 'of this machine'}",
                f"does not answer: {error}",
                remedy="start it (systemctl start docker, or make engine); `phoenix doctor` tells more",
            ) from error


def _follow(
    container: Container, name: str, timeout_s: float, on_line: OnLine, should_stop: ShouldStop
) -> ContainerEnd:
    """Hand log lines on until the container ends, its time is up or somebody wants it stopped."""
    began, deadline = datetime.now(UTC), time.monotonic() + timeout_s
    reader = LogReader(container)
    reader.start()
    timed_out = stopped = False
    heard = time.monotonic()
    while True:
        try:
            line = reader.lines.get(timeout=_POLL_S)
        except queue.Empty:
            if time.monotonic() - heard > _QUIET_S:
                if _state(container).get("Running") is not True:
                    break
                heard = time.monotonic()
        else:
            if line is None:
                break
            heard = time.monotonic()
            on_line(line)
        if not (timed_out or stopped):
            timed_out, stopped = time.monotonic() > deadline, should_stop()
            if timed_out or stopped:
                _stop(container)
    state = _final_state(container, deadline, should_stop)
    for line in reader.missed():
        on_line(line)
    if not state:
        return ContainerEnd(
            name,
            None,
            began,
            datetime.now(UTC),
            timed_out=timed_out,
            stopped=stopped,
            lost=reader.problem or "the engine no longer answers or knows it",
        )
    return ContainerEnd(
        name,
        int(state["ExitCode"]),
        _moment(state["StartedAt"], began),
        _moment(state["FinishedAt"], datetime.now(UTC)),
        bool(state["OOMKilled"]),
        timed_out,
        stopped,
    )


def _final_state(container: Container, deadline: float, should_stop: ShouldStop) -> dict[str, Any]:
    """Return the state of an ended container; empty when the engine lost it.

    The log may end a moment before the container does, or because only the log connection broke.
    """
    while state := _state(container):
        if not state["Running"]:
            return state
        if time.monotonic() > deadline or should_stop():
            _stop(container)
        time.sleep(_POLL_S)
    return {}


def _state(container: Container) -> dict[str, Any]:
    """Return what the engine says about a container; empty when it does not answer or does not know it."""
    import docker
    import requests

    try:
        container.reload()
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return {}
    return dict(container.attrs["State"])


def _stop(container: Container) -> None:
    """Stop a container, politely first; one that is gone or whose engine is gone needs no more stopping."""
    import docker
    import requests

    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        container.stop(timeout=_STOP_GRACE_S)


def _remove(container: Container) -> None:
    """Remove a container with force; if the engine is lost, the next attempt of the AB removes it."""
    import docker
    import requests

    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        container.remove(force=True, v=True)


def _moment(text: str, otherwise: datetime) -> datetime:
    """Read the engine's time, which has nanoseconds; the year 1 stands for `not yet`."""
    try:
        moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
        fraction = text[19:].rstrip("Z").lstrip(".")
        moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0") or 0))
    except ValueError:
        return otherwise
    return moment if moment.year > 1 else otherwise
