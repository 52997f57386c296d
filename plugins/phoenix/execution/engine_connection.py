"""The way to a Docker engine, here or on another machine, with or without TLS."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.tls import TLSConfig

_SOCKET = "unix:///var/run/docker.sock"
_TIMEOUT_S = 300.0


def connect(engine: Engine, timeout_s: float = _TIMEOUT_S) -> DockerClient:
    """Return a client of an engine: its URL, else ``DOCKER_HOST``, else the one of this machine.

    Parameters
    ----------
    timeout_s : float
        How long a single request may take.

    Raises
    ------
    InfrastructureError
        If no engine answers, or it does not prove who it is.
    """
    import docker
    import requests

    try:
        if address_of(engine).startswith("unix:"):
            _try_socket(address_of(engine))
        return _client(engine, int(timeout_s))
    except (OSError, docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise no_answer(engine, error) from error


def _client(engine: Engine, timeout_s: int) -> DockerClient:
    """Return a client that speaks the engine's version of the API.

    It trusts what the site's configuration names and nothing else: a bundle of certificates or a proxy in the
    environment is meant for the web, and would be taken instead.
    """
    import docker
    from docker.constants import MINIMUM_DOCKER_API_VERSION

    def unasked(version: str) -> DockerClient:
        if engine.url:
            client = docker.DockerClient(engine.url, version, timeout_s, _tls(engine))
        else:
            client = docker.from_env(version=version, timeout=timeout_s)
        client.api.trust_env = False
        return client

    # Made with a version client libraries need not ask for; the question itself has no version.
    with closing(unasked(MINIMUM_DOCKER_API_VERSION)) as asking:
        version = asking.api.version(api_version=False)["ApiVersion"]
    return unasked(version)


def no_answer(engine: Engine, why: object) -> InfrastructureError:
    """Return the error that tells that an engine does not answer."""
    remedy = f"see that it runs there and that {engine.tls_folder or 'engine.tls_folder'} fits it"
    remote = bool(engine.url) and not str(engine.url).startswith("unix:")
    return InfrastructureError(
        f"Docker engine {address_of(engine)}",
        f"does not answer: {why}",
        remedy=remedy if remote else "make engine",
    )


def address_of(engine: Engine) -> str:
    """Return where an engine is looked for."""
    return engine.url or os.environ.get("DOCKER_HOST") or _SOCKET


def as_engine_sees(folder: Path, engine: Engine) -> Path:
    """Return a folder of this machine by the name it has on the engine's machine."""
    for here, there in engine.path_map.items():
        if folder.is_relative_to(here):
            return there / folder.relative_to(here)
    return folder


def _try_socket(address: str) -> None:
    """Raise what the system says of a local socket; the client library would wrap it beyond recognition."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(address.removeprefix("unix:").replace("//", "/", 1))


def _tls(engine: Engine) -> TLSConfig | bool:
    import docker

    folder = engine.tls_folder
    if folder is None:
        return False
    return docker.tls.TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
        ca_cert=str(folder / "ca.pem"),
        verify=True,
    )
