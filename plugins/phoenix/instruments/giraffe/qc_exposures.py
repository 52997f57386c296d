"""Reads GIRAFFE exposures for QC: all fibres at once, from the images the recipe cuts its spectra from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.products import Floats, Products, keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.run_record import RunRecord, read_run_record

_SPEED_OF_LIGHT_KMS = 299_792.458
SPECTRA, ERRORS, TRACES = "SCIENCE_RBNSPECTRA", "SCIENCE_RBNERRORS", "SCIENCE_EXTTRACES"
SINGLE, RAW, ARC = "SCIENCE_RBNSPEC_IDP", "SCIENCE", "DISPERSION_SOLUTION"


class Use(Enum):
    """What a fibre is put on."""

    SCIENCE = "science"
    SKY = "sky"
    #: Simultaneous calibration: light of the arc lamp.
    SIMCAL = "simcal"


@dataclass(frozen=True, slots=True)
class Fibre:
    """A fibre that was extracted.

    Attributes
    ----------
    place
        Its row in the arrays of the exposure.
    magnitude
        As the observer gave it; NaN when not given.
    speed_kms
        What brings its wavelengths to rest with the Sun.
    """

    place: int
    fps: int
    name: str
    use: Use
    ra_deg: float
    dec_deg: float
    magnitude: float
    speed_kms: float

    @property
    def item(self) -> str:
        """FPS with three digits: how QC1 parameters and reports name the fibre."""
        return f"{self.fps:03d}"


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The bins of a spectrum that hold data: wavelength in nm, flux and error in ADU; of shape (n,)."""

    wave_nm: Floats
    flux: Floats
    error: Floats

    @property
    def snr(self) -> Floats:
        """S/N per bin."""
        return self.flux / self.error

    @property
    def median_snr(self) -> float:
        """Median S/N per bin; 0 of an empty spectrum."""
        return float(np.median(self.snr)) if len(self.flux) else 0.0

    @property
    def median_flux(self) -> float:
        """Median flux, ADU; 0 of an empty spectrum."""
        return float(np.median(self.flux)) if len(self.flux) else 0.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """A reduced raw frame.

    Attributes
    ----------
    wave_nm
        In air, as observed, shape (bins,).
    flux, error
        ADU, shape (fibres, bins).
    raw, arc
        The raw frame and the wavelength solution it was reduced with; None when nobody can say.
    """

    header: fits.Header
    fibres: tuple[Fibre, ...]
    wave_nm: Floats
    flux: Floats
    error: Floats
    raw: Path | None
    arc: Path | None
    products: Products

    def used_for(self, use: Use) -> tuple[Fibre, ...]:
        """Return the fibres put on something."""
        return tuple(fibre for fibre in self.fibres if fibre.use is use)

    def spectrum(self, fibre: Fibre) -> Spectrum:
        """Return the spectrum of a fibre, its wavelengths heliocentric."""
        wave = self.wave_nm * (1 + fibre.speed_kms / _SPEED_OF_LIGHT_KMS)
        return good_bins(wave, self.flux[fibre.place], self.error[fibre.place])

    def number(self, *keywords: str) -> float | None:
        """Return the first of some header keywords that is a number."""
        return number_of(self.header, *keywords)


def good_bins(wave_nm: Floats, flux: Floats, error: Floats) -> Spectrum:
    """Return the bins that hold data: finite, with an error."""
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    return Spectrum(wave_nm[good], flux[good], error[good])


def number_of(header: fits.Header, *keywords: str) -> float | None:
    """Return the first of some header keywords that is a number; None if none is."""
    for keyword in keywords:
        value = keyword_value(header, keyword)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None


def read_exposure(source: Source) -> Exposure:
    """Return the exposure an AB has reduced, read once."""
    return source.products.once("exposure", lambda: _read(source.products, _own_record(source)))


def read_exposures(source: Source) -> tuple[Exposure, ...]:
    """Return what lies behind an AB: its own exposure, or those of a stack, earliest first; read once."""
    if source.products.has(SPECTRA) or not source.ab.inputs:
        return (read_exposure(source),)
    return source.products.once("exposures", lambda: _of_stack(source))


def _of_stack(source: Source) -> tuple[Exposure, ...]:
    stacked = read_run_record(source.products.folder).inputs_of(SINGLE)
    exposures = []
    for folder in dict.fromkeys(path.parent for path in stacked):
        record = read_run_record(folder)
        exposures.append(_read(source.products.of_others(record.products), record))
    return tuple(sorted(exposures, key=lambda exposure: exposure.number("MJD-OBS") or 0.0))


def _own_record(source: Source) -> RunRecord:
    """Return the record of the run; for products without one, what the AB itself names."""
    folder = source.products.folder
    try:
        return read_run_record(folder)
    except QcError:
        named = [(raw.tag, Path(raw.path)) for raw in source.ab.raws]
        named += [(calib.tag, Path(calib.source)) for calib in source.ab.mcalibs if calib.source[:1] == "/"]
        return RunRecord(folder, tuple(named), tuple(source.products.products))


def _read(products: Products, record: RunRecord) -> Exposure:
    header = products.header(SPECTRA)
    flux, error = (np.ascontiguousarray(products.image(name).T) for name in (SPECTRA, ERRORS))
    table = products.table(SPECTRA)
    if flux.ndim != 2 or flux.shape != error.shape or flux.shape[0] != len(table):
        raise QcError(
            f"{SPECTRA}, {ERRORS}",
            f"shapes {flux.shape} and {error.shape} for {len(table)} fibres",
            "one spectrum and one error for each fibre",
        )
    pixel = np.arange(flux.shape[1]) + 1 - (number_of(header, "CRPIX2") or 1.0)
    wave = header["CRVAL2"] + pixel * header["CDELT2"]
    raws, arcs = (next((path for its, path in record.inputs if its == tag), None) for tag in (RAW, ARC))
    return Exposure(header, _fibres(table, raws), wave, flux, error, raws, arcs, products)


def _fibres(table: Any, raw: Path | None) -> tuple[Fibre, ...]:
    names = set(table.names)
    magnitudes = (
        np.asarray(table["MAGNITUDE"], dtype=np.float64) if "MAGNITUDE" in names else np.zeros(len(table))
    )
    if not magnitudes.any():
        magnitudes = _magnitudes_of_raw(table, raw)
    speeds = sum(
        (np.asarray(table[name], dtype=np.float64) for name in ("GCORR", "HCORR") if name in names),
        start=np.zeros(len(table)),
    )
    return tuple(
        Fibre(
            place,
            int(row["FPS"]),
            str(row["OBJECT"]).strip(),
            _use(row),
            float(row["RA"]) if "RA" in names else np.nan,
            float(row["DEC"]) if "DEC" in names else np.nan,
            float(magnitudes[place]) or np.nan,
            float(speeds[place]),
        )
        for place, row in enumerate(table)
    )


def _use(row: Any) -> Use:
    if int(row["RP"]) < 0 or "calibration" in str(row["Retractor"]).lower():
        return Use.SIMCAL
    return Use.SKY if str(row["TYPE"]).strip() == "S" else Use.SCIENCE


def _magnitudes_of_raw(table: Any, raw: Path | None) -> Floats:
    """Return the magnitudes of the raw frame's target list, which the recipe does not always take over."""
    unknown = np.zeros(len(table))
    if raw is None:
        return unknown
    try:
        with fits.open(raw, memmap=True) as hdus:
            targets = hdus["OzPoz_table"].data
            by_button = {int(row["BUTTON"]): float(row["MAGNITUDE"]) for row in targets}
    except (OSError, KeyError, ValueError):
        return unknown  # only the relation with magnitude is lost
    return np.array([by_button.get(int(button), 0.0) for button in table["RP"]])


@dataclass(frozen=True, slots=True)
class StackedFibre:
    """The stack of a fibre.

    Attributes
    ----------
    lost_percent
        Of the pixels put in: taken out, or without data.
    deviation_percent
        Largest deviation of the flux level of an exposure from the mean.
    levels
        Flux level of each exposure, by its name, 1 is the mean.
    """

    fps: int
    name: str
    header: fits.Header
    spectrum: Spectrum
    lost_percent: float
    deviation_percent: float
    levels: dict[str, float]

    @property
    def item(self) -> str:
        """FPS with three digits: how QC1 parameters and reports name the fibre."""
        return f"{self.fps:03d}"


def read_stacks(source: Source) -> tuple[StackedFibre, ...]:
    """Return the stacks of all fibres, in order of FPS, read once."""
    return source.products.once("stacks", lambda: _stacks(source))


def _stacks(source: Source) -> tuple[StackedFibre, ...]:
    products = source.products.every(f"STACK_{SINGLE}")
    if not products:
        raise QcError(source.ab.name, f"there is no product STACK_{SINGLE}", "one for each fibre")
    return tuple(sorted((_stack(Path(product.path)) for product in products), key=lambda stack: stack.fps))


def _stack(path: Path) -> StackedFibre:
    try:
        with fits.open(path, memmap=False) as hdus:
            header, row = hdus[0].header, hdus[1].data[0]
            wave, flux, error = (
                np.asarray(row[name], dtype=np.float64) for name in ("WAVE", "FLUX_REDUCED", "ERR_REDUCED")
            )
    except (OSError, IndexError, KeyError, ValueError) as trouble:
        raise QcError(str(path), f"is no stack of a fibre: {trouble}") from trouble
    rejected, lost, deviation, fps = (
        _demanded(header, path, keyword)
        for keyword in ("QC.STACK.REJECTED", "QC.STACK.LOST", "QC.STACK.LEVELDEV", "FPS")
    )
    names = {
        match[1]: str(value)
        for keyword, value in header.items()
        if (match := re.fullmatch(r"ESO QC STACK EXP(\d+) NAME", keyword))
    }
    levels = {
        name: float(header.get(f"ESO QC STACK EXP{number} LEVEL", 1.0)) for number, name in names.items()
    }
    return StackedFibre(
        int(fps),
        str(header.get("OBJECT", "")).strip(),
        header,
        good_bins(wave, flux, error),
        100 * (1 - (1 - rejected) * (1 - lost)),
        100 * deviation,
        levels,
    )


def _demanded(header: fits.Header, path: Path, keyword: str) -> float:
    value = number_of(header, keyword)
    if value is None:
        raise QcError(f"{path.name}, {keyword}", "is missing or not a number", "a number")
    return value
