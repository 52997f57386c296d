"""What QC knows of the exposures behind cubes: raw frames, lamp flat, telluric standard.

The record beside the products names what a recipe read; that of an input, what was read before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from phoenix.errors import QcError
from phoenix.instruments.kmos.arms import OBJECT, SKY, arms_on
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.run_record import RunRecord, read_run_record

CUBES, RAW, FLAT, TELLURIC = "SCI_RECONSTRUCTED", "SCIENCE", "MASTER_FLAT", "TELLURIC"
_FLAT_RAWS = ("FLAT_ON", "FLAT_OFF")


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A raw frame and its primary header."""

    path: Path
    header: fits.Header

    def get(self, keyword: str) -> Any:
        """Return a value by dotted name, or None."""
        return keyword_value(self.header, keyword)

    def number(self, keyword: str) -> float:
        """Return a number; ``QcError`` if there is none."""
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise QcError(f"{self.path.name}, {keyword}", "is missing or not a number", "a number")
        return float(value)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A template that was reduced: its raw frames in order, and the record of what went in."""

    frames: tuple[RawFrame, ...]
    record: RunRecord

    @property
    def on_target(self) -> tuple[RawFrame, ...]:
        """Frames in which an arm is on an object."""
        return tuple(frame for frame in self.frames if arms_on(frame.get, OBJECT))

    @property
    def arms_without_sky(self) -> set[int]:
        """Arms that were on an object and never on sky in this template."""
        on = {arm for frame in self.frames for arm in arms_on(frame.get, OBJECT)}
        return on - {arm for frame in self.frames for arm in arms_on(frame.get, SKY)}

    def calibration(self, tag: str) -> RawFrame | None:
        """Return a calibration the recipe read, with its header; None if it had none."""
        path = next((path for its_tag, path in self.record.inputs if its_tag == tag), None)
        return None if path is None else read_frame(path)


def read_reductions(source: Source) -> tuple[Reduction, ...]:
    """Return the templates behind the cubes of an AB, read once; one, if the AB reduced them itself."""
    return source.products.once("reductions", lambda: _read(source))


def _read(source: Source) -> tuple[Reduction, ...]:
    record = read_run_record(source.products.folder)
    if any(tag == CUBES for tag, _ in record.inputs):
        folders = dict.fromkeys(path.parent for path in record.inputs_of(CUBES))
        return tuple(_reduction(read_run_record(folder)) for folder in folders)
    return (_reduction(record),)


def _reduction(record: RunRecord) -> Reduction:
    frames = sorted(map(read_frame, record.inputs_of(RAW)), key=lambda frame: frame.number("MJD-OBS"))
    return Reduction(tuple(frames), record)


def read_frame(path: Path) -> RawFrame:
    """Read the primary header of a file; ``QcError`` if it cannot be read."""
    try:
        return RawFrame(path, fits.getheader(path))
    except OSError as error:
        raise QcError(str(path), f"cannot be read: {error}", "a FITS file") from error


def frames_missing(flat: RawFrame) -> int:
    """Return how many frames of its template a lamp flat was made without.

    The template's length is TPL NEXP, which a master inherits from its first raw frame. How many were used is
    told by the record beside it, or, of a master that has none, by PRO DATANCOM.
    """
    try:
        inputs = read_run_record(flat.path.parent).inputs
        used = float(sum(tag in _FLAT_RAWS for tag, _ in inputs))
    except QcError:
        used = flat.number("PRO.DATANCOM")
    return max(0, round(flat.number("TPL.NEXP") - used))
