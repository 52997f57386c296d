"""A GIRAFFE raw science frame by its header, and the names of what is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.raw_header import required_integer, required_number, required_text, to_iso
from phoenix.idp.sdp import SECONDS_PER_DAY, Observation, on_grid

_SLITS = {"Medusa1": "M1", "Medusa2": "M2"}
_SETUP = re.compile(r"[HL]\d{3}\.\d?[AB]?")
#: Fibres in a MEDUSA slit are numbered up to 135.
_MOST_FPS = 999


@dataclass(frozen=True)
class GiraffeExposure:
    """One science exposure.

    Attributes
    ----------
    setup
        INS EXP MODE, e.g. ``H627.3``.
    slit
        ``M1`` or ``M2``.
    start
        MJD-OBS as ISO text to the millisecond.
    """

    raw: Hdu
    name: str
    arcfile: str
    setup: str
    slit: str
    ob_id: int
    start: str

    def stem(self, prefix: str, code: str, fps: int | None = None) -> str:
        """``GI_SIDP_<OB>_<start>_<slit>_<setup>[_<fibre>]``: numbers and fixed words only."""
        stem = f"{prefix}_{code}_{self.ob_id}_{self.start}_{self.slit}_{self.setup}"
        return stem if fps is None else f"{stem}_{fps:03d}"

    def observation(self, product: Hdu, procsoft: str) -> Observation:
        """Return what the header of a fibre's IDP tells of the observation.

        Parameters
        ----------
        product : Hdu
            Primary HDU of the fibre's spectrum, which knows the fibre's target.
        """
        raw, name = self.raw, self.name
        mjd_obs, exptime_s = required_number(raw, "MJD-OBS", name), required_number(raw, "EXPTIME", name)
        radesys = product.text("RADESYS") or raw.text("RADESYS") or raw.text("RADECSYS") or "FK5"
        return on_grid(
            Observation(
                origin=raw.text("ORIGIN") or required_text(product, "ORIGIN", name),
                telescope=required_text(raw, "TELESCOP", name),
                instrument=required_text(raw, "INSTRUME", name),
                target=required_text(product, "OBJECT", f"a fibre of {name}"),
                ra_deg=required_number(product, "RA", f"a fibre of {name}"),
                dec_deg=required_number(product, "DEC", f"a fibre of {name}"),
                radesys=radesys,
                equinox=product.number("EQUINOX") or raw.number("EQUINOX"),
                mjd_obs=mjd_obs,
                mjd_end=mjd_obs + exptime_s / SECONDS_PER_DAY,
                exptime_s=exptime_s,
                prog_id=required_text(raw, "OBS.PROG.ID", name),
                ob_ids=(self.ob_id,),
                obstech=product.text("OBSTECH") or required_text(raw, "DPR.TECH", name),
                procsoft=procsoft,
                sources=(self.arcfile,),
            )
        )


def read_exposure(raw: Hdu, name: str) -> GiraffeExposure:
    """Read the header of a raw frame.

    Parameters
    ----------
    raw : Hdu
        Its primary HDU.
    name : str
        The file, for messages.

    Raises
    ------
    IdpError
        If a keyword is missing or has no sense, or it is no MEDUSA exposure.
    """
    slit = required_text(raw, "INS.SLIT.NAME", name)
    if slit not in _SLITS:
        raise IdpError(f"{name}, ESO INS SLIT NAME", f"is {slit!r}", f"one of {', '.join(_SLITS)}")
    setup = required_text(raw, "INS.EXP.MODE", name)
    if not _SETUP.fullmatch(setup):
        raise IdpError(f"{name}, ESO INS EXP MODE", f"is {setup!r}", "a setup such as H627.3")
    return GiraffeExposure(
        raw=raw,
        name=name,
        arcfile=raw.text("ARCFILE") or name,
        setup=f"{setup}0" if setup.endswith(".") else setup,
        slit=_SLITS[slit],
        ob_id=required_integer(raw, "OBS.ID", name),
        start=to_iso(required_number(raw, "MJD-OBS", name)),
    )


def fps_of(product: Hdu, name: str) -> int:
    """Return the fibre a spectrum is of, by its place in the slit."""
    fps = required_integer(product, "FPS", name)
    if not 0 < fps <= _MOST_FPS:
        raise IdpError(f"{name}, FPS", f"is {fps}", f"a number from 1 to {_MOST_FPS}")
    return fps
