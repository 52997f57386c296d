"""Reports of GIRAFFE stacks: one page of the OB, one of each fibre with the exposures behind its stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from phoenix.instruments.giraffe.qc_exposures import (
    Exposure,
    Fibre,
    StackedFibre,
    Use,
    read_exposures,
    read_stacks,
)
from phoenix.instruments.giraffe.qc_page import facts_of, setting_of, snr_plot, spectrum_plot, zoom_plot
from phoenix.instruments.giraffe.qc_report import FIBRE_PAGE_PX, frame_page
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.thin import envelope
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard, short_number

#: Beyond this a level is red, score bit 9.
_LEVEL_LIMIT_PERCENT = 20.0


@report("giraffe.stack")
def stack(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the page of the OB, then those of its fibres in order of FPS."""
    stacks, exposures = read_stacks(source), read_exposures(source)
    first = exposures[0]
    by_fps = {fibre.fps: fibre for fibre in first.used_for(Use.SCIENCE)}
    known = [stacked for stacked in stacks if stacked.fps in by_fps]
    snr = np.array([stacked.spectrum.median_snr for stacked in known])
    fibres = tuple(by_fps[stacked.fps] for stacked in known)
    page = frame_page(source, first, fibres, snr, card.common)
    title = f"{page.title}   stack of {len(exposures)}"
    yield "stack", Page(title, page.facts, page.rows, page.card, page.size_px)
    fibres_of = [{fibre.fps: fibre for fibre in exposure.fibres} for exposure in exposures]
    for stacked in stacks:
        if len(stacked.spectrum.flux):
            yield f"fps{stacked.item}", _fibre_page(source, stacked, exposures, fibres_of, card)


def _fibre_page(
    source: Source,
    stacked: StackedFibre,
    exposures: tuple[Exposure, ...],
    fibres_of: list[dict[int, Fibre]],
    card: Scorecard,
) -> Page:
    singles = _singles(stacked, exposures, fibres_of)
    bits = card.bits(stacked.item)
    facts = (
        f"score bits {bits}" if bits else "",
        f"S/N {short_number(stacked.spectrum.median_snr)}",
        f"lost {stacked.lost_percent:.2g} %",
        *facts_of(source, stacked.header),
    )
    below = (snr_plot(stacked.spectrum), zoom_plot(stacked.spectrum, singles), level_plot(stacked.levels))
    return Page(
        f"{stacked.name or 'no name'}   fibre {stacked.fps}   {setting_of(stacked.header)}"
        f"   stack of {len(stacked.levels)}",
        tuple(fact for fact in facts if fact),
        (
            Row(
                (spectrum_plot(stacked.spectrum, "Stack, its exposures thin behind it", singles),),
                height=1.15,
            ),
            Row(below, widths=(1.15, 1.15, 0.8)),
        ),
        card.of_item(stacked.item),
        FIBRE_PAGE_PX,
    )


def _singles(
    stacked: StackedFibre, exposures: tuple[Exposure, ...], fibres_of: list[dict[int, Fibre]]
) -> tuple[Curve, ...]:
    """Return the single exposures of a fibre, one name for all of them."""
    curves: list[Curve] = []
    for exposure, fibres in zip(exposures, fibres_of, strict=True):
        if stacked.fps in fibres:
            spectrum = exposure.spectrum(fibres[stacked.fps])
            label = "" if curves else "exposures"
            curves.append(Curve(*envelope(spectrum.wave_nm, spectrum.flux), label, Style.FAINT, -1))
    return tuple(curves)


def level_plot(levels: Mapping[str, float]) -> Plot:
    """Return how far the flux level of each exposure is from the mean, percent, with the limits of bit 9."""
    deviation = np.array([100 * (level - 1) for level in levels.values()])
    number = np.arange(1.0, len(deviation) + 1)
    edges = np.array([0.5, len(deviation) + 0.5])
    curves = (
        Curve(number, deviation, "level", Style.CHAIN),
        Curve(edges, np.full(2, _LEVEL_LIMIT_PERCENT), "limit", Style.THIN, 4),
        Curve(edges, np.full(2, -_LEVEL_LIMIT_PERCENT), "", Style.THIN, 4),
    )
    reach = max(1.1 * float(np.max(np.abs(deviation), initial=0.0)), 1.25 * _LEVEL_LIMIT_PERCENT)
    return Plot("Flux levels", "exposure", "above the mean (%)", curves,
                (edges[0], edges[1]), (-reach, reach),
                level=0.0, x_whole=True)  # fmt: skip
