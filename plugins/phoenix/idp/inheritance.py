"""Cards an IDP takes over from its raw frame and from the recipe's products, as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from phoenix.errors import IdpError
from phoenix.headers.cards import CONTINUE
from phoenix.idp.card import Card, format_card
from phoenix.idp.fitsfile import Hdu

#: Cards without hierarchy that tell about the observation and mean the same in the IDP. All others of the raw
#: frame (BUNIT, CDELTn, CRVALn, CHECKSUM, ARCFILE ...) describe its own pixels or file, or are set anew.
_PLAIN = frozenset({"DATE-OBS", "UTC", "LST", "PI-COI", "OBSERVER"})
_HIERARCHIES = ("HIERARCH ESO ", "HIERARCH PHX ")
_UNPRINTABLE = re.compile(r"[^ -~]")


def raw_cards(primary: Hdu) -> list[str]:
    """Return the cards of a raw frame that its IDP keeps: all of HIERARCH ESO, and a few plain ones.

    Bytes that are not printable ASCII become ``?``, because a FITS header may not hold them.

    Raises
    ------
    IdpError
        If a value goes on in a CONTINUE card, which an IDP may not have.
    """
    for before, card in zip(primary.cards, primary.cards[1:], strict=False):
        if card.image.startswith(CONTINUE):
            raise IdpError(
                f"keyword {before.keyword} of the raw frame",
                "its value goes on in a CONTINUE card",
                "a value of at most 68 characters",
                "shorten it in the raw frame's header",
            )
    kept = (card for card in primary.cards if card.keyword in _PLAIN or card.image.startswith(_HIERARCHIES))
    return [_clean(card.image) for card in kept]


def recipe_cards(headers: Sequence[tuple[str, Hdu]], pro_catg: str) -> list[str]:
    """Return the PRO and QC cards of the products an IDP is made of.

    Parameters
    ----------
    headers : sequence of (chip, HDU)
        One product for each chip. PRO cards are those of the first; QC cards that differ between the chips
        get the chip's name into the keyword (``ESO QC REDL ORD1 OBJ SN``).
    pro_catg : str
        PRO CATG of what the chips are merged to.
    """
    first = headers[0][1]
    pro = [card for card in first.cards if card.keyword.startswith("PRO.")]
    cards = [
        format_card("ESO PRO CATG", pro_catg) if card.keyword == "PRO.CATG" else _clean(card.image)
        for card in pro
    ]
    return cards + _qc_cards(headers)


def _qc_cards(headers: Sequence[tuple[str, Hdu]]) -> list[str]:
    by_chip = [(chip, _quality(hdu.cards)) for chip, hdu in headers]
    shared = set.intersection(*(set(quality.items()) for _, quality in by_chip))
    cards = [_clean(card.image) for _, card in by_chip[0][1].items() if (card.keyword, card) in shared]
    for chip, quality in by_chip:
        cards += [
            format_card(f"ESO QC {chip} {keyword.removeprefix('QC.').replace('.', ' ')}", card.value)
            for keyword, card in quality.items()
            if (keyword, card) not in shared and card.value is not None
        ]
    return cards


def _quality(cards: Iterable[Card]) -> dict[str, Card]:
    return {card.keyword: card for card in cards if card.keyword.startswith("QC.")}


def _clean(image: str) -> str:
    return _UNPRINTABLE.sub("?", image)
