"""fitsverify, run where it can do no harm: it crashes and hangs on some malformed files."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from phoenix.errors import InfrastructureError
from phoenix.idp.checks.report import finding
from phoenix.model.product import Finding

_MAX_LINES = 20
_MAX_OUTPUT = 1 << 20
_NOISE = ("*** Warning:", "*** Error:")


class Verifier(Protocol):
    """Something that verifies the structure of a FITS file independently of us."""

    def verify(self, path: Path) -> Iterator[Finding]:
        """Give a finding for each warning and error."""
        ...


@dataclass(frozen=True)
class HostFitsverify:
    """The fitsverify of this host, in a child process with limits.

    Attributes
    ----------
    seconds
        Wall time and CPU time a file may take.
    memory_bytes
        Address space of the child, beside the size of the file.
    """

    seconds: int = 30
    memory_bytes: int = 1 << 30

    def verify(self, path: Path) -> Iterator[Finding]:
        """Give a finding for each warning and error; a crash or a time-out rejects the file.

        Raises
        ------
        InfrastructureError
            If there is no fitsverify.
        """
        program = shutil.which("fitsverify")
        if program is None:
            raise InfrastructureError(
                "fitsverify", "is not installed", "the FITS verifier of HEASARC", "apt-get install fitsverify"
            )
        name = path.name
        # Into a file, because a file can be limited; what fitsverify says about a broken file may have no end.
        with tempfile.TemporaryFile() as output:
            try:
                # Never -e: it hides wrong checksums, which are warnings to fitsverify.
                done = subprocess.run(
                    [program, str(path.resolve())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=self.seconds,
                    check=False,
                    preexec_fn=partial(_limit, self.seconds, self.memory_bytes + 2 * path.stat().st_size),
                )
            except subprocess.TimeoutExpired:
                yield finding("FIT-02", name, f"fitsverify did not end within {self.seconds} s")
                return
            if done.returncode < 0:
                yield finding("FIT-02", name, f"fitsverify died of signal {-done.returncode}")
            if done.returncode <= 0:
                return
            output.seek(0)
            text = output.read(_MAX_OUTPUT).decode("latin-1")
        lines = [line.strip() for line in text.splitlines() if line.startswith(_NOISE)]
        for line in lines[:_MAX_LINES] or [f"exit code {done.returncode}"]:
            yield finding("FIT-02", name, f"fitsverify: {line.strip('* ')}")


def _limit(seconds: int, memory_bytes: int) -> None:
    """Bound what this process may use; runs in the child, before fitsverify."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_OUTPUT),
    ):
        resource.setrlimit(limit, (value, value))
