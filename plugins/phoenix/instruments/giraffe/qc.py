"""QC1 measurements of GIRAFFE and what its score bits rest on; importing this registers the reports too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits import Header

import phoenix.instruments.giraffe.qc_report
import phoenix.instruments.giraffe.qc_report_calibrations
import phoenix.instruments.giraffe.qc_stack  # noqa: F401 (all three register what they hold)
from phoenix.errors import QcError
from phoenix.instruments.giraffe.qc_exposures import (
    TRACES,
    Exposure,
    Use,
    number_of,
    read_exposure,
    read_exposures,
    read_stacks,
)
from phoenix.instruments.giraffe.qc_relation import Relation, snr_relation
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.raw_frames import saturated_pixels
from phoenix.qc.registry import Source, measurement

#: Temperature of the spectrograph, Celsius; the first that is there counts.
_TEMPERATURE = ("INS.TEMP1.VAL", "INS.TEMP1.MEAN", "INS.TEMP.VAL")
#: Bad columns and glow are those of the first detector, which was replaced then: 2008-04-01.
_NEW_DETECTOR_MJD = 54_557.0
_BAD_COLUMN_FPS = (23, 24)
_GLOW_FPS = range(109, 125)
#: A saturated pixel is a fibre's when it is not further from the middle of its trace than this, pixels.
_HALF_TRACE_PX = 4.0
#: A fibre below this part of the S/N of its magnitude has lost its target.
_LOST_PART = 0.3


@measurement("giraffe.delta_temperature")
def delta_temperature(source: Source) -> float:
    """Temperature of the science exposure minus that of its arc, Celsius; the largest of a stack."""
    return _largest(source, lambda science, arc: _difference(science, arc, _TEMPERATURE, "temperature"))


@measurement("giraffe.delta_time")
def delta_time(source: Source) -> float:
    """Start of the science exposure minus that of its arc, days; the largest of a stack."""
    return _largest(source, lambda science, arc: _difference(science, arc, ("MJD-OBS",), "time"))


def _largest(source: Source, difference: Callable[[Header, Header], float]) -> float:
    values = [difference(exposure.header, _arc_header(exposure)) for exposure in read_exposures(source)]
    return max(values, key=abs)


def _arc_header(exposure: Exposure) -> Header:
    if exposure.arc is None:
        raise QcError("arc", "nobody says which wavelength solution was used", "a DISPERSION_SOLUTION")
    try:
        return fits.getheader(exposure.arc)
    except OSError as error:
        raise QcError(str(exposure.arc), f"cannot be read: {error}", "the wavelength solution") from error


def _difference(science: Header, arc: Header, keywords: tuple[str, ...], what: str) -> float:
    values = []
    for header, name in ((science, "science"), (arc, "arc")):
        value = number_of(header, *keywords)
        if value is None:
            raise QcError(f"{what} of the {name} frame", f"no {' or '.join(keywords)} in its header")
        values.append(value)
    return values[0] - values[1]


@measurement("giraffe.saturated")
def saturated(source: Source) -> float:
    """Count the saturated pixels of the raw frame; of a stack, those of the worst exposure."""
    return float(max(len(_saturated(exposure)) for exposure in read_exposures(source)))


def _saturated(exposure: Exposure) -> np.ndarray:
    """Return row and column of the saturated pixels, shape (n, 2)."""
    return exposure.products.once("saturated", lambda: _read_saturated(exposure.raw))


def _read_saturated(raw: Path | None) -> np.ndarray:
    if raw is None:
        raise QcError("raw frame", "nobody says where it lies", "a path in the AB")
    images = saturated_pixels(raw)
    if not images:
        raise QcError(str(raw), "holds no image", "a raw frame")
    return images[0]


@measurement("giraffe.saturated_fibres")
def saturated_fibres(source: Source) -> dict[str, float]:
    """Count the saturated pixels in the trace of each science fibre."""
    exposure = read_exposure(source)
    pixels = _saturated(exposure)
    traces = source.products.image(TRACES)
    column = pixels[:, 1] - (exposure.number("DET.OUT1.PRSCX") or 0.0)
    rows = np.clip(pixels[:, 0], 0, len(traces) - 1)
    return {
        fibre.item: float(np.count_nonzero(np.abs(column - traces[rows, fibre.place]) <= _HALF_TRACE_PX))
        for fibre in exposure.used_for(Use.SCIENCE)
    }


@measurement("giraffe.science_fibres")
def science_fibres(source: Source) -> float:
    """Count the fibres on targets; of a stack, those of the poorest exposure."""
    return float(min(len(exposure.used_for(Use.SCIENCE)) for exposure in read_exposures(source)))


@measurement("giraffe.sky_fibres")
def sky_fibres(source: Source) -> float:
    """Count the fibres on the sky; of a stack, those of the poorest exposure."""
    return float(min(len(exposure.used_for(Use.SKY)) for exposure in read_exposures(source)))


@measurement("giraffe.simcal_missing")
def simcal_missing(source: Source) -> float:
    """1 when an exposure has no simultaneous calibration: no fibre saw the arc lamp during it; else 0."""
    return float(not all(_lamp_was_on(exposure.header) for exposure in read_exposures(source)))


def _lamp_was_on(header: Header) -> bool:
    return any(keyword_value(header, f"INS.LAMP{lamp}.ST") is True for lamp in (4, 5))


@measurement("giraffe.is_simcal")
def is_simcal(source: Source) -> float:
    """1 when the frame is itself a calibration of the simultaneous kind, not one of targets; else 0."""
    types = [str(keyword_value(e.header, "DPR.TYPE") or source.ab.raw_type) for e in read_exposures(source)]
    return float(any("SIMCAL" in kind.upper() and "OBJECT" not in kind.upper() for kind in types))


@measurement("giraffe.bad_column")
def bad_column(source: Source) -> dict[str, float]:
    """1 for fibres on the bad columns of the first detector."""
    return _by_fibre(source, lambda fps, mjd: mjd < _NEW_DETECTOR_MJD and fps in _BAD_COLUMN_FPS)


@measurement("giraffe.glow")
def glow(source: Source) -> dict[str, float]:
    """1 for fibres in the glow of the first detector."""
    return _by_fibre(source, lambda fps, mjd: mjd < _NEW_DETECTOR_MJD and fps in _GLOW_FPS)


def _by_fibre(source: Source, affected: Callable[[int, float], bool]) -> dict[str, float]:
    exposures = read_exposures(source)
    dates = [exposure.number("MJD-OBS") for exposure in exposures]
    if None in dates:
        raise QcError("MJD-OBS", "is missing in a product", "the start of the exposure")
    first = min(date for date in dates if date is not None)
    fibres = {fibre.item: fibre.fps for e in exposures for fibre in e.used_for(Use.SCIENCE)}
    return {item: float(affected(fps, first)) for item, fps in fibres.items()}


@measurement("giraffe.snr")
def snr(source: Source) -> dict[str, float]:
    """Median S/N per bin of each science fibre."""
    return _snr(source)


def _snr(source: Source) -> dict[str, float]:
    exposure = read_exposure(source)
    return {f.item: exposure.spectrum(f).median_snr for f in exposure.used_for(Use.SCIENCE)}


@measurement("giraffe.flux")
def flux(source: Source) -> dict[str, float]:
    """Median flux of each science fibre, ADU."""
    exposure = read_exposure(source)
    return {f.item: exposure.spectrum(f).median_flux for f in exposure.used_for(Use.SCIENCE)}


@measurement("giraffe.negative")
def negative(source: Source) -> dict[str, float]:
    """Bins below zero of each science fibre, percent."""
    exposure = read_exposure(source)
    return {
        fibre.item: 100 * float(np.mean(exposure.spectrum(fibre).flux < 0))
        for fibre in exposure.used_for(Use.SCIENCE)
        if len(exposure.spectrum(fibre).flux)
    }


@measurement("giraffe.median_snr")
def median_snr(source: Source) -> float:
    """Median of the S/N of all science fibres."""
    return float(np.median(_all(_snr(source), source)))


@measurement("giraffe.sky_level")
def sky_level(source: Source) -> float | None:
    """Median flux of the sky fibres, ADU; none without sky fibres."""
    levels = _sky_levels(source)
    return float(np.median(levels)) if len(levels) else None


@measurement("giraffe.sky_scatter")
def sky_scatter(source: Source) -> float | None:
    """Scatter of the flux of the sky fibres over its median, percent; none with fewer than three."""
    levels = _sky_levels(source)
    return (
        100 * float(np.std(levels) / abs(np.median(levels)))
        if len(levels) > 2 and np.median(levels)
        else None
    )


def _sky_levels(source: Source) -> Floats:
    exposure = read_exposure(source)
    return np.array([exposure.spectrum(fibre).median_flux for fibre in exposure.used_for(Use.SKY)])


@measurement("giraffe.snr_slope")
def snr_slope(source: Source) -> float | None:
    """Slope of log S/N against magnitude: -0.2 to -0.4 by physics; none without magnitudes."""
    relation = _relation(source)
    return relation.slope if relation else None


@measurement("giraffe.snr_scatter")
def snr_scatter(source: Source) -> float | None:
    """Scatter of log S/N around its relation with magnitude, dex; none without magnitudes."""
    relation = _relation(source)
    return relation.scatter_dex if relation else None


@measurement("giraffe.lost_targets")
def lost_targets(source: Source) -> float | None:
    """Count the fibres with far less S/N than their magnitude promises; none without magnitudes."""
    relation = _relation(source)
    if relation is None:
        return None
    exposure = read_exposure(source)
    found = _snr(source)
    known = [fibre for fibre in exposure.used_for(Use.SCIENCE) if np.isfinite(fibre.magnitude)]
    return float(sum(bool(found[f.item] < _LOST_PART * relation.snr(f.magnitude)) for f in known))


def _relation(source: Source) -> Relation | None:
    found = _snr(source)
    fibres = read_exposure(source).used_for(Use.SCIENCE)
    return snr_relation(
        np.array([fibre.magnitude for fibre in fibres]), np.array([found[fibre.item] for fibre in fibres])
    )


@measurement("giraffe.stack_snr")
def stack_snr(source: Source) -> dict[str, float]:
    """Median S/N per bin of the stack of each fibre."""
    return _stack_snr(source)


def _stack_snr(source: Source) -> dict[str, float]:
    return {stack.item: stack.spectrum.median_snr for stack in read_stacks(source)}


@measurement("giraffe.stack_median_snr")
def stack_median_snr(source: Source) -> float:
    """Median of the S/N of all stacks."""
    return float(np.median(_all(_stack_snr(source), source)))


@measurement("giraffe.stack_deviation")
def stack_deviation(source: Source) -> dict[str, float]:
    """Largest deviation of the flux level of an exposure of each fibre, percent."""
    return {stack.item: stack.deviation_percent for stack in read_stacks(source)}


@measurement("giraffe.stack_lost")
def stack_lost(source: Source) -> dict[str, float]:
    """Pixels of each fibre lost in the stacking: rejected or without data, percent."""
    return {stack.item: stack.lost_percent for stack in read_stacks(source)}


@measurement("giraffe.stack_exposures")
def stack_exposures(source: Source) -> float:
    """Count the exposures behind the stack."""
    return float(len(read_exposures(source)))


def _all(values: dict[str, float], source: Source) -> list[float]:
    if not values:
        raise QcError(source.ab.name, "there is no science fibre", "at least one")
    return list(values.values())


@measurement("giraffe.fibres_found")
def fibres_found(source: Source) -> float:
    """Count the fibres of a flat that were traced."""
    return float(len(source.products.table(source.pro_catg)))


@measurement("giraffe.bad_pixels")
def bad_pixels(source: Source) -> float:
    """Count the pixels marked bad."""
    return float(np.count_nonzero(source.products.image(source.pro_catg)))


@measurement("giraffe.used_lines")
def used_lines(source: Source) -> float:
    """Lines used for the resolution over lines measured, percent."""
    header = source.products.header(source.pro_catg)
    total, used = (number_of(header, f"QC.RESOL.{name}") for name in ("NTOTAL", "NLINES"))
    if not total or used is None:
        raise QcError(source.pro_catg, "QC.RESOL.NTOTAL or NLINES is absent or 0", "the number of lines")
    return 100 * used / total
