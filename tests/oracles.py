"""Readers of FITS from Debian that share no code with us, each in an image of its own."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

FOLDERS = Path(__file__).resolve().parents[1] / "docker" / "oracles"


class Oracle:
    """A container of an independent reader; files are read where they are.

    Parameters
    ----------
    name : str
        Folder below ``docker/oracles``.
    """

    def __init__(self, name: str) -> None:
        self._image = f"phoenix-oracle-{name}"
        build = ["docker", "build", "--quiet", "--tag", self._image, str(FOLDERS / name)]
        subprocess.run(build, check=True, capture_output=True)

    def ask(self, path: Path, *command: str) -> str:
        """Return what a command says of a file, whose name stands for ``{}`` in the command."""
        mount = f"type=bind,source={path.parent},target=/archive,readonly"
        call = ["docker", "run", "--rm", "--network", "none", "--user", "0", "--mount", mount, self._image]
        words = [word.replace("{}", f"/archive/{path.name}") for word in command]
        return subprocess.run([*call, *words], capture_output=True, text=True, check=True).stdout


class Stilts(Oracle):
    """STILTS, which reads tables in Java: no code of astropy or CFITSIO."""

    def __init__(self) -> None:
        super().__init__("stilts")

    def table(self, path: Path, command: str) -> list[dict[str, str]]:
        """Return the rows a command of ``tpipe`` makes of the first table of a file."""
        said = self.ask(path, "tpipe", "in={}", f"cmd={command}", "ofmt=csv")
        return list(csv.DictReader(said.splitlines()))

    def columns(self, path: Path) -> dict[str, dict[str, str]]:
        """Return number of good values, minimum, maximum, unit and utype of each column."""
        found = {row["Name"]: row for row in self.table(path, "stats Name NGood Minimum Maximum")}
        for row in self.table(path, "meta Name Units Utype"):
            found[row["Name"]] |= row
        return found


class Gnuastro(Oracle):
    """GNU Astronomy Utilities, on CFITSIO and WCSLIB."""

    def __init__(self) -> None:
        super().__init__("gnuastro")

    def statistics(self, path: Path, hdu: str) -> tuple[int, float, float, float]:
        """Return number, mean, minimum and maximum of the pixels of an HDU that are not blank."""
        wanted = ("--number", "--mean", "--minimum", "--maximum")
        number, *values = self.ask(path, "aststatistics", "{}", f"--hdu={hdu}", *wanted).split()
        mean, minimum, maximum = (float(value) for value in values)
        return int(number), mean, minimum, maximum

    def coverage(self, path: Path, hdu: str) -> dict[str, tuple[float, float]]:
        """Return the range of each world coordinate over the centres of the pixels: degrees, metres."""
        said = self.ask(path, "astfits", "{}", f"--hdu={hdu}", "--skycoverage")
        _, _, ranges = said.partition("along dimensions:")
        rows = (line.split() for line in ranges.splitlines() if line.strip())
        return {name: (float(low), float(high)) for name, low, high in rows}

    def unit(self, path: Path, hdu: str) -> str:
        """Return the unit of the pixels of an HDU."""
        return self.ask(path, "astfits", "{}", f"--hdu={hdu}", "--keyvalue=BUNIT", "--quiet").strip()
