"""The header of a product: keywords it inherits, and the record of the recipe that made it.

The layout is that of CPL (``PRO REC1 ...``; reference: ESO DICB, PRO-1.16), so that whoever reads products
need not know who wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from phoenix.recipes.frames import Frame, FrameGroup
from phoenix.recipes.parameters import ParameterValues, as_text
from phoenix.recipes.product import Product, data_md5
from phoenix.recipes.recipe import Pipeline

if TYPE_CHECKING:
    from astropy.io.fits import Card, Header

_DICTIONARY = "PRO-1.16"
_REC = "HIERARCH ESO PRO REC1"
# Structure, sums and names belong to one file; PRO and the Phase 3 relations belong to one product.
_NOT_INHERITED = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|GROUPS|INHERIT|EXTNAME|EXTVER"
    r"|CHECKSUM|DATASUM|DATAMD5|DATE|PIPEFILE|COMMENT|HISTORY||CONTINUE|LONGSTRN"
    # Measured on one product; the radial velocity is that of the exposure.
    r"|ESO QC (?!VRAD ).*"
    r"|ESO PRO .*|PRODCATG|PROV\d+|ASSO[NCM]\d+|NCOMBINE|NUSER.*"
    # A world coordinate system describes the pixels of its own image.
    r"|WCSAXES|WCSNAME|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d+|(CD|PC)\d+_\d+|BUNIT"
)
_CARD_LENGTH = 80
_MOST_RECORDS = 20


def complete_header(
    product: Product, frames: Sequence[Frame], recipe: str, values: ParameterValues, pipeline: Pipeline
) -> None:
    """Complete the primary header of a product in place."""
    used = product.used if product.used is not None else tuple(frames)
    raw = [frame for frame in used if frame.group is FrameGroup.RAW]
    header = product.hdus[0].header
    parent = _primary_header(product.inherits or (raw or list(used))[0])
    for card in parent.cards:
        if card.keyword not in header and not _NOT_INHERITED.fullmatch(card.keyword):
            header.append(card, end=True)
    header["DATE"] = (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "Date this file was written")
    header["PIPEFILE"] = (product.name, "Filename of data product")
    header["DATAMD5"] = ("0" * 32, "MD5 checksum")
    for keyword, value in _of_product(product, parent, len(raw)):
        if f"ESO {keyword}" not in header or keyword in {"PRO CATG", "PRO DID"}:
            header[f"HIERARCH ESO {keyword}"] = value
    for card in (*_of_recipe(used, recipe, values, pipeline), *_of_earlier_recipes(used)):
        header.append(card, end=True)


def _primary_header(frame: Frame) -> Header:
    from astropy.io import fits

    return fits.getheader(frame.path)


def _of_product(product: Product, parent: Header, n_raw: int) -> Iterator[tuple[str, str | int | bool]]:
    yield "PRO DID", _DICTIONARY
    yield "PRO CATG", product.pro_catg
    yield "PRO TYPE", "REDUCED"
    technique = parent.get("ESO PRO TECH", parent.get("ESO DPR TECH"))
    if technique:
        yield "PRO TECH", technique
    yield (
        "PRO SCIENCE",
        str(parent.get("ESO DPR CATG", "")) == "SCIENCE" or bool(parent.get("ESO PRO SCIENCE")),
    )
    yield "PRO DATANCOM", n_raw


def _of_recipe(
    used: Iterable[Frame], recipe: str, values: ParameterValues, pipeline: Pipeline
) -> Iterator[Card]:
    import astropy
    import numpy as np

    yield text_card(f"{_REC} ID", recipe)
    yield text_card(f"{_REC} DRS ID", f"numpy-{np.__version__} astropy-{astropy.__version__}")
    yield text_card(f"{_REC} PIPE ID", pipeline.identity)
    numbers = {FrameGroup.RAW: 0, FrameGroup.CALIB: 0}
    for frame in used:
        numbers[frame.group] += 1
        which = f"{_REC} {'RAW' if frame.group is FrameGroup.RAW else 'CAL'}{numbers[frame.group]}"
        yield text_card(f"{which} NAME", frame.path.name)
        yield text_card(f"{which} CATG", frame.tag)
        if frame.group is FrameGroup.CALIB:
            stated = str(_primary_header(frame).get("DATAMD5", ""))
            yield text_card(f"{which} DATAMD5", stated or data_md5(frame.path))
    for number, parameter in enumerate(values.declared, 1):
        yield text_card(f"{_REC} PARAM{number} NAME", parameter.name)
        yield text_card(f"{_REC} PARAM{number} VALUE", as_text(values[parameter.name]))


def _of_earlier_recipes(used: Iterable[Frame]) -> Iterator[Card]:
    """Give names and pipelines of the recipes that made the inputs.

    A product of products keeps who made those: it would else hide that one came from a stand-in.
    """
    earlier = dict.fromkeys(
        (str(header.get(f"ESO PRO REC{number} ID", "")), str(header[f"ESO PRO REC{number} PIPE ID"]))
        for header in map(_primary_header, used)
        for number in range(1, _MOST_RECORDS + 1)
        if f"ESO PRO REC{number} PIPE ID" in header
    )
    for number, (recipe, pipeline) in enumerate(earlier, 2):
        yield text_card(f"HIERARCH ESO PRO REC{number} ID", recipe)
        yield text_card(f"HIERARCH ESO PRO REC{number} PIPE ID", pipeline)


def text_card(keyword: str, value: str) -> Card:
    """Return a card of a text, cut to what one card holds, as CPL does.

    CONTINUE cards would be handed on to IDPs, which may not have any.
    """
    from astropy.io.fits import Card

    room = _CARD_LENGTH - len(f"{keyword} = ''")
    # A quote takes two characters.
    while len(value) + value.count("'") > room:
        value = value[:-1]
    return Card(keyword, value)
