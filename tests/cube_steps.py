"""One step in the life of a large cube, alone in a process, with the memory it took.

``python tests/cube_steps.py make|convert|check|ingest FOLDER [COLUMNS ROWS PLANES]``, in this order, prints
seconds, peak memory above what the imports took (file pages included), and bytes of the cube. The peak is
that of the address space: unlike ``ru_maxrss`` it does not begin with that of the parent.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from phoenix.archive.fitsverify import fitsverify
from phoenix.archive.local import LocalArchive
from phoenix.archive.protocol import Deposit
from phoenix.idp.checks.runner import check_file
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_muse import Combined, write_large_cube

_RECORD = "idps.json"


def run_step(step: str, folder: Path, *size: int) -> dict[str, Any]:
    """Run a step in a process of its own and return what it measured."""
    command = [sys.executable, __file__, step, str(folder), *map(str, size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{step}: {done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def make(folder: Path, columns: int, rows: int, planes: int) -> None:
    """Write the products of a recipe, with a cube of that size."""
    write_large_cube(Combined(folder / "products").write(), columns, rows, planes)


def convert(folder: Path) -> None:
    """Convert them."""
    products = Combined(folder / "products")
    idps = find_converter("muse_cube")(products.job(folder / "conv"))
    (folder / _RECORD).write_text(json.dumps([(idp.path, idp.sha256) for idp in idps]))


def check(folder: Path) -> None:
    """Check the IDPs, fitsverify included."""
    for path, _ in json.loads((folder / _RECORD).read_text()):
        findings = check_file(Path(path), fitsverify)
        if findings:
            raise RuntimeError(f"{path}: {findings}")


def ingest(folder: Path) -> None:
    """Bring them into an archive: staged, verified, published, read back."""
    archive = LocalArchive(folder / "archive")
    files = [(Path(path), sha256) for path, sha256 in json.loads((folder / _RECORD).read_text())]
    names = {
        path.name: f"ADP.2026-01-02T03:04:05.{number:03d}{path.suffix}"
        for number, (path, _) in enumerate(files)
    }
    for path, sha256 in files:
        staged = archive.stage(Deposit(path, names[path.name], path.name, sha256, names))
        if path.suffix == ".fits" and fitsverify(staged.path):
            raise RuntimeError(f"{path}: fitsverify")
        archive.publish(staged)
        if not archive.confirm(staged.arcfile, staged.size_bytes, staged.sha256):
            raise RuntimeError(f"{path}: not what was written")


def _memory_mb(field: str) -> float:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    step, folder, *size = sys.argv[1:]
    load("MUSE", "idp")
    before_mb, start = _memory_mb("VmRSS"), time.perf_counter()
    {"make": make, "convert": convert, "check": check, "ingest": ingest}[step](Path(folder), *map(int, size))
    seconds = time.perf_counter() - start
    cube = next(
        (path for path in Path(folder).glob("conv/MU_SCB*.fits")), Combined(Path(folder) / "products").cube
    )
    measured = {
        "seconds": seconds,
        "above_mb": _memory_mb("VmHWM") - before_mb,
        "peak_mb": _memory_mb("VmHWM"),
        "bytes": cube.stat().st_size,
    }
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main()
