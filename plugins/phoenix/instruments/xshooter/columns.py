"""Columns of an XSHOOTER IDP: those of the recipe's table, in its order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from phoenix.idp.spectrum import Column, Spectrum
from phoenix.instruments.xshooter.reduced import Reduced

FLUX_UNIT = "erg cm**(-2) s**(-1) angstrom**(-1)"


def to_spectrum(reduced: Reduced) -> Spectrum:
    """Return the columns; the recipe's are in double precision, but of numbers that were single before."""
    density = "phot.flux.density;em.wl;src.net"
    return Spectrum(
        (
            Column(
                "WAVE",
                reduced.wave_nm,
                "nm",
                "spec:Data.SpectralAxis.Value",
                "em.wl;obs.atmos",
                "air wavelength",
            ),
            Column(
                "FLUX",
                _float32(reduced.flux),
                FLUX_UNIT,
                "spec:Data.FluxAxis.Value",
                f"{density};meta.main",
                "sky-subtracted, corrected for response and extinction",
            ),
            Column(
                "ERR",
                _float32(reduced.error),
                FLUX_UNIT,
                "spec:Data.FluxAxis.Accuracy.StatError",
                "stat.error;phot.flux.density;meta.main",
                "standard deviation of FLUX",
            ),
            Column(
                "QUAL",
                reduced.quality,
                "",
                "spec:Data.FluxAxis.Accuracy.QualityStatus",
                "meta.code.qual;meta.main",
                "0 good, 1 flux unusable, else code of the XSHOOTER pipeline",
            ),
            Column(
                "SNR",
                _float32(reduced.snr),
                "",
                "eso:Data.FluxAxis.Accuracy.SNR",
                "stat.snr;meta.main",
                "FLUX / ERR; 0: no data",
            ),
            Column(
                "FLUX_REDUCED",
                _float32(reduced.counts),
                "adu",
                "eso:Data.FluxAxis.Value",
                f"{density};stat.uncalib",
                "before the flux calibration",
            ),
            Column(
                "ERR_REDUCED",
                _float32(reduced.counts_error),
                "adu",
                "eso:Data.FluxAxis.Accuracy.StatError",
                "stat.error;phot.flux.density;stat.uncalib",
                "standard deviation of FLUX_REDUCED",
            ),
        )
    )


def _float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return values.astype(np.float32)
