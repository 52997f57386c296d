"""FITS checksums as streams need them: sums of 32-bit words that can be added piece by piece.

The convention (FITS standard 4.0, 4.4.2.7 and appendix J) adds all big-endian 32-bit words of an HDU with
end-around carry. That is arithmetic modulo 2**32 - 1, so pieces may be summed apart and added.
"""

from __future__ import annotations

#: The modulus of one's complement arithmetic on 32 bits.
MODULUS = 0xFFFFFFFF

#: Punctuation the encoding steers clear of.
_EXCLUDED = frozenset([*range(0x3A, 0x41), *range(0x5B, 0x61)])


def word_sum(data: bytes | memoryview) -> int:
    """Return the sum of the words of `data`, modulo 2**32 - 1; its length is a multiple of 4 bytes."""
    if len(data) <= 65536:
        # 2**32 is 1 in this arithmetic: one big number has the residue of the sum of its words.
        return int.from_bytes(data, "big") % MODULUS
    import numpy as np

    return int(np.frombuffer(data, ">u4").sum(dtype=np.uint64)) % MODULUS


def encode(total: int) -> str:
    """Return the 16 characters that, as value of CHECKSUM, bring an HDU of this sum to zero.

    Parameters
    ----------
    total : int
        Sum of the HDU with CHECKSUM set to sixteen ``0``, modulo 2**32 - 1.
    """
    complement = MODULUS - total % MODULUS
    characters = [0] * 16
    for place in range(4):
        quotient, remainder = divmod(complement >> (24 - 8 * place) & 0xFF, 4)
        four = [quotient + remainder + 0x30, quotient + 0x30, quotient + 0x30, quotient + 0x30]
        while any(character in _EXCLUDED for character in four):
            for pair in (0, 2):
                if four[pair] in _EXCLUDED or four[pair + 1] in _EXCLUDED:
                    four[pair] += 1
                    four[pair + 1] -= 1
        for index in range(4):
            characters[4 * index + place] = four[index]
    return bytes(characters[-1:] + characters[:-1]).decode("ascii")
