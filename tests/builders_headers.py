"""Small FITS files and bare headers, card by card, for tests of reading, scanning and cataloguing."""

from __future__ import annotations

from pathlib import Path

from phoenix.model.frame import Value

SCIENCE: dict[str, Value] = {
    "INSTRUME": "UVES",
    "MJD-OBS": 58547.2,
    "EXPTIME": 1200.0,
    "ARCFILE": "UVES.2019-03-05T04:48:00.123.fits",
    "DPR.CATG": "SCIENCE",
    "DPR.TYPE": "OBJECT",
    "DPR.TECH": "ECHELLE",
    "DET.CHIPS": 1,
    "INS.GRAT1.WLEN": 437.0,
}


def card(image: str) -> str:
    """One card of 80 columns."""
    assert len(image) <= 80, image
    return image.ljust(80)


def image_of(keyword: str, value: Value) -> str:
    """The card of a dotted keyword."""
    if isinstance(value, str):
        shown = "'{}'".format(value.replace("'", "''"))
    else:
        shown = {True: "T", False: "F"}[value] if isinstance(value, bool) else repr(value)
    name = f"HIERARCH ESO {keyword.replace('.', ' ')} " if "." in keyword else f"{keyword:<8}"
    return card(f"{name}= {shown}")


def header_bytes(*cards: str, start: tuple[str, ...] = ("SIMPLE  =                    T",)) -> bytes:
    """Cards with END, padded to whole blocks."""
    text = "".join(map(card, [*start, *cards, "END"]))
    return text.ljust(-(-len(text) // 2880) * 2880).encode("latin-1")


NO_DATA = ("BITPIX  =                    8", "NAXIS   =                    0")


def write_cards(path: Path, *cards: str) -> Path:
    """A file of a primary header only, whose fourth card is the first of `cards`."""
    path.write_bytes(header_bytes(*NO_DATA, *cards))
    return path


def write_frame(path: Path, without: tuple[str, ...] = (), **changes: Value) -> Path:
    """A science frame of UVES; changes are given as ``DPR_TYPE="STD"``, MJD-OBS as ``MJD_OBS``."""
    keywords = {name: value for name, value in SCIENCE.items() if name not in without}
    for name, value in changes.items():
        keywords["MJD-OBS" if name == "MJD_OBS" else name.replace("_", ".")] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_cards(path, *(image_of(name, value) for name, value in keywords.items()))
