"""A bounded reader of FITS structure: every size a header claims is held against the file before it is used.

astropy and fitsverify hang or crash on some malformed headers (NAXIS of twenty digits, for one), so nothing
reaches them that this reader has not walked through.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.headers.cards import CARD
from phoenix.headers.reader import BLOCK
from phoenix.idp.card import Card, parse_card
from phoenix.model.frame import Value

#: Bounds no honest file comes near.
MAX_HDUS = 1000
MAX_HEADER_BLOCKS = 1000
MAX_AXES = 10
MAX_FIELDS = 999

_BITPIX = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_TFORM = re.compile(r"(\d{0,9})([LXBIJKAEDCM])")
_TFORM_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "A": "S1", "E": ">f4", "D": ">f8"}


@dataclass(frozen=True)
class Hdu:
    """One HDU: its cards and where its bytes lie."""

    index: int
    cards: tuple[Card, ...]
    whole: memoryview = field(repr=False)
    data: memoryview = field(repr=False)

    @cached_property
    def values(self) -> dict[str, Value | None]:
        """Values by keyword; of repeated keywords the first counts."""
        values: dict[str, Value | None] = {}
        for card in self.cards:
            values.setdefault(card.keyword, card.value)
        return values

    def get(self, keyword: str) -> Value | None:
        """Return a value, or None when the keyword is absent or has none."""
        return self.values.get(keyword)

    def text(self, keyword: str) -> str:
        """Return a string value; empty when absent or not a string."""
        value = self.values.get(keyword)
        return value if isinstance(value, str) else ""

    def number(self, keyword: str) -> float | None:
        """Return a number; None when absent or not a number."""
        value = self.values.get(keyword)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def integer(self, keyword: str) -> int | None:
        """Return an integer; None when absent or not one."""
        value = self.values.get(keyword)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def name(self) -> str:
        """EXTNAME, or ``PRIMARY``."""
        return self.text("EXTNAME") or ("PRIMARY" if self.index == 0 else f"HDU{self.index}")

    def image(self) -> npt.NDArray[Any]:
        """Return the array of an image HDU, without copy, big-endian; BSCALE and BZERO are not applied.

        Raises
        ------
        IdpError
            If there is none.
        """
        bitpix, axes = self.integer("BITPIX"), self.integer("NAXIS") or 0
        if bitpix not in _BITPIX or axes == 0:
            raise IdpError(f"HDU {self.name}", "holds no image", "NAXIS > 0 and a known BITPIX")
        shape = tuple(self.integer(f"NAXIS{axis}") or 0 for axis in range(axes, 0, -1))
        return np.frombuffer(self.data, dtype=_BITPIX[bitpix], count=int(np.prod(shape))).reshape(shape)

    def column_layout(self) -> list[tuple[str, str, int]]:
        """Return (TTYPE, type code, repeat) of each column of a table; code ``""`` if TFORM is unusable."""
        layout = []
        for number in range(1, (self.integer("TFIELDS") or 0) + 1):
            match = _TFORM.fullmatch(self.text(f"TFORM{number}"))
            code, repeat = (match[2], int(match[1] or 1)) if match else ("", 0)
            layout.append((self.text(f"TTYPE{number}"), code, repeat))
        return layout

    def row(self) -> list[npt.NDArray[Any]]:
        """Return the columns of a one-row table in order, without copy, big-endian.

        Raises
        ------
        IdpError
            If a column has a type that cannot be read, or the row is shorter than its columns.
        """
        columns, offset = [], 0
        for name, code, repeat in self.column_layout():
            if code not in _TFORM_TYPES:
                raise IdpError(f"column {name or '?'}", "its TFORM cannot be read", "one of LBIJKAED")
            dtype = np.dtype(_TFORM_TYPES[code])
            if offset + repeat * dtype.itemsize > len(self.data):
                raise IdpError(f"column {name or '?'}", "reaches beyond the data", "a row as long as NAXIS1")
            columns.append(np.frombuffer(self.data, dtype=dtype, count=repeat, offset=offset))
            offset += repeat * dtype.itemsize
        return columns


@dataclass(frozen=True)
class FitsFile:
    """The HDUs of a file, read through a memory map."""

    path: Path
    hdus: tuple[Hdu, ...]

    @property
    def primary(self) -> Hdu:
        """The primary HDU."""
        return self.hdus[0]

    @property
    def extensions(self) -> tuple[Hdu, ...]:
        """All HDUs but the primary."""
        return self.hdus[1:]


def read_fits(path: Path) -> FitsFile:
    """Walk through a FITS file.

    Raises
    ------
    IdpError
        If the file is no FITS file, is cut, or claims sizes it does not have.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size == 0 or size % BLOCK:
                raise _malformed(path, f"{size} bytes", f"a multiple of {BLOCK} bytes")
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise IdpError(str(path), f"cannot be read: {error.strerror or error}", "a FITS file") from error
    return FitsFile(path, tuple(_walk(path, view)))


def _walk(path: Path, view: memoryview) -> Iterator[Hdu]:
    start = 0
    for index in range(MAX_HDUS):
        cards, data_start = _header(path, view, start, index)
        size = _data_size(path, {card.keyword: card.value for card in reversed(cards)}, index)
        end = data_start + -(-size // BLOCK) * BLOCK
        if end > len(view):
            raise _malformed(
                path,
                f"HDU {index} claims {size} bytes of data, {len(view) - data_start} are there",
                "a whole file",
            )
        yield Hdu(index, tuple(cards), view[start:end], view[data_start : data_start + size])
        if end == len(view):
            return
        start = end
    raise _malformed(path, f"more than {MAX_HDUS} HDUs", "fewer")


def _header(path: Path, view: memoryview, start: int, index: int) -> tuple[list[Card], int]:
    cards: list[Card] = []
    for block in range(MAX_HEADER_BLOCKS):
        offset = start + block * BLOCK
        text = bytes(view[offset : offset + BLOCK]).decode("latin-1")
        if len(text) < BLOCK:
            raise _malformed(path, f"header {index} has no END card", "a whole header")
        if block == 0 and not text.startswith("SIMPLE  =" if index == 0 else "XTENSION="):
            raise _malformed(path, f"HDU {index} starts with {text[:10]!r}", "SIMPLE or XTENSION")
        for position in range(0, BLOCK, CARD):
            image = text[position : position + CARD]
            if image.rstrip() == "END":
                return cards, offset + BLOCK
            cards.append(parse_card(image))
    raise _malformed(path, f"header {index} is longer than {MAX_HEADER_BLOCKS} blocks", "fewer")


def _data_size(path: Path, values: dict[str, Value | None], index: int) -> int:
    """Size of the data in bytes by the standard's formula; Python's integers do not overflow."""

    def whole(keyword: str, low: int, high: int, default: int | None = None) -> int:
        value = values.get(keyword, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _malformed(
                path, f"HDU {index}: {keyword} is {value!r}", f"a whole number from {low} to {high}"
            )
        return value

    extension = index > 0
    if extension and not isinstance(values.get("XTENSION"), str):
        raise _malformed(path, f"HDU {index}: XTENSION is {values.get('XTENSION')!r}", "a kind of extension")
    axes = whole("NAXIS", 0, MAX_AXES)
    bitpix = whole("BITPIX", -64, 64)
    if bitpix not in _BITPIX:
        raise _malformed(path, f"HDU {index}: BITPIX is {bitpix}", f"one of {sorted(_BITPIX)}")
    lengths = [whole(f"NAXIS{axis}", 0, 2**40) for axis in range(1, axes + 1)]
    if not axes:
        return 0
    elements = 1
    for length in lengths:
        elements *= length
    pcount = whole("PCOUNT", 0, 2**40, 0) if extension else 0
    gcount = whole("GCOUNT", 1, 2**20, 1) if extension else 1
    if values.get("XTENSION") == "BINTABLE":
        whole("TFIELDS", 0, MAX_FIELDS)
    return abs(bitpix) // 8 * gcount * (pcount + elements)


def _malformed(path: Path, found: str, expected: str) -> IdpError:
    return IdpError(str(path), found, expected, "the file is damaged: make it again")
