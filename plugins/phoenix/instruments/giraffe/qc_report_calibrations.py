"""Report pages of GIRAFFE calibrations: bias, flat, wavelength."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from phoenix.instruments.giraffe.qc_page import facts_of, setting_of
from phoenix.qc.pictures.panels import Curve, Image, Page, Plot, Row, Style
from phoenix.qc.pictures.thin import envelope, robust_limits, shrink
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

_X, _Y = "X, across the fibres (pix)", "Y, dispersion (pix)"
_FPS = "FPS (place on the slit)"


def _detector(title: str, image: Floats, unit: str, tail_percent: float) -> Image:
    pixels = shrink(image)
    limits = robust_limits(pixels, margin=0.0, tail_percent=tail_percent)
    extent = (0.5, image.shape[1] + 0.5, 0.5, image.shape[0] + 0.5)
    return Image(title, _X, _Y, unit, pixels, extent, limits)


def _page(source: Source, catg: str, title: str, card: Scorecard, *rows: Row) -> Page:
    header = source.products.header(catg)
    return Page(f"{title}   {setting_of(header)}", facts_of(source, header), rows, card)


@report("giraffe.bias")
def bias(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Master bias as an image, its profiles, its distribution."""
    image = source.products.image("MASTER_BIAS")
    profiles = []
    for axis, label in ((0, _X), (1, _Y)):
        profile = np.median(image, axis=axis)
        curve = Curve(*envelope(np.arange(1.0, len(profile) + 1), profile), "", Style.THIN)
        title = "Profile along " + label[0]
        profiles.append(
            Plot(title, label, "median (ADU)", (curve,), y_limits=robust_limits(profile, margin=0.5))
        )
    low, high = robust_limits(image, margin=0.3)
    counts, edges = np.histogram(image, np.linspace(low, high, 80))
    curve = Curve((edges[:-1] + edges[1:]) / 2, np.maximum(counts, 0.5), "", Style.STEPS)
    spread = Plot("Distribution", "level (ADU)", "number of pixels", (curve,), y_log=True)
    yield (
        "bias",
        _page(
            source, "MASTER_BIAS", "Master bias", card,
            Row((_detector("Master bias", image, "ADU", 1.0), spread), height=1.4, widths=(1.4, 1)),
            Row(tuple(profiles)),
        ),
    )  # fmt: skip


@report("giraffe.flat")
def flat(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Spectra of the flat, transmission and trace width of the fibres."""
    spectra = source.products.image("FF_EXTSPECTRA")
    table = source.products.table("FF_EXTSPECTRA")
    fps = np.asarray(table["FPS"], dtype=np.float64)
    width = np.median(source.products.image("FF_LOCWIDTH"), axis=0)
    level = np.median(spectra, axis=0)
    plots = [_by_fibre("Level of the fibres", "median (ADU)", fps, level)]
    if "TRANSMISSION" in table.names:
        transmission = np.asarray(table["TRANSMISSION"], dtype=np.float64)
        plots.append(_by_fibre("Transmission", "relative to the median (1)", fps, transmission))
    plots.append(_by_fibre("Width of the traces", "full width (pix)", fps, width))
    yield (
        "flat",
        _page(
            source, "FF_EXTSPECTRA", "Fibre flat", card,
            Row((_detector("Extracted flat, one column for each fibre", spectra, "ADU", 0.5),), height=1.2),
            Row(tuple(plots)),
        ),
    )  # fmt: skip


@report("giraffe.wavelength")
def wavelength(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Arc spectra as an image, resolving power over wavelength and by fibre."""
    arcs = source.products.image("ARC_RBNSPECTRA")
    header = source.products.header("ARC_RBNSPECTRA")
    wave = header["CRVAL2"] + (np.arange(len(arcs)) + 1 - header["CRPIX2"]) * header["CDELT2"]
    pixels = shrink(arcs.T)
    limits = (0.0, max(float(np.percentile(pixels, 98)), 1.0))
    extent = (float(wave[0]), float(wave[-1]), 0.5, arcs.shape[1] + 0.5)
    picture = Image("Arc spectra after rebinning: lines stand upright", "wavelength in air (nm)",
                    "fibre (order on the detector)", "ADU", pixels, extent, limits)  # fmt: skip
    lines = np.asarray(source.products.table("LINE_DATA")["WLEN"], dtype=np.float64)
    fwhm_nm = _plane(source, "FWHM")
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(fwhm_nm > 0, lines[:, np.newaxis] / fwhm_nm, np.nan)
    by_line, by_fibre = np.nanmedian(power, axis=1) / 1000, np.nanmedian(power, axis=0) / 1000
    below = (
        Plot("Resolving power over wavelength", "wavelength in air (nm)", "R / 1000",
             (Curve(lines, by_line, "median of the fibres", Style.POINTS),), y_limits=_wide(by_line)),
        Plot("Resolving power of the fibres", "fibre (order on the detector)", "R / 1000",
             (Curve(np.arange(1.0, len(by_fibre) + 1), by_fibre, "median of the lines", Style.DOTS),),
             y_limits=_wide(by_fibre)),
    )  # fmt: skip
    yield (
        "wavelength",
        _page(
            source, "ARC_RBNSPECTRA", "Wavelength calibration", card, Row((picture,), height=1.2), Row(below)
        ),
    )


def _plane(source: Source, name: str) -> Floats:
    """Return a plane of LINE_DATA by its name: lines along the first axis, fibres along the second."""
    for extension in range(1, 64):
        header = source.products.header("LINE_DATA", extension)
        if str(header.get("EXTNAME", "")).strip() == name:
            return source.products.image("LINE_DATA", extension)
    raise KeyError(name)


def _wide(values: Floats) -> tuple[float, float]:
    low, high = robust_limits(values)
    middle = (low + high) / 2
    half = max(high - low, 0.1 * abs(middle), 1e-3) / 2
    return middle - half, middle + half


def _by_fibre(title: str, y_label: str, fps: Floats, values: Floats) -> Plot:
    return Plot(title, _FPS, y_label, (Curve(fps, values, "", Style.DOTS),), y_limits=_wide(values))
