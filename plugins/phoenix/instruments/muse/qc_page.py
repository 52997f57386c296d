"""Panels of MUSE report pages: the field with its sources, sizes and spectra, offsets, what the sky left."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from phoenix.instruments.muse.qc_alignment import Alignment
from phoenix.instruments.muse.qc_cube import FLUX_SCALE, CubeFile
from phoenix.instruments.muse.qc_survey import Survey, line_planes
from phoenix.qc.pictures.panels import Curve, Plot, SkyImage, Spot, Style, Table, Vectors
from phoenix.qc.pictures.thin import envelope, robust_limits, shrink
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source

EAST, NORTH = "east of the middle (arcsec)", "north of the middle (arcsec)"
_WAVE = "wavelength in air, as in the cube (nm)"
#: Colours of the brightest sources, in the picture and in the spectra.
SOURCE_COLOURS = (0, 1, 3)
_CIRCLE_ARCSEC = 0.9
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
#: Sources that get a circle: more would hide the field.
_MARKED = 60
_PROFILE_ARCSEC = 2.5
_FEW_PLANES = 100


def facts_of(source: Source, header: fits.Header) -> tuple[str, ...]:
    """Return what an observer needs to know of a cube or calibration."""
    ob, name = keyword_value(header, "OBS.ID"), str(keyword_value(header, "OBS.NAME") or "")
    begun = str(header.get("DATE-OBS") or source.ab.date).replace("T", " ")[:19]
    total = header.get("TEXPTIME", header.get("EXPTIME"))
    facts = (
        f"OB {ob} {name}".rstrip() if ob else source.ab.stem,
        f"{begun} UT",
        f"{total:g} s" if isinstance(total, (int, float)) else "",
        str(keyword_value(header, "INS.MODE") or ""),
        str(keyword_value(header, "PRO.REC2.PIPE.ID") or keyword_value(header, "PRO.REC1.PIPE.ID") or ""),
    )
    return tuple(fact for fact in facts if fact)


def field_image(survey: Survey) -> SkyImage:
    """Return the white light above the background, the brightest sources in the colours of their spectra."""
    cube, field = survey.cube, survey.field
    (_, rows, columns), (across, up) = cube.shape, cube.pixel_arcsec
    label, scale = unit_of(cube, field.white)
    small = shrink(np.asarray(field.white - np.nan_to_num(field.background)) / scale, 600, 600)
    half_x, half_y = columns * across / 2, rows * up / 2
    noise = (field.noise or 1.0) / scale if np.isfinite(field.noise) else 1.0
    finite = small[np.isfinite(small)]
    top = max(float(np.percentile(finite, 99.8)), 20 * noise) if len(finite) else 1.0
    spots = tuple(
        Spot(*survey.offset_arcsec(one), str(one.number), _colour(number, len(survey.brightest)))
        for number, one in enumerate(field.sources[:_MARKED])
    )
    radius = max(_CIRCLE_ARCSEC, max(abs(half_x), abs(half_y)) / 40)
    return SkyImage(
        f"White light ({label}), {len(field.sources)} sources", EAST, NORTH, "", small,
        (-half_x, half_x, -half_y, half_y), (-2 * noise, top), 3 * noise, spots, radius,
    )  # fmt: skip


def _colour(number: int, shown: int) -> int:
    return SOURCE_COLOURS[number] if number < shown else 4


def size_table(survey: Survey) -> Table:
    """Return places and sizes of the brightest sources."""
    rows, colours = [], []
    for number, one in enumerate(survey.field.sources):
        east, north = survey.offset_arcsec(one)
        size = survey.fwhm_arcsec(one)
        told = (f"{size[0]:.2f}", f"{size[1]:.2f}") if size else ("\u2013", "\u2013")
        rows.append((str(one.number), f"{east:+.1f}", f"{north:+.1f}", f"{one.snr:.0f}", *told))
        colours.append(_colour(number, len(survey.brightest)))
    title = "Sources: offset, FWHM (arcsec)" if rows else "Sources: none found"
    columns = ("id", "east", "north", "S/N", "E\u2013W", "N\u2013S")
    return Table(title, columns, tuple(rows), tuple(colours))


def offset_vectors(alignment: Alignment) -> Vectors:
    """Return how each exposure was moved onto the first."""
    names = tuple(str(number) for number in range(1, len(alignment.times) + 1))
    told = f", {min(alignment.matches)} matches or more" if alignment.matches else ""
    return Vectors(
        f"Offsets of the exposures{told}", "moved to the east (arcsec)", "moved to the north (arcsec)",
        alignment.east_arcsec, alignment.north_arcsec, names,
    )  # fmt: skip


def profile_plot(survey: Survey) -> Plot:
    """Return the white light around the brightest sources against the distance from their middles."""
    cube, field = survey.cube, survey.field
    rows, columns = np.indices(field.white.shape)
    across, up = cube.pixel_arcsec
    curves = []
    for one, colour in zip(survey.brightest, SOURCE_COLOURS, strict=False):
        distance = np.hypot((columns - one.column) * across, (rows - one.row) * up)
        near = (distance <= _PROFILE_ARCSEC) & np.isfinite(field.white)
        for other in field.sources:
            if other is not one:  # a neighbour's surroundings are its own
                near &= np.hypot((columns - other.column) * across, (rows - other.row) * up) > distance
        values = field.white[near] - field.background
        peak = max(float(np.max(values, initial=0.0)), 1e-30)
        curves.append(Curve(distance[near], values / peak, str(one.number), Style.DOTS, colour))
    return Plot("Profiles of the brightest", "distance from the middle (arcsec)", "signal / highest",
                tuple(curves), (0.0, _PROFILE_ARCSEC), (-0.15, 1.1), level=0.0)  # fmt: skip


def spectra_plot(survey: Survey) -> Plot:
    """Return the spectra of the brightest sources, in apertures of one FWHM around them."""
    wave = survey.cube.wave_a / 10
    label, scale = unit_of(survey.cube, survey.planes.flux)
    curves = []
    for one, flux, colour in zip(survey.brightest, survey.planes.flux, SOURCE_COLOURS, strict=False):
        good = np.isfinite(flux)
        if good.any():
            spectrum = envelope(wave[good], flux[good] / scale)
            curves.append(Curve(*spectrum, f"source {one.number}", Style.LINE, colour))
    shown = [curve.y for curve in curves]
    limits = robust_limits(*shown, with_zero=True, tail_percent=0.5) if shown else (0.0, 1.0)
    title = "Spectra of the brightest sources" if curves else "Spectra: no source was found"
    return Plot(title, _WAVE, f"flux ({label})", tuple(curves), wave_limits(wave), limits, level=0.0)


def sky_plot(survey: Survey) -> Plot:
    """Return what is left of the sky in each plane, with the scatter of spaxels, found and promised."""
    wave, planes = survey.cube.wave_a / 10, survey.planes
    label, scale = unit_of(survey.cube, planes.scatter)
    known = np.isfinite(planes.expected)
    curves = []
    if known.any():
        expected = planes.expected[known] / scale
        name = "\u00b1 1\u03c3 of a spaxel, by the variances"
        curves.append(Curve(wave[known], -expected, name, Style.BAND, 2, upper=expected))
    found = np.isfinite(planes.scatter)
    curves += [
        Curve(*envelope(wave[found], planes.scatter[found] / scale), "scatter found", Style.THIN, -1),
        Curve(*envelope(wave[found], planes.level[found] / scale), "what is left of the sky", colour=0),
    ]
    lines = line_planes(planes) & found
    if lines.any():
        # Planes with sky lines, marked on the residuals themselves.
        style = Style.POINTS if np.count_nonzero(lines) < _FEW_PLANES else Style.DOTS
        curves.append(Curve(wave[lines], planes.level[lines] / scale, "at sky lines", style, 4))
    limits = robust_limits(planes.level / scale, planes.scatter / scale, -planes.expected / scale, margin=0.1)
    return Plot("Sky residuals", _WAVE, f"per spaxel ({label})", tuple(curves),
                wave_limits(wave), limits, level=0.0)  # fmt: skip


def wave_limits(wave: Floats) -> tuple[float, float]:
    """Return limits of an axis of wavelengths a little wider than the cube."""
    margin = 0.006 * max(float(wave[-1] - wave[0]), 1e-3)
    return float(wave[0]) - margin, float(wave[-1]) + margin


def unit_of(cube: CubeFile, values: Floats) -> tuple[str, float]:
    """Return a unit for a label and what to divide by, so that numbers are short."""
    if not cube.fluxed:
        return "counts", 1.0
    finite = np.abs(values[np.isfinite(values)])
    typical = float(np.percentile(finite, 99)) if len(finite) else 0.0
    power = int(np.floor(np.log10(typical))) if typical > 0 else 0
    exponent = str(power + round(np.log10(FLUX_SCALE))).translate(_SUPERSCRIPTS)
    return f"10{exponent} erg s⁻¹ cm⁻² Å⁻¹", 10.0**power
