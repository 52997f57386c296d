"""Report pages of MUSE: one of each cube, one of each alignment."""

from __future__ import annotations

import math
from collections.abc import Iterator

from phoenix.errors import QcError
from phoenix.instruments.muse.qc_alignment import Alignment, applied, found
from phoenix.instruments.muse.qc_cube import CUBE
from phoenix.instruments.muse.qc_exposures import OFFSETS
from phoenix.instruments.muse.qc_page import (
    facts_of,
    field_image,
    offset_vectors,
    profile_plot,
    size_table,
    sky_plot,
    spectra_plot,
)
from phoenix.instruments.muse.qc_survey import Survey, survey_of
from phoenix.qc.pictures.panels import Page, Plot, Row, Table, Vectors
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

_PAGE_PX = (1400, 1320)
_ALIGNMENT_PAGE_PX = (1100, 640)


@report("muse.cube")
def cube(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the page of the cube of an exposure."""
    yield "cube", _cube_page(source, survey_of(source), profile_plot(survey_of(source)), card)


@report("muse.combined")
def combined(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the page of a combined cube: as that of an exposure, with the offsets between them."""
    survey, offsets = survey_of(source), _offsets(source)
    panel = offset_vectors(offsets) if offsets else profile_plot(survey)
    yield "cube", _cube_page(source, survey, panel, card, len(offsets.times) if offsets else 0)


@report("muse.alignment")
def alignment(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the offsets an alignment found."""
    header, offsets = source.products.header(OFFSETS), found(source)
    title = f"{header.get('OBJECT') or source.ab.raw_type}   MUSE   alignment of {len(offsets.times)}"
    row = Row((offset_vectors(offsets), _offset_table(offsets)), widths=(1, 1.1))
    yield "alignment", Page(title, facts_of(source, header), (row,), card, _ALIGNMENT_PAGE_PX)


def _offsets(source: Source) -> Alignment | None:
    try:
        return applied(source)
    except QcError:
        return None  # told by the parameters that need it


def _cube_page(
    source: Source, survey: Survey, panel: Plot | Vectors, card: Scorecard, exposures: int = 0
) -> Page:
    header = source.products.header(CUBE)
    words = (str(header.get("OBJECT") or source.ab.raw_type), "MUSE")
    title = "   ".join((*words, f"{exposures} exposures combined") if exposures else words)
    bits = card.bits("")
    facts = (f"score bits {bits}" if bits else "", *facts_of(source, header))
    return Page(
        title,
        tuple(fact for fact in facts if fact),
        (
            Row((field_image(survey), panel, size_table(survey)), height=1.75, widths=(1.35, 0.95, 0.9)),
            Row((spectra_plot(survey),)),
            Row((sky_plot(survey),)),
        ),
        card,
        _PAGE_PX,
    )


def _offset_table(offsets: Alignment) -> Table:
    rows = []
    for number, time in enumerate(offsets.times):
        told = [
            str(counts[number]) if len(counts) == len(offsets.times) else "\u2013"
            for counts in (offsets.detections, offsets.matches)
        ]
        moved = [float(values[number]) for values in (offsets.east_arcsec, offsets.north_arcsec)]
        length = math.hypot(*moved)
        rows.append(
            (f"{number + 1}", time[11:19], *(f"{value:+.2f}" for value in moved), f"{length:.2f}", *told)
        )
    columns = ("exposure", "start (UT)", "east", "north", "length", "sources", "matches")
    return Table("Offsets (arcsec) and sources", columns, tuple(rows))
