"""Rate of the header reader against astropy, on the same files in one run.

Run ``python tests/bench/bench_headers.py``; it writes its frames to a temporary folder: 215 cards, 200 of
them HIERARCH, values that differ from file to file. Each figure is the best of five passes over warm files in
one thread.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from astropy.io import fits
from typer import echo

from phoenix.headers.reader import check_complete, read_and_check, read_header

FRAMES = 1000
CARDS = 215
SORTS = ("DPR CATG", "DPR TYPE", "DPR TECH", "TPL START", "OBS ID")
WANTED = (
    "DPR.CATG",
    "DPR.TYPE",
    "DPR.TECH",
    "TPL.START",
    "OBS.ID",
    "DET.CHIPS",
    "INS.GRAT1.WLEN",
    "INS.GRAT2.WLEN",
)
WANTED += ("MJD-OBS", "EXPTIME", "OBJECT", "INSTRUME", "ARCFILE", "RA", "DEC")


def write_frames(folder: Path, shuffled: bool) -> list[str]:
    """Frames with the same keywords in one order, as a template writes them, or each in its own."""
    paths = []
    for number in range(FRAMES):
        rng = random.Random(number)
        cards: list[tuple[str, object, str]] = [
            ("MJD-OBS", 58546.1234567 + number, "[d] start of exposure"),
            ("EXPTIME", 1200.0, "[s]"),
            ("OBJECT", "Barnard's star", ""),
            ("INSTRUME", "UVES", ""),
            ("ARCFILE", f"UVES.2019-03-04T05:06:07.{number:03}.fits", "archive name"),
            ("RA", 269.452 + number / 1000, "[deg]"),
            ("DEC", 4.693, "[deg]"),
            ("HIERARCH ESO DET CHIPS", 2, "number of chips"),
            ("HIERARCH ESO INS GRAT2 WLEN", 580.0, "[nm]"),
        ]
        cards += [(f"HIERARCH ESO {name}", f"{name} {number}", "") for name in SORTS]
        for place in range(CARDS - len(cards) - 5):  # SIMPLE, BITPIX, NAXIS, EXTEND and END come to it
            value = (rng.randrange(1000), rng.random() * place, f"text {rng.random()}", True)[place % 4]
            cards.append((f"HIERARCH ESO INS TEMP{place} VAL", value, "some comment"))
        if shuffled:
            rng.shuffle(cards)
        header = fits.PrimaryHDU().header
        header.extend(fits.Card(*card) for card in cards)
        path = folder / f"{number:04}.fits"
        fits.PrimaryHDU(header=header).writeto(path)
        paths.append(str(path))
    return paths


def rate(read: Callable[[str], object], paths: list[str], passes: int = 5) -> float:
    """Files per second of the best pass."""
    best = float("inf")
    for _ in range(passes):
        start = time.perf_counter()
        for path in paths:
            read(path)
        best = min(best, time.perf_counter() - start)
    return len(paths) / best


def astropy_wanted(path: str) -> dict[str, object]:
    header = fits.getheader(path)
    names = {keyword: "ESO " + keyword.replace(".", " ") if "." in keyword else keyword for keyword in WANTED}
    return {keyword: header[name] for keyword, name in names.items() if name in header}


def astropy_all(path: str) -> dict[str, object]:
    return dict(fits.getheader(path))


READERS: dict[str, Callable[[str], object]] = {
    "astropy getheader": fits.getheader,
    "astropy, values wanted": astropy_wanted,
    "ours, values wanted": lambda path: read_header(path, WANTED),
    "astropy, all values": astropy_all,
    "ours, all values": read_header,
    "ours, all values and whole file checked": read_and_check,
    "ours, whole file checked": check_complete,
}


def main() -> None:
    warnings.simplefilter("ignore")
    for shuffled in (False, True):
        with tempfile.TemporaryDirectory() as name:
            paths = write_frames(Path(name), shuffled)
            for path in paths:
                if dict(read_header(path, WANTED)) != astropy_wanted(path):
                    raise SystemExit(f"{path}: other values than astropy's")
            echo(
                "\ncards in another order in each file"
                if shuffled
                else "\ncards in one order, as in a template"
            )
            rates = {what: rate(read, paths) for what, read in READERS.items()}
            for what, found in rates.items():
                echo(f"{what:40} {found:8.0f} files/s {found / rates['astropy getheader']:6.1f} x getheader")
            for what in ("values wanted", "all values"):
                echo(f"same work, {what}: {rates[f'ours, {what}'] / rates[f'astropy, {what}']:.1f} x astropy")


if __name__ == "__main__":
    main()
