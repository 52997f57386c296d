"""Rules IMG-01 to IMG-11: SCIENCE.IMAGE, SCIENCE.MEFIMAGE, their maps, and source lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from phoenix.errors import IdpError
from phoenix.idp.checks.association import ancillaries
from phoenix.idp.checks.common import missing
from phoenix.idp.checks.observation import sources
from phoenix.idp.checks.report import finding
from phoenix.idp.cube_grid import SkyGrid, sky_grid
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.model.product import Finding

_MAPS = frozenset({"ANCILLARY.WEIGHTMAP", "ANCILLARY.VARMAP", "ANCILLARY.EXPMAP", "ANCILLARY.RMSMAP"})
_SKY = tuple(f"{stem}{axis}" for stem in ("CTYPE", "CUNIT", "CRVAL", "CRPIX") for axis in (1, 2))
_SKY += ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
_PHOTOMETRY = ("PHOTZP", "PHOTSYS", "ABMAGLIM", "ABMAGSAT", "PSF_FWHM")
_OF_SOURCES = ("PHOTSYS", "ABMAGLIM", "ABMAGSAT", "PSF_FWHM")
_ERRORS = ("PHOTZPER", "CSYER1", "CSYER2", "CRDER1", "CRDER2")
_UNITS = frozenset({"adu", "adu/s"})
#: Random errors of coordinates beyond this are not meant in degrees.
_MAX_ERROR_DEG = 1 / 360
_CLASSES = ("HDUCLASS", "HDUCLAS1", "HDUCLAS2")
_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
_CHUNK_BYTES = 8 << 20


def check_image(file: FitsFile) -> Iterator[Finding]:
    """IMG-01 to IMG-10; pixels are read piece by piece."""
    images = images_of(file)
    yield from _check_layout(file, images)
    yield from missing("IMG-02", file.primary, ("FILTER",))
    yield from _check_calibration(file)
    for hdu in images:
        yield from missing("IMG-03", hdu, (*_SKY, *_PHOTOMETRY, "BUNIT"))
        yield from _check_numbers(hdu)
        if hdu.text("BUNIT") not in {"", *_UNITS}:
            yield finding("IMG-06", hdu, f"BUNIT is {hdu.text('BUNIT')!r}, not adu or adu/s")
        yield from _check_pixels(hdu)
    yield from _check_sizes(file, images)
    grids = list(_grids(images))
    yield from (found for found in grids if isinstance(found, Finding))
    sky = [grid for grid in grids if isinstance(grid, SkyGrid)]
    if sky and len(sky) == len(images):
        yield from _check_place(file.primary, sky)
        yield from _check_maps(file, sky)


def check_source_list(file: FitsFile) -> Iterator[Finding]:
    """IMG-05 and IMG-11: a SCIENCE.SRCTBL."""
    yield from _check_calibration(file)
    if file.primary.get("NAXIS") != 0:
        yield finding("IMG-11", file.primary, f"NAXIS is {file.primary.get('NAXIS')}, not 0")
    tables = [hdu for hdu in file.extensions if hdu.get("XTENSION") == "BINTABLE"]
    if not tables or len(tables) != len(file.extensions):
        yield finding("IMG-11", file.path.name, "its extensions are not all tables, at least one")
    for hdu in tables:
        yield from missing("IMG-11", hdu, _OF_SOURCES)
        yield from _check_numbers(hdu)
    named = sources(file)
    if len(named) != 1:
        yield finding("IMG-11", file.primary, f"{len(named)} sources are named, not one image")
        return
    path = file.path.parent / named[0]
    if Path(named[0]).name != named[0] or not path.is_file():
        return  # where it is read for BAT-01, its image is looked for
    try:
        images = images_of(read_fits(path))
    except IdpError:
        return  # FIT-01 of that file tells it
    if len(images) != len(tables):
        yield finding("IMG-11", file.path.name, f"{len(tables)} tables for {len(images)} images")


def images_of(file: FitsFile) -> list[Hdu]:
    """Return the HDUs that hold images."""
    return [
        hdu
        for hdu in file.hdus
        if (hdu.index == 0 or hdu.get("XTENSION") == "IMAGE") and (hdu.integer("NAXIS") or 0) > 0
    ]


def _check_layout(file: FitsFile, images: list[Hdu]) -> Iterator[Finding]:
    for hdu in images:
        if hdu.get("NAXIS") != 2:
            yield finding("IMG-01", hdu, f"NAXIS is {hdu.get('NAXIS')}, not 2")
    if file.primary.text("PRODCATG") == "SCIENCE.MEFIMAGE":
        if file.primary.get("NAXIS") != 0:
            yield finding("IMG-01", file.primary, "holds data: each detector is an extension")
        if not any(hdu.index for hdu in images):
            yield finding("IMG-01", file.path.name, "no extension holds an image")
    elif file.primary.get("NAXIS") == 0 or len(images) != 1:
        yield finding("IMG-01", file.path.name, f"{len(images)} images, not one in the primary HDU")
    for hdu in file.hdus:
        for keyword in _CLASSES:
            if keyword in hdu.values:
                yield finding("IMG-08", hdu, f"{keyword} is not allowed where maps are files of their own")


def _check_calibration(file: FitsFile) -> Iterator[Finding]:
    if file.primary.get("FLUXCAL") != "ABSOLUTE":
        yield finding("IMG-05", file.primary, f"FLUXCAL is {file.primary.get('FLUXCAL')!r}, not ABSOLUTE")
    for hdu in file.hdus:
        if hdu.get("ZPFUDGED") is True:
            yield finding("IMG-05", hdu, "ZPFUDGED: the zero point is not from standard stars")


def _check_numbers(hdu: Hdu) -> Iterator[Finding]:
    """IMG-04."""
    if hdu.get("PHOTSYS") not in {None, "VEGA", "AB"}:
        yield finding("IMG-04", hdu, f"PHOTSYS is {hdu.get('PHOTSYS')!r}, not VEGA or AB")
    limit, saturation = hdu.number("ABMAGLIM"), hdu.number("ABMAGSAT")
    if limit is not None and not 0 < limit < 99:
        yield finding("IMG-04", hdu, f"ABMAGLIM is {limit}, not from 0 to 99")
    if limit is not None and saturation is not None and limit <= saturation:
        yield finding("IMG-04", hdu, f"ABMAGLIM {limit} is not fainter than ABMAGSAT {saturation}")
    for keyword in _ERRORS:
        value = hdu.number(keyword)
        if value is not None and value < 0:
            yield finding("IMG-04", hdu, f"{keyword} is {value}: an error is not negative")
        elif value is not None and keyword.startswith("C") and value > _MAX_ERROR_DEG:
            yield finding("IMG-04", hdu, f"{keyword} is {value} deg: it must be in degrees, not arcsec")


def _check_sizes(file: FitsFile, images: list[Hdu]) -> Iterator[Finding]:
    """IMG-04: sizes of point sources; of a pawprint some may be unknown (-1), not all."""
    known = [(hdu, size) for hdu in images if (size := hdu.number("PSF_FWHM")) is not None]
    pawprint = file.primary.text("PRODCATG") == "SCIENCE.MEFIMAGE"
    for hdu, size in known:
        if size <= 0 and not (pawprint and size == -1):
            yield finding("IMG-04", hdu, f"PSF_FWHM is {size}, not above 0")
    if pawprint and known and all(size == -1 for _, size in known):
        yield finding("IMG-04", file.path.name, "PSF_FWHM is -1 for all detectors")


def _grids(images: list[Hdu]) -> Iterator[SkyGrid | Finding]:
    for hdu in images:
        try:
            yield sky_grid(hdu)
        except IdpError as error:
            yield finding("IMG-07", hdu, f"{error.subject} {error.found}, not {error.expected}")


def _check_place(primary: Hdu, grids: list[SkyGrid]) -> Iterator[Finding]:
    """IMG-07: the position told lies in the image, or within the outline of the detectors."""
    ra, dec = primary.number("RA"), primary.number("DEC")
    if ra is None or dec is None:
        return
    first = grids[0]
    corners = [
        first.to_pixel(*grid.to_sky(np.array([0.5, grid.columns + 0.5]), np.array([0.5, grid.rows + 0.5])))
        for grid in grids
    ]
    x, y = (np.concatenate([corner[axis] for corner in corners]) for axis in (0, 1))
    at_x, at_y = first.to_pixel(np.float64(ra), np.float64(dec))
    if not (x.min() <= at_x <= x.max() and y.min() <= at_y <= y.max()):
        yield finding("IMG-07", primary, f"RA {ra}, DEC {dec} do not lie in the image")


def _check_pixels(hdu: Hdu) -> Iterator[Finding]:
    """IMG-09."""
    dtype = _DTYPES.get(hdu.integer("BITPIX") or 0)
    if dtype is None:
        yield finding("IMG-09", hdu, f"BITPIX is {hdu.get('BITPIX')}")
        return
    known = False
    for chunk in hdu.data_chunks(_CHUNK_BYTES):
        values = np.frombuffer(chunk, dtype)
        if values.dtype.kind == "f" and np.isinf(values).any():
            yield finding("IMG-09", hdu, "holds infinite values")
            return
        known = known or bool((np.isfinite(values) & (values != 0)).any())
    if not known:
        yield finding("IMG-09", hdu, "holds no value but zero or NaN")


def _check_maps(file: FitsFile, grids: list[SkyGrid]) -> Iterator[Finding]:
    """IMG-10: whether maps lie on the pixels; whether files named are there is the business of ALL-14.

    A pawprint that goes with a tile has maps of its own pixels: they lie on those of the pawprint.
    """
    known, maps = [grids], []
    for parts in ancillaries(file).values():
        name = parts.get("N", "")
        path = file.path.parent / name
        if Path(name).name != name or not name.endswith(".fits") or not path.is_file():
            continue
        try:
            companion = read_fits(path)
            of_companion = [sky_grid(hdu) for hdu in images_of(companion)]
        except IdpError as error:
            yield finding("IMG-10", file.primary, f"{name}: {error.subject} {error.found}")
            continue
        if companion.primary.text("PRODCATG") == "ANCILLARY.IMAGE":
            known.append(of_companion)
        elif companion.primary.text("PRODCATG") in _MAPS:
            maps.append((name, of_companion))
    for name, of_map in maps:
        if not any(_same(of_map, pixels) for pixels in known):
            yield finding("IMG-10", file.primary, f"the map {name} is of other pixels than the image")


def _same(grids: list[SkyGrid], others: list[SkyGrid]) -> bool:
    return len(grids) == len(others) and all(
        one.same_pixels(other) for one, other in zip(grids, others, strict=True)
    )
