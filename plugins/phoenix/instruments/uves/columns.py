"""Columns of a UVES IDP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from phoenix.idp.spectrum import Column, Spectrum
from phoenix.instruments.uves.merging import NO_FLUX, ChipSpectrum

_FLUX_UNIT = "10**(-16)erg.cm**(-2).s**(-1).angstrom**(-1)"


def to_spectrum(merged: ChipSpectrum) -> Spectrum:
    """Return the columns of the IDP.

    The six columns of ESO's single UVES spectra in their order, then QUAL and SNR as ESO's stacks have them:
    without QUAL a reader cannot tell a pixel without flux from a dark one.
    """
    main = "" if merged.flux is not None else ";meta.main"
    space = "eso" if merged.flux is not None else "spec"
    density = "phot.flux.density;em.wl"
    columns = [
        Column(
            "WAVE",
            merged.wave,
            "angstrom",
            "spec:Data.SpectralAxis.Value",
            "em.wl;obs.atmos",
            "air wavelength",
        ),
        Column(
            "FLUX_REDUCED",
            _float32(merged.reduced),
            "adu",
            f"{space}:Data.FluxAxis.Value",
            f"{density};src.net;stat.uncalib{main}",
            "extracted, flat-fielded, sky-subtracted, merged",
        ),
        Column(
            "ERR_REDUCED",
            _float32(merged.error),
            "adu",
            f"{space}:Data.FluxAxis.Accuracy.StatError",
            f"stat.error;{density};stat.uncalib{main}",
            "standard deviation of FLUX_REDUCED",
        ),
        Column(
            "BGFLUX_REDUCED",
            _float32(merged.sky),
            "adu",
            "spec:Data.BackgroundModel.Value",
            f"{density};stat.uncalib",
            "sky that was subtracted",
        ),
    ]
    if merged.flux is not None and merged.flux_error is not None:
        columns += [
            Column(
                "FLUX",
                _float32(merged.flux),
                _FLUX_UNIT,
                "spec:Data.FluxAxis.Value",
                f"{density};src.net;meta.main",
                "corrected for response and extinction; 0 where ERR is 0",
            ),
            Column(
                "ERR",
                _float32(merged.flux_error),
                _FLUX_UNIT,
                "spec:Data.FluxAxis.Accuracy.StatError",
                "stat.error;phot.flux.density;meta.main",
                "ERR_REDUCED x FLUX / FLUX_REDUCED; 0: no flux",
            ),
        ]
    columns += [
        Column(
            "QUAL",
            merged.quality,
            "",
            "spec:Data.FluxAxis.Accuracy.QualityStatus",
            "meta.code.qual;meta.main",
            "0 good, bit 1: no data, bit 2: beyond the response curve",
        ),
        Column(
            "SNR",
            _float32(signal_to_noise(merged)),
            "",
            "eso:Data.FluxAxis.Accuracy.SNR",
            "stat.snr;meta.main",
            "FLUX_REDUCED / ERR_REDUCED; 0: no data",
        ),
    ]
    return Spectrum(tuple(columns))


def signal_to_noise(merged: ChipSpectrum) -> npt.NDArray[np.float64]:
    """Return S/N of each pixel; 0 where there are no data."""
    usable = (merged.quality & ~np.int32(NO_FLUX)) == 0
    return np.divide(merged.reduced, merged.error, out=np.zeros_like(merged.reduced), where=usable)


def _float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)
