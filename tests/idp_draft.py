"""An IDP taken apart, so that one thing in it can be changed and all checksums be right again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from phoenix.idp.card import format_card
from phoenix.idp.encode import encode_hdu
from phoenix.idp.fitsfile import read_fits


@dataclass
class Draft:
    """Cards and data of each HDU of a file, in its order.

    Attributes
    ----------
    cards
        Of 80 characters, without checksums.
    """

    path: Path
    cards: list[list[str]] = field(init=False)
    data: list[bytearray] = field(init=False)

    def __post_init__(self) -> None:
        hdus = read_fits(self.path).hdus
        self.cards = [
            [card.image for card in hdu.cards if card.keyword not in {"CHECKSUM", "DATASUM"}] for hdu in hdus
        ]
        self.data = [bytearray(hdu.data) for hdu in hdus]

    def set(self, hdu: int, keyword: str, value: object) -> None:
        """Change a card, or add it at the end; None removes it."""
        head = f"{keyword:<8}="
        new = [] if value is None else [format_card(keyword, value)]  # type: ignore[arg-type]
        at = [i for i, card in enumerate(self.cards[hdu]) if card.startswith(head)]
        if at:
            self.cards[hdu][at[0] : at[0] + 1] = new
        else:
            self.cards[hdu] += new

    def write(self) -> None:
        """Write the file anew."""
        parts = [encode_hdu(cards, bytes(data)) for cards, data in zip(self.cards, self.data, strict=True)]
        self.path.write_bytes(b"".join(parts))
