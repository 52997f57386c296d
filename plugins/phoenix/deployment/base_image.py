"""The base of all pipeline images: Debian's own slim image, or one made with debootstrap if need be."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
#: Where Debian keeps its suites: the living ones, and those it has laid to rest.
_MIRROR = "http://deb.debian.org/debian"
_ARCHIVE = "http://archive.debian.org/debian"
_PROBE_TIMEOUT_S = 10
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
    sources = debian_sources(suite)
    if any(source.archived for source in sources):
        # The official image would look for packages where the suite no longer is.
        _bootstrap(client, suite, sources, log, tell)
        return tag
    official = f"debian:{suite}-slim"
    if not _exists(client, official):
        tell(f"pulling {official}")
        problem = _pull(client, "debian", f"{suite}-slim")
        if problem:
            tell(f"no image to be pulled ({problem})")
            _bootstrap(client, suite, sources, log, tell)
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


def _bootstrap(
    client: DockerClient, suite: str, sources: Sequence[PackageSource], log: Path, tell: Tell
) -> None:
    if shutil.which("debootstrap") is None:
        tell("installing debootstrap")
        install_packages(["debootstrap"], log.with_name("apt.log"))
    tell(f"making the base from Debian packages (debootstrap, a minute or two; log in {log})")
    # Not below /tmp: that may be mounted without the right to run programs.
    folder = Path(tempfile.mkdtemp(prefix="phoenix-base-", dir="/var/tmp"))
    root = folder / "root"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            result = subprocess.run(
                ["debootstrap", "--variant=minbase", suite, str(root), _mirror(suite, sources)],
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
        (root / "etc/apt/sources.list").write_text("".join(f"{source.line}\n" for source in sources))
        for name in _DISPENSABLE:
            _empty(root / name)
        _import(client, root, suite)
    finally:
        # One file system: should debootstrap have left something mounted there, it stays whole.
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Where apt finds packages of a suite."""

    uri: str
    suite: str
    component: str = "main"
    archived: bool = False

    @property
    def line(self) -> str:
        """Line of sources.list; an archived suite is signed with a date that has passed."""
        options = "[check-valid-until=no] " if self.archived else ""
        return f"deb {options}{self.uri} {self.suite} {self.component}"


def debian_sources(
    suite: str, has_suite: Callable[[str, str], bool] | None = None
) -> tuple[PackageSource, ...]:
    """Return where packages of a suite come from: as this machine's own, else from Debian or its archive.

    Parameters
    ----------
    has_suite : callable, optional
        Tells whether a mirror (URL) has a suite; by default the mirror is asked.
    """
    own = tuple(source for source in _machine_sources() if source.suite.partition("-")[0] == suite)
    if own:
        return own
    asked = has_suite or _has_suite
    archived = not asked(_MIRROR, suite) and asked(_ARCHIVE, suite)
    mirror = _ARCHIVE if archived else _MIRROR
    sources = (
        PackageSource(mirror, suite, archived=archived),
        PackageSource(f"{mirror}-security", f"{suite}-security", archived=archived),
    )
    # Old suites have their security updates under another name, or none at all.
    return tuple(source for source in sources if not archived or asked(source.uri, source.suite))


def _has_suite(mirror: str, suite: str) -> bool:
    import requests

    try:
        return requests.head(
            f"{mirror}/dists/{suite}/Release", timeout=_PROBE_TIMEOUT_S, allow_redirects=True
        ).ok
    except requests.exceptions.RequestException:
        return False


def _machine_sources() -> list[PackageSource]:
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
        PackageSource(uri.rstrip("/"), release, component)
        for origin, uri, release, component in rows
        if origin == "Debian" and component == "main"
    ]


def _mirror(suite: str, sources: Sequence[PackageSource]) -> str:
    """Return the mirror of the suite itself, not of its updates."""
    return next((source.uri for source in sources if source.suite == suite), _MIRROR)


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
