"""Bytes of an HDU with both checksums, data untouched by Python loops.

CHECKSUM and DATASUM follow the FITS Standard 4.0, section 4.4.2.7 and appendix J.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from phoenix.headers.cards import CARD
from phoenix.headers.reader import BLOCK
from phoenix.idp.card import format_card
from phoenix.idp.fitsfile import Hdu

_ALL_ONES = 0xFFFFFFFF
_ZEROS = "0" * 16
#: ASCII codes of the punctuation between digits and letters, which the encoding avoids.
_PUNCTUATION = frozenset(range(0x3A, 0x41)) | frozenset(range(0x5B, 0x61))


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
    checksum_card = format_card("CHECKSUM", _ZEROS, "ASCII 1s complement checksum of this HDU")
    data_card = format_card("DATASUM", str(data_sum), "checksum of the data unit")
    text = "".join([*cards, checksum_card, data_card, "END".ljust(CARD)])
    header = text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")
    encoded = encode_sum(_ALL_ONES ^ ones_complement_sum(header, data_sum))
    marker = header.rindex(checksum_card[:27].encode("ascii"))
    return header[: marker + 11] + encoded.encode("ascii") + header[marker + 27 :] + padded


def ones_complement_sum(data: bytes | memoryview, start: int = 0) -> int:
    """Return the 32-bit ones' complement sum of big-endian words, added to a start value."""
    total = int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64)) + start
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def encode_sum(value: int) -> str:
    """Return the 16 characters that add the given 32-bit value to the sum of a header."""
    characters = bytearray(16)
    for byte_index, byte in enumerate(value.to_bytes(4, "big")):
        quotient, remainder = divmod(byte, 4)
        group = [quotient + remainder + 0x30, *[quotient + 0x30] * 3]
        while _PUNCTUATION.intersection(group):
            for first in (0, 2):
                if _PUNCTUATION.intersection(group[first : first + 2]):
                    group[first] += 1
                    group[first + 1] -= 1
        characters[byte_index::4] = bytes(group)
    return (characters[-1:] + characters[:-1]).decode("ascii")


def sums_are_right(hdu: Hdu) -> tuple[bool, bool]:
    """Return whether CHECKSUM and DATASUM of an HDU are there and right."""
    header_length = len(hdu.whole) - -(-len(hdu.data) // BLOCK) * BLOCK
    data_sum = ones_complement_sum(hdu.whole[header_length:])
    total = ones_complement_sum(hdu.whole[:header_length], data_sum)
    checksum = bool(hdu.text("CHECKSUM")) and total in {0, _ALL_ONES}
    return checksum, hdu.text("DATASUM").strip() == str(data_sum)
