"""Images recipes run in: built when what goes in has changed, labelled with what came out."""

from __future__ import annotations

import fcntl
import io
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.deployment.base_image import ensure_base
from phoenix.deployment.image_folders import ImageFolder, image_folders
from phoenix.deployment.installation import Installation
from phoenix.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

Tell = Callable[[str], None]

LABEL_SOURCE = "org.phoenix.source"
LABEL_PACKAGE = "org.phoenix.pipeline.package"
LABEL_VERSION = "org.phoenix.pipeline.version"
LABEL_PACKAGE_VERSION = "org.phoenix.pipeline.package.version"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_LOG_LINES_SHOWN = 15
#: ``  uves_cal_mbias            : Creates the master bias frame`` and ``  uves_cal_mbias -- version 6.1.8``
_RECIPE = re.compile(r"^ {2}(\w+)\s+: ", re.MULTILINE)
_RECIPE_VERSION = re.compile(r"^\s*\S+ -- version (\S+)\s*$", re.MULTILINE)


def is_there(client: DockerClient, folder: ImageFolder) -> bool:
    """Tell whether there is an image of the folder's name, made from whatever."""
    return _found(client, folder) is not None


def current_image(client: DockerClient, folder: ImageFolder) -> Image | None:
    """Return the image made from what the folder holds now, None if there is none."""
    image = _found(client, folder)
    return image if image is not None and image.labels.get(LABEL_SOURCE) == folder.source else None


def _found(client: DockerClient, folder: ImageFolder) -> Image | None:
    import docker

    try:
        return client.images.get(folder.tag)
    except docker.errors.ImageNotFound:
        return None


def ensure_images(
    client: DockerClient, installation: Installation, tell: Tell, only: Collection[str] = ()
) -> list[str]:
    """Build the images that are missing or out of date; what needs a kit that is not there is left out.

    Parameters
    ----------
    only : collection of str, optional
        Names as in ``uves``; by default all.

    Returns
    -------
    list of str
        Names with version, e.g. ``phoenix-uves:6.1.8``.

    Raises
    ------
    UsageError
        If a name of `only` is none of this project's, or its kit is not there.
    InfrastructureError
        If a build fails; names the last lines of its output.
    """
    folders = _chosen(image_folders(installation.project), only)
    names = []
    with _locked(installation):
        for folder in folders:
            if folder.problem:
                tell(f"{folder.repository} left out: {folder.problem}; see {folder.dockerfile}")
                continue
            image = _ensure(client, folder, installation, tell)
            names.append(f"{folder.repository}:{image.labels[LABEL_VERSION]}")
    return names


def _chosen(folders: list[ImageFolder], only: Collection[str]) -> list[ImageFolder]:
    by_name = {folder.name: folder for folder in folders}
    for name in only:
        if name not in by_name:
            raise UsageError(
                f"image {name}", "there is no such image", f"one of {', '.join(sorted(by_name))}"
            )
        if by_name[name].problem:
            raise UsageError(
                f"image {name}",
                by_name[name].problem,
                "the pipeline's kit, as ESO distributes it",
                f"see {by_name[name].dockerfile}",
            )
    return [folder for folder in folders if not only or folder.name in only]


def _ensure(client: DockerClient, folder: ImageFolder, installation: Installation, tell: Tell) -> Image:
    image = current_image(client, folder)
    if image is not None:
        return image
    parent = folder.parent
    if parent is None:
        ensure_base(client, folder.base_suite, installation.log / "debootstrap.log", tell)
    else:
        _ensure(client, parent, installation, tell)
    return _build(client, folder, installation, tell)


def _build(client: DockerClient, folder: ImageFolder, installation: Installation, tell: Tell) -> Image:
    tell(f"building {folder.repository} (log in {_log(installation, folder)})")
    building = f"{folder.repository}:building"
    with tempfile.TemporaryFile() as context:
        folder.write_context(context)
        context.seek(0)
        arguments = folder.build_arguments | _proxies()
        _run_build(
            client,
            installation,
            folder,
            tag=building,
            fileobj=context,
            custom_context=True,
            buildargs=arguments,
        )
    try:
        full, version = _version_inside(client, building)
        # What an image holds is known only now; a second build adds it as labels, nothing else.
        dockerfile = io.BytesIO(f"FROM {building}\n".encode())
        labels = {LABEL_SOURCE: folder.source, LABEL_VERSION: version, LABEL_PACKAGE_VERSION: full}
        _run_build(client, installation, folder, tag=folder.tag, fileobj=dockerfile, labels=labels)
    finally:
        client.images.remove(building, noprune=True)
    image = client.images.get(folder.tag)
    image.tag(folder.repository, f"{folder.suite}-{version}" if folder.suite else version)
    tell(f"built {folder.repository} {version}, {image.attrs['Size'] / 1e6:.0f} MB")
    return image


def _run_build(client: DockerClient, installation: Installation, folder: ImageFolder, **options: Any) -> None:
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


def _version_inside(client: DockerClient, image: str) -> tuple[str, str]:
    """Return the version an image holds, as its packager's and as the pipeline's own.

    A Debian package is asked for by the label `LABEL_PACKAGE`; without one the first recipe tells.
    """
    package = client.images.get(image).labels.get(LABEL_PACKAGE)
    if package:
        full = _output(client, image, ["dpkg-query", "--show", "--showformat=${Version}", package]).strip()
        match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", full)
        if match is None:
            raise InfrastructureError(image, f"version {full!r} of {package}", "digits and dots")
        return full, match[1]
    recipe = _RECIPE.search(_output(client, image, ["esorex", "--recipes"]))
    page = _output(client, image, ["esorex", "--man-page", recipe[1]]) if recipe else ""
    stated = _RECIPE_VERSION.search(page)
    if stated is None:
        raise InfrastructureError(
            image,
            f"no label {LABEL_PACKAGE}, and no recipe that tells its version",
            "the label with the name of a Debian package, or a program esorex that lists its recipes",
        )
    return stated[1], stated[1]


def _output(client: DockerClient, image: str, command: list[str]) -> str:
    """Return what a command in an image prints; empty if the image has no such command."""
    import docker

    # Not run(remove=True): that may remove the container before its output has been read.
    container = client.containers.create(
        image, entrypoint=command[:1], command=command[1:], network_mode="none"
    )
    try:
        container.start()
        container.wait()
        return str(container.logs(stderr=False).decode(errors="replace"))
    except docker.errors.APIError as error:
        if error.is_client_error():
            return ""
        raise
    finally:
        container.remove(force=True)


def _proxies() -> dict[str, str]:
    """Return the proxies of this machine, which the engine passes to the build and forgets."""
    found = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES}
    return {spelling: value for name, value in found.items() if value for spelling in (name, name.upper())}


def _log(installation: Installation, folder: ImageFolder) -> Path:
    return installation.log / f"image-{folder.name}{f'-{folder.suite}' if folder.suite else ''}.log"


@contextmanager
def _locked(installation: Installation) -> Iterator[None]:
    installation.run.mkdir(parents=True, exist_ok=True)
    with (installation.run / "images.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
