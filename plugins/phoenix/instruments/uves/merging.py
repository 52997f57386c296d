"""One spectrum from the chips of an arm: padding trimmed, errors propagated, REDL and REDU joined.

Rules, since ESO's converter is not public:

* uves_obs_scired pads both ends of a chip with RED = 0 and ERRORBAR = 1. These pixels are trimmed. The same
  values between good pixels stay, flagged NO_DATA.
* FLUXCAL ends where the response curve ends, a little inside RED. There FLUX and ERR are 0, flagged
  NO_FLUX; FLUX_REDUCED stays. Not NaN: a NaN in ERR makes linetools forget all errors of the spectrum,
  while an error of 0 is its mark, and that of others, for a pixel to leave out.
* The gap between REDL and REDU stays a gap: no pixel is invented, WAVE jumps over it. Both chips keep their
  own step.
* Should they overlap, the overlap is cut in its middle: each half comes from the chip it is farther inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.int32]

#: QUAL: bits of a pixel that is not good.
NO_DATA = 1
NO_FLUX = 2

#: Factor that takes the product's BUNIT to 10**(-16) erg/cm2/s/Angstrom; the pipeline writes one or the
#: other, depending on the response curve it is given.
_FLUX_SCALES = {"10^-16 erg/cm^2/Angstrom/s": 1.0, "erg/cm^2/Angstrom/s": 1e16}


@dataclass(frozen=True)
class ChipSpectrum:
    """The merged orders of one chip, or of several chips joined; all arrays of shape (n,).

    Attributes
    ----------
    wave
        Air wavelength, Angstrom.
    reduced, error, sky
        Flux, its standard deviation and the sky, ADU.
    flux, flux_error
        1e-16 erg/cm2/s/Angstrom; None when the setting has no response curve.
    quality
        0 for good pixels, else NO_DATA and NO_FLUX.
    """

    wave: Floats
    reduced: Floats
    error: Floats
    sky: Floats
    flux: Floats | None
    flux_error: Floats | None
    quality: Flags

    def part(self, keep: slice | npt.NDArray[np.bool_]) -> ChipSpectrum:
        """Return the chosen pixels."""
        return ChipSpectrum(
            self.wave[keep],
            self.reduced[keep],
            self.error[keep],
            self.sky[keep],
            None if self.flux is None else self.flux[keep],
            None if self.flux_error is None else self.flux_error[keep],
            self.quality[keep],
        )


def wavelengths(hdu: Hdu, subject: str) -> Floats:
    """Return the linear wavelength axis of a pipeline product, Angstrom.

    Raises
    ------
    IdpError
        If the axis is not a wavelength in Angstrom.
    """
    start, step, reference = (hdu.number(keyword) for keyword in ("CRVAL1", "CDELT1", "CRPIX1"))
    unit = hdu.text("CUNIT1")
    if start is None or not step or step < 0 or reference is None or unit != "Angstrom":
        raise IdpError(
            subject,
            f"CRVAL1 {start}, CDELT1 {step}, CRPIX1 {reference}, CUNIT1 {unit!r}",
            "a linear axis in Angstrom",
            "convert products of uves_obs_scired",
        )
    wave: Floats = start + (np.arange(hdu.image().size, dtype=np.float64) + 1 - reference) * step
    return wave


def flux_scale(hdu: Hdu, subject: str) -> float:
    """Return the factor to 1e-16 erg/cm2/s/Angstrom; ``IdpError`` for an unknown unit."""
    unit = hdu.text("BUNIT")
    if unit not in _FLUX_SCALES:
        raise IdpError(subject, f"BUNIT is {unit!r}", f"one of {', '.join(map(repr, _FLUX_SCALES))}")
    return _FLUX_SCALES[unit]


def chip_spectrum(
    chip: str,
    red: Hdu,
    errorbar: Hdu,
    sky: Hdu | None,
    fluxcal: Hdu | None,
    flux_error: Floats | None = None,
) -> ChipSpectrum:
    """Return the trimmed spectrum of a chip.

    Parameters
    ----------
    chip : str
        BLUE, REDL or REDU, for messages.
    red, errorbar : Hdu
        Products RED and ERRORBAR, ADU.
    sky, fluxcal : Hdu, optional
        Products MERGED_SKY (zero when absent) and FLUXCAL.
    flux_error : ndarray, shape (n,), optional
        Standard deviation of FLUXCAL in 1e-16 erg/cm2/s/Angstrom, where ``calibrated_error`` does not hold.

    Raises
    ------
    IdpError
        If the products do not lie on one grid, or no pixel holds data.
    """
    wave = wavelengths(red, f"RED of {chip}")
    for name, other in (("ERRORBAR", errorbar), ("MERGED_SKY", sky), ("FLUXCAL", fluxcal)):
        if other is not None:
            _on_same_grid(wave, wavelengths(other, f"{name} of {chip}"), f"{name} of {chip}")
    reduced, error = _vector(red), _vector(errorbar)
    spectrum = ChipSpectrum(
        wave=wave,
        reduced=reduced,
        error=error,
        sky=np.zeros_like(reduced) if sky is None else _vector(sky),
        flux=None if fluxcal is None else _vector(fluxcal) * flux_scale(fluxcal, f"FLUXCAL of {chip}"),
        flux_error=flux_error,
        quality=np.where(_without_data(reduced, error), NO_DATA, 0).astype(np.int32),
    )
    return _with_flux(_trimmed(spectrum, chip))


def calibrated_error(flux: Floats, reduced: Floats, error: Floats) -> Floats:
    """Return the standard deviation of a calibrated flux: |FLUXCAL / RED| x ERRORBAR.

    FLUXCAL_ERRORBAR of uves 6.1.8 is not used: it lacks the factor 10**(0.4 X k) for the atmospheric
    extinction that FLUXCAL was corrected for. FLUXCAL / RED is a smooth function of wavelength, so where RED
    is 0 it is interpolated linearly from its neighbours.

    Parameters
    ----------
    flux, reduced, error : ndarray, shape (n,)
        FLUXCAL, RED and ERRORBAR on one grid.
    """
    known = (reduced != 0) & (flux != 0) & np.isfinite(flux) & np.isfinite(reduced)
    if not known.any():
        return np.full_like(error, np.nan)
    pixels = np.arange(flux.size)
    factor: Floats = np.interp(pixels, pixels[known], np.abs(flux[known] / reduced[known]))
    return np.multiply(factor, error)


def join(chips: Sequence[ChipSpectrum]) -> ChipSpectrum:
    """Return the chips, bluest first, on one strictly increasing wavelength axis.

    Flux is kept only when all chips have it.
    """
    joined = [chips[0]]
    for redder in chips[1:]:
        bluer = joined.pop()
        middle = (bluer.wave[-1] + redder.wave[0]) / 2
        if redder.wave[0] <= bluer.wave[-1]:
            bluer, redder = bluer.part(bluer.wave < middle), redder.part(redder.wave >= middle)
        joined += [bluer, redder]
    fluxed = all(chip.flux is not None for chip in joined)
    quality = np.concatenate([chip.quality for chip in joined])
    return ChipSpectrum(
        wave=np.concatenate([chip.wave for chip in joined]),
        reduced=np.concatenate([chip.reduced for chip in joined]),
        error=np.concatenate([chip.error for chip in joined]),
        sky=np.concatenate([chip.sky for chip in joined]),
        flux=np.concatenate([chip.flux for chip in joined if chip.flux is not None]) if fluxed else None,
        flux_error=np.concatenate([chip.flux_error for chip in joined if chip.flux_error is not None])
        if fluxed
        else None,
        quality=quality if fluxed else quality & ~np.int32(NO_FLUX),
    )


def _vector(hdu: Hdu) -> Floats:
    return hdu.image().ravel().astype(np.float64)


def _on_same_grid(wave: Floats, other: Floats, subject: str) -> None:
    step = wave[1] - wave[0] if wave.size > 1 else 1.0
    if wave.shape != other.shape or np.max(np.abs(wave - other)) > 1e-3 * step:
        raise IdpError(subject, "lies on another wavelength grid than RED", "products of one recipe run")


def _without_data(reduced: Floats, error: Floats) -> npt.NDArray[np.bool_]:
    usable: npt.NDArray[np.bool_] = np.isfinite(reduced) & np.isfinite(error) & (error > 0)
    usable[(reduced == 0) & (error == 1)] = False
    return ~usable


def _trimmed(spectrum: ChipSpectrum, chip: str) -> ChipSpectrum:
    good = np.flatnonzero(spectrum.quality == 0)
    if good.size < 2:
        raise IdpError(
            f"RED of {chip}", "no pixel holds data", "an extracted spectrum", "read the recipe's log"
        )
    return spectrum.part(slice(good[0], good[-1] + 1))


def _with_flux(spectrum: ChipSpectrum) -> ChipSpectrum:
    """Add the error of the flux, and mark what lies outside the response curve."""
    if spectrum.flux is None:
        return spectrum
    calibrated = np.flatnonzero((spectrum.flux != 0) & np.isfinite(spectrum.flux))
    inside = np.zeros(spectrum.flux.size, dtype=bool)
    if calibrated.size:
        inside[calibrated[0] : calibrated[-1] + 1] = True
    error = spectrum.flux_error
    if error is None:
        error = calibrated_error(spectrum.flux, spectrum.reduced, spectrum.error)
    usable = inside & (spectrum.quality == 0)
    return ChipSpectrum(
        spectrum.wave,
        spectrum.reduced,
        spectrum.error,
        spectrum.sky,
        np.where(usable, spectrum.flux, 0.0),
        np.where(usable, error, 0.0),
        spectrum.quality | np.where(inside, 0, NO_FLUX).astype(np.int32),
    )
