"""Files and folders that are whole or not there: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phoenix.errors import InfrastructureError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content, or the new one, never a part.

    Parameters
    ----------
    path : Path
        The file; folders above it are made. Text is written as UTF-8, newlines as they are.

    Raises
    ------
    InfrastructureError
        If the disk is full, or the folder cannot be written; nothing is left behind then.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex}.tmp")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not tempfile: its files are private, and recipes run as another user.
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_folder(path.parent)


def publish_folder(temporary: Path, final: Path) -> None:
    """Give a finished folder its final name; an older folder of that name is replaced as a whole.

    Both must lie on the same file system. All files are on disk before the name appears. When an older
    folder is replaced there is an instant without any; there is never a mixture.

    Raises
    ------
    InfrastructureError
        If the folder cannot be moved; an older folder is then back in its place.
    """
    with _told(final):
        for folder, _, files in os.walk(temporary):
            for name in files:
                _fsync(Path(folder) / name)
            fsync_folder(Path(folder))
        final.parent.mkdir(parents=True, exist_ok=True)
        replaced = final.with_name(f".{final.name[:80]}.{uuid.uuid4().hex}.old")
        existed = final.exists()
        if existed:
            final.rename(replaced)
        try:
            temporary.rename(final)
        except OSError:
            if existed:
                replaced.rename(final)
            raise
        fsync_folder(final.parent)
        if existed:
            shutil.rmtree(replaced)


def fsync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an operating system error into one that names the file and the next step."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            str(path),
            f"cannot be written: {error.strerror or error}",
            remedy="free disk space or mend the permissions, then run again; `phoenix doctor` tells more",
        ) from error
