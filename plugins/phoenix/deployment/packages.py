"""Debian packages: installed when we are root on a machine that has them, otherwise asked for by name."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from phoenix.errors import InfrastructureError

#: Programs we call ourselves -> the Debian package each is in.
PROGRAMS = {"fitsverify": "fitsverify"}


def missing_programs() -> list[str]:
    """Return the packages of the programs this machine lacks."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def install_packages(packages: Sequence[str], log: Path) -> None:
    """Install packages with apt, without their recommendations.

    Raises
    ------
    InfrastructureError
        If we may not, or if it fails; names the command, or the last lines of its output.
    """
    command = f"apt-get install -y {' '.join(packages)}"
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise InfrastructureError(
            ", ".join(packages), "not installed", "the programs of these Debian packages", f"sudo {command}"
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as output:
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            result = subprocess.run(
                ["apt-get", "-q", *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        raise InfrastructureError(
            ", ".join(packages), f"cannot be installed:\n{tail}", remedy=f"see {log}, then by hand: {command}"
        )
