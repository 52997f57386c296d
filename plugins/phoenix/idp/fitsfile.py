"""A bounded reader of FITS structure: every size a header claims is held against the file before it is used.

astropy and fitsverify hang or crash on some malformed headers (NAXIS of twenty digits, for one), so nothing
reaches them that this reader has not walked through.

Headers are read, data are not: a small HDU is mapped into memory when somebody asks for its array, a large
one is read piece by piece, so that a cube of 50 GB takes the memory of a spectrum.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

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
class Place:
    """A file as it was when it was opened; reading it after a change is an error.

    Attributes
    ----------
    size_bytes, state
        Its length; device, inode and time of change.
    """

    path: Path
    size_bytes: int
    state: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path) -> Place:
        """Return where a file is now; ``OSError`` if there is none."""
        found = path.stat()
        return cls(path, found.st_size, (found.st_dev, found.st_ino, found.st_mtime_ns))

    def map(self, start: int, length: int) -> memoryview:
        """Return bytes through a memory map, which is closed with the last view of it."""
        if not length:
            return memoryview(b"")
        lead = start % mmap.ALLOCATIONGRANULARITY
        with self._opened() as file:
            mapped = mmap.mmap(file.fileno(), lead + length, offset=start - lead, access=mmap.ACCESS_READ)
        return memoryview(mapped)[lead:]

    def chunks(self, start: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
        """Yield bytes piece by piece, without keeping any."""
        with self._opened() as file:
            while length:
                chunk = os.pread(file.fileno(), min(length, chunk_bytes), start)
                if not chunk:
                    raise _malformed(self.path, f"ends {length} bytes early", "a whole file")
                yield chunk
                start, length = start + len(chunk), length - len(chunk)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise IdpError(str(self.path), f"cannot be read: {error.strerror or error}", "a file") from error
        with file:
            if Place.of(self.path) != self:
                raise IdpError(str(self.path), "was changed while it was read", "a file left alone")
            yield cast("BinaryIO", file)


@dataclass(frozen=True)
class Hdu:
    """One HDU: its cards and where its bytes lie.

    Attributes
    ----------
    start, data_start, data_bytes
        Offsets in the file of the HDU and of its data; length of the data without padding.
    """

    index: int
    cards: tuple[Card, ...]
    place: Place = field(repr=False)
    start: int
    data_start: int
    data_bytes: int

    @cached_property
    def data(self) -> memoryview:
        """The data without padding, mapped; for a cube use ``data_chunks``."""
        return self.place.map(self.data_start, self.data_bytes)

    def header_bytes(self) -> bytes:
        """Return the header as it is in the file."""
        return bytes(self.place.map(self.start, self.data_start - self.start))

    def data_chunks(self, chunk_bytes: int, *, padded: bool = False) -> Iterator[bytes]:
        """Yield the data piece by piece; all pieces but the last have the length asked for.

        Parameters
        ----------
        chunk_bytes : int
            Length of a piece.
        padded : bool
            Whether the fill up to a whole block comes with it.
        """
        length = -(-self.data_bytes // BLOCK) * BLOCK if padded else self.data_bytes
        return self.place.chunks(self.data_start, length, chunk_bytes)

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

    def records(self) -> npt.NDArray[np.void]:
        """Return all rows of a table without copy; texts as bytes with their padding, numbers big-endian.

        Raises
        ------
        IdpError
            If columns cannot be read, have equal names, or do not fill the rows.
        """
        fields = []
        for name, code, repeat in self.column_layout():
            if code not in _TFORM_TYPES:
                raise IdpError(f"column {name or '?'}", "its TFORM cannot be read", "one of LBIJKAED")
            fields.append((name, f"S{repeat}" if code == "A" else _TFORM_TYPES[code], repeat, code))
        if len({name for name, *_ in fields}) != len(fields) or not all(name for name, *_ in fields):
            raise IdpError(f"HDU {self.name}", "two columns have one name, or one has none", "names")
        layout = np.dtype(
            [(name, kind) if code == "A" or repeat == 1 else (name, kind, (repeat,))
             for name, kind, repeat, code in fields]
        )  # fmt: skip
        rows = self.integer("NAXIS2") or 0
        if layout.itemsize != self.integer("NAXIS1") or layout.itemsize * rows > len(self.data):
            raise IdpError(f"HDU {self.name}", "its columns do not fill its rows", "rows as long as NAXIS1")
        return np.frombuffer(self.data, dtype=layout, count=rows)


@dataclass(frozen=True)
class FitsFile:
    """The HDUs of a file."""

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
            place = Place.of(path)
            if place.size_bytes == 0 or place.size_bytes % BLOCK:
                raise _malformed(path, f"{place.size_bytes} bytes", f"a multiple of {BLOCK} bytes")
            return FitsFile(path, tuple(_walk(place, file)))
    except OSError as error:
        raise IdpError(str(path), f"cannot be read: {error.strerror or error}", "a FITS file") from error


def _walk(place: Place, file: BinaryIO) -> Iterator[Hdu]:
    path, start = place.path, 0
    for index in range(MAX_HDUS):
        cards, data_start = _header(path, file, start, index)
        size = _data_size(path, {card.keyword: card.value for card in reversed(cards)}, index)
        end = data_start + -(-size // BLOCK) * BLOCK
        if end > place.size_bytes:
            raise _malformed(
                path,
                f"HDU {index} claims {size} bytes of data, {place.size_bytes - data_start} are there",
                "a whole file",
            )
        yield Hdu(index, tuple(cards), place, start, data_start, size)
        if end == place.size_bytes:
            return
        start = end
    raise _malformed(path, f"more than {MAX_HDUS} HDUs", "fewer")


def _header(path: Path, file: BinaryIO, start: int, index: int) -> tuple[list[Card], int]:
    cards: list[Card] = []
    file.seek(start)
    for block in range(MAX_HEADER_BLOCKS):
        offset = start + block * BLOCK
        text = file.read(BLOCK).decode("latin-1")
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
