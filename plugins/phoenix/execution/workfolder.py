"""The fresh working folder of one attempt: inputs by hard link, a place to write, room on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import InfrastructureError

_GB = 1e9
#: Another file system, too many links, or the kernel protects links to foreign files: copy instead.
LINK_REFUSED = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP}


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Folders of one attempt: what the recipe reads, what it writes; logs and findings beside them."""

    path: Path

    @property
    def input(self) -> Path:
        """What the container sees as /job/input."""
        return self.path / "input"

    @property
    def output(self) -> Path:
        """What the container sees as /job/output, its working directory."""
        return self.path / "output"

    @property
    def log(self) -> Path:
        """Everything the container printed, line by line; there even after a crash."""
        return self.path / "recipe.log"

    def create(self, user: tuple[int, int]) -> None:
        """Make the folders new and empty; what an attempt of the same number left is removed."""
        if self.path.exists():
            shutil.rmtree(self.path)
        with disk_trouble(self.path):
            for folder in (self.input, self.output):
                folder.mkdir(parents=True)
                folder.chmod(0o755)
            give_to_recipe(self.output, user)

    def remove(self) -> None:
        """Remove the attempt's folder, and the AB's when no other attempt left anything there."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()

    def drop_data(self) -> None:
        """Remove inputs and products of an ended attempt; its logs stay for the people who look into it."""
        for log in self.output.glob("*.log"):
            log.replace(self.path / log.name)
        # CPL gives its log the final name only at the end; after a crash the hidden one is all there is.
        hidden = self.output / ".logfile"
        if hidden.is_file():
            hidden.replace(self.path / "esorex.log")
        shutil.rmtree(self.input, ignore_errors=True)
        shutil.rmtree(self.output, ignore_errors=True)


def give_to_recipe(folder: Path, user: tuple[int, int]) -> None:
    """Let the recipe's user write into a folder; only root can and must hand it over."""
    if os.geteuid() == 0:
        os.chown(folder, *user)


def place(source: Path, target: Path, user: tuple[int, int]) -> None:
    """Give the recipe a file: a hard link where that is possible and readable for it, else a copy.

    A link costs nothing and cannot be written through, because the folder is mounted read-only.
    """
    with disk_trouble(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        real = source.resolve()
        if _readable(real, user):
            try:
                os.link(real, target)
            except OSError as error:
                if error.errno not in LINK_REFUSED:
                    raise
            else:
                return
        shutil.copyfile(real, target)
        target.chmod(0o444)


def _readable(path: Path, user: tuple[int, int]) -> bool:
    status = path.stat()
    if status.st_uid == user[0]:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid == user[1]:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """Free and whole size of the file system a folder lies on."""

    folder: Path
    free_gb: float
    total_gb: float

    @property
    def full(self) -> bool:
        """Whether next to nothing can be written any more."""
        return self.free_gb < 1e-3

    def __str__(self) -> str:
        return f"{self.free_gb:.3g} GB free of {self.total_gb:.3g} GB at {self.folder}"


def disk_room(folder: Path) -> DiskRoom:
    """Return how much room there is where a folder lies, or will lie."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return DiskRoom(existing, usage.free / _GB, usage.total / _GB)


def require_room(folder: Path, at_least_gb: float) -> None:
    """See that there is room to work.

    Raises
    ------
    InfrastructureError
        If less than the site's minimum is free.
    """
    room = disk_room(folder)
    if room.free_gb < at_least_gb:
        raise InfrastructureError(
            str(room.folder),
            f"too little disk: {room}",
            f"at least {at_least_gb:g} GB (host.min_free_disk_gb)",
            "free disk space, or lower the minimum in phoenix.yaml",
        )


@contextmanager
def disk_trouble(path: Path) -> Iterator[None]:
    """Turn an operating system error at a path into one that says how full the disk is.

    Raises
    ------
    InfrastructureError
        Instead of the OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise InfrastructureError(
            str(error.filename or path),
            f"disk full: {disk_room(path)}" if full else f"{error.strerror or error}",
            remedy=f"{'free disk space' if full else 'mend folder or permissions'}, then run again",
        ) from error
