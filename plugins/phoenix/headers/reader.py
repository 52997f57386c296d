"""Reads FITS headers and bare ``.hdr`` text, fast, bounded, and without giving up at the first bad card."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import HeaderError
from phoenix.headers.cards import CARD, value_at
from phoenix.headers.layout import Layout, Layouts
from phoenix.model.frame import Value

BLOCK = 2880
#: No header of ours comes near; beyond it a file is refused before it fills the memory.
MAX_HEADER_BYTES = 4 * 1024 * 1024
_MAX_DATA_BYTES = 2**50
_MAX_HDUS = 10_000
#: Holds the headers of nearly all frames, so that one read is enough.
_FIRST_READ = 12 * BLOCK
_END = b"END" + b" " * (CARD - 3)
_BITPIX = (8, 16, 32, 64, -32, -64)
_MEND = "restore the file from its source; it is not used until it can be read"

_layouts = Layouts()


@dataclass(frozen=True, slots=True, eq=False)
class Header(Mapping[str, Value]):
    """Values of a header by dotted keyword; undefined ones are not in it.

    Attributes
    ----------
    problems
        What was noticed about single cards, one sentence each; all other cards were read.
    data_bytes
        Length of the data that follow, with padding, as the header promises; 0 for bare headers.
    """

    path: str
    values_by_keyword: Mapping[str, Value]
    problems: tuple[str, ...] = ()
    data_bytes: int = 0

    def __getitem__(self, keyword: str) -> Value:
        return self.values_by_keyword[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_keyword)

    def __len__(self) -> int:
        return len(self.values_by_keyword)


def read_header(path: Path | str, wanted: Collection[str] | None = None) -> Header:
    """Read the primary header of a FITS file, or a bare header (``.hdr``).

    Parameters
    ----------
    path
        FITS file, or text of 80-column cards with or without line ends.
    wanted
        Dotted keywords to give values of; all when None.

    Raises
    ------
    HeaderError
        If the file cannot be read, is no FITS file, has no END, or promises absurd sizes.
    """
    name = os.fspath(path)
    if _is_bare(name):
        return _bare_header(name, wanted)
    with _Opened(name) as file:
        return _fits_header(file, 0, wanted)[0]


def read_headers(path: Path | str) -> tuple[Header, ...]:
    """Read the headers of all HDUs; errors as in `read_header`."""
    name = os.fspath(path)
    if _is_bare(name):
        return (_bare_header(name, None),)
    with _Opened(name) as file:
        return tuple(header for header, _ in _hdus(file, None, None))


def read_and_check(path: Path | str, wanted: Collection[str] | None = None) -> tuple[Header, str | None]:
    """Read the primary header and tell what is wrong with the file's length, None if it is whole.

    Errors as in `read_header`. A bare header has no data and is always whole.
    """
    name = os.fspath(path)
    if _is_bare(name):
        return _bare_header(name, wanted), None
    with _Opened(name) as file:
        hdus = _hdus(file, wanted, ())
        primary, promised = next(hdus)
        try:
            for _, end in hdus:
                promised = end
        except HeaderError as error:
            where = error.subject.removeprefix(name).lstrip(", ") or "extension"
            return primary, f"after {promised:,} of {file.size:,} bytes: {where} {error.found}"
        if promised > file.size:
            return primary, f"file has {file.size:,} bytes, its headers promise {promised:,}"
        return primary, None


def check_complete(path: Path | str) -> str | None:
    """Tell in a sentence why a FITS file is not whole; None if it is. Errors as in `read_header`."""
    return read_and_check(path, ())[1]


class _Opened:
    """A file open for reading at any place, with its size."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> _Opened:
        try:
            self.descriptor = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise HeaderError(
                self.name, f"cannot be opened: {error}", remedy="check path and rights"
            ) from error
        self.size = os.fstat(self.descriptor).st_size
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def read(self, count: int, offset: int) -> bytes:
        try:
            return os.pread(self.descriptor, count, offset)
        except OSError as error:
            raise HeaderError(
                self.name, f"cannot be read: {error.strerror}", remedy="check the disk"
            ) from error


def _is_bare(name: str) -> bool:
    return name[-4:].lower() == ".hdr"


def _hdus(
    file: _Opened, primary: Collection[str] | None, extensions: Collection[str] | None
) -> Iterator[tuple[Header, int]]:
    """Give each header, with the values wanted of it, and the offset its HDU ends at."""
    offset = 0
    for number in range(_MAX_HDUS):
        header, data = _fits_header(file, offset, extensions if number else primary)
        offset = data + header.data_bytes
        yield header, offset
        if offset >= file.size or not file.read(BLOCK, offset).strip(b"\0 "):
            return
    raise HeaderError(file.name, f"more than {_MAX_HDUS:,} HDUs", remedy=_MEND)


def _fits_header(file: _Opened, offset: int, wanted: Collection[str] | None) -> tuple[Header, int]:
    """Read the header at an offset; return it and where its data begin."""
    raw = file.read(_FIRST_READ, offset)
    expected = b"XTENSION=" if offset else b"SIMPLE  ="
    if not raw.startswith(expected):
        what = f"{expected.decode()} ..., as FITS {'extensions' if offset else 'files'} begin"
        raise HeaderError(file.name, f"begins with {raw[:20]!r} at byte {offset:,}", what, _MEND)
    end = _find_end(raw, 0)
    while end < 0:
        more = file.read(len(raw), offset + len(raw)) if len(raw) < MAX_HEADER_BYTES else b""
        if not more:
            raise HeaderError(file.name, _why_no_end(raw), "an END card", _MEND)
        searched = len(raw) - CARD
        raw += more
        end = _find_end(raw, searched)
    text = raw[:end].decode("latin-1")
    layout = _layouts.of(text)
    data_bytes = _data_bytes(file.name, text, layout)
    header = _header(file.name, text, layout, wanted, data_bytes)
    return header, offset + (end // BLOCK + 1) * BLOCK


def _find_end(raw: bytes, start: int) -> int:
    """Return the place of the END card at a card's begin, -1 if there is none."""
    found = raw.find(_END, max(start, 0))
    while found >= 0 and found % CARD:
        found = raw.find(_END, found + 1)
    return found


def _why_no_end(raw: bytes) -> str:
    for number, begin in enumerate(range(0, len(raw), CARD), 1):
        card = raw[begin : begin + CARD]
        if not (card.isascii() and card.decode("ascii").isprintable()):
            return f"no END card; card {number} is no text: {card[:20]!r}"
    return f"no END card in the first {len(raw):,} bytes, which is {len(raw) // CARD:,} cards"


def _data_bytes(name: str, text: str, layout: Layout) -> int:
    """Length of the data unit with padding (FITS standard 4.0, equations 1, 2 and 4)."""

    def integer(keyword: str, default: int | None, allowed: Sequence[int]) -> int:
        span = layout.spans.get(keyword)
        try:
            value = default if span is None else value_at(text, *span)
        except ValueError as error:
            value = str(error)
        if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
            found = "is missing" if value is None else f"is {value!r}"
            wanted = f"one of {allowed}" if isinstance(allowed, tuple) else f"a number from {allowed[0]} on"
            raise HeaderError(f"{name}, card {keyword}", found, wanted, _MEND)
        return value

    bits = abs(integer("BITPIX", None, _BITPIX))
    naxis = integer("NAXIS", None, range(1000))
    if naxis == 0:
        return 0
    axes = [integer(f"NAXIS{axis}", None, range(_MAX_DATA_BYTES)) for axis in range(1, naxis + 1)]
    groups = axes[0] == 0 and naxis > 1 and "GROUPS" in layout.spans
    elements = 1
    for length in axes[1:] if groups else axes:
        elements = min(elements * length, _MAX_DATA_BYTES)
    elements += integer("PCOUNT", 0, range(_MAX_DATA_BYTES))
    count = bits // 8 * integer("GCOUNT", 1, range(1, _MAX_DATA_BYTES)) * elements
    if count >= _MAX_DATA_BYTES:
        raise HeaderError(f"{name}, card NAXIS1", f"the axes {axes[:9]} promise a petabyte", "a file", _MEND)
    return count + -count % BLOCK


def _bare_header(name: str, wanted: Collection[str] | None) -> Header:
    with _Opened(name) as file:
        raw = file.read(MAX_HEADER_BYTES + 1, 0)
    if len(raw) > MAX_HEADER_BYTES:
        raise HeaderError(name, f"longer than {MAX_HEADER_BYTES:,} bytes", "a bare header", _MEND)
    text = raw.decode("latin-1")
    lines = text.splitlines() if "\n" in text else [text[i : i + CARD] for i in range(0, len(text), CARD)]
    cards = []
    for number, line in enumerate(lines, 1):
        card = line.rstrip("\r ")
        if card == "END":
            break
        if len(card) > CARD:
            raise HeaderError(f"{name}, line {number}", f"{len(card)} columns", f"at most {CARD}", _MEND)
        cards.append(card.ljust(CARD))
    text = "".join(cards)
    layout = _layouts.of(text)
    if not layout.spans:
        raise HeaderError(name, f"no keyword in {len(cards)} cards", "header cards of 80 columns", _MEND)
    return _header(name, text, layout, wanted, 0)


def _header(name: str, text: str, layout: Layout, wanted: Collection[str] | None, data_bytes: int) -> Header:
    """Give the values of the keywords wanted, and the problems of their cards."""
    spans = layout.spans
    values: dict[str, Value] = {}
    problems = [f"card {number + 1}: {what}: {_card(text, number)!r}" for number, what in layout.garbled]
    for keyword in spans if wanted is None else wanted:
        span = spans.get(keyword)
        if span is None:
            continue
        try:
            value = value_at(text, *span)
        except ValueError as error:
            problems.append(f"card {span[0] // CARD + 1}, {keyword}: {error}")
            continue
        if value is not None:
            values[keyword] = value
    for keyword, begins in layout.repeated.items():
        if wanted is None or keyword in wanted:
            numbers = ", ".join(str(begin // CARD + 1) for begin in begins)
            problems.append(f"cards {numbers}: {keyword} is there {len(begins)} times, the first counts")
    return Header(name, values, tuple(problems), data_bytes)


def _card(text: str, number: int) -> str:
    return text[number * CARD : (number + 1) * CARD].rstrip()
