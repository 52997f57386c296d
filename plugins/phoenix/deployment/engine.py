"""The Docker engine: found, or installed and started where we may; somebody else's is never stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.config.site import Engine
from phoenix.deployment.installation import Installation
from phoenix.deployment.packages import install_packages
from phoenix.deployment.processes import Processes
from phoenix.errors import InfrastructureError
from phoenix.execution.container import LABEL_AB
from phoenix.execution.engine_connection import as_engine_sees, connect

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

Tell = Callable[[str], None]

DAEMON = "dockerd"
_SOCKET = Path("/var/run/docker.sock")
_START_TIMEOUT_S = 60


def ensure_engine(installation: Installation, tell: Tell) -> DockerClient:
    """Return a client of the engine, after installing and starting one if need be and we may.

    Raises
    ------
    InfrastructureError
        If there is none and we may not make one; says exactly what to do.
    """
    engine = installation.site.engine
    try:
        return connect(engine)
    except InfrastructureError as error:
        problem = error
    if engine.url or os.environ.get("DOCKER_HOST"):
        raise InfrastructureError(
            problem.subject,
            problem.found,
            "the engine that phoenix.yaml (engine.url) or DOCKER_HOST names",
            "start it there, or remove the setting to use the engine of this machine",
        ) from problem
    if os.geteuid() != 0:
        raise _not_allowed() from problem
    if shutil.which(DAEMON) is None:
        tell("installing Docker (docker.io)")
        # iptables is only recommended by that package, but the engine does not start without.
        install_packages(["docker.io", "iptables"], installation.log / "apt.log")
    if Path("/run/systemd/system").exists():
        tell("starting the Docker engine (systemctl start docker)")
        subprocess.run(["systemctl", "start", "docker"], check=False, stdin=subprocess.DEVNULL)
        return _wait(engine, "see journalctl -u docker", lambda: True)
    return start_daemon(installation, tell, engine)


def start_daemon(
    installation: Installation, tell: Tell, engine: Engine, arguments: Sequence[str] = ()
) -> DockerClient:
    """Start ``dockerd`` as a process of this installation and wait until it answers.

    Parameters
    ----------
    installation : Installation
        Its ``run`` and ``log`` folders hold the record and the log.
    tell : callable
        Gets a line for each step.
    engine : Engine
        Where it is expected to answer.
    arguments : sequence of str
        Further arguments of ``dockerd``.
    """
    processes = Processes(installation.run, installation.log)
    if processes.start(DAEMON, [DAEMON, *arguments], dict(os.environ), Path("/")):
        tell(f"starting the Docker engine, log in {processes.log_file(DAEMON)}")
    try:
        return _wait(engine, f"see {processes.log_file(DAEMON)}", lambda: processes.lives(DAEMON))
    except InfrastructureError as error:
        processes.stop([DAEMON])
        tail = processes.log_tail(DAEMON)
        raise InfrastructureError(error.subject, f"{error.found}\n{tail}", remedy=error.remedy) from error


def stop_engine(installation: Installation, tell: Tell, engine: Engine | None = None) -> bool:
    """Stop the engine if we started it and it runs no containers but ours; return whether it was stopped."""
    processes = Processes(installation.run, installation.log)
    if processes.record(DAEMON) is None:
        return False
    if processes.lives(DAEMON):
        try:
            with closing(connect(engine or installation.site.engine)) as client:
                foreign = [container for container in _running(client) if not is_ours(container)]
        except InfrastructureError:
            foreign = []  # it does not answer: nobody can be using it
        if foreign:
            names = ", ".join(sorted(str(container.name) for container in foreign))
            tell(f"the Docker engine stays: it runs containers that are not ours ({names})")
            return False
    return bool(processes.stop([DAEMON], leaders_first=True))


def stop_containers(installation: Installation) -> list[str]:
    """Stop what is left of this installation's recipe containers; return their names.

    A container is this installation's if it has our labels and works in a folder of our data root.
    """
    engine = installation.site.engine
    try:
        client = connect(engine)
    except InfrastructureError:
        return []
    root = as_engine_sees(installation.root, engine)
    stopped = []
    with closing(client):
        for container in _running(client):
            sources = [Path(mount.get("Source", "")) for mount in container.attrs.get("Mounts", [])]
            if is_ours(container) and any(source.is_relative_to(root) for source in sources):
                container.remove(force=True)
                stopped.append(str(container.name))
    return stopped


def is_ours(container: Container) -> bool:
    """Tell whether a container was started by PHOENIX."""
    return LABEL_AB in container.labels


def _running(client: DockerClient) -> list[Container]:
    return list(client.containers.list(ignore_removed=True))


def _wait(engine: Engine, where: str, lives: Callable[[], bool]) -> DockerClient:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            return connect(engine)
        except InfrastructureError as error:
            if not lives():
                raise InfrastructureError(error.subject, "ended while starting", remedy=where) from error
            if time.monotonic() > deadline:
                found = f"does not answer {_START_TIMEOUT_S} s after its start"
                raise InfrastructureError(error.subject, found, remedy=where) from error
        time.sleep(0.3)


def _not_allowed() -> InfrastructureError:
    if _SOCKET.exists() and not os.access(_SOCKET, os.W_OK):
        return InfrastructureError(
            f"Docker engine {_SOCKET}",
            "this user may not use it",
            "membership in the group docker",
            "sudo usermod -aG docker $USER, then log in again",
        )
    start = "sudo systemctl start docker" if Path("/run/systemd/system").exists() else "sudo dockerd &"
    if shutil.which(DAEMON) is None:
        start = f"sudo apt-get install -y docker.io && {start}"
    return InfrastructureError(
        "Docker engine",
        "none answers, and only root can start one",
        "a running engine, or DOCKER_HOST naming one",
        f"{start}; and once: sudo usermod -aG docker $USER, then log in again",
    )
