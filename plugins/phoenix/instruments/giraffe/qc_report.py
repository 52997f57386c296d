"""Reports of a GIRAFFE science exposure: one page of the raw frame, one of each science fibre."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from phoenix.instruments.giraffe.qc_exposures import Exposure, Fibre, Use, read_exposure
from phoenix.instruments.giraffe.qc_page import (
    WAVE_OBSERVED,
    centre_of,
    facts_of,
    offsets_arcmin,
    setting_of,
    snr_plot,
    spectrum_plot,
    zoom_plot,
)
from phoenix.instruments.giraffe.qc_relation import snr_relation
from phoenix.qc.pictures.panels import Curve, Field, Image, Page, Plot, Row, Style
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard, short_number

FIBRE_PAGE_PX = (1200, 800)
#: Columns of the picture of all spectra.
_PICTURE_COLUMNS = 700
_HISTOGRAM_BINS = 16
#: Fibres with less light than this part of the brightest are shown dark.
_LEAST_PART = 0.02
_PLACE = ("east (arcmin)", "north (arcmin)")


@report("giraffe.science")
def science(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the page of the raw frame, then those of its science fibres in order of FPS."""
    exposure = read_exposure(source)
    fibres = exposure.used_for(Use.SCIENCE)
    snr = np.array([exposure.spectrum(fibre).median_snr for fibre in fibres])
    yield "frame", frame_page(source, exposure, fibres, snr, card.common)
    everybody = places(exposure)
    for fibre in fibres:
        if len(exposure.spectrum(fibre).flux):
            yield f"fps{fibre.item}", _fibre_page(source, exposure, fibre, everybody, card)


def frame_page(
    source: Source, exposure: Exposure, fibres: tuple[Fibre, ...], snr: Floats, card: Scorecard
) -> Page:
    """Return the page of a raw frame: where its fibres are, how well each did, all spectra at a glance."""
    counts = {use: len(exposure.used_for(use)) for use in Use}
    told = ", ".join(f"{count} {use.value}" for use, count in counts.items() if count)
    name = str(exposure.header.get("OBJECT") or source.ab.raw_type)
    limits = (0.0, max(float(np.percentile(snr, 98)), 1.0)) if len(snr) else (0.0, 1.0)
    top = (
        _field(exposure, fibres, snr, limits),
        _against_magnitude(fibres, snr),
        _histogram(snr),
    )
    below = (_all_spectra(exposure), _along_slit(exposure))
    return Page(
        f"{name}   {setting_of(exposure.header)}",
        (*facts_of(source, exposure.header), f"fibres: {told}"),
        (Row(top, height=1.15, widths=(1.15, 1.1, 0.8)), Row(below, widths=(1.9, 1))),
        card,
    )


def _field(exposure: Exposure, fibres: tuple[Fibre, ...], snr: Floats, limits: tuple[float, float]) -> Field:
    centre = centre_of(exposure)
    x, y = offsets_arcmin(fibres, centre)
    sky = Curve(*offsets_arcmin(exposure.used_for(Use.SKY), centre), "sky", Style.RINGS, -1)
    return Field("Fibres on the sky", *_PLACE, "S/N", x, y, snr, limits, (sky,) if len(sky.x) else ())


def _against_magnitude(fibres: tuple[Fibre, ...], snr: Floats) -> Plot:
    magnitude = np.array([fibre.magnitude for fibre in fibres])
    relation = snr_relation(magnitude, snr)
    known = np.isfinite(magnitude) & (snr > 0)
    curves = [Curve(magnitude[known], snr[known], "", Style.POINTS)]
    title = "S/N against magnitude"
    if relation:
        line = np.linspace(magnitude[known].min(), magnitude[known].max(), 2)
        label = f"{relation.slope:.2f} dex/mag"
        curves.append(Curve(line, np.asarray(relation.snr(line)), label, Style.LINE, 4))
    elif not known.any():
        title = "S/N against magnitude: no magnitudes were given"
    low, high = (snr[known].min(), snr[known].max()) if known.any() else (1.0, 100.0)
    return Plot(title, "magnitude of the target (mag)", "S/N (per bin)", tuple(curves),
                y_limits=(low / 1.4, high * 1.4), y_log=True)  # fmt: skip


def _histogram(snr: Floats) -> Plot:
    edges = np.linspace(0, max(float(np.max(snr, initial=0.0)) * 1.02, 1.0), _HISTOGRAM_BINS + 1)
    counts = np.histogram(snr, edges)[0].astype(np.float64)
    middle = (edges[:-1] + edges[1:]) / 2
    median = f"median {short_number(float(np.median(snr)))}" if len(snr) else ""
    curves = (Curve(middle, counts, median, Style.BARS),)
    return Plot(
        "Distribution",
        "S/N (per bin)",
        "number of fibres",
        curves,
        y_limits=(0.0, counts.max() * 1.08 + 1),
        y_whole=True,
    )


def _all_spectra(exposure: Exposure) -> Image:
    """Return all spectra one above the other, each over its median: lines stand upright, bad fibres out."""
    order = sorted(exposure.fibres, key=lambda fibre: fibre.fps)
    rows = exposure.flux[[fibre.place for fibre in order]]
    with np.errstate(invalid="ignore", divide="ignore"):
        median = np.nanmedian(np.where(rows != 0, rows, np.nan), axis=1, keepdims=True)
        # Spectra with hardly any light, as of sky fibres, are left dark instead of blown up to noise.
        floor = _LEAST_PART * np.nanmax(median, initial=0.0)
        pixels = np.nan_to_num(rows / np.maximum(median, floor), posinf=0.0, neginf=0.0)
    step = max(1, pixels.shape[1] // _PICTURE_COLUMNS)
    width = pixels.shape[1] // step * step
    pixels = pixels[:, :width].reshape(len(pixels), -1, step).mean(axis=2)
    wave = exposure.wave_nm
    extent = (float(wave[0]), float(wave[width - 1]), 0.5, len(order) + 0.5)
    return Image("All spectra, each over its median", WAVE_OBSERVED, "fibre (order on the detector)",
                 "flux / median", pixels, extent, (0.0, 1.6))  # fmt: skip


def _along_slit(exposure: Exposure) -> Plot:
    curves = []
    for use, style, colour in ((Use.SCIENCE, Style.POINTS, 0), (Use.SKY, Style.RINGS, -1)):
        fibres = exposure.used_for(use)
        level = np.array([exposure.spectrum(fibre).median_flux for fibre in fibres])
        where = np.array([float(fibre.fps) for fibre in fibres])
        if len(fibres):
            curves.append(Curve(where, np.maximum(level, 0.1), use.value, style, colour))
    highest = max((float(curve.y.max()) for curve in curves), default=1.0)
    lowest = min((float(curve.y.min()) for curve in curves), default=0.1)
    return Plot("Flux along the slit", "FPS (place on the slit)", "median flux (ADU per bin)", tuple(curves),
                y_limits=(lowest / 1.5, highest * 1.5), y_log=True)  # fmt: skip


def places(exposure: Exposure) -> tuple[Curve, tuple[float, float]]:
    """Return all fibres on the sky, to show one of them among, and the middle of the field."""
    centre = centre_of(exposure)
    on_sky = tuple(fibre for fibre in exposure.fibres if fibre.use is not Use.SIMCAL)
    return Curve(*offsets_arcmin(on_sky, centre), "", Style.DOTS, -1), centre


def place_plot(fibre: Fibre, everybody: tuple[Curve, tuple[float, float]]) -> Plot:
    """Return where a fibre is on the sky, among all others."""
    others, centre = everybody
    here = Curve(*offsets_arcmin((fibre,), centre), "this fibre", Style.CROSSES, 4)
    reach = 1.08 * max(float(np.nanmax(np.abs(np.concatenate([others.x, others.y])), initial=0.1)), 0.1)
    return Plot("Place in the field", *_PLACE, (others, here), (reach, -reach), (-reach, reach))


def _fibre_page(
    source: Source,
    exposure: Exposure,
    fibre: Fibre,
    everybody: tuple[Curve, tuple[float, float]],
    card: Scorecard,
) -> Page:
    spectrum = exposure.spectrum(fibre)
    bits = card.bits(fibre.item)
    facts = (
        f"score bits {bits}" if bits else "",
        f"S/N {short_number(spectrum.median_snr)}",
        f"magnitude {fibre.magnitude:.1f}" if np.isfinite(fibre.magnitude) else "",
        *facts_of(source, exposure.header),
    )
    below = (snr_plot(spectrum), zoom_plot(spectrum), place_plot(fibre, everybody))
    return Page(
        f"{fibre.name or 'no name'}   fibre {fibre.fps}   {setting_of(exposure.header)}",
        tuple(fact for fact in facts if fact),
        (
            Row((spectrum_plot(spectrum, "Spectrum with its errors"),), height=1.15),
            Row(below, widths=(1.15, 1.15, 0.8)),
        ),
        card.of_item(fibre.item),
        FIBRE_PAGE_PX,
    )
