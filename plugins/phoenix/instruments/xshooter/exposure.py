"""The raw frames behind an XSHOOTER spectrum by their headers: those on target, and what they add up to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.raw_header import (
    required_integer,
    required_number,
    required_text,
    target_position,
    to_iso,
)
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, combined, on_grid
from phoenix.instruments.xshooter.arms import SLIT_KEYWORDS

#: Width x length in arcsec; JH: with the filter that keeps the K band out.
_SLIT = re.compile(r"(\d\.\d)x11(JH)?")
#: Last word of DPR TECH, and what names call it.
_MODES = {"STARE": "STARE", "NODDING": "NOD", "OFFSET": "OFFSET"}
#: DPR TYPE of standard stars that become spectra of the archive as well, and the code in their names.
_STANDARDS = {"STD,TELLURIC": "STEL"}
_CCDS = ("UVB", "VIS")


@dataclass(frozen=True)
class Setting:
    """What all exposures of a spectrum have in common.

    Attributes
    ----------
    mode
        ``STARE``, ``NOD`` or ``OFFSET``.
    slit
        Name of the slit, e.g. ``0.9x11``; its width in arcsec is ``slit_arcsec``.
    binning
        ``1x2``; empty for NIR, which is never binned.
    """

    arm: str
    mode: str
    slit: str
    slit_arcsec: float
    binning: str
    ob_id: int
    prog_id: str
    code: str

    def stem(self, prefix: str, start: str) -> str:
        """``XS_SFLX_<OB>_<start>_<arm>_<mode>[_<binning>]_<slit>``: numbers and fixed words only."""
        width = f"{round(self.slit_arcsec * 10):02d}{'JH' if self.slit.endswith('JH') else ''}"
        words = (prefix, self.code, str(self.ob_id), start, self.arm, self.mode, self.binning, width)
        return "_".join(word for word in words if word)


@dataclass(frozen=True)
class Exposures:
    """The frames on target in order of time: file name and primary header of each."""

    frames: tuple[tuple[str, Hdu], ...]
    setting: Setting

    @property
    def first(self) -> Hdu:
        """Header of the earliest frame."""
        return self.frames[0][1]

    @property
    def start(self) -> str:
        """MJD-OBS of the earliest frame as ISO text to the millisecond."""
        name, raw = self.frames[0]
        return to_iso(required_number(raw, "MJD-OBS", name))

    @property
    def arcfile(self) -> str:
        """Archive name of the earliest frame."""
        name, raw = self.frames[0]
        return raw.text("ARCFILE") or name

    def observation(self, procsoft: str) -> Observation:
        """Return what the header of the IDP tells of all exposures together."""
        return on_grid(combined([_observation(name, raw, procsoft) for name, raw in self.frames]))


def read_exposures(raws: Sequence[Path], ab_name: str) -> Exposures:
    """Read the headers of raw frames and keep those on target; frames on the sky do not count.

    Raises
    ------
    IdpError
        If none is on target, they are of several settings, OBs or programmes, or keywords are missing.
    """
    frames = [(path.name, read_fits(path).primary) for path in raws]
    chosen = [(name, raw) for name, raw in frames if raw.text("DPR.TYPE") != "SKY"]
    if not chosen:
        raise IdpError(
            ab_name,
            f"none of its {len(frames)} raw frames is on target",
            "frames whose ESO DPR TYPE is not SKY",
            "look at the raw frames of the AB",
        )
    chosen.sort(key=lambda frame: required_number(frame[1], "MJD-OBS", frame[0]))
    settings = {_setting(name, raw) for name, raw in chosen}
    if len(settings) != 1:
        raise IdpError(ab_name, f"its frames are of {len(settings)} settings", "one arm, slit, mode and OB")
    return Exposures(tuple(chosen), settings.pop())


def _setting(name: str, raw: Hdu) -> Setting:
    arm = required_text(raw, "SEQ.ARM", name)
    if arm not in SLIT_KEYWORDS:
        raise IdpError(f"{name}, ESO SEQ ARM", f"is {arm!r}", f"one of {', '.join(SLIT_KEYWORDS)}")
    slit = required_text(raw, SLIT_KEYWORDS[arm], name)
    match = _SLIT.fullmatch(slit)
    if match is None:
        raise IdpError(f"{name}, ESO {SLIT_KEYWORDS[arm]}", f"is {slit!r}", "a slit such as 0.9x11")
    *technique, last = required_text(raw, "DPR.TECH", name).split(",")
    if technique != ["ECHELLE", "SLIT"] or last not in _MODES:
        raise IdpError(
            f"{name}, ESO DPR TECH", f"is {raw.text('DPR.TECH')!r}", f"ECHELLE,SLIT and {', '.join(_MODES)}"
        )
    binned = [str(required_integer(raw, f"DET.WIN1.BIN{axis}", name)) for axis in "XY" if arm in _CCDS]
    return Setting(
        arm=arm,
        mode=_MODES[last],
        slit=slit,
        slit_arcsec=float(match[1]),
        binning="x".join(binned),
        ob_id=required_integer(raw, "OBS.ID", name),
        prog_id=required_text(raw, "OBS.PROG.ID", name),
        code=_STANDARDS.get(raw.text("DPR.TYPE"), "SFLX"),
    )


def _observation(name: str, raw: Hdu, procsoft: str) -> Observation:
    mjd_obs, exptime_s = required_number(raw, "MJD-OBS", name), _exposed_s(name, raw)
    ra_deg, dec_deg = target_position(raw, name)
    return Observation(
        origin=required_text(raw, "ORIGIN", name),
        telescope=required_text(raw, "TELESCOP", name),
        instrument=required_text(raw, "INSTRUME", name),
        target=raw.text("OBS.TARG.NAME") or required_text(raw, "OBJECT", name),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        radesys=raw.text("RADESYS") or raw.text("RADECSYS") or "FK5",
        equinox=raw.number("EQUINOX"),
        mjd_obs=mjd_obs,
        mjd_end=mjd_obs + exptime_s / SECONDS_PER_DAY,
        exptime_s=round(exptime_s, 3),
        prog_id=required_text(raw, "OBS.PROG.ID", name),
        ob_ids=(required_integer(raw, "OBS.ID", name),),
        obstech=required_text(raw, "DPR.TECH", name),
        procsoft=procsoft,
        sources=(raw.text("ARCFILE") or name,),
    )


def _exposed_s(name: str, raw: Hdu) -> float:
    """Return EXPTIME, but for an infrared frame DIT times NDIT: its EXPTIME may be one DIT."""
    dit_s, ndit = raw.number("DET.DIT"), raw.integer("DET.NDIT")
    if dit_s is not None and ndit is not None:
        return dit_s * ndit
    return required_number(raw, "EXPTIME", name)
