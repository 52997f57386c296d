"""The raw frames a cube goes back to: those on target, their times, OBs and programmes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.card import format_card
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import raw_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.raw_header import required_integer, required_number, required_text
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, combined, on_grid

#: INS MODE goes into file names.
_MODE = re.compile(r"[A-Z]{3}(-[A-Z0-9]+)*")
#: Types of frames that count, the first that is there; others (lamps, skies of objects) are off target.
_KINDS = {"OBJECT": "OBJ", "SKY": "SKY"}
_PIXEL_TABLE = "PIXTABLE_"
_OF_RECIPES = ("HIERARCH ESO PRO ", "HIERARCH ESO QC ", "HIERARCH ESO DRS ")


@dataclass(frozen=True)
class Exposures:
    """The on-target frames of a cube in order of time.

    Attributes
    ----------
    frames
        Primary header of each, with its file name.
    target_kind
        ``OBJ`` or ``SKY``, as file names have it.
    """

    frames: tuple[tuple[str, Hdu], ...]
    mode: str
    target_kind: str

    def first_cards(self) -> list[str]:
        """Return what the IDP keeps of the header of the earliest frame.

        A stored pixel table has passed a recipe: its PRO and QC cards are not those of the cube.
        """
        cards = raw_cards(self.frames[0][1])
        return [card for card in cards if not card.startswith(_OF_RECIPES)]

    def observation(self, procsoft: str) -> Observation:
        """Return what the header of the IDP tells of all exposures together; PROG_ID may be ``MULTI``."""
        whole = combined([_observation(name, raw, procsoft) for name, raw in self.frames])
        return on_grid(whole if len(self._programmes()) == 1 else replace(whole, prog_id="MULTI"))

    def programme_cards(self) -> list[str]:
        """Return PROGIDi where there are several programmes."""
        programmes = self._programmes()
        if len(programmes) == 1:
            return []
        return [
            format_card(f"PROGID{number}", programme, "ESO programme")
            for number, programme in enumerate(programmes, start=1)
        ]

    def _programmes(self) -> list[str]:
        return list(dict.fromkeys(required_text(raw, "OBS.PROG.ID", name) for name, raw in self.frames))


def read_exposures(job: ConversionJob) -> Exposures:
    """Read the headers of all raw frames behind a cube and keep those on target.

    Raises
    ------
    IdpError
        If none is on target, they are of different modes, or keywords are missing.
    """
    frames = [(path.name, read_fits(path).primary) for path in dict.fromkeys(_raws(job))]
    for frame_type, kind in _KINDS.items():
        chosen = [(name, raw) for name, raw in frames if _type(raw) == frame_type]
        if not chosen:
            continue
        chosen.sort(key=lambda frame: required_number(frame[1], "MJD-OBS", frame[0]))
        modes = {required_text(raw, "INS.MODE", name) for name, raw in chosen}
        if len(modes) != 1 or not _MODE.fullmatch(next(iter(modes))):
            raise IdpError(job.ab.name, f"INS MODE {', '.join(sorted(modes))}", "one mode, e.g. WFM-NOAO-N")
        return Exposures(tuple(chosen), modes.pop(), kind)
    raise IdpError(
        job.ab.name,
        f"none of its {len(frames)} raw frames is on target",
        f"ESO DPR TYPE, or a pixel table, of {' or '.join(_KINDS)}",
        "look at the raw frames of the AB",
    )


def _raws(job: ConversionJob) -> Iterator[Path]:
    yield from job.raws
    for single in job.singles:
        yield from _raws(single)


def _type(raw: Hdu) -> str:
    """Return DPR TYPE; a stored pixel table has none, but its PRO CATG tells."""
    return raw.text("DPR.TYPE") or raw.text("PRO.CATG").removeprefix(_PIXEL_TABLE)


def _observation(name: str, raw: Hdu, procsoft: str) -> Observation:
    mjd_obs = required_number(raw, "MJD-OBS", name)
    exptime_s = required_number(raw, "EXPTIME", name)
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
        exptime_s=exptime_s,
        prog_id=required_text(raw, "OBS.PROG.ID", name),
        ob_ids=(required_integer(raw, "OBS.ID", name),),
        obstech=raw.text("DPR.TECH") or "IFU",
        procsoft=procsoft,
        sources=(raw.text("ARCFILE") or name,),
    )
