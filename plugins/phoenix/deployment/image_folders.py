"""What images the project can make: one per folder with a Dockerfile, and what each is made from."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from phoenix.deployment.base_image import NAME as BASE
from phoenix.errors import ConfigError

_FROM = re.compile(r"^FROM (?P<parent>phoenix-[a-z0-9-]+)(?::(?P<suite>[a-z]+))?(?: AS \w+)?$", re.MULTILINE)
_KIT = re.compile(r'^ARG KIT="(?P<pattern>[^"/]+)"$', re.MULTILINE)
_ESOREX = "phoenix-esorex"
#: Our own recipes' code, for the images that run it: whatever else they import would have to be listed here.
_RECIPE_CODE = ("phoenix/__init__.py", "phoenix/errors.py", "phoenix/recipes")
_NEEDS_CODE = re.compile(r"^COPY code(?:/\S*)? ", re.MULTILINE)


@dataclass(frozen=True)
class ImageFolder:
    """A folder of ``docker/`` with a Dockerfile, and the image made from it.

    Attributes
    ----------
    repository
        Name of the image without a tag.
    suite
        Debian suite; only of images that are made for several.
    """

    project: Path
    path: Path
    repository: str
    suite: str = ""

    @property
    def name(self) -> str:
        """What ``make images INSTRUMENT=...`` calls it, e.g. ``uves``."""
        return self.repository.removeprefix("phoenix-")

    @property
    def tag(self) -> str:
        """Tag under which the newest is found."""
        return f"{self.repository}:{self.suite or 'latest'}"

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile."""
        return self.path / "Dockerfile"

    @cached_property
    def _text(self) -> str:
        return self.dockerfile.read_text(encoding="utf-8")

    @property
    def base_suite(self) -> str:
        """Debian suite of the base if the image is made from it directly; empty if from another of ours."""
        if self.suite:
            return self.suite
        match = self._from()
        return match["suite"] if match["parent"] == BASE else ""

    @property
    def parent(self) -> ImageFolder | None:
        """The image of ours this one is made from; None if it is the base.

        Raises
        ------
        ConfigError
            If the Dockerfile starts from something else.
        """
        if self.base_suite:
            return None
        match = self._from()
        if match["parent"] == _ESOREX:
            return ImageFolder(self.project, self.project / "docker/esorex", _ESOREX, match["suite"])
        for folder in image_folders(self.project):
            if folder.repository == match["parent"] and folder != self:
                return folder
        raise self._unknown_parent()

    def _from(self) -> re.Match[str]:
        match = _FROM.search(self._text)
        if match is None or (match["parent"] in {BASE, _ESOREX}) != bool(match["suite"]):
            raise self._unknown_parent()
        return match

    def _unknown_parent(self) -> ConfigError:
        return ConfigError(
            str(self.dockerfile),
            f"no line FROM {_ESOREX}:<suite>, FROM {BASE}:<suite>, or FROM <an image of this project>",
            f"e.g. FROM {_ESOREX}:bookworm",
        )

    @property
    def kit_pattern(self) -> str:
        """Name of the archive that must lie in the folder, with ``*``; empty if none is needed."""
        match = _KIT.search(self._text)
        return match["pattern"] if match else ""

    @property
    def kit(self) -> Path | None:
        """The archive, if it is there; of several the last by name."""
        return max(self.path.glob(self.kit_pattern), default=None) if self.kit_pattern else None

    @property
    def problem(self) -> str:
        """Why the image cannot be made here; empty if it can."""
        if self.kit_pattern and self.kit is None:
            return f"no {self.kit_pattern} in {self.path.relative_to(self.project)}"
        return ""

    @property
    def build_arguments(self) -> dict[str, str]:
        """What the Dockerfile's ARG lines ask for."""
        arguments = {"SUITE": self.suite} if self.suite else {}
        return arguments | ({"KIT": self.kit.name} if self.kit else {})

    @property
    def source(self) -> str:
        """Hash of all that goes in, of the images below as well: another hash, another image."""
        digest = hashlib.sha256()
        parent = self.parent
        digest.update((parent.source if parent else self.base_suite).encode())
        for name, path in self._files():
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            # A kit is large, and its name holds its version.
            if path != self.kit:
                digest.update(path.read_bytes())
        return digest.hexdigest()

    def write_context(self, target: BinaryIO) -> None:
        """Write the files a build may use, as a tar archive."""
        with tarfile.open(fileobj=target, mode="w") as tar:
            for name, path in self._files():
                tar.add(path, name, recursive=False)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Give each file by its name in the build."""
        kits = self.kit_pattern
        for path in sorted(self.path.rglob("*")):
            superseded = kits and fnmatch.fnmatch(path.name, kits) and path != self.kit
            if path.is_file() and "__pycache__" not in path.parts and not superseded:
                yield str(path.relative_to(self.path)), path
        if _NEEDS_CODE.search(self._text):
            yield from self._code()

    def _code(self) -> Iterator[tuple[str, Path]]:
        plugins = self.project / "plugins"
        for name in _RECIPE_CODE:
            path = plugins / name
            for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
                yield f"code/{file.relative_to(plugins)}", file


def image_folders(project: Path) -> list[ImageFolder]:
    """Return the images of recipes this project can make: pipelines, our own recipes, stand-ins."""
    docker = project / "docker"
    pipelines = [
        (path, f"phoenix-{path.parent.name}") for path in sorted(docker.glob("pipelines/*/Dockerfile"))
    ]
    own = [(path, "phoenix-recipes") for path in docker.glob("recipes/Dockerfile")]
    stand_ins = [
        (path, f"phoenix-{path.parent.name}-stand-in")
        for path in sorted(docker.glob("stand-ins/*/Dockerfile"))
    ]
    return [ImageFolder(project, path.parent, name) for path, name in (*pipelines, *own, *stand_ins)]
