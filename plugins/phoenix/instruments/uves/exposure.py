"""A UVES raw science frame by its header: what, when, with which slit, grating and binning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.raw_header import (
    required_integer,
    required_number,
    required_text,
    target_position,
    to_iso,
)
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, on_grid

#: Grating and slit of each arm.
_GRATING = {"BLUE": "GRAT1", "RED": "GRAT2"}
_SLIT = {"BLUE": "SLIT2", "RED": "SLIT3"}
_DICHROIC = {"DICHR#1": "d1", "DICHR#2": "d2"}


@dataclass(frozen=True)
class UvesExposure:
    """One science exposure of one arm.

    Attributes
    ----------
    setting
        Arm, central wavelength in nm and dichroic: ``RED564d1``.
    start
        MJD-OBS as ISO text to the millisecond.
    slit_arcsec
        Width of the slit, or of a slice with an image slicer.
    """

    raw: Hdu
    name: str
    arcfile: str
    arm: str
    setting: str
    binning: str
    slit_arcsec: float
    disperser: str
    ob_id: int
    start: str

    def observation(self, procsoft: str) -> Observation:
        """Return what the header of the IDP tells of the observation."""
        exptime_s = self._number("EXPTIME")
        mjd_obs = self._number("MJD-OBS")
        ra_deg, dec_deg = target_position(self.raw, self.name)
        radesys = self.raw.text("RADESYS") or self.raw.text("RADECSYS") or "FK5"
        return on_grid(
            Observation(
                origin=self._text("ORIGIN"),
                telescope=self._text("TELESCOP"),
                instrument=self._text("INSTRUME"),
                target=self.raw.text("OBS.TARG.NAME") or self._text("OBJECT"),
                ra_deg=ra_deg,
                dec_deg=dec_deg,
                radesys=radesys,
                equinox=self.raw.number("EQUINOX"),
                mjd_obs=mjd_obs,
                mjd_end=mjd_obs + exptime_s / SECONDS_PER_DAY,
                exptime_s=exptime_s,
                prog_id=self._text("OBS.PROG.ID"),
                ob_ids=(self.ob_id,),
                obstech=self._text("DPR.TECH"),
                procsoft=procsoft,
                sources=(self.arcfile,),
            )
        )

    def _number(self, keyword: str) -> float:
        return required_number(self.raw, keyword, self.name)

    def _text(self, keyword: str) -> str:
        return required_text(self.raw, keyword, self.name)


def read_exposure(raw: Hdu, name: str, slicer_width_arcsec: Mapping[str, float]) -> UvesExposure:
    """Read the header of a raw frame.

    Parameters
    ----------
    raw : Hdu
        Its primary HDU.
    name : str
        The file, for messages.
    slicer_width_arcsec : mapping
        Width of a slice by INS SLIT1 NAME; other names mean a plain slit.

    Raises
    ------
    IdpError
        If a keyword is missing or has no sense.
    """
    arm = required_text(raw, "INS.PATH", name)
    if arm not in _GRATING:
        raise IdpError(f"{name}, ESO INS PATH", f"is {arm!r}", "BLUE or RED")
    mode = _DICHROIC.get(raw.text("INS.MODE"), "")
    wavelength_nm = required_number(raw, f"INS.{_GRATING[arm]}.WLEN", name)
    slicer = slicer_width_arcsec.get(raw.text("INS.SLIT1.NAME"))
    slit_arcsec = slicer if slicer is not None else required_number(raw, f"INS.{_SLIT[arm]}.WID", name)
    if not 0 < slit_arcsec < 100:
        raise IdpError(f"{name}, ESO INS {_SLIT[arm]} WID", f"is {slit_arcsec}", "a slit width in arcsec")
    return UvesExposure(
        raw=raw,
        name=name,
        arcfile=raw.text("ARCFILE") or name,
        arm=arm,
        setting=f"{arm}{wavelength_nm:.0f}{mode}",
        binning="x".join(str(required_integer(raw, f"DET.WIN1.BIN{axis}", name)) for axis in "XY"),
        slit_arcsec=slit_arcsec,
        disperser=required_text(raw, f"INS.{_GRATING[arm]}.NAME", name),
        ob_id=required_integer(raw, "OBS.ID", name),
        start=to_iso(required_number(raw, "MJD-OBS", name)),
    )
