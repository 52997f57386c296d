"""fitsverify as a judge that may be attacked: in a child process with limits on time, memory and output.

One malformed file can make fitsverify hang or die of a signal; both mean that the file is not fit.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from phoenix.errors import InfrastructureError

_MEMORY_BYTES = 2 << 30
_OUTPUT_BYTES = 4 << 20
_LEAST_TIME_S = 20
#: A slow disk; a cube of 50 GB gets 42 minutes.
_BYTES_PER_S = 20_000_000
_VERDICT = re.compile(r"\*{4} Verification found (\d+) warning\(s\) and (\d+) error\(s\)\. \*{4}")
_FINDING = re.compile(r"^\*\*\* (?:Warning|Error):.*", re.MULTILINE)
_MOST_FINDINGS = 5
#: Units of POSIX: seconds, KiB, blocks of 512 bytes.
_UNDER_LIMITS = 'ulimit -c 0 && ulimit -t "$1" && ulimit -v "$2" && ulimit -f "$3" && shift 3 && exec "$@"'


def fitsverify(path: Path, command: str = "fitsverify") -> list[str]:
    """Return what fitsverify finds in a file; nothing means 0 warnings and 0 errors.

    Raises
    ------
    InfrastructureError
        If there is no such program.
    """
    program = shutil.which(command)
    if program is None:
        raise InfrastructureError(
            command,
            "is not installed",
            "FITS files are not ingested unchecked",
            "install it (Debian: apt-get install fitsverify)",
        )
    time_s = _LEAST_TIME_S + path.stat().st_size // _BYTES_PER_S
    with tempfile.TemporaryFile() as output:
        # "./": names are data; none shall be taken for an option, nor the folder for cfitsio's file syntax.
        child = subprocess.Popen(
            [*_limited(time_s), program, f"./{path.name}"],
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            exit_code = child.wait(timeout=time_s)
        except subprocess.TimeoutExpired:
            return [f"fitsverify did not end within {time_s} s"]
        finally:
            child.kill()
            child.wait()
        output.seek(0)
        text = output.read(_OUTPUT_BYTES).decode("ascii", "replace")
    return _findings(exit_code, text)


def _limited(time_s: int) -> list[str]:
    """Return the head of a command line that runs the rest under limits, from its first instruction on."""
    limits = (time_s, _MEMORY_BYTES // 1024, _OUTPUT_BYTES // 512)
    return ["/bin/sh", "-c", _UNDER_LIMITS, "fitsverify", *map(str, limits)]


def _findings(exit_code: int, text: str) -> list[str]:
    if exit_code < 0:
        return [f"fitsverify died of signal {-exit_code}"]
    # The verdict is the last thing it says; header values it quotes before cannot forge it.
    lines = text.rstrip().splitlines()
    verdict = _VERDICT.fullmatch(lines[-1].strip()) if lines else None
    if verdict is None:
        return [f"fitsverify ended with exit code {exit_code} and no verdict"]
    if exit_code == 0 and verdict[1] == verdict[2] == "0":
        return []
    told = [" ".join(line.split()) for line in _FINDING.findall(text)[:_MOST_FINDINGS]]
    return [f"fitsverify: {verdict[1]} warnings, {verdict[2]} errors", *told]
