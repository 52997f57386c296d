"""Bytes of an HDU with both checksums, data untouched by Python loops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from phoenix.headers.cards import CARD
from phoenix.headers.checksum import ALL_ONES, ZEROS, encode_checksum, ones_complement_sum
from phoenix.headers.reader import BLOCK
from phoenix.idp.card import format_card
from phoenix.idp.fitsfile import Hdu

#: Whole blocks, so that a piece is whole words.
_CHUNK_BYTES = 1024 * BLOCK


def encode_hdu(cards: Iterable[str], data: bytes = b"") -> bytes:
    """Return a whole HDU: the cards, CHECKSUM, DATASUM, END and the padded data.

    Parameters
    ----------
    cards : iterable of str
        Cards of 80 characters, without CHECKSUM, DATASUM and END.
    data : bytes
        The data unit, big-endian; padded with zeros to a whole block.
    """
    padded = data + bytes(-len(data) % BLOCK)
    return encode_header(cards, ones_complement_sum(padded)) + padded


def encode_header(cards: Iterable[str], data_sum: int) -> bytes:
    """Return the header of an HDU whose data have this sum, with CHECKSUM, DATASUM and END."""
    checksum_card = format_card("CHECKSUM", ZEROS, "ASCII 1s complement checksum of this HDU")
    data_card = format_card("DATASUM", str(data_sum), "checksum of the data unit")
    text = "".join([*cards, checksum_card, data_card, "END".ljust(CARD)])
    header = text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")
    encoded = encode_checksum(ones_complement_sum(header, data_sum))
    marker = header.rindex(checksum_card[:27].encode("ascii"))
    return header[: marker + 11] + encoded.encode("ascii") + header[marker + 27 :]


def copied_hdu(cards: Iterable[str], source: Hdu, data_sum: int) -> Iterator[bytes]:
    """Yield an HDU with new cards and the data of another one, which are never held whole."""
    yield encode_header(cards, data_sum)
    yield from source.data_chunks(_CHUNK_BYTES)
    yield bytes(-source.data_bytes % BLOCK)


def sums_are_right(hdu: Hdu) -> tuple[bool, bool]:
    """Return whether CHECKSUM and DATASUM of an HDU are there and right."""
    data_sum = sum_of_data(hdu)
    total = ones_complement_sum(hdu.header_bytes(), data_sum)
    checksum = bool(hdu.text("CHECKSUM")) and total % ALL_ONES == 0
    return checksum, hdu.text("DATASUM").strip() == str(data_sum)


def sum_of_data(hdu: Hdu) -> int:
    """Return the sum of the data of an HDU as DATASUM counts it, read piece by piece."""
    total = 0
    for chunk in hdu.data_chunks(_CHUNK_BYTES, padded=True):
        total = ones_complement_sum(chunk, total)
    return total
