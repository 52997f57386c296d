"""Recipe containers on a Docker engine, local or remote, hardened the same way always.

Non-root user, read-only root, no network, no capabilities, no new privileges, limits on processes, memory,
swap and CPU, inputs read-only, an init process so that signals arrive. No configuration can switch any off.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError
from phoenix.execution.container import (
    INPUT,
    LABEL_AB,
    LABEL_ATTEMPT,
    LABEL_INSTALLATION,
    LABEL_RELEASE,
    OUTPUT,
    ContainerEnd,
    ContainerJob,
    FoundContainer,
    KnownContainer,
    OnLine,
    ShouldStop,
)
from phoenix.execution.engine_connection import as_engine_sees, connect, no_answer
from phoenix.execution.following import KILLED, follow, out_of_time, stop

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

log = logging.getLogger(__name__)

#: The user of recipes when we are root ourselves; root is never one.
UNPRIVILEGED_UID = 1000
_PIDS_LIMIT = 256
_TMPFS_OPTIONS = "size=256m,mode=1777,nosuid,nodev,noexec"
_REQUEST_TIMEOUT_S = 60
#: How long an engine may stay away, to be restarted, before what runs on it is given up.
PATIENCE_S = 60.0


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
        """Start a container, follow it to its end and remove it; see `ContainerRunner.run`."""
        self.start(job)
        try:
            return self.follow(job, on_line, should_stop)
        finally:
            self.discard(job.release, job.ab, job.attempt)

    def start(self, job: ContainerJob) -> None:
        """Start a container, in place of any older one of the AB; see `ContainerRunner.start`."""
        self.stop(job.release, job.ab)
        name = job.name_in(self._installation)
        with self._told(f"container {name}"):
            container = self._client().containers.create(**self._settings(job, name))
            try:
                container.start()
            except BaseException:
                _remove(container)
                raise

    def find(self, job: ContainerJob) -> FoundContainer | None:
        """Return the container of the job's AB, if there is one; see `ContainerRunner.find`."""
        import docker

        name = job.name_in(self._installation)
        with self._told(f"container {name}"):
            try:
                container = self._client().containers.get(name)
            except docker.errors.NotFound:
                return None
        state, told = container.attrs["State"], container.attrs
        ended = not state["Running"] and state["Status"] != "created"
        from_outside = ended and int(state["ExitCode"]) in KILLED
        return FoundContainer(
            name=name,
            attempt=str(container.labels.get(LABEL_ATTEMPT, "")),
            image=str(told["Image"]),
            mounts={str(mount["Destination"]): str(mount["Source"]) for mount in told["Mounts"]},
            exit_code=int(state["ExitCode"]) if ended else None,
            killed=from_outside and not state["OOMKilled"] and not out_of_time(state, job.timeout_s),
        )

    def differing_folder(self, job: ContainerJob, found: FoundContainer) -> str:
        """Name a folder a container has from elsewhere; see `ContainerRunner.differing_folder`."""
        for inside, folder in ((INPUT, job.input_folder), (OUTPUT, job.output_folder)):
            expected = self._source(folder)
            source = found.mounts.get(str(inside), "nowhere")
            if source != expected:
                return f"{inside} comes from {source}, not from {expected}"
        return ""

    def follow(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        """Follow a container to its end; see `ContainerRunner.follow`."""
        import docker

        name = job.name_in(self._installation)
        now = datetime.now(UTC)
        with self._told(f"container {name}"):
            try:
                container = self._client().containers.get(name)
            except docker.errors.NotFound:
                return ContainerEnd(name, None, now, now, lost="the engine no longer knows it")
            if container.status == "created":
                container.start()
                container.reload()
        log.info("container %s", name)
        return follow(container, job.timeout_s, PATIENCE_S, on_line, should_stop)

    def discard(self, release: str, ab: str, attempt: int) -> None:
        """Remove what is left of an attempt's container; see `ContainerRunner.discard`."""
        # What an engine that does not answer keeps, the next attempt of the AB finds and removes.
        with suppress(InfrastructureError):
            for container in self._containers(release, ab, attempt):
                _remove(container)

    def stop(self, release: str, ab: str) -> int:
        """Stop and remove this installation's containers of an AB; return how many there were."""
        found = self._containers(release, ab)
        for container in found:
            stop(container)
            _remove(container)
        return len(found)

    def containers(self) -> list[KnownContainer]:
        """Return all containers of this installation, sorted by name."""
        label = f"{LABEL_INSTALLATION}={self._installation}"
        with self._told("containers"):
            found = self._client().containers.list(all=True, ignore_removed=True, filters={"label": label})
        known = [
            KnownContainer(
                name=str(container.name),
                release=container.labels.get(LABEL_RELEASE, ""),
                ab=container.labels.get(LABEL_AB, ""),
                attempt=int(container.labels.get(LABEL_ATTEMPT, "0")),
                running=container.status in {"created", "running", "paused", "restarting"},
            )
            for container in found
            # Short questions to an image have no AB; who asks removes them.
            if LABEL_AB in container.labels
        ]
        return sorted(known, key=lambda container: container.name)

    def _containers(self, release: str, ab: str, attempt: int | None = None) -> list[Container]:
        labels = [
            f"{LABEL_INSTALLATION}={self._installation}",
            f"{LABEL_RELEASE}={release}",
            f"{LABEL_AB}={ab}",
        ]
        if attempt is not None:
            labels.append(f"{LABEL_ATTEMPT}={attempt}")
        with self._told(f"containers of {ab}"):
            return list(
                self._client().containers.list(all=True, ignore_removed=True, filters={"label": labels})
            )

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
            self._connected = connect(self._engine, _REQUEST_TIMEOUT_S)
            self._cpus = int(self._connected.info()["NCPU"])
        return self._connected

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
                Mount(str(INPUT), self._source(job.input_folder), type="bind", read_only=True),
                Mount(str(OUTPUT), self._source(job.output_folder), type="bind"),
            ],
            "log_config": LogConfig(type="json-file", config={"max-size": "64m", "max-file": "2"}),
        }

    def _source(self, folder: Path) -> str:
        return str(as_engine_sees(folder, self._engine))

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
            raise no_answer(self._engine, error) from error


def _remove(container: Container) -> None:
    """Remove a container with force; if the engine is lost, the next attempt of the AB removes it."""
    import docker
    import requests

    with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        container.remove(force=True, v=True)
