"""Spectra as tables of one row (GIRAFFE's per fibre): how they are read, and written as a stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import Frame
from phoenix.recipes.resample import Samples
from phoenix.recipes.series import Exposure, Stack
from phoenix.recipes.stack_header import primary_of

if TYPE_CHECKING:
    from astropy.io import fits

#: Flux columns and their errors.
_PAIRS = {"FLUX_REDUCED": "ERR_REDUCED", "FLUX": "ERR"}
#: What QUAL says where no exposure has data.
NO_DATA = 1
_FLAG_FORMAT = "J"


def read_tables(frames: Iterable[Frame]) -> dict[str, list[Exposure]]:
    """Return the exposures of each spectrum, which is known by its fibre (FPS) or else its OBJECT.

    Raises
    ------
    ReductionError
        If a file is not such a table.
    """
    series = defaultdict(list)
    for frame in frames:
        exposure = _read(frame)
        fibre = exposure.header.get("FPS")
        name = f"fps{int(fibre):03d}" if fibre is not None else str(exposure.header.get("OBJECT", "")).strip()
        series[name].append(exposure)
    return dict(sorted(series.items()))


def _read(frame: Frame) -> Exposure:
    from astropy.io import fits

    with fits.open(frame.path, memmap=False) as hdus:
        table = hdus[1].data if len(hdus) > 1 else None
        names = set(table.names) if table is not None else set()
        if table is None or not {"WAVE", "FLUX_REDUCED"} <= names or len(table) != 1:
            raise ReductionError(
                CplCode.BAD_FILE_FORMAT,
                frame.path.name,
                f"columns {', '.join(sorted(names)) or 'none'}",
                "a table of one row with WAVE, FLUX_REDUCED and ERR_REDUCED",
            )
        header = hdus[0].header.copy()
        header.extend((card for card in hdus[1].header.cards if card.keyword == "SPECSYS"), unique=True)
        quantities = {flux: _samples(table, flux, error) for flux, error in _PAIRS.items() if flux in names}
        return Exposure((frame,), header, np.asarray(table["WAVE"][0], dtype=np.float64), quantities)


def _samples(table: Any, flux_name: str, error_name: str) -> Samples:
    flux = np.asarray(table[flux_name][0], dtype=np.float64)
    error = np.asarray(table[error_name][0], dtype=np.float64)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if "QUAL" in table.names:
        good &= np.asarray(table["QUAL"][0]) == 0
    return Samples(flux, error, good)


def table_of(stack: Stack) -> fits.HDUList:
    """Return a stack as a table like its inputs, with QUAL (1: no data) and S/N."""
    from astropy.io import fits

    with fits.open(stack.exposures[0].frames[0].path, memmap=False) as hdus:
        template = hdus[1].columns
        header = hdus[1].header.copy()
    values: dict[str, Any] = {"WAVE": stack.wave}
    for flux, error in _PAIRS.items():
        if flux in stack.quantities:
            values |= {flux: stack.quantities[flux].flux, error: stack.quantities[flux].error}
    reduced = stack.quantities["FLUX_REDUCED"]
    values["QUAL"] = np.where(reduced.contributions > 0, 0, NO_DATA)
    values["SNR"] = np.divide(
        reduced.flux, reduced.error, out=np.zeros_like(reduced.flux), where=reduced.error > 0
    )
    formats = {column.name: column.format.lstrip("0123456789") for column in template}
    units = {column.name: column.unit for column in template}
    columns = [
        fits.Column(
            name,
            f"{len(stack.wave)}{_FLAG_FORMAT if name == 'QUAL' else formats.get(name, 'D')}",
            units.get(name),
            array=array[np.newaxis, :],
        )
        for name, array in values.items()
    ]
    table = fits.BinTableHDU.from_columns(columns)
    _inherit(table.header, header, {name: number for number, name in enumerate(values, 1)})
    return fits.HDUList([fits.PrimaryHDU(header=primary_of(stack)), table])


def _inherit(header: fits.Header, parent: fits.Header, places: dict[str, int]) -> None:
    """Take over what the first input's table says of itself and of its columns, which now stand elsewhere."""
    for card in parent.cards:
        if card.keyword and card.keyword not in header and not card.keyword[-1].isdigit():
            header.append(card, end=True)
    for keyword in ("CHECKSUM", "DATASUM"):
        header.pop(keyword, None)
    for number in range(1, int(parent["TFIELDS"]) + 1):
        place = places.get(str(parent[f"TTYPE{number}"]))
        for word in ("TUTYP", "TUCD", "TCOMM"):
            if place and f"{word}{number}" in parent:
                header[f"{word}{place}"] = parent[f"{word}{number}"]
    header["NELEM"] = parent.get("NELEM", 0)
