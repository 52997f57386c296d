"""The spectrum of an XSHOOTER science recipe: its table in SDP format, or the merged images behind it.

With ``--generate-SDP-format`` the recipe writes SCI_SLIT_FLUX_IDP_<arm>, of telluric standards under the same
name. Its columns are those of SCI_SLIT_FLUX_MERGE1D_<arm> and SCI_SLIT_MERGE1D_<arm> bit by bit, in double
precision. Without, the two images are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.idp.job import ConversionJob

Floats = npt.NDArray[np.float64]
#: QUAL of a bin where a value is no number, or the response does not hold: "unspecified" in the standard.
UNUSABLE = 1

_MERGED = re.compile(r"(?P<kind>[A-Z]+)_SLIT_FLUX_MERGE1D_(?P<arm>UVB|VIS|NIR)")
_COLUMNS = ("WAVE", "FLUX", "ERR", "QUAL", "FLUX_REDUCED", "ERR_REDUCED")
_FLUX_UNITS = frozenset({"erg/s/cm2/Angstrom", "erg cm**(-2) s**(-1) angstrom**(-1)"})
_COUNTS = frozenset({"ADU", "adu"})


@dataclass(frozen=True)
class Reduced:
    """One spectrum; all arrays of shape (n,).

    Attributes
    ----------
    arm
        UVB, VIS or NIR.
    kind
        What names of products begin with: SCI, or TELL for telluric standards.
    header
        Primary header of the merged spectrum in counts: it holds the QC keywords.
    wave_nm
        Air wavelength, topocentric.
    flux, error
        erg/s/cm2/Angstrom.
    counts, counts_error
        ADU, before the flux calibration.
    quality
        Bad pixel code of the pipeline, 0 is good.
    """

    arm: str
    kind: str
    header: Hdu
    wave_nm: Floats
    flux: Floats
    error: Floats
    quality: npt.NDArray[np.int32]
    counts: Floats
    counts_error: Floats

    @property
    def pro_catg(self) -> str:
        """PRO CATG of the spectrum."""
        return f"{self.kind}_SLIT_FLUX_IDP_{self.arm}"

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which bins hold data nobody objects to."""
        good: npt.NDArray[np.bool_] = (self.quality == 0) & (self.error > 0)
        return good

    @property
    def snr(self) -> Floats:
        """S/N of each bin; 0 where there is no error."""
        return np.divide(self.flux, self.error, out=np.zeros_like(self.flux), where=self.error > 0)


def read_reduced(job: ConversionJob) -> Reduced:
    """Read the spectrum of an AB.

    Raises
    ------
    IdpError
        If there is none that is flux calibrated, or products do not fit together.
    """
    found = [match for product in job.products if (match := _MERGED.fullmatch(product.pro_catg))]
    if len(found) != 1:
        raise IdpError(
            job.ab.name,
            f"{len(found)} flux calibrated spectra",
            "one product <kind>_SLIT_FLUX_MERGE1D_<arm>",
            "give the AB its response and extinction, and run the recipe again",
        )
    arm, kind = found[0]["arm"], found[0]["kind"]
    table = job.find(f"{kind}_SLIT_FLUX_IDP_{arm}") or job.find(f"SCI_SLIT_FLUX_IDP_{arm}")
    merged = _from_images(job, arm, kind)
    return _usable(_from_table(read_fits(Path(table.path)), merged) if table else merged)


def flagged_outside(reduced: Reduced, low_nm: float, high_nm: float) -> Reduced:
    """Return the spectrum with a flag on what is outside a range of wavelengths; its values stay."""
    outside = (reduced.wave_nm < low_nm) | (reduced.wave_nm > high_nm)
    quality = np.where(outside & (reduced.quality == 0), UNUSABLE, reduced.quality).astype(np.int32)
    return replace(reduced, quality=quality)


def _from_images(job: ConversionJob, arm: str, kind: str) -> Reduced:
    wave_nm, flux, error, quality, _ = _merged(job, f"{kind}_SLIT_FLUX_MERGE1D_{arm}", _FLUX_UNITS)
    grid_nm, counts, counts_error, _, header = _merged(job, f"{kind}_SLIT_MERGE1D_{arm}", _COUNTS)
    if not np.array_equal(wave_nm, grid_nm):
        raise IdpError(job.ab.name, "spectrum in counts and in flux are on other wavelengths", "one grid")
    return Reduced(arm, kind, header, wave_nm, flux, error, quality, counts, counts_error)


def _merged(
    job: ConversionJob, pro_catg: str, units: frozenset[str]
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int32], Hdu]:
    """Return wavelength (nm), values, errors, quality and the header of a merged spectrum."""
    file = read_fits(Path(job.product(pro_catg).path))
    flux = file.primary
    if flux.text("BUNIT") not in units or flux.text("CUNIT1") != "nm":
        raise IdpError(
            str(file.path),
            f"BUNIT {flux.text('BUNIT')!r}, CUNIT1 {flux.text('CUNIT1')!r}",
            f"{' or '.join(sorted(units))} over nm",
        )
    images = [hdu.image() for hdu in (flux, _extension(file, "ERRS"), _extension(file, "QUAL"))]
    if any(image.shape != (images[0].size,) for image in images):
        raise IdpError(str(file.path), f"shapes {[image.shape for image in images]}", "three equal vectors")
    values, errors = (image.astype(np.float64) for image in images[:2])
    return _wave_nm(file, values.size), values, errors, images[2].astype(np.int32), flux


def _extension(file: FitsFile, name: str) -> Hdu:
    for hdu in file.extensions:
        if hdu.name == name:
            return hdu
    raise IdpError(str(file.path), f"has no extension {name}", "FLUX, ERRS and QUAL")


def _wave_nm(file: FitsFile, size: int) -> Floats:
    start, pixel, step = (file.primary.number(f"{name}1") for name in ("CRVAL", "CRPIX", "CDELT"))
    if start is None or pixel is None or not step or step <= 0:
        raise IdpError(str(file.path), "CRVAL1, CRPIX1 or CDELT1 is missing", "a linear wavelength axis")
    wave: Floats = start + (np.arange(size, dtype=np.float64) + 1 - pixel) * step
    return wave


def _from_table(file: FitsFile, merged: Reduced) -> Reduced:
    """Return the spectrum as the recipe's table has it; the grid must be that of the images."""
    if len(file.hdus) != 2:
        raise IdpError(str(file.path), f"has {len(file.hdus)} HDUs", "a primary HDU and one table")
    table = file.hdus[1]
    columns = dict(zip((name for name, _, _ in table.column_layout()), table.row(), strict=True))
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise IdpError(str(file.path), f"has no column {', '.join(missing)}", ", ".join(_COLUMNS))
    wave, flux, error, counts, counts_error = (
        columns[name].astype(np.float64) for name in _COLUMNS if name != "QUAL"
    )
    if wave.shape != merged.wave_nm.shape or not np.allclose(wave, merged.wave_nm, rtol=0, atol=1e-6):
        raise IdpError(str(file.path), "its wavelengths are not those of the merged spectrum", "one grid")
    return replace(
        merged, flux=flux, error=error, quality=columns["QUAL"].astype(np.int32),
        counts=counts, counts_error=counts_error,
    )  # fmt: skip


def _usable(reduced: Reduced) -> Reduced:
    """Return the spectrum with 0 and a flag where a value is not finite: the archive refuses infinities."""
    values = (reduced.flux, reduced.error, reduced.counts, reduced.counts_error)
    bad = ~np.all([np.isfinite(each) for each in values], axis=0)
    quality = np.where(bad & (reduced.quality == 0), UNUSABLE, reduced.quality).astype(np.int32)
    flux, error, counts, counts_error = (np.where(np.isfinite(each), each, 0.0) for each in values)
    return replace(reduced, flux=flux, error=error, counts=counts, counts_error=counts_error, quality=quality)
