"""The detectors of a product of HAWK-I: their headers, pixels and sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source

#: Image -> its source list.
SOURCE_LISTS = {"JITTERED_IMAGE_SCI": "OBJECT_CATALOGUE_JITTERED", "TILED_IMAGE": "TILED_OBJECT_CATALOGUE"}
_CHIP = re.compile(r"CHIP(\d)\.INT1")
#: More extensions are no product of HAWK-I.
_MOST_EXTENSIONS = 8


@dataclass(frozen=True)
class Detector:
    """One detector of a pawprint, or a whole tile.

    Attributes
    ----------
    item
        Number of the detector, as in names of parameters; empty for a tile.
    header
        Of the image.
    list_header, sources
        Header and rows of its source list; None where there is none.
    """

    item: str
    extension: int
    header: fits.Header
    list_header: fits.Header | None = None
    sources: Any = None

    def number(self, *keywords: str) -> float:
        """Return the first keyword that is there, of the image or its source list; ``QcError`` if none."""
        for header in (self.header, self.list_header):
            for keyword in keywords:
                value = keyword_value(header, keyword) if header is not None else None
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    return float(value)
        raise QcError(f"detector {self.item or 'of the tile'}", f"there is no {' or '.join(keywords)}")

    def column(self, name: str) -> Floats:
        """Return a column of the source list, empty without sources; ``QcError`` if it has no such column."""
        if self.sources is None:
            return np.empty(0)
        if name not in self.sources.names:
            raise QcError(f"source list of detector {self.item}", f"has no column {name}")
        return np.asarray(self.sources[name], dtype=np.float64)

    @property
    def scale_arcsec(self) -> float:
        """Size of a pixel."""
        cd = [float(self.header.get(f"CD{i}_{j}", 0.0)) for i in (1, 2) for j in (1, 2)]
        return float(3600 * np.sqrt(abs(cd[0] * cd[3] - cd[1] * cd[2])))


def detectors_of(source: Source, pro_catg: str) -> list[Detector]:
    """Return the detectors of a product in order of their numbers; a tile counts as one.

    Raises
    ------
    QcError
        If the product has none.
    """

    def read() -> list[Detector]:
        found = list(_read(source, pro_catg))
        if not found:
            raise QcError(pro_catg, "no extension is of a detector", "EXTNAME CHIPn.INT1")
        return sorted(found, key=lambda detector: detector.item)

    return source.products.once(f"detectors {pro_catg}", read)


def _read(source: Source, pro_catg: str) -> list[Detector]:
    primary = source.products.header(pro_catg)
    if primary.get("NAXIS"):
        return [_with_sources(source, pro_catg, Detector("", 0, primary), 1)]
    found = []
    for extension in range(1, _MOST_EXTENSIONS + 1):
        try:
            header = source.products.header(pro_catg, extension)
        except QcError:
            break
        if match := _CHIP.fullmatch(str(header.get("EXTNAME", ""))):
            found.append(_with_sources(source, pro_catg, Detector(match[1], extension, header), extension))
    return found


def _with_sources(source: Source, pro_catg: str, detector: Detector, extension: int) -> Detector:
    catalogue = SOURCE_LISTS.get(pro_catg)
    if catalogue is None or not source.products.has(catalogue):
        return detector
    header = source.products.header(catalogue, extension)
    if header.get("EXTNAME") != detector.header.get("EXTNAME"):
        raise QcError(catalogue, f"extension {extension} is of {header.get('EXTNAME')}", "that of the image")
    return replace(detector, list_header=header, sources=source.products.table(catalogue, extension))


def half_light_fwhm(detector: Detector) -> Floats:
    """Twice the half-light radius of each source, arcsec: for a Gaussian its FWHM."""
    return 2 * detector.column("Half_radius") * detector.scale_arcsec


def bright(detector: Detector) -> Any:
    """Return which sources are of the brighter half and have a size, as an index."""
    flux, radius = detector.column("Aper_flux_3"), detector.column("Half_radius")
    known = np.isfinite(flux) & (flux > 0) & (radius > 0)
    return known & (flux >= np.median(flux[known])) if known.any() else known
