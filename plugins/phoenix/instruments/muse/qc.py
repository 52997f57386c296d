"""QC1 measurements of MUSE and what its score bits rest on; importing this registers the reports too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from astropy.io import fits

import phoenix.instruments.muse.qc_report  # noqa: F401 (registers the reports)
from phoenix.errors import QcError
from phoenix.instruments.muse.qc_alignment import applied
from phoenix.instruments.muse.qc_cube import CUBE, FLUX_UNIT, read_cube
from phoenix.instruments.muse.qc_exposures import read_exposures
from phoenix.instruments.muse.qc_survey import line_planes, survey_of
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source, measurement

#: Offsets above it are bit ALIGNMENT, degrees: about a spaxel.
_ALIGNMENT_LIMIT_DEG = 6e-5
_DEDICATED_SKY = "SKY_CONTINUUM"
_TWILIGHT = "TWILIGHT_CUBE"


@measurement("muse.sky_messages")
def sky_messages(source: Source) -> float:
    """Count errors and warnings about the sky in the logs of the recipes that subtracted it."""
    return float(sum(len(exposure.sky_messages()) for exposure in read_exposures(source)))


@measurement("muse.is_sky")
def is_sky(source: Source) -> float:
    """1 when the telescope pointed at empty sky on purpose, else 0."""
    return float(any(exposure.is_sky for exposure in read_exposures(source)))


@measurement("muse.no_dedicated_sky")
def no_dedicated_sky(source: Source) -> float:
    """1 when the sky of an exposure is from itself, 0 when it is from an exposure of its own."""
    return float(any(_DEDICATED_SKY not in e.post_calibrations() for e in read_exposures(source)))


@measurement("muse.arc_distance")
def arc_distance(source: Source) -> float:
    """Time between exposure and wavelength calibration, days; the longest of a combination."""
    return max(exposure.arc_distance_d() for exposure in read_exposures(source))


@measurement("muse.no_twilight")
def no_twilight(source: Source) -> float:
    """1 when an exposure was reduced without a twilight flat, else 0."""
    return float(any(_TWILIGHT not in e.basic_calibrations() for e in read_exposures(source)))


@measurement("muse.saturated")
def saturated(source: Source) -> float:
    """Count the saturated pixels of all units; of a combination, those of the worst exposure."""
    return max(exposure.total("QC.SCIBASIC.NSATURATED") for exposure in read_exposures(source))


@measurement("muse.wavelength_shift")
def wavelength_shift(source: Source) -> float:
    """Largest shift of a unit to bring the sky lines home, Angstrom; of a combination, of all exposures."""
    return max(
        abs(shift)
        for exposure in read_exposures(source)
        for shift in exposure.numbers("QC.SCIBASIC.LAMBDA.SHIFT")
    )


@measurement("muse.background")
def background(source: Source) -> float:
    """Level of most spaxels of the white-light image, 1e-20 erg/s/cm2/Angstrom."""
    if not read_cube(source).fluxed:
        raise QcError(CUBE, f"its unit is {read_cube(source).unit!r}", FLUX_UNIT)
    return survey_of(source).field.background


@measurement("muse.alignment")
def alignment(source: Source) -> float:
    """0 when all exposures were matched and moved by less than a spaxel, else 1; 1 when none was moved.

    Raises
    ------
    QcError
        If the list of offsets does not tell whether all were matched.
    """
    offsets = applied(source)
    if offsets is None:
        return 1.0
    if offsets.unmatched is None:
        raise QcError("QC.EXPALIGN.NOMATCH", "is not in the list of offsets", "how many match no other")
    return float(offsets.unmatched > 0 or offsets.largest_deg >= _ALIGNMENT_LIMIT_DEG)


@measurement("muse.largest_offset")
def largest_offset(source: Source) -> float | None:
    """Largest offset on the sky between exposures, arcsec; none when none was applied."""
    offsets = applied(source)
    if offsets is None:
        return None
    return float(np.max(np.hypot(offsets.east_arcsec, offsets.north_arcsec), initial=0.0))


@measurement("muse.templates")
def templates(source: Source) -> float:
    """Count the templates the exposures of a cube are from."""
    return float(len({exposure.template for exposure in read_exposures(source)}))


@measurement("muse.exposures")
def exposures(source: Source) -> float:
    """Count the exposures of a cube."""
    return float(len(read_exposures(source)))


@measurement("muse.sources")
def sources(source: Source) -> float:
    """Count the sources in the white-light image."""
    return float(len(survey_of(source).field.sources))


@measurement("muse.fwhm_brightest")
def fwhm_brightest(source: Source) -> float | None:
    """Size of the brightest source that could be measured, mean of both directions, arcsec; none without."""
    survey = survey_of(source)
    sizes = (survey.fwhm_arcsec(one) for one in survey.field.sources)
    first = next((size for size in sizes if size is not None), None)
    return None if first is None else float(np.mean(first))


@measurement("muse.sky_at_lines")
def sky_at_lines(source: Source) -> float | None:
    """Root mean square of what is left of the sky at its lines, unit of the cube; none without lines."""
    survey = survey_of(source)
    return _rms(survey.planes.level[line_planes(survey.planes)])


@measurement("muse.sky_between_lines")
def sky_between_lines(source: Source) -> float | None:
    """Root mean square of what is left of the sky between its lines, unit of the cube."""
    survey = survey_of(source)
    return _rms(survey.planes.level[~line_planes(survey.planes)])


@measurement("muse.line_residual")
def line_residual(source: Source) -> float | None:
    """Residuals at sky lines over the scatter the variances of a spaxel promise there; none without lines."""
    planes = survey_of(source).planes
    lines = line_planes(planes)
    return _rms(planes.level[lines] / planes.expected[lines])


@measurement("muse.noise_ratio")
def noise_ratio(source: Source) -> float | None:
    """Scatter of empty spaxels over what the variances promise, between sky lines; none without variances."""
    planes = survey_of(source).planes
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (planes.scatter / planes.expected)[~line_planes(planes)]
    ratio = ratio[np.isfinite(ratio)]
    return float(np.median(ratio)) if len(ratio) else None


@measurement("muse.empty_voxels")
def empty_voxels(source: Source) -> float:
    """Voxels without a value among those of spaxels with light, percent."""
    return survey_of(source).empty_percent


@measurement("muse.limiting_magnitude")
def limiting_magnitude(source: Source) -> float | None:
    """Limit of point sources by the recipe, mag (AB); none where it writes its sign for none (-99)."""
    value = source.products.header(CUBE).get("ABMAGLIM")
    return float(value) if isinstance(value, (int, float)) and 0 < value < 99 else None


@measurement("muse.units")
def units(source: Source) -> float:
    """Count the units (detectors) of a calibration or exposure."""
    return float(len(_units(source)))


@measurement("muse.read_noise")
def read_noise(source: Source) -> float:
    """Largest read noise of all quadrants of all units, electrons."""
    return max(_of_units(source, lambda header: _quadrants(header, "RON")))


@measurement("muse.bias_level")
def bias_level(source: Source) -> float:
    """Median level of all quadrants of all units, ADU."""
    return float(np.median(_of_units(source, lambda header: _quadrants(header, "LEVEL"))))


@measurement("muse.bias_slope")
def bias_slope(source: Source) -> float:
    """Largest slope of a quadrant in X or Y, without its sign, ADU per pixel."""
    return max(map(abs, _of_units(source, lambda header: _quadrants(header, "SLOPE"))))


@measurement("muse.bias_bad_pixels")
def bias_bad_pixels(source: Source) -> float:
    """Count the bad pixels of all units."""
    return sum(_keyword_of_units(source, "QC.BIAS.MASTER.NBADPIX"))


@measurement("muse.flat_saturated")
def flat_saturated(source: Source) -> float:
    """Count the saturated pixels of the master flats of all units."""
    return sum(_keyword_of_units(source, "QC.FLAT.MASTER.NSATURATED"))


@measurement("muse.flat_level")
def flat_level(source: Source) -> float:
    """Mean signal of the faintest unit, electrons."""
    return min(_keyword_of_units(source, "QC.FLAT.MASTER.MEDIAN"))


@measurement("muse.trace_width_scatter")
def trace_width_scatter(source: Source) -> float:
    """Scatter of the widths of the slices in the worst unit, pixels."""
    return max(_keyword_of_units(source, "QC.TRACE.WIDTHS.STDEV"))


@measurement("muse.trace_width")
def trace_width(source: Source) -> float:
    """Median width of the slices over all units, pixels."""
    return float(np.median(_keyword_of_units(source, "QC.TRACE.WIDTHS.MEDIAN")))


@measurement("muse.table_saturated")
def table_saturated(source: Source) -> float:
    """Count the saturated pixels of the pixel tables of all units."""
    return sum(_keyword_of_units(source, "QC.SCIBASIC.NSATURATED"))


@measurement("muse.table_shift")
def table_shift(source: Source) -> float:
    """Largest shift of a unit to bring the sky lines home, Angstrom."""
    return max(map(abs, _keyword_of_units(source, "QC.SCIBASIC.LAMBDA.SHIFT")))


def _units(source: Source) -> list[fits.Header]:
    """Return the headers with QC of all units: extensions of a merged product, or a file for each unit."""
    headers = []
    for product in source.products.every(source.pro_catg):
        try:
            with fits.open(product.path, memmap=True, lazy_load_hdus=True) as hdus:
                told = [hdu.header for hdu in hdus if any(k.startswith("ESO QC ") for k in hdu.header)]
        except OSError as error:
            raise QcError(product.path, f"cannot be read: {error}", "a FITS file") from error
        headers += told
    if not headers:
        raise QcError(source.pro_catg, "has no QC keyword in any extension", "those of the recipe")
    return headers


def _of_units(source: Source, read: Callable[[fits.Header], Iterator[float]]) -> list[float]:
    values = [value for header in _units(source) for value in read(header)]
    if not values:
        raise QcError(source.pro_catg, "no unit tells it", "the QC keyword of the recipe")
    return values


def _keyword_of_units(source: Source, keyword: str) -> list[float]:
    def read(header: fits.Header) -> Iterator[float]:
        value = keyword_value(header, keyword)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield float(value)

    return _of_units(source, read)


def _quadrants(header: fits.Header, what: str) -> Iterator[float]:
    """Yield a QC number of a master bias for each of its four quadrants."""
    names = {
        "RON": ("MASTER{} RON",),
        "LEVEL": ("LEVEL{} MEDIAN",),
        "SLOPE": ("MASTER{} SLOPE X", "MASTER{} SLOPE Y"),
    }[what]
    for quadrant in range(1, 5):
        for name in names:
            value = header.get(f"ESO QC BIAS {name.format(quadrant)}")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield float(value)


def _rms(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if len(finite) else None
