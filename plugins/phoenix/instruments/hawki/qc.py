"""QC1 measurements of HAWK-I products; importing this registers the reports too.

QC keywords lie in the extensions of the detectors. A measurement gives one value for each detector, by its
number; of a tile one. ``hawki.worst_...`` gives the largest (or smallest) of all detectors, for score bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import phoenix.instruments.hawki.qc_report  # noqa: F401 (registers the reports)
from phoenix.instruments.hawki.qc_detectors import Detector, bright, detectors_of, half_light_fwhm
from phoenix.qc.registry import Source, measurement

_Of = Callable[[Detector], float | None]


def _from(*keywords: str) -> _Of:
    return lambda detector: detector.number(*keywords)


def zero_point_difference(detector: Detector) -> float:
    """Zero point in one core radius minus that in two, mag.

    Both are corrected to the whole light of a star. They differ where the aperture correction is wrong: it
    rests on stars whose outer apertures hold neighbours.
    """
    return detector.number("DRS.ZPIM1") - detector.number("DRS.ZPIM2")


def size(detector: Detector) -> float | None:
    """Median size of the brighter half of the sources, arcsec; None without sources."""
    chosen = half_light_fwhm(detector)[bright(detector)] if detector.sources is not None else np.empty(0)
    return float(np.median(chosen)) if len(chosen) else None


def sources(detector: Detector) -> float:
    """Count the sources found."""
    return float(len(detector.column("Aper_flux_3")))


_VALUES: dict[str, _Of] = {
    "zero_point": _from("QC.MAGZPT.TEL"),
    "zero_point_error": _from("QC.MAGZERR"),
    "zero_point_stars": _from("DRS.MAGNZPTIM", "QC.MAGNZPT"),
    "zero_point_difference": zero_point_difference,
    "aperture_correction": _from("QC.APERTURE_CORR"),
    "limiting_mag": _from("QC.LIMITING_MAG"),
    "fwhm": _from("PSF_FWHM"),
    "size": size,
    "ellipticity": _from("ELLIPTIC", "QC.ELLIPTICITY"),
    "wcs_rms": _from("QC.WCS_RMS"),
    "plate_scale": _from("QC.WCS_SCALE"),
    "sky": _from("QC.MEAN_SKY"),
    "sky_noise": _from("QC.SKY_NOISE"),
    "sky_brightness": _from("QC.SKYBRIGHT"),
    "sources": sources,
    "dark_level": _from("QC.DARK.MED"),
    "dark_noise": _from("QC.RON1"),
    "dark_hot_pixels": _from("QC.DARK.NBADPIX"),
}
#: Of these the worst detector counts for a score bit.
_WORST: dict[str, Callable[[list[float]], float]] = {
    "zero_point_difference": lambda values: max(values, key=abs),
    "zero_point_stars": min,
    "size": max,
    "ellipticity": max,
    "wcs_rms": max,
}


def _of_each(source: Source, value_of: _Of) -> dict[str, float]:
    values = {one.item: value_of(one) for one in detectors_of(source, source.pro_catg)}
    return {item: value for item, value in values.items() if value is not None}


def _register(name: str, value_of: _Of) -> None:
    @measurement(f"hawki.{name}")
    def measure(source: Source) -> dict[str, float] | None:
        return _of_each(source, value_of) or None


def _register_worst(name: str, choose: Callable[[list[float]], float]) -> None:
    @measurement(f"hawki.worst_{name}")
    def measure(source: Source) -> float | None:
        values = list(_of_each(source, _VALUES[name]).values())
        return choose(values) if values else None


for _name, _value_of in _VALUES.items():
    _register(_name, _value_of)
for _name, _choose in _WORST.items():
    _register_worst(_name, _choose)


@measurement("hawki.read_noise")
def read_noise(source: Source) -> dict[str, float]:
    """Read noise of each detector, ADU."""
    return _read_gain(source, "READNOISE")


@measurement("hawki.gain")
def gain(source: Source) -> dict[str, float]:
    """Gain of each detector, electrons per ADU."""
    return _read_gain(source, "GAIN")


def _read_gain(source: Source, column: str) -> dict[str, float]:
    table = source.products.table(source.pro_catg)
    names = [str(name).strip() for name in table["EXTNAME"]]
    return {name[4:5]: float(value) for name, value in zip(names, table[column], strict=True)}
