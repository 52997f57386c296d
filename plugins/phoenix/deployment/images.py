"""Pipeline images: one per folder of docker/pipelines, built when it has changed, labelled with versions."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.deployment.base_image import NAME as BASE
from phoenix.deployment.base_image import ensure_base
from phoenix.deployment.installation import Installation
from phoenix.errors import ConfigError, InfrastructureError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

Tell = Callable[[str], None]

LABEL_SOURCE = "org.phoenix.source"
LABEL_PACKAGE = "org.phoenix.pipeline.package"
LABEL_VERSION = "org.phoenix.pipeline.version"
LABEL_PACKAGE_VERSION = "org.phoenix.pipeline.package.version"
_FROM = re.compile(rf"^FROM {BASE}:(?P<suite>[a-z]+)$", re.MULTILINE)
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_LOG_LINES_SHOWN = 15


@dataclass(frozen=True)
class PipelineFolder:
    """The recipe for one image: a folder with a Dockerfile, named after the instrument."""

    path: Path

    @property
    def repository(self) -> str:
        """Name of the image without a tag."""
        return f"phoenix-{self.path.name}"

    @property
    def source(self) -> str:
        """Hash of all files of the folder: another hash, another image."""
        digest = hashlib.sha256()
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(self.path)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def suite(self) -> str:
        """Debian suite of its base image.

        Raises
        ------
        ConfigError
            If the Dockerfile starts from something else.
        """
        dockerfile = self.path / "Dockerfile"
        match = _FROM.search(dockerfile.read_text())
        if match is None:
            raise ConfigError(str(dockerfile), f"no line FROM {BASE}:<suite>", f"e.g. FROM {BASE}:bookworm")
        return match["suite"]


def pipeline_folders(project: Path) -> list[PipelineFolder]:
    """Return the pipelines this project can make images of."""
    return [PipelineFolder(path.parent) for path in sorted(project.glob("docker/pipelines/*/Dockerfile"))]


def current_image(client: DockerClient, folder: PipelineFolder) -> Image | None:
    """Return the image made from this very folder, None if there is none."""
    import docker

    try:
        image = client.images.get(f"{folder.repository}:latest")
    except docker.errors.ImageNotFound:
        return None
    return image if image.labels.get(LABEL_SOURCE) == folder.source else None


def ensure_images(client: DockerClient, installation: Installation, tell: Tell) -> list[str]:
    """Build the images that are missing or out of date.

    Returns
    -------
    list of str
        Names with version of all pipeline images, e.g. ``phoenix-uves:6.1.8``.

    Raises
    ------
    InfrastructureError
        If a build fails; names the last lines of its output.
    """
    names = []
    with _locked(installation):
        for folder in pipeline_folders(installation.project):
            image = current_image(client, folder) or _build(client, folder, installation, tell)
            names.append(f"{folder.repository}:{image.labels[LABEL_VERSION]}")
    return names


def _build(client: DockerClient, folder: PipelineFolder, installation: Installation, tell: Tell) -> Image:
    ensure_base(client, folder.suite, installation.log / "debootstrap.log", tell)
    tell(f"building {folder.repository} (log in {_log(installation, folder)})")
    building = f"{folder.repository}:building"
    _run_build(client, installation, folder, tag=building, path=str(folder.path), buildargs=_proxies())
    try:
        full, version = _installed_version(client, building)
        # What the package says of itself is known only now; a second build adds it as labels, nothing else.
        dockerfile = io.BytesIO(f"FROM {building}\n".encode())
        labels = {LABEL_SOURCE: folder.source, LABEL_VERSION: version, LABEL_PACKAGE_VERSION: full}
        tag = f"{folder.repository}:{version}"
        _run_build(client, installation, folder, tag=tag, fileobj=dockerfile, labels=labels)
    finally:
        client.images.remove(building, noprune=True)
    image = client.images.get(tag)
    image.tag(folder.repository, "latest")
    tell(f"built {tag}")
    return image


def _run_build(
    client: DockerClient, installation: Installation, folder: PipelineFolder, **options: Any
) -> None:
    import docker

    log = _log(installation, folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    problem = ""
    with log.open("a", encoding="utf-8") as output:
        try:
            # The host's network: a build needs a package mirror, which may be within its reach alone.
            for line in client.api.build(rm=True, forcerm=True, decode=True, network_mode="host", **options):
                output.write(line.get("stream", ""))
                problem = line.get("error", problem)
        except docker.errors.APIError as error:
            problem = str(error.explanation or error)
    if problem:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])
        raise InfrastructureError(
            f"image {folder.repository}",
            f"its build failed: {problem}\n{tail}",
            remedy=f"see {log}; a package mirror out of reach is the usual cause",
        )


def _installed_version(client: DockerClient, image: str) -> tuple[str, str]:
    """Return the version of the pipeline package in an image, as Debian's, and as the pipeline's own."""
    package = client.images.get(image).labels.get(LABEL_PACKAGE)
    if not package:
        raise ConfigError(image, f"no label {LABEL_PACKAGE}", "the name of the pipeline's Debian package")
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    # Not run(remove=True): that may remove the container before its output has been read.
    container = client.containers.create(image, entrypoint=query, network_mode="none")
    try:
        container.start()
        container.wait()
        full = container.logs(stderr=False).decode().strip()
    finally:
        container.remove(force=True)
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", full)
    if match is None:
        raise InfrastructureError(image, f"version {full!r} of {package}", "digits and dots")
    return full, match[1]


def _proxies() -> dict[str, str]:
    """Return the proxies of this machine, which the engine passes to the build and forgets."""
    found = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES}
    return {spelling: value for name, value in found.items() if value for spelling in (name, name.upper())}


def _log(installation: Installation, folder: PipelineFolder) -> Path:
    return installation.log / f"image-{folder.path.name}.log"


@contextmanager
def _locked(installation: Installation) -> Iterator[None]:
    installation.run.mkdir(parents=True, exist_ok=True)
    with (installation.run / "images.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
