"""What all report pages of GIRAFFE share: facts of an exposure, axes of wavelength, places on the sky."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from phoenix.instruments.giraffe.qc_exposures import Exposure, Fibre, Spectrum, Use, number_of
from phoenix.qc.pictures.panels import Curve, Plot, Style
from phoenix.qc.pictures.thin import envelope, liveliest_window, medians, robust_limits
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source

WAVE = "heliocentric wavelength in air (nm)"
WAVE_OBSERVED = "wavelength in air, as observed (nm)"
SIGNAL = "signal (ADU per bin)"
#: Width of the zoom, nm: a few lines of a stellar spectrum.
_ZOOM_NM = 4.0


def facts_of(source: Source, header: fits.Header) -> tuple[str, ...]:
    """Return what an observer needs to know of an exposure or calibration."""
    observed, airmass = keyword_value(header, "OBS.ID"), number_of(header, "TEL.AIRM.START")
    name = str(keyword_value(header, "OBS.NAME") or "")
    begun = str(header.get("DATE-OBS") or source.ab.date).replace("T", " ")[:19]
    facts = (
        f"OB {observed} {name}".rstrip() if observed else source.ab.stem,
        f"{begun} UT",
        f"{header.get('EXPTIME', 0):g} s",
        f"airmass {airmass:.2f}" if airmass else "",
        f"calibration level {source.ab.level}",
        str(keyword_value(header, "PRO.REC1.PIPE.ID") or ""),
    )
    return tuple(fact for fact in facts if fact)


def setting_of(header: fits.Header) -> str:
    """Return slit and wavelength setting: ``GIRAFFE Medusa1 L479.7``."""
    words = (
        "GIRAFFE",
        *(str(keyword_value(header, f"INS.{name}") or "") for name in ("SLIT.NAME", "EXP.MODE")),
    )
    return " ".join(word for word in words if word)


def spectrum_plot(spectrum: Spectrum, title: str, behind: tuple[Curve, ...] = ()) -> Plot:
    """Return a spectrum with its band of errors; ``behind`` is drawn first."""
    middle, level = medians(spectrum.wave_nm, spectrum.flux)
    error = medians(spectrum.wave_nm, spectrum.error)[1]
    curves = (
        *behind,
        Curve(*envelope(spectrum.wave_nm, spectrum.flux), "flux", Style.THIN),
        Curve(
            middle, level - error, "its median \u00b1 1\u03c3 of a bin", Style.BAND, 2, upper=level + error
        ),
    )
    y_limits = _with_zero((spectrum.flux, *(curve.y for curve in behind)))
    return Plot(title, WAVE, SIGNAL, curves, limits_of(spectrum.wave_nm), y_limits, level=0.0)


def snr_plot(spectrum: Spectrum) -> Plot:
    """Return the S/N per bin with its running median."""
    curves = (
        Curve(*envelope(spectrum.wave_nm, spectrum.snr), "per bin", Style.FAINT),
        Curve(*medians(spectrum.wave_nm, spectrum.snr), "median"),
    )
    limits = _with_zero((spectrum.snr,))
    return Plot("Signal to noise", WAVE, "S/N (per bin)", curves, limits_of(spectrum.wave_nm), limits)


def zoom_plot(spectrum: Spectrum, behind: tuple[Curve, ...] = ()) -> Plot:
    """Return the liveliest stretch of a spectrum with its errors."""
    low, high = liveliest_window(spectrum.wave_nm, spectrum.flux, spectrum.error, _ZOOM_NM)
    inside = slice(*np.searchsorted(spectrum.wave_nm, [low, high]))
    wave, flux, error = spectrum.wave_nm[inside], spectrum.flux[inside], spectrum.error[inside]
    curves = (
        *(cut(curve, low, high) for curve in behind),
        Curve(wave, flux - error, "\u00b1 1\u03c3", Style.BAND, 2, upper=flux + error),
        Curve(wave, flux, "flux", Style.STEPS),
    )
    return Plot("Zoom on lines", WAVE, SIGNAL, curves, (low, high), robust_limits(flux - error, flux + error))


def cut(curve: Curve, low: float, high: float) -> Curve:
    """Return the part of a curve between two wavelengths, without its name."""
    inside = slice(*np.searchsorted(curve.x, [low, high]))
    return Curve(curve.x[inside], curve.y[inside], "", curve.style, curve.colour)


def limits_of(wave_nm: Floats) -> tuple[float, float]:
    """Return limits of a wavelength axis, on whole tenths, so that all fibres of a frame have the same."""
    return (
        (float(np.floor(wave_nm[0] * 5) / 5), float(np.ceil(wave_nm[-1] * 5) / 5))
        if len(wave_nm)
        else (0.0, 1.0)
    )


def _with_zero(values: tuple[Floats, ...]) -> tuple[float, float]:
    return robust_limits(*values, with_zero=True)


def offsets_arcmin(fibres: tuple[Fibre, ...], centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return places of fibres on the sky, east and north of a centre (RA, Dec, degrees), arcmin."""
    ra, dec = (np.array([getattr(fibre, name) for fibre in fibres]) for name in ("ra_deg", "dec_deg"))
    east = (ra - centre[0] + 180) % 360 - 180
    return 60 * east * np.cos(np.radians(centre[1])), 60 * (dec - centre[1])


def centre_of(exposure: Exposure) -> tuple[float, float]:
    """Return the middle of the field, degrees: the median of the fibres that are on targets."""
    on_sky = [fibre for fibre in exposure.fibres if fibre.use is not Use.SIMCAL and np.isfinite(fibre.ra_deg)]
    if not on_sky:
        return 0.0, 0.0
    first = on_sky[0].ra_deg
    east = np.array([(fibre.ra_deg - first + 180) % 360 - 180 for fibre in on_sky])
    return first + float(np.median(east)), float(np.median([fibre.dec_deg for fibre in on_sky]))
