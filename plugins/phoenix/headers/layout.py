"""Where each keyword stands in a header, remembered from file to file.

The frames of one template have the same cards at the same places; only values differ. A header whose keyword
columns equal those of a header seen before needs no search: all columns are compared at once, in C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from phoenix.headers.cards import CARD, CONTINUE, key_of

#: Layouts kept for headers of one length, and lengths kept; beyond, learning starts anew.
_KEPT_PER_LENGTH = 8
_KEPT_LENGTHS = 512


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the keywords in a header.

    Attributes
    ----------
    spans
        Dotted keyword -> (begin of the value field, end of its last card), of the first card of that name.
    repeated
        Keywords that stand there more than once, with the begins of all their value fields.
    garbled
        (card number from 0, what is wrong) of cards that cannot be told.
    """

    spans: Mapping[str, tuple[int, int]]
    repeated: Mapping[str, tuple[int, ...]]
    garbled: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A layout with a getter of its keyword columns and what they hold; `few` of them tell most apart."""

    few: itemgetter[Any]
    few_keys: object
    all: itemgetter[Any]
    all_keys: object
    layout: Layout


class Layouts:
    """Layouts learned so far."""

    def __init__(self) -> None:
        self._known: dict[int, list[_Known]] = {}

    def of(self, text: str) -> Layout:
        """Return the layout of a header's text (whole cards, without END)."""
        for known in self._known.get(len(text), ()):
            if known.few(text) == known.few_keys and known.all(text) == known.all_keys:
                return known.layout
        layout, extents = _learn(text)
        if extents and not layout.garbled:
            few, every = itemgetter(*extents[:: len(extents) // 8 + 1]), itemgetter(*extents)
            self._keep(len(text), _Known(few, few(text), every, every(text), layout))
        return layout

    def _keep(self, length: int, known: _Known) -> None:
        if len(self._known) >= _KEPT_LENGTHS:
            self._known.clear()
        # A new list, so that another thread that walks the old one is not disturbed.
        self._known[length] = [known, *self._known.get(length, ())][:_KEPT_PER_LENGTH]


def _learn(text: str) -> tuple[Layout, list[slice]]:
    spans: dict[str, tuple[int, int]] = {}
    repeated: dict[str, tuple[int, ...]] = {}
    garbled: list[tuple[int, str]] = []
    extents: list[slice] = []
    last = ""
    for begin in range(0, len(text), CARD):
        card = text[begin : begin + CARD]
        try:
            keyword, column = key_of(card)
        except ValueError as error:
            garbled.append((begin // CARD, str(error)))
            last = ""
            continue
        extents.append(slice(begin, begin + column))
        if not keyword:
            if last and card.startswith(CONTINUE):
                spans[last] = (spans[last][0], begin + CARD)
            else:
                last = ""
        elif keyword in spans:
            repeated[keyword] = (*repeated.get(keyword, (spans[keyword][0],)), begin + column)
            last = ""
        else:
            spans[keyword] = (begin + column, begin + CARD)
            last = keyword
    return Layout(spans, repeated, tuple(garbled)), extents
