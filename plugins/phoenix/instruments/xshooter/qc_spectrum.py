"""Reads the spectra of XSHOOTER science recipes for measurements and pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phoenix.errors import QcError
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source
from phoenix.qc.scatter import robust_sigma

#: Chunks of wavelength in which the object is looked for along the slit.
_CHUNKS = 24
#: The object stands out of the scatter along the slit by at least this factor.
_LEAST_PEAK = 6.0


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Bins of a merged spectrum that hold light.

    Attributes
    ----------
    wave_nm
        Air wavelength, nm, shape (n,).
    flux, error
        ADU, or erg/s/cm2/Angstrom when ``fluxed``; shape (n,).
    flagged
        Share of all bins with a bad pixel code, percent.
    """

    wave_nm: Floats
    flux: Floats
    error: Floats
    fluxed: bool
    flagged: float

    @property
    def snr(self) -> Floats:
        """S/N per bin, shape (n,)."""
        return self.flux / self.error


@dataclass(frozen=True, slots=True)
class AlongSlit:
    """The spectrum along the slit.

    Attributes
    ----------
    pixels
        Shape (positions, wavelengths), erg/s/cm2/Angstrom; NaN where it is flagged.
    slit_arcsec, wave_nm
        Of rows and columns.
    """

    pixels: Floats
    slit_arcsec: Floats
    wave_nm: Floats

    def chunks(self) -> Iterator[tuple[float, Floats]]:
        """Yield (wavelength, mean along the slit) of chunks of wavelength."""
        for part in np.array_split(np.arange(self.wave_nm.size), _CHUNKS):
            yield float(self.wave_nm[part].mean()), _mean(self.pixels[:, part])

    @property
    def profile(self) -> Floats:
        """Mean along the slit over all wavelengths, each chunk with the same weight."""
        profiles = [profile / scale for _, profile in self.chunks() if (scale := float(np.ptp(profile))) > 0]
        return np.mean(profiles, axis=0) if profiles else np.zeros(self.slit_arcsec.size)


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the object lies on the slit: wavelength (nm), centre and FWHM (arcsec), each of shape (n,)."""

    wave_nm: Floats
    centre_arcsec: Floats
    fwhm_arcsec: Floats


def catg_of(source: Source, name: str) -> str:
    """Return a product of the same kind (science, telluric standard) and arm as the source's."""
    return f"{source.pro_catg.partition('_')[0]}_SLIT_{name}_{source.words['arm']}"


def read_counts(source: Source) -> Spectrum:
    """Return the merged spectrum in ADU."""
    return _read(source, catg_of(source, "MERGE1D"), fluxed=False)


def read_fluxed(source: Source) -> Spectrum:
    """Return the flux calibrated spectrum, erg/s/cm2/Angstrom."""
    return _read(source, catg_of(source, "FLUX_MERGE1D"), fluxed=True)


def _read(source: Source, catg: str, *, fluxed: bool) -> Spectrum:
    flux, error, quality = (source.products.image(catg, extension) for extension in range(3))
    lit = np.isfinite(flux) & np.isfinite(error) & (error > 0) & (quality == 0)
    if not lit.any():
        raise QcError(catg, "no bin is good and has an error", "an extracted spectrum")
    flagged = 100 * float(np.count_nonzero(quality != 0) / quality.size)
    wave_nm = _axis(source, catg, 1, flux.size)
    return Spectrum(wave_nm[lit], flux[lit], error[lit], fluxed, flagged)


def read_along_slit(source: Source) -> AlongSlit:
    """Return the flux calibrated spectrum along the slit."""
    catg = catg_of(source, "FLUX_MERGE2D")
    flux, quality = source.products.image(catg), source.products.image(catg, 2)
    rows, columns = flux.shape
    pixels = np.where((quality == 0) & np.isfinite(flux), flux, np.nan)
    return AlongSlit(pixels, _axis(source, catg, 2, rows), _axis(source, catg, 1, columns))


def _axis(source: Source, catg: str, axis: int, size: int) -> Floats:
    header = source.products.header(catg)
    pixel = np.arange(size) + 1 - header[f"CRPIX{axis}"]
    return np.asarray(header[f"CRVAL{axis}"] + pixel * header[f"CDELT{axis}"], dtype=np.float64)


def read_orders(source: Source) -> dict[int, tuple[float, float]]:
    """Return (central wavelength in nm, median S/N per bin) of each order before merging, by its number."""
    catg, found = catg_of(source, "ORDER1D"), {}
    for extension, name in enumerate(source.products.extensions(catg)):
        if not name.endswith("_FLUX"):
            continue
        flux, error, quality = (source.products.image(catg, extension + offset) for offset in range(3))
        header = source.products.header(catg, extension)
        lit = np.isfinite(flux) & (error > 0) & (quality == 0)
        if lit.any():
            centre_nm = header["CRVAL1"] + header["CDELT1"] * flux.size / 2
            snr = float(np.median(flux[lit] / error[lit]))
            found[int(name.removeprefix("ORD").removesuffix("_FLUX"))] = (float(centre_nm), snr)
    return found


def read_trace(source: Source) -> Trace:
    """Return where the object lies in the chunks of wavelength in which it stands out."""
    return source.products.once("trace", lambda: _trace_of(read_along_slit(source)))


def _trace_of(along: AlongSlit) -> Trace:
    places = [
        (wave_nm, *place)
        for wave_nm, profile in along.chunks()
        if (place := _place(along.slit_arcsec, profile)) is not None
    ]
    wave, centre, fwhm = np.array(places).reshape(-1, 3).T
    return Trace(wave, centre, fwhm)


def _place(slit_arcsec: Floats, profile: Floats) -> tuple[float, float] | None:
    """Return centre and FWHM of the brightest peak, from where it falls to half its height; None without."""
    known = np.isfinite(profile)
    if np.count_nonzero(known) < 5:
        return None
    slit_arcsec, profile = slit_arcsec[known], profile[known]
    level = float(np.median(profile))
    scatter = robust_sigma(profile)
    top = int(np.argmax(profile))
    height = float(profile[top]) - level
    if height <= _LEAST_PEAK * scatter:
        return None
    above = profile - level - height / 2
    edges = [_crossing(slit_arcsec, above, top, step) for step in (-1, 1)]
    if edges[0] is None or edges[1] is None:
        return None
    return (edges[0] + edges[1]) / 2, abs(edges[1] - edges[0])


def _crossing(x: Floats, y: Floats, start: int, step: int) -> float | None:
    """Return where y becomes negative on the way from an index outwards, interpolated."""
    index = start
    while 0 <= index + step < len(y):
        following = index + step
        if y[following] <= 0:
            share = y[index] / (y[index] - y[following])
            return float(x[index] + share * (x[following] - x[index]))
        index = following
    return None


def _mean(pixels: Floats) -> Floats:
    """Return the mean of each row without what is not finite; NaN where nothing is left."""
    known = np.isfinite(pixels)
    counts = known.sum(axis=1)
    total = np.where(known, pixels, 0.0).sum(axis=1)
    mean: Floats = np.divide(total, counts, out=np.full(len(pixels), np.nan), where=counts > 0)
    return mean
