"""QC of the stack of an OB: its measurements beyond keywords, and its page with the exposures behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.instruments.uves.qc_page import WAVE, chips_of, curve_of_each, science_page
from phoenix.instruments.uves.spectrum import FLUX_UNIT
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.scales import flux_axis
from phoenix.qc.pictures.thin import BINS, envelope, liveliest_window, medians, robust_limits
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source, measurement, report
from phoenix.qc.run_record import read_run_record
from phoenix.qc.scorecard import Scorecard

#: Width of the zoom, nm: a few lines of a stellar spectrum.
_ZOOM_NM = 3.0
#: Beyond this an exposure does not belong to the others.
_LEVEL_LIMIT_PERCENT = 20.0


@dataclass(frozen=True, slots=True)
class _Stack:
    """A stacked spectrum and the exposures behind it, on wavelengths as observed in the first of them.

    Attributes
    ----------
    fluxed
        Whether fluxes are in 1e-16 erg/s/cm2/Angstrom; ADU otherwise.
    singles
        (wavelength in nm, flux) of each exposure, moved into the rest frame of the first.
    levels
        Flux level of each exposure, 1 is the mean.
    """

    wave_nm: Floats
    flux: Floats
    error: Floats
    fluxed: bool
    singles: tuple[tuple[Floats, Floats], ...]
    levels: Floats

    @property
    def snr(self) -> Floats:
        return self.flux / self.error


@measurement("uves.stack_snr_gain")
def stack_snr_gain(source: Source) -> float:
    """S/N of the stack over the best possible: the exposures' S/N added in quadrature; 1 is perfect."""
    record = read_run_record(source.products.folder)
    singles = []
    catg = source.pro_catg.removeprefix("STACK_")
    errors = record.inputs_of(catg.replace("RED_", "ERRORBAR_", 1))
    for flux_path, error_path in zip(record.inputs_of(catg), errors, strict=True):
        flux, error = _image(flux_path), _image(error_path)
        lit = (flux != 0) & (error > 0)
        singles.append(float(np.median(flux[lit] / error[lit])) if lit.any() else 0.0)
    best = float(np.sqrt(np.sum(np.square(singles))))
    stacked = keyword_value(source.products.header(source.pro_catg), "QC.STACK.SNR")
    if not best or not isinstance(stacked, (int, float)):
        raise QcError(source.pro_catg, "there is no S/N to compare", "QC.STACK.SNR and lit exposures")
    return float(stacked) / best


@measurement("uves.stack_lost")
def stack_lost(source: Source) -> float:
    """Pixels lost in the stacking, rejected or without data, percent."""
    header = source.products.header(source.pro_catg)
    parts = [keyword_value(header, f"QC.STACK.{name}") for name in ("REJECTED", "LOST")]
    if not all(isinstance(part, (int, float)) for part in parts):
        raise QcError(source.pro_catg, "QC.STACK.REJECTED or LOST is absent", "numbers of the recipe")
    return 100 * (1 - (1 - float(parts[0])) * (1 - float(parts[1])))


@measurement("uves.stack_deviation")
def stack_deviation(source: Source) -> float:
    """Largest deviation of the flux level of an exposure from the mean, percent."""
    value = keyword_value(source.products.header(source.pro_catg), "QC.STACK.LEVELDEV")
    if not isinstance(value, (int, float)):
        raise QcError(source.pro_catg, "QC.STACK.LEVELDEV is absent", "a number of the recipe")
    return 100 * float(value)


@report("uves.stack")
def stack(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Draw the stack with its exposures behind it, its S/N, a zoom on lines, the levels of the exposures."""
    chips = chips_of(source, "STACK_RED_{type}_{chip}")
    stacks = [_read(chip) for chip in chips]
    exposures = max(len(one.levels) for one in stacks)
    page = science_page(
        chips,
        card,
        Row((_spectrum_plot(chips, stacks),), height=1.35),
        Row((_snr_plot(chips, stacks),)),
        Row((_zoom_plot(stacks), _level_plot(chips, stacks)), height=1.1, widths=(1.9, 1)),
    )
    yield "stack", replace(page, title=f"{page.title}   stack of {exposures}")


def _read(chip: Source) -> _Stack:
    fluxed = chip.products.has(chip.sibling("STACK_FLUXCAL_{type}_{chip}"))
    name = chip.sibling("FLUXCAL_{type}_{chip}" if fluxed else "RED_{type}_{chip}")
    error_name = chip.sibling("FLUXCAL_ERRORBAR_{type}_{chip}" if fluxed else "ERRORBAR_{type}_{chip}")
    unit = FLUX_UNIT if fluxed else 1.0
    flux = chip.products.image(f"STACK_{name}") / unit
    error = chip.products.image(f"STACK_{error_name}") / unit
    header = chip.products.header(f"STACK_{name}")
    lit = (flux != 0) & np.isfinite(flux) & (error > 0)
    if not lit.any():
        raise QcError(f"STACK_{name}", "no pixel holds flux and an error", "a stacked spectrum")
    numbers = range(1, int(keyword_value(header, "QC.STACK.NCOMB") or 0) + 1)
    levels = np.array([float(header.get(f"ESO QC STACK EXP{n} LEVEL", 1.0)) for n in numbers])
    shifts = {
        str(header.get(f"ESO QC STACK EXP{n} NAME")): float(header.get(f"ESO QC STACK EXP{n} SHIFT", 0.0))
        for n in numbers
    }
    return _Stack(
        _wave(header)[lit], flux[lit], error[lit], fluxed, _singles(chip, name, unit, shifts), levels
    )


def _singles(chip: Source, name: str, unit: float, shifts_kms: dict[str, float]) -> tuple[Any, ...]:
    """Return the exposures behind a stack; none when nobody knows where they lie."""
    try:
        paths = read_run_record(chip.products.folder).inputs_of(name)
    except QcError:
        return ()
    singles = []
    for path in paths:
        header, flux = fits.getheader(path), _image(path) / unit
        moved = 1 + shifts_kms.get(str(header.get("ARCFILE")), 0.0) / 299_792.458
        lit = (flux != 0) & np.isfinite(flux)
        singles.append((_wave(header)[lit] * moved, flux[lit]))
    return tuple(singles)


def _image(path: Path) -> Floats:
    try:
        return np.asarray(fits.getdata(path), dtype=np.float64)
    except OSError as error:
        raise QcError(str(path), f"cannot be read: {error}", "an exposure behind the stack") from error


def _wave(header: fits.Header) -> Floats:
    pixel = np.arange(int(header["NAXIS1"])) + 1 - header["CRPIX1"]
    return np.asarray((header["CRVAL1"] + pixel * header["CDELT1"]) / 10)


def _scale(stacks: list[_Stack]) -> tuple[str, float]:
    """Return the label of the flux axis and what to divide by, so that its numbers are short."""
    if not stacks[0].fluxed:
        return "signal (ADU per pixel)", 1.0
    return flux_axis(*(one.flux for one in stacks), exponent=-16)


def _limits(stacks: list[_Stack]) -> tuple[float, float]:
    low, high = min(one.wave_nm[0] for one in stacks), max(one.wave_nm[-1] for one in stacks)
    return float(low - 0.005 * (high - low)), float(high + 0.005 * (high - low))


def _spectrum_plot(chips: list[Source], stacks: list[_Stack]) -> Plot:
    label, scale = _scale(stacks)
    bins = BINS // len(stacks)
    behind = [
        Curve(*envelope(wave, flux / scale, bins), "", Style.FAINT, -1)
        for one in stacks
        for wave, flux in one.singles
    ]
    if behind:
        behind[0] = replace(behind[0], label="exposures")
    curves = list(behind)
    for number, (chip, one) in enumerate(zip(chips, stacks, strict=True)):
        points = envelope(one.wave_nm, one.flux / scale, bins)
        curves.append(Curve(*points, f"stack {chip.words['chip']}", Style.THIN, number))
        error = "its 1\u03c3 error" if one is stacks[-1] else ""
        curves.append(Curve(*medians(one.wave_nm, one.error / scale), error, colour=2))
    y_limits = robust_limits(*(one.flux / scale for one in stacks), with_zero=True)
    title = "Stack, its exposures behind it" if behind else "Stack"
    return Plot(title, WAVE, label, tuple(curves), _limits(stacks), y_limits, level=0.0)


def _snr_plot(chips: list[Source], stacks: list[_Stack]) -> Plot:
    curves = []
    for number, (chip, one) in enumerate(zip(chips, stacks, strict=True)):
        points = envelope(one.wave_nm, one.snr, BINS // len(stacks))
        curves += [
            Curve(*points, "", Style.FAINT, number),
            Curve(*medians(one.wave_nm, one.snr), f"median {chip.words['chip']}", Style.LINE, number),
        ]
    highest = max(robust_limits(one.snr)[1] for one in stacks)
    return Plot("Signal to noise", WAVE, "S/N (per pixel)", tuple(curves), _limits(stacks), (0.0, highest))


def _zoom_plot(stacks: list[_Stack]) -> Plot:
    number, one = max(enumerate(stacks), key=lambda pair: float(np.median(pair[1].snr)))
    label, scale = _scale(stacks)
    low, high = liveliest_window(one.wave_nm, one.flux, one.error, _ZOOM_NM)
    inside = slice(*np.searchsorted(one.wave_nm, [low, high]))
    wave, flux, error = one.wave_nm[inside], one.flux[inside] / scale, one.error[inside] / scale
    curves = []
    for place, (its_wave, its_flux) in enumerate(one.singles):
        shown = slice(*np.searchsorted(its_wave, [low, high]))
        name = "" if place else "exposures"
        curves.append(Curve(its_wave[shown], its_flux[shown] / scale, name, Style.FAINT, -1))
    curves += [
        Curve(wave, flux - error, "\u00b1 1\u03c3", Style.BAND, 2, upper=flux + error),
        Curve(wave, flux, "stack", colour=number),
    ]
    y_limits = robust_limits(flux - error, flux + error, margin=0.25)
    return Plot("Zoom on lines", WAVE, label, tuple(curves), (low, high), y_limits)


def _level_plot(chips: list[Source], stacks: list[_Stack]) -> Plot:
    by_chip = {chip.words["chip"]: 100 * (one.levels - 1) for chip, one in zip(chips, stacks, strict=True)}
    curves = curve_of_each(
        chips,
        lambda chip: (np.arange(1.0, len(by_chip[chip.words["chip"]]) + 1), by_chip[chip.words["chip"]]),
        Style.CHAIN,
    )
    reach = max((float(np.max(np.abs(d), initial=0.0)) for d in by_chip.values()), default=0.0)
    reach = max(1.1 * reach, 1.25 * _LEVEL_LIMIT_PERCENT)
    most = max(len(deviation) for deviation in by_chip.values())
    edges = np.array([0.5, most + 0.5])
    limits = tuple(
        Curve(edges, np.full(2, sign * _LEVEL_LIMIT_PERCENT), "limit" if sign > 0 else "", Style.THIN, 4)
        for sign in (1, -1)
    )
    return Plot("Flux levels", "exposure, in order of time", "above the mean (%)", (*curves, *limits),
                (0.5, most + 0.5), (-reach, reach), level=0.0, x_whole=True)  # fmt: skip
