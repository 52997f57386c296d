"""The raw frames behind the cube of one object: those in which an arm was on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import raw_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.raw_header import required_integer, required_number, required_text
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, combined, on_grid
from phoenix.instruments.kmos.arms import OBJECT, arms_on, integration_s

#: INS GRAT1 ID goes into file names.
_GRATING = re.compile(r"[A-Z]{1,3}")


@dataclass(frozen=True)
class Exposures:
    """The raw frames of an AB, with file names and primary headers, in order of time."""

    frames: tuple[tuple[str, Hdu], ...]
    grating: str

    def on(self, target: str) -> Exposures:
        """Return the frames in which an arm is on a target; ``IdpError`` if there is none."""
        found = tuple((name, raw) for name, raw in self.frames if target in arms_on(raw.get, OBJECT).values())
        if not found:
            raise IdpError(
                f"object {target}",
                f"in none of {len(self.frames)} raw frames an arm is on it",
                "OCS ARMi NAME with that name and OCS ARMi TYPE O",
                "look at the raw frames of the AB",
            )
        return Exposures(found, self.grating)

    def first_cards(self) -> list[str]:
        """Return what an IDP keeps of the header of the earliest frame."""
        return raw_cards(self.frames[0][1])

    def observation(self, target: str, procsoft: str) -> Observation:
        """Return what the header of an IDP tells of all frames together; RA and DEC are the telescope's."""
        return on_grid(combined([_observation(name, raw, target, procsoft) for name, raw in self.frames]))


def read_exposures(job: ConversionJob) -> Exposures:
    """Read the headers of all raw frames behind the cubes of an AB.

    Raises
    ------
    IdpError
        If there is none, they are of different gratings or programmes, or keywords are missing.
    """
    frames = [(path.name, read_fits(path).primary) for path in dict.fromkeys(_raws(job))]
    frames.sort(key=lambda frame: required_number(frame[1], "MJD-OBS", frame[0]))
    gratings = {required_text(raw, "INS.GRAT1.ID", name) for name, raw in frames}
    if len(gratings) != 1 or not _GRATING.fullmatch(next(iter(gratings))):
        raise IdpError(job.ab.name, f"INS GRAT1 ID {', '.join(sorted(gratings))}", "one grating, e.g. HK")
    return Exposures(tuple(frames), gratings.pop())


def _raws(job: ConversionJob) -> Iterator[Path]:
    yield from job.raws
    for single in job.singles:
        yield from _raws(single)


def _observation(name: str, raw: Hdu, target: str, procsoft: str) -> Observation:
    mjd_obs = required_number(raw, "MJD-OBS", name)
    told_s = integration_s(raw.get)
    exptime_s = required_number(raw, "EXPTIME", name) if told_s is None else told_s
    return Observation(
        origin=raw.text("ORIGIN") or "ESO-PARANAL",
        telescope=required_text(raw, "TELESCOP", name),
        instrument=required_text(raw, "INSTRUME", name),
        target=target,
        ra_deg=required_number(raw, "RA", name),
        dec_deg=required_number(raw, "DEC", name),
        radesys=raw.text("RADESYS") or raw.text("RADECSYS") or "FK5",
        equinox=raw.number("EQUINOX"),
        mjd_obs=mjd_obs,
        mjd_end=mjd_obs + exptime_s / SECONDS_PER_DAY,
        exptime_s=exptime_s,
        prog_id=required_text(raw, "OBS.PROG.ID", name),
        ob_ids=(required_integer(raw, "OBS.ID", name),),
        obstech=raw.text("DPR.TECH") or "IFU",
        procsoft=procsoft,
        sources=(raw.text("ARCFILE") or name,),
    )
