"""The base of all pipeline images: Debian's own slim image, or one made with debootstrap if need be."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.deployment.packages import install_packages
from phoenix.errors import InfrastructureError

if TYPE_CHECKING:
    from docker import DockerClient

Tell = Callable[[str], None]

NAME = "phoenix-base"
#: A registry that says nothing for so long is taken for unreachable.
_PULL_TIMEOUT_S = 20
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
#: Nothing of this is needed to run a recipe.
_DISPENSABLE = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
)


def ensure_base(client: DockerClient, suite: str, log: Path, tell: Tell) -> str:
    """Return the name of the base image of a Debian suite, after pulling or making it if need be.

    Parameters
    ----------
    client : DockerClient
        The engine.
    suite : str
        Debian's name of the release, e.g. ``bookworm``.
    log : Path
        Where debootstrap's output goes.
    tell : callable
        Gets a line for each step.

    Raises
    ------
    InfrastructureError
        If it can neither be pulled nor made.
    """
    tag = f"{NAME}:{suite}"
    if _exists(client, tag):
        return tag
    official = f"debian:{suite}-slim"
    if not _exists(client, official):
        tell(f"pulling {official}")
        problem = _pull(client, "debian", f"{suite}-slim")
        if problem:
            tell(f"no image to be pulled ({problem})")
            _bootstrap(client, suite, log, tell)
            return tag
    client.images.get(official).tag(NAME, suite)
    return tag


def _exists(client: DockerClient, name: str) -> bool:
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _pull(client: DockerClient, repository: str, tag: str) -> str:
    """Pull an image; return what went wrong, or nothing."""
    import docker
    import requests

    api = client.api
    timeout, api.timeout = api.timeout, _PULL_TIMEOUT_S
    try:
        for line in api.pull(repository, tag, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
    except docker.errors.APIError as error:
        return str(error.explanation or error)
    except requests.exceptions.RequestException:
        return f"silent for {_PULL_TIMEOUT_S} s"
    finally:
        api.timeout = timeout
    return ""


def _bootstrap(client: DockerClient, suite: str, log: Path, tell: Tell) -> None:
    if shutil.which("debootstrap") is None:
        tell("installing debootstrap")
        install_packages(["debootstrap"], log.with_name("apt.log"))
    sources = debian_sources(suite)
    tell(f"making the base from Debian packages (debootstrap, a minute or two; log in {log})")
    # Not below /tmp: that may be mounted without the right to run programs.
    folder = Path(tempfile.mkdtemp(prefix="phoenix-base-", dir="/var/tmp"))
    root = folder / "root"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            result = subprocess.run(
                ["debootstrap", "--variant=minbase", suite, str(root), _mirror(sources)],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if result.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise InfrastructureError(
                f"base image {NAME}:{suite}",
                f"it can neither be pulled nor made; debootstrap says:\n{tail}",
                "a registry or a Debian mirror within reach",
                f"docker pull debian:{suite}-slim on a machine with network, docker save, docker load here; "
                f"or see {log}",
            )
        (root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in sources))
        for name in _DISPENSABLE:
            _empty(root / name)
        _import(client, root, suite)
    finally:
        # One file system: should debootstrap have left something mounted there, it stays whole.
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


def debian_sources(suite: str) -> list[str]:
    """Return apt source lines for a suite: this machine's own if it has some, else the public mirror."""
    lines = [line for line in _machine_sources() if line.split()[2].partition("-")[0] == suite]
    return lines or [
        f"deb {_DEFAULT_MIRROR} {suite} main",
        f"deb {_DEFAULT_MIRROR}-security {suite}-security main",
    ]


def _machine_sources() -> list[str]:
    if shutil.which("apt-get") is None:
        return []
    listing = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
            "Identifier: Packages",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    rows = (line.split("|") for line in dict.fromkeys(listing.splitlines()))
    return [
        f"deb {uri.rstrip('/')} {release} {component}"
        for origin, uri, release, component in rows
        if origin == "Debian" and component == "main"
    ]


def _mirror(sources: list[str]) -> str:
    """Return the mirror of the suite itself, not of its updates."""
    return next((line.split()[1] for line in sources if "-" not in line.split()[2]), _DEFAULT_MIRROR)


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _import(client: DockerClient, root: Path, suite: str) -> None:
    command = ["tar", "--create", "--one-file-system", "--numeric-owner", "--directory", str(root), "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        client.api.import_image_from_stream(
            tar.stdout, repository=NAME, tag=suite, changes=['CMD ["bash"]', "ENV LC_ALL=C.UTF-8"]
        )
    if tar.returncode != 0:
        client.images.remove(f"{NAME}:{suite}", force=True)
        raise InfrastructureError(
            f"base image {NAME}:{suite}", f"tar ended with {tar.returncode}", remedy="make images"
        )
