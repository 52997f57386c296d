"""Report of combined cubes: for each object its collapsed image and its mean spectrum, four on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.pictures.panels import Curve, Image, Page, Plot, Row, Style
from phoenix.qc.pictures.thin import envelope, robust_limits
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

_CUBE, _DATA = "COMBINED_CUBE", ".DATA"
_ON_A_PAGE = 4
_PAGE_PX = (1400, 1500)


@dataclass(frozen=True, slots=True)
class _Object:
    """What is drawn of an object.

    Attributes
    ----------
    image
        Mean over wavelength, shape (rows, columns).
    wave, flux
        Mean over the spaxels, shape (planes,).
    """

    name: str
    unit: str
    wave_unit: str
    image: Floats
    wave: Floats
    flux: Floats


@report("kmos.combine")
def combine(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the objects of an AB in the order of their names."""
    products = source.products.every(_CUBE)
    objects = [found for product in products for found in _objects(Path(product.path))]
    if not objects:
        raise QcError(source.ab.name, f"no cube in {len(products)} {_CUBE}", "one of each object")
    objects.sort(key=lambda found: found.name)
    facts = _facts(source)
    for number, first in enumerate(range(0, len(objects), _ON_A_PAGE), start=1):
        title = f"KMOS combined cubes, page {number} of {-(-len(objects) // _ON_A_PAGE)}"
        rows = tuple(_row(found) for found in objects[first : first + _ON_A_PAGE])
        yield f"cubes{number}", Page(title, facts, rows, card, _PAGE_PX)


def _objects(path: Path) -> Iterator[_Object]:
    try:
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus[1:]:
                name = str(hdu.header.get("EXTNAME", ""))
                if name.endswith(_DATA) and hdu.header.get("NAXIS") == 3:
                    yield _read(name.removesuffix(_DATA), hdu)
    except (OSError, KeyError, ValueError) as error:
        raise QcError(str(path), f"cannot be read as cubes: {error}", "a product of kmos_combine") from error


def _read(name: str, hdu: fits.ImageHDU) -> _Object:
    header, data = hdu.header, np.asarray(hdu.data, dtype=np.float64)
    known = np.isfinite(data)
    values = np.where(known, data, 0.0)
    plane = np.arange(len(data)) + 1 - header["CRPIX3"]
    return _Object(
        name,
        str(header.get("BUNIT", "")),
        str(header.get("CUNIT3", "")),
        _mean(values, known, (0,)),
        header["CRVAL3"] + plane * header["CD3_3"],
        _mean(values, known, (1, 2)),
    )


def _mean(values: Floats, known: Floats, axes: Sequence[int]) -> Floats:
    """Mean of what is known along axes; NaN where nothing is."""
    counts = known.sum(axis=tuple(axes))
    return np.where(counts > 0, values.sum(axis=tuple(axes)) / np.maximum(counts, 1), np.nan)


def _facts(source: Source) -> tuple[str, ...]:
    header = source.products.header(_CUBE)
    words = (f"{keyword} {keyword_value(header, keyword) or ''}" for keyword in ("OBS.ID", "INS.GRAT1.ID"))
    pipeline = str(keyword_value(header, "PRO.REC1.PIPE.ID") or "")
    return (source.ab.stem, *words, f"calibration level {source.ab.level}", pipeline)


def _row(found: _Object) -> Row:
    rows, columns = found.image.shape
    finite = np.where(np.isfinite(found.image), found.image, np.nanmedian(found.image))
    extent = (0.5, columns + 0.5, 0.5, rows + 0.5)
    image = Image(found.name, "spaxel", "spaxel", "", finite, extent, _limits(finite))
    wave_label = f"wavelength ({found.wave_unit})"
    known = np.isfinite(found.flux)
    wave, flux = found.wave[known], found.flux[known]
    curve = Curve(*envelope(wave, flux), "", Style.THIN)
    limits = robust_limits(flux, with_zero=True)
    plot = Plot("mean of all spaxels", wave_label, found.unit, (curve,), None, limits, level=0.0)
    return Row((image, plot), widths=(1.0, 3.0))


def _limits(values: Floats) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    return (low, high) if high > low else (low - 0.5, low + 0.5)
