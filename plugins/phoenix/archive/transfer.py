"""The archive form of a file, made in one pass: header edited as ESO does, data copied, sums checked.

At ingestion ESO's archive sets ARCFILE to the archive name, ORIGFILE to the name the file came with and
P3ORIG to ``IDP`` (ESO science data products standard, 5.12), and rewrites CHECKSUM. We also let ASSONi of a
science product follow: they are changed from original to archive names. In an archive that serves files by
archive name only, a dataset whose ASSONi kept the original names could not be put together again; whoever
renames a file has to rename what points at it. PROVi stay as they are: they name raw frames by ARCFILE and
products by ORIGFILE, both of which remain valid.

Data and DATASUM are never changed, and no data are held in memory: 50 GB take what 1 MB takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from phoenix.archive.cards import BLOCK_BYTES, Cards, read_cards
from phoenix.archive.protocol import Deposit, UnfitError
from phoenix.archive.stamps import is_fits
from phoenix.headers.checksum import ALL_ONES, ZEROS, encode_checksum, ones_complement_sum

_CHUNK_BYTES = 1 << 20
#: ASSON1, ASSON2 ...: names of the ancillary files in the header of a science product.
ASSON = r"ASSON[1-9]\d{0,3}"

Write = Callable[[bytes], object]
Edit = Callable[[Cards], None]


@dataclass(frozen=True, slots=True)
class Digest:
    """Length and SHA-256 of what went through."""

    size_bytes: int
    sha256: str


class _Hashing:
    """A stream that knows the digest of what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def read(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._hash.update(data)
        self._size_bytes += len(data)
        return data

    @property
    def digest(self) -> Digest:
        return Digest(self._size_bytes, self._hash.hexdigest())


def transfer(source: BinaryIO, write: Write, deposit: Deposit) -> Digest:
    """Write the archive form of a file and return its digest.

    Raises
    ------
    UnfitError
        If the source is not the file its hash names, or a FITS file with a fault in structure or checksums.
    """
    reader, written = _Hashing(source), hashlib.sha256()
    size_bytes = 0

    def put(data: bytes) -> None:
        nonlocal size_bytes
        write(data)
        written.update(data)
        size_bytes += len(data)

    if is_fits(deposit.origfile):
        _pass_hdus(reader, put, deposit.origfile, lambda cards: _edit(cards, deposit))
    else:
        _pass_bytes(reader, put)
    if reader.digest.sha256 != deposit.sha256:
        raise UnfitError(
            str(deposit.source),
            "has changed since it was converted and checked",
            f"SHA-256 {deposit.sha256[:12]}..., found {reader.digest.sha256[:12]}...",
            "convert and check it again",
        )
    return Digest(size_bytes, written.hexdigest())


def examine(stream: BinaryIO, name: str) -> tuple[Digest, str]:
    """Read every byte of an archived file.

    Returns
    -------
    Its digest, and what is wrong with its FITS structure or checksums (empty: nothing).
    """
    reader = _Hashing(stream)
    fault = ""
    if is_fits(name):
        try:
            _pass_hdus(reader, _nowhere, name, None)
        except UnfitError as error:
            fault = error.found
    _pass_bytes(reader, _nowhere)
    return reader.digest, fault


def _edit(cards: Cards, deposit: Deposit) -> None:
    cards.put("ARCFILE", deposit.arcfile, "Archive file name")
    cards.put("ORIGFILE", deposit.origfile, "Original file name")
    cards.put("P3ORIG", "IDP", "ESO internal data product")
    for keyword, origfile in cards.strings(ASSON).items():
        if origfile not in deposit.renamed:
            raise UnfitError(
                deposit.origfile,
                f"{keyword} names {origfile!r}, which is not among the files of its dataset",
                "an ancillary file converted together with it",
                "convert the product again",
            )
        cards.put(keyword, deposit.renamed[origfile], "Associated file name")


def _pass_hdus(reader: _Hashing, write: Write, name: str, edit: Edit | None) -> None:
    """Pass a whole FITS file on, with an edited primary header, and check the sums of each HDU as read."""
    number = 0
    while (header := read_cards(reader, f"{name}[{number}]", first=number == 0)) is not None:
        cards, raw = header
        place = f"{name}[{number}]"
        stated = _stated_sum(cards, place)
        data_bytes = -(-cards.data_bytes() // BLOCK_BYTES) * BLOCK_BYTES
        if edit is not None and number == 0:
            edit(cards)
            write(_sealed(cards, stated))
        else:
            write(raw)
        actual = _pass_data(reader, write, data_bytes, place)
        if actual != stated % ALL_ONES:
            raise UnfitError(place, f"DATASUM is {stated}", f"{actual} by the data")
        if ones_complement_sum(raw, actual) % ALL_ONES:
            raise UnfitError(place, "CHECKSUM does not fit header and data")
        number += 1


def _stated_sum(cards: Cards, place: str) -> int:
    stated = cards.text("DATASUM") or ""
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 10) or not cards.text("CHECKSUM"):
        raise UnfitError(
            place, f"DATASUM is {stated[:20]!r}, CHECKSUM {cards.text('CHECKSUM')!r}", "both in every HDU"
        )
    return int(stated)


def _sealed(cards: Cards, datasum: int) -> bytes:
    """Return the header with the CHECKSUM that fits it and data of this sum."""
    cards.put("CHECKSUM", ZEROS, "HDU checksum")
    total = ones_complement_sum(cards.to_bytes(), datasum)
    # Of the two forms of zero the one that is not encoded as sixteen zeros, which means `not computed`.
    cards.put("CHECKSUM", encode_checksum(total % ALL_ONES), "HDU checksum")
    return cards.to_bytes()


def _pass_data(reader: _Hashing, write: Write, data_bytes: int, place: str) -> int:
    total = 0
    left = data_bytes
    while left:
        chunk = reader.read(min(left, _CHUNK_BYTES))
        if not chunk or len(chunk) % 4:
            raise UnfitError(
                place,
                f"the file ends {left} bytes before the end of its data",
                "all data the header tells of",
            )
        total = ones_complement_sum(chunk, total)
        write(chunk)
        left -= len(chunk)
    return total % ALL_ONES


def _pass_bytes(reader: _Hashing, write: Write) -> None:
    while chunk := reader.read(_CHUNK_BYTES):
        write(chunk)


def _nowhere(_data: bytes) -> None:
    """Take data that need only be read."""
