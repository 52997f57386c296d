"""The smallest raw frames a recipe of each pipeline reduces: simulated biases and darks of a few pixels.

They prove that an image runs its pipeline, and nothing about data: there is little more in the headers than
the recipes ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

_SIDE = 128
_MJD = 58546.4


def _noise(shape: tuple[int, int], level: float = 200.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(level, 3.0, shape).round().astype(np.uint16)


def _primary(instrument: str, kind: str, number: int, keywords: Mapping[str, Any]) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    mjd = _MJD + number / 1440
    date = f"2019-03-04T09:{36 + number:02d}:00.000"
    hdu.header.update(
        {"INSTRUME": instrument, "EXPTIME": 0.0, "MJD-OBS": mjd, "DATE-OBS": date, "RA": 1.0, "DEC": 1.0}
    )
    hdu.header["ARCFILE"] = f"{instrument}.{date}.fits"
    common = {
        "DPR CATG": "CALIB",
        "DPR TYPE": kind,
        "DPR TECH": "IMAGE",
        "TPL START": date,
        "OBS PROG ID": "SIM",
    }
    for name, value in {**common, **keywords}.items():
        hdu.header[f"HIERARCH ESO {name}"] = value
    return hdu


def _one_ccd(
    instrument: str,
    path: Path,
    number: int,
    more: Mapping[str, Any],
    size: tuple[int, int] = (_SIDE, _SIDE),
    scan: int = 10,
) -> None:
    """Write a frame of one CCD with a prescan and an overscan."""
    columns, rows = size
    read_out = columns + 2 * scan
    keywords = {
        "DET CHIPS": 1,
        "DET OUTPUTS": 1,
        "DET CHIP1 NX": columns,
        "DET CHIP1 NY": rows,
        "DET CHIP1 PSZX": 15.0,
        "DET CHIP1 PSZY": 15.0,
        "DET OUT1 X": 1,
        "DET OUT1 Y": 1,
        "DET OUT1 NX": columns,
        "DET OUT1 NY": rows,
        "DET OUT1 PRSCX": scan,
        "DET OUT1 PRSCY": 0,
        "DET OUT1 OVSCX": scan,
        "DET OUT1 OVSCY": 0,
        "DET OUT1 RON": 3.1,
        "DET OUT1 GAIN": 0.6,
        "DET OUT1 CONAD": 1.67,
        "DET WIN1 NX": read_out,
        "DET WIN1 NY": rows,
        "DET WIN1 BINX": 1,
        "DET WIN1 BINY": 1,
        "DET WIN1 DIT1": 0.0,
        "DET READ CLOCK": "400k/1pt/hg",
    }
    hdu = _primary(instrument, "BIAS", number, {**keywords, **more})
    hdu.data = _noise((rows, read_out), seed=number)
    hdu.writeto(path)


def _xshooter(path: Path, number: int) -> None:
    _one_ccd("XSHOOTER", path, number, {"SEQ ARM": "VIS"})


def _giraffe(path: Path, number: int) -> None:
    # The full size: gimasterbias dies of smaller frames.
    _one_ccd(
        "GIRAFFE", path, number, {"DET CHIP1 ID": "Carreras", "DET READ MODE": "normal"}, (2048, 4096), 50
    )


def _muse(path: Path, number: int) -> None:
    """Write the frame of one of 24 units: four quadrants, 32 pixels of prescan and overscan around each."""
    scan, half = 32, _SIDE
    keywords = {
        "INS MODE": "WFM-NOAO-N",
        "DET READ CURID": 1,
        "DET READ CURNAME": "SCI1.0",
        "DET BINX": 1,
        "DET BINY": 1,
    }
    unit = fits.ImageHDU(_noise((2 * half + 4 * scan,) * 2, seed=number), name="CHAN10")
    chip: dict[str, Any] = {
        "CHIP ID": "SIM",
        "CHIP NAME": "CHAN10",
        "CHIP LIVE": True,
        "CHIP NX": 2 * half,
        "CHIP NY": 2 * half,
    }
    for quadrant, (x, y) in enumerate(((1, 1), (4096, 1), (4096, 4112), (1, 4112)), 1):
        values = {
            "X": x,
            "Y": y,
            "NX": half,
            "NY": half,
            "PRSCX": scan,
            "PRSCY": scan,
            "OVSCX": scan,
            "OVSCY": scan,
        }
        chip |= {f"OUT{quadrant} {name}": value for name, value in values.items()}
        chip |= {f"OUT{quadrant} RON": 2.8, f"OUT{quadrant} GAIN": 1.15, f"OUT{quadrant} CONAD": 0.87}
    for name, value in chip.items():
        unit.header[f"HIERARCH ESO DET {name}"] = value
    fits.HDUList([_primary("MUSE", "BIAS", number, keywords), unit]).writeto(path)


def _hawki(path: Path, number: int) -> None:
    keywords = {
        "DET DIT": 10.0,
        "DET NDIT": 6,
        "DET NDSAMPLES": 2,
        "DET NCORRS NAME": "Double",
        "DET RSPEED": 1,
    }
    hdus = [
        _primary("HAWKI", "DARK", number, {**keywords, "INS FILT1 NAME": "OPEN", "INS FILT2 NAME": "OPEN"})
    ]
    for chip in (1, 2, 4, 3):
        image = fits.ImageHDU(
            _noise((_SIDE, _SIDE), 20.0, number + chip).astype(np.int32), name=f"CHIP{chip}.INT1"
        )
        image.header["HIERARCH ESO DET CHIP LIVE"] = True
        image.header["HIERARCH ESO DET CHIP NO"] = chip
        hdus.append(image)
    # With none the recipe divides by it and cannot write what comes out.
    hdus[0].header["EXPTIME"] = 10.0
    fits.HDUList(hdus).writeto(path)


_WRITERS: dict[str, Callable[[Path, int], None]] = {
    "GIRAFFE": _giraffe,
    "HAWKI": _hawki,
    "MUSE": _muse,
    "XSHOOTER": _xshooter,
}


def smallest_frames(instrument: str, folder: Path, number: int = 3) -> list[Path]:
    """Write biases (HAWK-I: darks) and return their paths."""
    paths = [folder / f"{instrument}_{i}.fits" for i in range(number)]
    for i, path in enumerate(paths):
        _WRITERS[instrument](path, i)
    return paths
