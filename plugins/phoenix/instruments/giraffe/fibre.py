"""The spectrum of one fibre, as giscience or the stacking recipe wrote it, and as an IDP has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.sdp import Calibration
from phoenix.idp.spectrum import Column, Spectrum
from phoenix.instruments.giraffe.exposure import fps_of

Floats = npt.NDArray[np.float64]
_NEEDED = ("WAVE", "FLUX_REDUCED", "ERR_REDUCED")


@dataclass(frozen=True)
class Fibre:
    """One spectrum; all arrays of shape (n,).

    Attributes
    ----------
    primary
        The product's primary HDU.
    fps
        Place of the fibre in the slit.
    wave_nm
        Air wavelength at rest with the Sun.
    flux, error
        ADU.
    quality
        0 where there are data; None for single exposures, which have no such column.
    """

    primary: Hdu
    table: Hdu
    name: str
    fps: int
    wave_nm: Floats
    flux: Floats
    error: Floats
    quality: npt.NDArray[np.int32] | None

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which bins hold data."""
        good: npt.NDArray[np.bool_] = np.isfinite(self.flux) & np.isfinite(self.error) & (self.error > 0)
        return good if self.quality is None else good & (self.quality == 0)

    def spectrum(self) -> Spectrum:
        """Return the columns of the IDP: those of ESO's, in their order."""
        density = "phot.flux.density;em.wl;stat.uncalib"
        columns = [
            Column(
                "WAVE", self.wave_nm, "nm", "spec:Data.SpectralAxis.Value", "em.wl;obs.atmos",
                "air wavelength, heliocentric",
            ),
            Column(
                "FLUX_REDUCED", self.flux.astype(np.float32), "adu", "spec:Data.FluxAxis.Value",
                f"{density};meta.main", "extracted, flat-fielded, sky not subtracted",
            ),
            Column(
                "ERR_REDUCED", self.error.astype(np.float32), "adu",
                "spec:Data.FluxAxis.Accuracy.StatError", f"stat.error;{density};meta.main",
                "standard deviation of FLUX_REDUCED",
            ),
        ]  # fmt: skip
        if self.quality is not None:
            columns.append(
                Column(
                    "QUAL", self.quality, "", "spec:Data.FluxAxis.Accuracy.QualityStatus",
                    "meta.code.qual;meta.main", "0 good, 1: no data",
                )
            )  # fmt: skip
        columns.append(
            Column(
                "SNR", self._snr().astype(np.float32), "", "eso:Data.FluxAxis.Accuracy.SNR",
                "stat.snr;meta.main", "FLUX_REDUCED / ERR_REDUCED; 0: no data",
            )
        )  # fmt: skip
        return Spectrum(tuple(columns))

    def calibration(self, resolving_power: float, aperture_arcsec: float) -> Calibration:
        """Return what the header tells of the quality of the spectrum."""
        good = np.flatnonzero(self.good)
        if good.size < 2:
            raise IdpError(self.name, "no bin is good", "a spectrum", "read the recipe's log")
        wave_nm = self.wave_nm[[good[0], good[-1]]]
        return Calibration(
            fluxed=False,
            specsys=self.primary.text("SPECSYS") or "HELIOCEN",
            extended=False,
            wave_min_nm=round(float(wave_nm[0]), 6),
            wave_max_nm=round(float(wave_nm[1]), 6),
            bin_nm=round(float(self.wave_nm[-1] - self.wave_nm[0]) / (self.wave_nm.size - 1), 9),
            resolving_power=resolving_power,
            snr=round(float(np.median(self._snr()[good])), 3),
            aperture_arcsec=aperture_arcsec,
            disperser=self.primary.text("DISPELEM") or self.primary.text("INS.GRAT.NAME"),
            line_rms_nm=self._rounded("LAMRMS"),
            lines=self.primary.integer("LAMNLIN"),
            systematic_nm=self._rounded("SPEC_SYE"),
            gain_e_adu=self.primary.number("GAIN"),
            ron_e=self.primary.number("DETRON"),
        )

    def _rounded(self, keyword: str) -> float | None:
        value = self.primary.number(keyword)
        return None if value is None else round(value, 10)

    def _snr(self) -> Floats:
        return np.divide(self.flux, self.error, out=np.zeros_like(self.flux), where=self.good)


def read_fibre(path: Path) -> Fibre:
    """Read a table of one row with WAVE, FLUX_REDUCED and ERR_REDUCED.

    Raises
    ------
    IdpError
        If it is something else.
    """
    file = read_fits(path)
    if len(file.hdus) != 2:
        raise IdpError(str(path), f"has {len(file.hdus)} HDUs", "a spectrum: a primary HDU and one table")
    table = file.hdus[1]
    columns = dict(zip((name for name, _, _ in table.column_layout()), table.row(), strict=True))
    if missing := [name for name in _NEEDED if name not in columns]:
        raise IdpError(str(path), f"has no column {', '.join(missing)}", ", ".join(_NEEDED))
    wave, flux, error = (columns[name].astype(np.float64) for name in _NEEDED)
    quality = columns["QUAL"].astype(np.int32) if "QUAL" in columns else None
    return Fibre(
        primary=file.primary,
        table=table,
        name=path.name,
        fps=fps_of(file.primary, path.name),
        wave_nm=_exact(wave, file.primary),
        flux=flux,
        error=error,
        quality=quality,
    )


def _exact(wave_nm: Floats, header: Hdu) -> Floats:
    """Return the wavelengths in double precision, as the header tells them; the table is in single precision.

    A single precision bin is up to 0.00003 nm off, 18 m/s. What the header does not tell stays as it is.
    """
    start, step = header.number("WAVELMIN"), header.number("SPEC_BIN")
    if start is None or step is None:
        return wave_nm
    exact: Floats = start + step * np.arange(wave_nm.size, dtype=np.float64)
    rounding = np.spacing(np.abs(wave_nm).astype(np.float32))
    return exact if np.all(np.abs(exact - wave_nm) <= rounding) else wave_nm
