"""The raw frames behind an image: those on target, their times, OB and programme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.image_header import Imaging
from phoenix.idp.inheritance import raw_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.raw_header import required_integer, required_number, required_text
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, combined, on_grid

#: The filter goes into file names.
_FILTER = re.compile(r"[A-Za-z0-9]{1,12}")
_NO_FILTER = "OPEN"


@dataclass(frozen=True)
class Exposures:
    """The on-target frames of an image in order of time: file name and primary header of each."""

    frames: tuple[tuple[str, Hdu], ...]
    filter_name: str

    def first_cards(self) -> list[str]:
        """Return what the IDP keeps of the header of the earliest frame."""
        return raw_cards(self.frames[0][1])

    def observation(self, procsoft: str) -> Observation:
        """Return what the header of the IDP tells of all exposures together."""
        return on_grid(combined([_observation(name, raw, procsoft) for name, raw in self.frames]))

    def imaging(self, kind: str, *, calibrated: bool) -> Imaging:
        """Return what the header tells of the imaging; DIT and NDIT where all frames have the same."""
        settings = {(raw.number("DET.DIT"), raw.integer("DET.NDIT")) for _, raw in self.frames}
        dit_s, ndit = settings.pop() if len(settings) == 1 else (None, None)
        return Imaging(kind, self.filter_name, calibrated, len(self.frames), dit_s, ndit)


def read_exposures(job: ConversionJob) -> Exposures:
    """Read the headers of all raw frames behind an image and keep those on target; offset skies do not count.

    Raises
    ------
    IdpError
        If none is on target, they are of different filters, OBs or programmes, or keywords are missing.
    """
    frames = [(path.name, read_fits(path).primary) for path in dict.fromkeys(_raws(job))]
    chosen = [(name, raw) for name, raw in frames if raw.text("DPR.TYPE") == "OBJECT"]
    if not chosen:
        raise IdpError(
            job.ab.name,
            f"none of its {len(frames)} raw frames is on target",
            "ESO DPR TYPE OBJECT",
            "look at the raw frames of the AB",
        )
    chosen.sort(key=lambda frame: required_number(frame[1], "MJD-OBS", frame[0]))
    for keyword in ("OBS.PROG.ID", "OBS.ID"):
        values = {str(raw.get(keyword)) for _, raw in chosen}
        if len(values) > 1:
            raise IdpError(job.ab.name, f"{keyword} is {', '.join(sorted(values))}", "one OB")
    filters = {_filter(name, raw) for name, raw in chosen}
    if len(filters) != 1:
        raise IdpError(job.ab.name, f"filters {', '.join(sorted(filters))}", "one filter")
    return Exposures(tuple(chosen), filters.pop())


def _raws(job: ConversionJob) -> Iterator[Path]:
    yield from job.raws
    for single in job.singles:
        yield from _raws(single)


def _filter(name: str, raw: Hdu) -> str:
    """Return the filter: of the two wheels the one that is not open."""
    wheels = [raw.text(f"INS.FILT{wheel}.NAME") for wheel in (1, 2)]
    found = [wheel for wheel in wheels if wheel and wheel != _NO_FILTER]
    if len(found) != 1 or not _FILTER.fullmatch(found[0]):
        raise IdpError(name, f"INS FILT1 and FILT2 NAME are {wheels}", "one filter and OPEN")
    return found[0]


def _observation(name: str, raw: Hdu, procsoft: str) -> Observation:
    """EXPTIME of a raw frame is one DIT: the exposure has NDIT of them."""
    mjd_obs = required_number(raw, "MJD-OBS", name)
    exptime_s = required_number(raw, "DET.DIT", name) * required_integer(raw, "DET.NDIT", name)
    return Observation(
        origin=raw.text("ORIGIN") or "ESO-PARANAL",
        telescope=required_text(raw, "TELESCOP", name),
        instrument=required_text(raw, "INSTRUME", name),
        target=raw.text("OBS.TARG.NAME") or required_text(raw, "OBJECT", name),
        ra_deg=required_number(raw, "RA", name),
        dec_deg=required_number(raw, "DEC", name),
        radesys=raw.text("RADESYS") or raw.text("RADECSYS") or "FK5",
        equinox=raw.number("EQUINOX"),
        mjd_obs=mjd_obs,
        mjd_end=mjd_obs + exptime_s / SECONDS_PER_DAY,
        exptime_s=round(exptime_s, 3),
        prog_id=required_text(raw, "OBS.PROG.ID", name),
        ob_ids=(required_integer(raw, "OBS.ID", name),),
        obstech=raw.text("DPR.TECH") or "IMAGE",
        procsoft=procsoft,
        sources=(raw.text("ARCFILE") or name,),
    )
