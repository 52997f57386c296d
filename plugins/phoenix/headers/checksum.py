"""The checksums of an HDU: the sum of its 32-bit words and the characters CHECKSUM states it with.

All big-endian 32-bit words are added with end-around carry (FITS standard 4.0, section 4.4.2.7 and appendix
J). That is arithmetic modulo 2**32 - 1, so pieces may be summed one after the other, or apart and added.
DATASUM is the sum of the data as a decimal number; CHECKSUM brings the sum of the whole HDU to zero.
"""

from __future__ import annotations

#: The modulus, and the other form of zero: an HDU fits its CHECKSUM if its sum is a multiple of this.
ALL_ONES = 0xFFFFFFFF

#: The value of CHECKSUM while the sum is made.
ZEROS = "0" * 16

#: ASCII codes of the punctuation between digits and letters, which the encoding avoids.
_PUNCTUATION = frozenset([*range(0x3A, 0x41), *range(0x5B, 0x61)])


def ones_complement_sum(data: bytes | memoryview, start: int = 0) -> int:
    """Return the sum of the big-endian 32-bit words of a buffer, added to that of the pieces before it.

    Parameters
    ----------
    data : bytes or memoryview
        Whole words; what follows the last of them is not counted.
    start : int
        Sum so far, not negative.

    Returns
    -------
    From 0 to 2**32 - 1; 0 only if all words are 0, else 2**32 - 1 stands for zero.
    """
    import numpy as np

    words = np.frombuffer(data, dtype=">u4", count=len(data) // 4)
    total = int(words.sum(dtype=np.uint64)) + start
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def encode_checksum(total: int) -> str:
    """Return the 16 characters that, as value of CHECKSUM, bring an HDU of this sum to zero.

    Parameters
    ----------
    total : int
        Sum of the HDU with CHECKSUM set to `ZEROS`, from 0 to 2**32 - 1.
    """
    characters = bytearray(16)
    for place, byte in enumerate((ALL_ONES ^ total).to_bytes(4, "big")):
        quotient, remainder = divmod(byte, 4)
        group = [quotient + remainder + 0x30, *[quotient + 0x30] * 3]
        while _PUNCTUATION.intersection(group):
            for first in (0, 2):
                if _PUNCTUATION.intersection(group[first : first + 2]):
                    group[first] += 1
                    group[first + 1] -= 1
        characters[place::4] = bytes(group)
    # The value begins in column 12 of its card, one byte before a word does.
    return (characters[-1:] + characters[:-1]).decode("ascii")
