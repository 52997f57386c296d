"""Bytes of an HDU with both checksums, data untouched by Python loops."""

from __future__ import annotations

from collections.abc import Iterable

from phoenix.headers.cards import CARD
from phoenix.headers.checksum import ALL_ONES, ZEROS, encode_checksum, ones_complement_sum
from phoenix.headers.reader import BLOCK
from phoenix.idp.card import format_card
from phoenix.idp.fitsfile import Hdu


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
    data_sum = ones_complement_sum(padded)
    checksum_card = format_card("CHECKSUM", ZEROS, "ASCII 1s complement checksum of this HDU")
    data_card = format_card("DATASUM", str(data_sum), "checksum of the data unit")
    text = "".join([*cards, checksum_card, data_card, "END".ljust(CARD)])
    header = text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")
    encoded = encode_checksum(ones_complement_sum(header, data_sum))
    marker = header.rindex(checksum_card[:27].encode("ascii"))
    return header[: marker + 11] + encoded.encode("ascii") + header[marker + 27 :] + padded


def sums_are_right(hdu: Hdu) -> tuple[bool, bool]:
    """Return whether CHECKSUM and DATASUM of an HDU are there and right."""
    header_length = len(hdu.whole) - -(-len(hdu.data) // BLOCK) * BLOCK
    data_sum = ones_complement_sum(hdu.whole[header_length:])
    total = ones_complement_sum(hdu.whole[:header_length], data_sum)
    checksum = bool(hdu.text("CHECKSUM")) and total % ALL_ONES == 0
    return checksum, hdu.text("DATASUM").strip() == str(data_sum)
