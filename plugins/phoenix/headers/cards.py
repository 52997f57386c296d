"""The syntax of one header card, after the FITS standard 4.0, section 4, and ESO's HIERARCH convention.

Keywords are told dotted: ``HIERARCH ESO DPR CATG`` is ``DPR.CATG``, ``HIERARCH PHX X`` is ``PHX.X``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from phoenix.model.frame import Value

#: Columns of a card.
CARD = 80
CONTINUE = "CONTINUE"
_COMMENTARY = frozenset({"COMMENT ", "HISTORY ", "        ", CONTINUE})

_PLAIN = re.compile(r"[A-Za-z0-9_-]+ *")
_HIERARCH = re.compile(r"HIERARCH(?: +[A-Za-z0-9_-]+)+ *")
# Text is printable ASCII; a quote in it is written twice.
_STRING = r"'([ -&(-~]*(?:''[ -&(-~]*)*)'"
_INTEGER = r"([+-]?[0-9]+)"
_FLOAT = r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[EDed][+-]?[0-9]+)?)"
_COMMENT = r" *(?:/|$)"
_VALUE = re.compile(rf" *(?:{_STRING}|{_INTEGER}|{_FLOAT}|([TF])|){_COMMENT}")
_CONTINUED = re.compile(rf" *{_STRING}{_COMMENT}")
_EXPONENT = str.maketrans("Dd", "EE")


def key_of(card: str) -> tuple[str, int]:
    """Return the dotted keyword of a card (80 columns) and the column its value begins in.

    The keyword is empty for COMMENT, HISTORY, CONTINUE and blank cards.

    Raises
    ------
    ValueError
        If the card has neither a keyword with a value nor one of those names.
    """
    if card[:8] in _COMMENTARY:
        return "", 8
    head, equals, rest = card.partition("=")
    keyword = _dotted(head) if equals else ""
    if not keyword:
        raise ValueError("no keyword and value")
    if len(head) > 8:
        return keyword, len(head) + 1
    if rest[0] != " ":
        raise ValueError("no blank after the equals sign")
    return keyword, 10


@lru_cache(maxsize=16384)
def _dotted(head: str) -> str:
    """Return the dotted keyword of what stands before the equals sign; empty if it is none."""
    if _HIERARCH.fullmatch(head):
        words = head.upper().split()[1:]
        return ".".join(words[1:] if words[0] == "ESO" and len(words) > 1 else words)
    return head.rstrip().upper() if len(head) == 8 and _PLAIN.fullmatch(head) else ""


def value_at(text: str, start: int, stop: int) -> Value | None:
    """Return the value that stands in ``text[start:stop]``; None if the card leaves it undefined.

    Parameters
    ----------
    text
        The whole header, a multiple of 80 columns.
    start
        Where the value field begins, just after the equals sign.
    stop
        End of the card, or of the last CONTINUE card that follows it.

    Raises
    ------
    ValueError
        If the field holds no value of the standard, or text beyond printable ASCII.
    """
    end = start + -start % CARD
    match = _VALUE.match(text, start, end)
    if match is None:
        raise ValueError(f"value garbled: {text[start:end].strip()!r}")
    kind = match.lastindex
    if kind == 1:
        piece = match[1].rstrip()
        if end < stop and piece.endswith("&"):
            piece = _continued(text, piece, end, stop)
        return piece.replace("''", "'")
    if kind == 2:
        return int(match[2])
    if kind == 3:
        number = match[3]
        try:
            return float(number)
        except ValueError:  # the exponent is a D
            return float(number.translate(_EXPONENT))
    return match[4] == "T" if kind == 4 else None


def _continued(text: str, piece: str, end: int, stop: int) -> str:
    """Join a string that ends in & with the CONTINUE cards that follow it."""
    pieces = []
    while end < stop and piece.endswith("&"):
        pieces.append(piece[:-1])
        match = _CONTINUED.match(text, end + 8, end + CARD)
        if match is None:
            raise ValueError(f"CONTINUE garbled: {text[end + 8 : end + CARD].strip()!r}")
        piece = match[1].rstrip()
        end += CARD
    pieces.append(piece)
    return "".join(pieces).rstrip()
