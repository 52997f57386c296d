"""A FITS header as its 80-character cards: read within bounds, edited in place, written back.

Values are taken as they stand on the card; nothing is reformatted but the cards that are set. That keeps the
header the converter wrote, and a hostile one can neither hang nor swell the process.
"""

from __future__ import annotations

import re
from typing import Protocol

from phoenix.archive.protocol import UnfitError

CARD_BYTES = 80
BLOCK_BYTES = 2880
#: 72,000 cards; the largest headers of real products have about 2,000.
_MOST_BLOCKS = 2000
_END = b"END".ljust(CARD_BYTES)
_BLANK = b" " * CARD_BYTES
_STRING = re.compile(r"\s*'((?:[^']|'')*)'")
_INTEGER = re.compile(r"\s*([+-]?\d{1,18})\s*(?:/|$)")
_LONGEST_STRING = 68
#: New cards stand before these, so that checksums stay last.
_LAST_KEYWORDS = ("CHECKSUM", "DATASUM")


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, at most `count`; none at the end."""
        ...


class Cards:
    """The cards of one header, without END.

    Parameters
    ----------
    cards : list of bytes
        80 bytes each.
    name : str
        File and HDU, for messages.
    """

    def __init__(self, cards: list[bytes], name: str) -> None:
        self._cards = cards
        self._name = name

    def text(self, keyword: str) -> str | None:
        """Return the value of a string keyword without trailing blanks, None when absent."""
        index = self._index(keyword)
        return None if index is None else _string_value(self._cards[index])

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return the value of an integer keyword.

        Raises
        ------
        UnfitError
            If it is absent and there is no default, or no integer of at most 18 digits.
        """
        index = self._index(keyword)
        if index is None:
            if default is None:
                raise UnfitError(self._name, f"the header has no {keyword}")
            return default
        value = _value_field(self._cards[index])
        match = _INTEGER.match(value)
        if match is None:
            raise UnfitError(self._name, f"{keyword} is {value.strip()[:30]!r}", "an integer")
        return int(match[1])

    def strings(self, pattern: str) -> dict[str, str]:
        """Return all string keywords that match a regular expression, in order of the header.

        Keywords are written as on the card: ``ASSON1``, ``HIERARCH ESO PRO REC1 PIPE ID``.
        """
        wanted = re.compile(pattern)
        found = {}
        for card in self._cards:
            keyword = _keyword(card)
            if wanted.fullmatch(keyword) and (value := _string_value(card)) is not None:
                found[keyword] = value
        return found

    def put(self, keyword: str, value: str, comment: str = "") -> None:
        """Set a string keyword of at most 8 characters; in place if it is there, else at the end.

        Raises
        ------
        UnfitError
            If the value is longer than one card can hold, or holds what FITS does not allow.
        """
        quoted = value.replace("'", "''")
        if len(quoted) > _LONGEST_STRING or not (quoted.isascii() and quoted.isprintable()):
            raise UnfitError(
                self._name, f"{keyword} cannot be {value!r}", "at most 68 printable ASCII characters"
            )
        text = f"{keyword:<8}= '{quoted:<8}'"
        if comment:
            text = f"{text:<30} / {comment}"
        card = text[:CARD_BYTES].ljust(CARD_BYTES).encode("ascii")
        index = self._index(keyword)
        if index is not None:
            self._cards[index] = card
            return
        last = [place for name in _LAST_KEYWORDS if (place := self._index(name)) is not None]
        self._cards.insert(min(last, default=len(self._cards)), card)

    def data_bytes(self) -> int:
        """Return the length of the data that follow, without the fill up to a whole block.

        Raises
        ------
        UnfitError
            If the keywords that give it are absent, malformed or out of bounds.
        """
        axes = self.integer("NAXIS")
        if not 0 <= axes <= 999:
            raise UnfitError(self._name, f"NAXIS is {axes}", "0 to 999")
        if axes == 0:
            return 0
        bitpix = self.integer("BITPIX")
        if bitpix not in {8, 16, 32, 64, -32, -64}:
            raise UnfitError(self._name, f"BITPIX is {bitpix}", "8, 16, 32, 64, -32 or -64")
        elements = 1
        for axis in range(1, axes + 1):
            length = self.integer(f"NAXIS{axis}")
            if length < 0:
                raise UnfitError(self._name, f"NAXIS{axis} is {length}", "no negative length")
            elements *= length
        heap, groups = self.integer("PCOUNT", 0), self.integer("GCOUNT", 1)
        if heap < 0 or groups < 1:
            raise UnfitError(self._name, f"PCOUNT is {heap} and GCOUNT {groups}", "at least 0 and 1")
        return abs(bitpix) // 8 * groups * (heap + elements)

    def to_bytes(self) -> bytes:
        """Return the header with END, filled to whole blocks."""
        content = b"".join([*self._cards, _END])
        return content.ljust(-(-len(content) // BLOCK_BYTES) * BLOCK_BYTES)

    def _index(self, keyword: str) -> int | None:
        field = keyword.ljust(8).encode("ascii")
        return next((i for i, card in enumerate(self._cards) if card[:8] == field), None)


def read_cards(stream: Readable, name: str, first: bool = True) -> tuple[Cards, bytes] | None:
    """Read one header from its place in a file.

    Parameters
    ----------
    stream
        Stands at the begin of the header; afterwards at the begin of the data.
    name : str
        File, for messages.
    first : bool
        Whether this is the primary header.

    Returns
    -------
    Cards and the bytes as read; None at the end of the file.

    Raises
    ------
    UnfitError
        If there is no whole header within the bounds, or it is not a FITS header.
    """
    blocks: list[bytes] = []
    cards: list[bytes] = []
    while len(blocks) < _MOST_BLOCKS:
        block = stream.read(BLOCK_BYTES)
        if not block and not blocks and not first:
            return None
        if len(block) < BLOCK_BYTES:
            raise UnfitError(name, "the file ends within a header", "whole blocks of 2880 bytes up to END")
        if not blocks and not block.startswith(b"SIMPLE  =" if first else b"XTENSION="):
            raise UnfitError(name, f"a header begins with {block[:9]!r}", "SIMPLE or XTENSION")
        if not block.isascii():
            raise UnfitError(name, "a header holds bytes outside ASCII", "ASCII 32 to 126")
        blocks.append(block)
        for start in range(0, BLOCK_BYTES, CARD_BYTES):
            card = block[start : start + CARD_BYTES]
            if card == _END:
                while cards and cards[-1] == _BLANK:
                    cards.pop()
                return Cards(cards, name), b"".join(blocks)
            cards.append(card)
    raise UnfitError(name, f"no END within {_MOST_BLOCKS} header blocks", "a header with END")


def _keyword(card: bytes) -> str:
    if card.startswith(b"HIERARCH "):
        return " ".join(card.partition(b"=")[0].decode("ascii").split())
    return card[:8].decode("ascii").rstrip()


def _value_field(card: bytes) -> str:
    if card.startswith(b"HIERARCH "):
        return card.partition(b"=")[2].decode("ascii")
    return card[10:].decode("ascii") if card[8:10] == b"= " else ""


def _string_value(card: bytes) -> str | None:
    match = _STRING.match(_value_field(card))
    return match[1].replace("''", "'").rstrip() if match else None
