"""Report pages of HAWK-I: the detectors with their sources, and how good photometry and astrometry are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.instruments.hawki.qc_detectors import Detector, bright, detectors_of, half_light_fwhm
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, SkyImage, Spot, Style, Table
from phoenix.qc.pictures.thin import robust_limits, shrink
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

#: Sources marked in one picture, the brightest first.
_MOST_MARKED = 150
#: How the recipe classes what it takes for stars: surely, nearly.
_STELLAR = (-1.0, -2.0)
_CONFIDENCE = {"JITTERED_IMAGE_SCI": "CONFIDENCE_MAP_JITTERED", "TILED_IMAGE": "TILED_CONFIDENCE_MAP"}
_STAR, _OTHER = 0, 1


@report("hawki.pawprint")
def pawprint(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Show the four detectors of a stacked pawprint, by their place on the sky."""
    detectors = detectors_of(source, "JITTERED_IMAGE_SCI")
    images = [_image(source, "JITTERED_IMAGE_SCI", one, 300) for one in _on_the_sky(detectors)]
    plots = (_zero_points(detectors), _sizes(detectors))
    rows = [
        Row((*images[start : start + 2], plot), widths=(1.0, 1.0, 1.35)[2 - len(images[start : start + 2]) :])
        for start, plot in zip((0, 2), plots, strict=True)
    ]
    header = source.products.header("JITTERED_IMAGE_SCI")
    yield "pawprint", _page(source, header, card, (*rows, Row((_table(detectors),), height=0.42)))


@report("hawki.tile")
def tile(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Show the tile and the sizes of its sources."""
    detectors = detectors_of(source, "TILED_IMAGE")
    image = _image(source, "TILED_IMAGE", detectors[0], 700)
    header = source.products.header("TILED_IMAGE")
    rows = (
        Row((image, _sizes(detectors)), widths=(1, 0.9)),
        Row((_table(detectors),), height=0.2),
    )
    yield "tile", _page(source, header, card, rows)


def _on_the_sky(detectors: list[Detector]) -> list[Detector]:
    """Order detectors as they are seen: north above, east at the left."""

    def centre(detector: Detector) -> tuple[float, float]:
        header = detector.header
        x = (header["NAXIS1"] + 1) / 2 - header["CRPIX1"]
        y = (header["NAXIS2"] + 1) / 2 - header["CRPIX2"]
        return (
            header["CD1_1"] * x + header.get("CD1_2", 0.0) * y,
            header.get("CD2_1", 0.0) * x + header["CD2_2"] * y,
        )

    ordered = sorted(detectors, key=lambda one: -centre(one)[1])
    half = (len(ordered) + 1) // 2
    rows = (ordered[:half], ordered[half:])
    return [one for row in rows for one in sorted(row, key=lambda one: -centre(one)[0])]


def _image(source: Source, pro_catg: str, detector: Detector, pixels: int) -> SkyImage:
    data = source.products.image(pro_catg, detector.extension)
    rows, columns = data.shape
    exposed = source.products.image(_CONFIDENCE[pro_catg], detector.extension) > 0
    seen = shrink(np.where(exposed, data, np.nan), pixels, pixels)
    known = seen[np.isfinite(seen)]
    if not known.size:
        raise QcError(pro_catg, f"detector {detector.item} was not exposed", "an image")
    sky = float(np.median(known))
    noise = max(1.4826 * float(np.median(np.abs(known - sky))), 1e-6)
    signal = seen - sky
    highest = max(float(np.nanpercentile(signal, 99.9)), 20 * noise)
    title = f"Detector {detector.item}" if detector.item else "Tile"
    stars = np.isin(detector.column("Classification"), _STELLAR).sum()
    return SkyImage(
        f"{title}: {len(detector.column('Aper_flux_3'))} sources, {stars} stars",
        "X (pix)",
        "Y (pix)",
        "ADU",
        signal,
        (0.5, columns + 0.5, 0.5, rows + 0.5),
        (-2 * noise, highest),
        10 * noise,
        _spots(detector),
        radius=0.013 * max(rows, columns) if detector.item else 0.007 * max(rows, columns),
    )


def _spots(detector: Detector) -> tuple[Spot, ...]:
    flux = detector.column("Aper_flux_3")
    brightest = np.argsort(-flux)[:_MOST_MARKED]
    x, y = detector.column("X_coordinate"), detector.column("Y_coordinate")
    kinds = detector.column("Classification")
    return tuple(Spot(float(x[i]), float(y[i]), "", _colour(kinds[i])) for i in brightest)


def _colour(kind: float) -> int:
    return _STAR if kind in _STELLAR else _OTHER


def _zero_points(detectors: list[Detector]) -> Plot:
    """Zero points in one and two core radii, with the scatter of their stars."""
    x = np.array([float(one.item or 0) for one in detectors])
    curves = []
    values = []
    for number, (keyword, label, shift) in enumerate((("1", "1 radius", -0.06), ("2", "2 radii", 0.06))):
        zero = np.array([_zero_point(one, keyword) for one in detectors])
        error = np.array([one.number(f"DRS.ZPSIGIM{keyword}") for one in detectors])
        bars = [
            Curve(np.array([at, at]), np.array([value - sigma, value + sigma]), "", Style.LINE, number)
            for at, value, sigma in zip(x + shift, zero, error, strict=True)
        ]
        curves += [*bars, Curve(x + shift, zero, label, Style.POINTS, number)]
        values += [zero - error, zero + error]
    mean = detectors[0].number("QC.MAGZPT.TEL")
    limits = robust_limits(*values, np.array([mean]), margin=0.15, tail_percent=0)
    return Plot(
        "Zero point; line: of all", "detector", "zero point (mag, 1 ADU/s)",
        tuple(curves), (0.5, max(4.5, float(x.max()) + 0.5)), limits, level=mean, x_whole=True,
    )  # fmt: skip


def _zero_point(detector: Detector, aperture: str) -> float:
    """Zero point of a detector on the scale of MAGZPT TEL."""
    whole = detector.number("QC.MAGZPT.TEL") - detector.number("QC.MAGZPT")
    return detector.number(f"DRS.ZPIM{aperture}") + whole


def _sizes(detectors: list[Detector]) -> Plot:
    """Size of the sources against their magnitude."""
    curves, sizes, magnitudes = [], [], []
    for number, one in enumerate(detectors):
        flux, fwhm = one.column("Aper_flux_3"), half_light_fwhm(one)
        known = (flux > 0) & (fwhm > 0)
        magnitude = one.number("PHOTZP") - 2.5 * np.log10(flux[known])
        label = one.item or "all"
        curves.append(Curve(magnitude, fwhm[known], label, Style.DOTS, number))
        sizes.append(fwhm[known & bright(one)])
        magnitudes.append(magnitude)
    # Wide enough for what is no star, without letting the worst of it set the scale.
    highest = 3 * float(np.median(np.concatenate(sizes))) if sum(map(len, sizes)) else 1.0
    return Plot(
        "Size of sources, by detector", "magnitude in one core radius (mag, PHOTZP)",
        "2 x half-light radius (arcsec)",
        tuple(curves), robust_limits(*magnitudes, margin=0.05), (0.0, highest),
    )  # fmt: skip


def _table(detectors: list[Detector]) -> Table:
    columns = (
        "detector", "sources", "zero point", "scatter", "stars in it", "1 - 2 radii", "limit (mag)",
        "FWHM (arcsec)", "size (arcsec)", "ellipticity", "WCS (arcsec)", "sky (ADU)", "noise (ADU)",
    )  # fmt: skip
    return Table(
        "Detectors; zero points in mag. Blue rings: what the recipe takes for stars",
        columns,
        tuple(_row(one) for one in detectors),
    )


def _row(detector: Detector) -> tuple[str, ...]:
    def told(form: str, *keywords: str) -> str:
        try:
            return format(detector.number(*keywords), form)
        except QcError:
            return "-"

    sizes: Floats = (
        half_light_fwhm(detector)[bright(detector)] if detector.sources is not None else np.empty(0)
    )
    try:
        difference = f"{detector.number('DRS.ZPIM1') - detector.number('DRS.ZPIM2'):+.3f}"
        zero_point = f"{_zero_point(detector, '1'):.3f}"
    except QcError:
        difference = zero_point = "-"
    return (
        detector.item or "all",
        str(len(detector.column("Aper_flux_3"))),
        zero_point,
        told(".3f", "DRS.ZPSIGIM1"),
        told(".0f", "DRS.MAGNZPTIM"),
        difference,
        told(".2f", "QC.LIMITING_MAG"),
        told(".3f", "PSF_FWHM"),
        f"{np.median(sizes):.3f}" if len(sizes) else "-",
        told(".3f", "ELLIPTIC"),
        told(".4f", "QC.WCS_RMS"),
        told(".0f", "QC.MEAN_SKY"),
        told(".2f", "QC.SKY_NOISE"),
    )


def _page(source: Source, header: fits.Header, card: Scorecard, rows: tuple[Row, ...]) -> Page:
    observed, airmass = keyword_value(header, "OBS.ID"), keyword_value(header, "TEL.AIRM.START")
    name = str(keyword_value(header, "OBS.NAME") or "")
    facts = (
        f"OB {observed} {name}".rstrip() if observed else source.ab.stem,
        f"{str(header.get('DATE-OBS') or source.ab.date).replace('T', ' ')[:19]} UT",
        f"{header.get('NCOMBINE', '?')} exposures, {header.get('TEXPTIME', 0):g} s",
        f"airmass {airmass:.2f}" if isinstance(airmass, float) else "",
        f"calibration level {source.ab.level}",
        str(keyword_value(header, "PRO.REC1.PIPE.ID") or ""),
    )
    title = f"{header.get('OBJECT') or source.ab.raw_type}   HAWK-I {header.get('FILTER', '')}".rstrip()
    return Page(title, tuple(fact for fact in facts if fact), rows, card.common)
