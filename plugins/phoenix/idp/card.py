"""FITS header cards: one value of 80 characters, written strictly and read tolerantly.

Cards are kept as the bytes they are, so that a card of a raw frame reaches the IDP unchanged. Written cards
never continue on a second one: the SDP standard forbids CONTINUE (ESO-044286 issue 8, 3.5), and astropy
writes it unasked.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from phoenix.errors import IdpError
from phoenix.headers.cards import CARD, key_of, value_at
from phoenix.model.frame import Value

#: Longest string that is safe in one card.
MAX_STRING = 68

_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_HIERARCH = re.compile(r"[A-Z0-9_-]+( [A-Z0-9_-]+)+")
_PRINTABLE = re.compile(r"[ -~]*")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A real value written with a fixed number of decimals, e.g. MJD-OBS as ``%.8f``."""

    value: float
    decimals: int


class Card(NamedTuple):
    """A card as read: dotted keyword (empty for commentary), value (None when it has none), 80 columns."""

    keyword: str
    value: Value | None
    image: str


def format_card(keyword: str, value: Value | Fixed, comment: str = "") -> str:
    """Return a card of exactly 80 characters; only the comment is cut when room is short.

    Parameters
    ----------
    keyword : str
        Up to eight characters, or several words (``ESO QC EX NORD``) for a HIERARCH card.
    value : str, bool, int, float or Fixed
        Written in free format from column 11, numbers right-aligned to column 30.
    comment : str
        Text after the slash.

    Raises
    ------
    IdpError
        If the keyword or the value cannot stand in one card.
    """
    if _KEYWORD.fullmatch(keyword):
        head = f"{keyword:<8}= "
    elif _HIERARCH.fullmatch(keyword):
        head = f"HIERARCH {keyword} = "
    else:
        raise IdpError(f"keyword {keyword!r}", "is not a FITS keyword", "upper case, digits, _ and -")
    text = _format_value(keyword, value)
    card = head + (text if len(head) > 10 else _aligned(text))
    if len(card) > CARD:
        raise IdpError(
            f"keyword {keyword}",
            f"its value does not fit into one card: {str(value)[:90]!r}",
            f"at most {MAX_STRING} characters, since CONTINUE is forbidden in IDPs",
            "shorten the value where it comes from",
        )
    if comment and len(card) + 3 < CARD:
        card += f" / {comment}"[: CARD - len(card)]
    return f"{card:<80}"


def commentary(keyword: str, text: str) -> str:
    """Return a COMMENT or HISTORY card; text beyond 72 characters is cut."""
    return f"{keyword:<8}{text}"[:CARD].ljust(CARD)


def parse_card(image: str) -> Card:
    """Read a card; what cannot be understood has the value None, and never raises."""
    try:
        keyword, column = key_of(image)
    except ValueError:
        return Card(image[:8].rstrip(), None, image)
    if not keyword:
        return Card("", None, image)
    try:
        return Card(keyword, value_at(image, column, CARD), image)
    except ValueError:
        return Card(keyword, None, image)


def _format_value(keyword: str, value: Value | Fixed) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if not _PRINTABLE.fullmatch(value):
            raise IdpError(f"keyword {keyword}", f"not printable ASCII: {value!r}", "FITS text")
        quoted = value.rstrip().replace("'", "''")
        return f"'{quoted:<8}'"
    number = value.value if isinstance(value, Fixed) else value
    if not math.isfinite(number):
        raise IdpError(f"keyword {keyword}", f"the value is {number}", "a finite number")
    if isinstance(value, Fixed):
        return f"{number:.{value.decimals}f}"
    text = repr(float(number)).upper()
    return text if "." in text else text.replace("E", ".0E")


def _aligned(text: str) -> str:
    return f"{text:<20}" if text.startswith("'") else f"{text:>20}"
