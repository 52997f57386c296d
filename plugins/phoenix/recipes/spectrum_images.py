"""Spectra as images, flux and error in files of their own (UVES): read, and written as a stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import Frame
from phoenix.recipes.resample import Floats, Samples
from phoenix.recipes.series import Exposure, Stack
from phoenix.recipes.stack_header import primary_of

if TYPE_CHECKING:
    from astropy.io import fits

#: Begin of a tag of fluxes -> begin of the tag of their errors.
PAIRS = {"FLUXCAL_": "FLUXCAL_ERRORBAR_", "RED_": "ERRORBAR_"}
#: uves_obs_scired marks bins without data by these: reduced flux 0 with error 1, calibrated flux 0.
_NO_FLUX, _ERROR_OF_NO_DATA = 0.0, 1.0


def read_images(frames: Iterable[Frame]) -> dict[str, list[Exposure]]:
    """Return the exposures of each spectrum, which is known by the tag of its flux.

    Raises
    ------
    ReductionError
        If flux and error do not come in pairs, or a file is not a spectrum.
    """
    by_place: dict[tuple[str, str], Frame] = {}
    series = defaultdict(list)
    frames = list(frames)
    for frame in frames:
        key = (frame.tag, _origin(frame))
        if key in by_place:
            raise ReductionError(
                CplCode.ILLEGAL_INPUT,
                frame.path.name,
                f"is of the exposure of {by_place[key].path.name}",
                "each once",
            )
        by_place[key] = frame
    for (tag, origin), frame in by_place.items():
        error_tag = error_tag_of(tag)
        if error_tag is None:
            continue
        error = by_place.get((error_tag, origin))
        if error is None:
            raise ReductionError(
                CplCode.DATA_NOT_FOUND,
                frame.path.name,
                f"no {error_tag} of {origin}",
                "flux and error of an exposure",
            )
        series[tag].append(_read(frame, error))
    return dict(sorted(series.items()))


def error_tag_of(tag: str) -> str | None:
    """Return the tag of the errors that belong to a flux; None for what is not a flux."""
    if tag.startswith(tuple(PAIRS.values())):
        return None
    return next((tag.replace(flux, error, 1) for flux, error in PAIRS.items() if tag.startswith(flux)), None)


def _origin(frame: Frame) -> str:
    from astropy.io import fits

    header = fits.getheader(frame.path)
    return str(header.get("ARCFILE", header.get("MJD-OBS")))


def _read(flux_frame: Frame, error_frame: Frame) -> Exposure:
    from astropy.io import fits

    with fits.open(flux_frame.path, memmap=False) as hdus:
        header, flux = hdus[0].header.copy(), _values(flux_frame, hdus[0].data)
    with fits.open(error_frame.path, memmap=False) as hdus:
        error = _values(error_frame, hdus[0].data)
    if flux.shape != error.shape:
        raise ReductionError(
            CplCode.INCOMPATIBLE_INPUT,
            error_frame.path.name,
            f"{error.size} bins",
            f"{flux.size}, as the flux has",
        )
    absent = (flux == _NO_FLUX) & ((error == _ERROR_OF_NO_DATA) | flux_frame.tag.startswith("FLUXCAL_"))
    good = ~absent & np.isfinite(flux) & np.isfinite(error) & (error > 0)
    wave = header["CRVAL1"] + (np.arange(flux.size) + 1 - header["CRPIX1"]) * header["CDELT1"]
    return Exposure((flux_frame, error_frame), header, wave, {flux_frame.tag: Samples(flux, error, good)})


def _values(frame: Frame, data: object) -> Floats:
    values = np.asarray(data, dtype=np.float64) if data is not None else np.zeros(0)
    if values.ndim != 1 or values.size < 2:
        raise ReductionError(
            CplCode.BAD_FILE_FORMAT,
            frame.path.name,
            f"data of shape {values.shape}",
            "a spectrum in the primary HDU",
        )
    return values


def images_of(tag: str, stack: Stack) -> dict[str, fits.HDUList]:
    """Return flux and error of a stack by their tags, on the grid of the first exposure."""
    from astropy.io import fits

    combined = stack.quantities[tag]
    absent = combined.contributions == 0
    pair = {tag: combined.flux, str(error_tag_of(tag)): np.where(absent, _ERROR_OF_NO_DATA, combined.error)}
    parent = stack.exposures[0].header
    products = {}
    for name, values in pair.items():
        image = fits.PrimaryHDU(values.astype(np.float32), header=primary_of(stack))
        for keyword in ("CTYPE1", "CUNIT1", "CRVAL1", "CRPIX1", "CDELT1", "CD1_1", "BUNIT"):
            if keyword in parent:
                image.header[keyword] = parent[keyword]
        products[name] = fits.HDUList([image])
    return products
