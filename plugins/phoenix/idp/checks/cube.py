"""Rules CUB-01 to CUB-14: SCIENCE.CUBE.IFS, and the images that go with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from phoenix.errors import IdpError
from phoenix.idp.checks.association import ancillaries
from phoenix.idp.checks.common import missing
from phoenix.idp.checks.report import finding
from phoenix.idp.checks.spectrum import FRAMES
from phoenix.idp.cube_grid import sky_grid, wave_grid
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.model.product import Finding

WHITE_LIGHT, EXPOSURE_MAP = "ANCILLARY.IMAGE.WHITELIGHT", "ANCILLARY.EXPMAP"
_KINDS = ("DATA", "ERROR", "QUALITY")
#: Keyword that names the extension of a kind in the others.
_PARTNERS = {"DATA": "SCIDATA", "ERROR": "ERRDATA", "QUALITY": "QUALDATA"}
_ERRORS = frozenset({"MSE", "RMSE", "INVMSE", "INVRMSE"})
_QUALITIES = frozenset({"MASKZERO", "MASKONE", "FLAG32BIT", "FLAG16BIT"})
_PRIMARY = ("DATE-OBS", "SPECSYS", "WAVELMIN", "WAVELMAX", "SPEC_RES", "PIXNOISE", "ASSON1")
_SENSITIVITY = ("ABMAGLIM", "SKY_RES", "SKY_RERR")
#: Instruments whose cubes need not tell them (ESO's list of checks).
_NO_SENSITIVITY = frozenset({"KMOS"})
_SKY = tuple(f"{stem}{axis}" for stem in ("CTYPE", "CUNIT", "CRVAL", "CRPIX") for axis in (1, 2))
_SKY += ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
_AXES = (*_SKY, "CTYPE3", "CUNIT3", "CRVAL3", "CRPIX3", "CD3_3")
_CLASSES = ("HDUCLASS", "HDUDOC", "HDUVERS", "HDUCLAS1", "HDUCLAS2")
_ACCURACY = ("CSYER1", "CSYER2")
_FLUX = re.compile(r"(10\*\*\(-\d+\))?erg\.s\*\*\(-1\)\.cm\*\*\(-2\)\.(angstrom|um|nm)\*\*\(-1\)")
_FLOATS = {-32: ">f4", -64: ">f8"}
_CHUNK_BYTES = 8 << 20


def check_cube(file: FitsFile) -> Iterator[Finding]:
    """CUB-01 to CUB-13; data are read piece by piece."""
    primary = file.primary
    yield from _check_structure(file)
    yield from _check_primary(primary)
    for hdu in file.hdus:
        for keyword in ("FILTER", "SPEC_BIN"):
            if keyword in hdu.values:
                yield finding("CUB-04", hdu, f"{keyword} is not allowed")
    parts = _parts(file)
    for kind, hdu in parts.items():
        yield from _check_extension(hdu, kind)
        yield from _check_partners(hdu, kind, parts)
    data = parts.get("DATA")
    if data is None:
        return
    yield from _check_same_pixels(data, parts)
    yield from _check_coordinates(primary, data)
    yield from _check_units(primary, parts)
    for kind in ("DATA", "ERROR"):
        if kind in parts:
            yield from _check_values(parts[kind])
    yield from _check_white_light(file, data)


def check_companion(file: FitsFile) -> Iterator[Finding]:
    """CUB-14: a white-light image or an exposure map."""
    images = [hdu for hdu in file.extensions if hdu.get("XTENSION") == "IMAGE"]
    if len(images) != 1 or len(file.extensions) != 1 or images[0].get("NAXIS") != 2:
        yield finding("CUB-14", file.path.name, "not one extension with an image of two axes")
        return
    image = images[0]
    yield from missing("CUB-14", image, (*_SKY, *_CLASSES, "BUNIT", "EXTNAME"))
    if image.get("HDUCLASS") != "ESO":
        yield finding("CUB-14", image, f"HDUCLASS is {image.get('HDUCLASS')!r}, not ESO")
    try:
        sky_grid(image)
    except IdpError as error:
        yield finding("CUB-14", image, f"{error.subject} {error.found}, not {error.expected}")


def _parts(file: FitsFile) -> dict[str, Hdu]:
    """Return the data extensions by what HDUCLAS2 says they are, the first of each kind."""
    found: dict[str, Hdu] = {}
    for hdu in file.extensions:
        if hdu.text("HDUCLAS2") in _KINDS:
            found.setdefault(hdu.text("HDUCLAS2"), hdu)
    return found


def _check_structure(file: FitsFile) -> Iterator[Finding]:
    if file.primary.get("NAXIS") != 0:
        yield finding("CUB-01", file.primary, f"NAXIS is {file.primary.get('NAXIS')}, not 0")
    kinds = []
    for hdu in file.extensions:
        if hdu.text("EXTNAME") == "PHASE3PROVENANCE":
            continue
        kind = hdu.text("HDUCLAS2")
        kinds.append(kind)
        if kind not in _KINDS:
            yield finding("CUB-01", hdu, f"HDUCLAS2 is {kind!r}, not {', '.join(_KINDS)}")
        if hdu.get("XTENSION") != "IMAGE" or hdu.get("NAXIS") != 3:
            found = f"{hdu.get('XTENSION')} of {hdu.get('NAXIS')} axes"
            yield finding("CUB-01", hdu, f"is a {found}, not an image of 3")
    for kind in _KINDS:
        if kinds.count(kind) > 1:
            yield finding("CUB-01", file.path.name, f"{kinds.count(kind)} extensions of kind {kind}")
    if "DATA" not in kinds:
        yield finding("CUB-01", file.path.name, "no extension holds the data: HDUCLAS2 DATA")


def _check_primary(primary: Hdu) -> Iterator[Finding]:
    yield from missing("CUB-02", primary, _PRIMARY)
    if primary.get("INSTRUME") not in _NO_SENSITIVITY:
        yield from missing("CUB-02", primary, _SENSITIVITY)
    if primary.get("SPECSYS") not in {None, *FRAMES}:
        yield finding(
            "CUB-05", primary, f"SPECSYS is {primary.get('SPECSYS')!r}, not one of {' '.join(FRAMES)}"
        )
    for keyword in ("SPEC_RES", "PIXNOISE", "SKY_RES", "ABMAGLIM"):
        value = primary.number(keyword)
        if value is not None and value <= 0:
            yield finding("CUB-10", primary, f"{keyword} is {value}, not above 0")


def _check_extension(hdu: Hdu, kind: str) -> Iterator[Finding]:
    yield from missing("CUB-03", hdu, (*_AXES, *_CLASSES, *_ACCURACY, "BUNIT", "EXTNAME"))
    for keyword, right in (("HDUCLASS", "ESO"), ("HDUDOC", "SDP"), ("HDUCLAS1", "IMAGE")):
        if hdu.get(keyword) not in {None, right}:
            yield finding("CUB-06", hdu, f"{keyword} is {hdu.get(keyword)!r}, not {right}")
    allowed = {"ERROR": _ERRORS, "QUALITY": _QUALITIES}.get(kind)
    if allowed is not None and hdu.text("HDUCLAS3") not in allowed:
        told = ", ".join(sorted(allowed))
        yield finding("CUB-06", hdu, f"HDUCLAS3 is {hdu.get('HDUCLAS3')!r}, not one of {told}")
    for keyword in (*_ACCURACY, "CRDER3"):
        value = hdu.number(keyword)
        if value is not None and value < 0:
            yield finding("CUB-10", hdu, f"{keyword} is {value}: an error is not negative")


def _check_partners(hdu: Hdu, kind: str, parts: dict[str, Hdu]) -> Iterator[Finding]:
    for other, keyword in _PARTNERS.items():
        named = hdu.get(keyword)
        if other == kind:
            if named is not None:
                yield finding("CUB-07", hdu, f"{keyword} refers to itself")
        elif other in parts and named != parts[other].text("EXTNAME"):
            yield finding("CUB-07", hdu, f"{keyword} is {named!r}, not {parts[other].text('EXTNAME')!r}")
        elif other not in parts and named is not None:
            yield finding("CUB-07", hdu, f"{keyword} is {named!r}, which is not there")


def _check_same_pixels(data: Hdu, parts: dict[str, Hdu]) -> Iterator[Finding]:
    for hdu in parts.values():
        for keyword in ("NAXIS1", "NAXIS2", "NAXIS3", *_AXES):
            if hdu.get(keyword) != data.get(keyword):
                yield finding(
                    "CUB-08", hdu, f"{keyword} is {hdu.get(keyword)!r}, in the data {data.get(keyword)!r}"
                )


def _check_coordinates(primary: Hdu, data: Hdu) -> Iterator[Finding]:
    try:
        sky, wave = sky_grid(data), wave_grid(data)
    except IdpError as error:
        yield finding("CUB-09", data, f"{error.subject} {error.found}, not {error.expected}")
        return
    ra, dec = primary.number("RA"), primary.number("DEC")
    if ra is not None and dec is not None and not sky.holds(ra, dec):
        yield finding("CUB-09", primary, f"RA {ra}, DEC {dec} do not lie in the cube")
    low, high = primary.number("WAVELMIN"), primary.number("WAVELMAX")
    if low is None or high is None:
        return
    if low >= high:
        yield finding("CUB-10", primary, f"WAVELMIN {low} nm is not below WAVELMAX {high} nm")
    ends = sorted((wave.of_plane(0), wave.of_plane(wave.planes - 1)))
    half_nm = abs(wave.step_nm) / 2
    if low < ends[0] - half_nm or high > ends[1] + half_nm:
        told = f"{low} to {high} nm, the cube {ends[0]:.4f} to {ends[1]:.4f} nm"
        yield finding("CUB-10", primary, f"WAVELMIN and WAVELMAX are {told}")


def _check_units(primary: Hdu, parts: dict[str, Hdu]) -> Iterator[Finding]:
    data, error = parts["DATA"], parts.get("ERROR")
    unit = data.text("BUNIT")
    if primary.get("FLUXCAL") == "ABSOLUTE" and not _FLUX.fullmatch(unit):
        yield finding(
            "CUB-11", data, f"BUNIT is {unit!r} with FLUXCAL ABSOLUTE, no flux as the standard writes it"
        )
    if error is None or not unit:
        return
    squared = error.text("HDUCLAS3") == "MSE"
    same = error.text("BUNIT") == unit
    if same == squared and error.text("HDUCLAS3") in {"MSE", "RMSE"}:
        right = "the square of that of the data" if squared else "that of the data"
        yield finding("CUB-11", error, f"BUNIT is {error.text('BUNIT')!r}, not {right}")


def _check_values(hdu: Hdu) -> Iterator[Finding]:
    """CUB-12."""
    dtype = _FLOATS.get(hdu.integer("BITPIX") or 0)
    if dtype is None:
        yield finding("CUB-12", hdu, f"BITPIX is {hdu.get('BITPIX')}, not floats")
        return
    known = False
    for chunk in hdu.data_chunks(_CHUNK_BYTES):
        values = np.frombuffer(chunk, dtype)
        finite = np.isfinite(values)
        known = known or bool(finite.any())
        if not finite.all() and np.isinf(values).any():
            yield finding("CUB-12", hdu, "holds infinite values")
            return
    if not known:
        yield finding("CUB-12", hdu, "holds no value but NaN")


def _check_white_light(file: FitsFile, data: Hdu) -> Iterator[Finding]:
    """CUB-13; whether the files named are there is the business of ALL-14."""
    images = []
    for parts in ancillaries(file).values():
        name = parts.get("N", "")
        path = file.path.parent / name
        if Path(name).name == name and name.endswith(".fits") and path.is_file():
            try:
                companion = read_fits(path)
            except IdpError:
                continue  # FIT-01 of that file tells it
            if companion.primary.text("PRODCATG") == WHITE_LIGHT:
                images.append(companion)
    if len(images) != 1:
        yield finding("CUB-13", file.primary, f"{len(images)} white-light images are named, not one")
        return
    try:
        grid, sky = sky_grid(images[0].extensions[0]), sky_grid(data)
    except (IdpError, IndexError):
        return  # CUB-09 or CUB-14 tells it
    if not grid.same_pixels(sky):
        told = f"{grid.columns} x {grid.rows} pixels, the cube {sky.columns} x {sky.rows}"
        yield finding("CUB-13", file.primary, f"the white-light image is of other pixels: {told}")
