"""Ancillary files all fibres of an exposure share: its sky and its calibration fibres, pictures, a text.

The recipe's own file of sky fibres is tagged ANCILLARY.MOSSKY, which the archive does not know, and has no
errors. Both files are made of the rebinned spectra: those whose FIBER_SETUP says sky, and those that end in
the calibration unit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.ancillary import Content, papers
from phoenix.idp.card import commentary, format_card
from phoenix.idp.encode import encode_hdu
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.idp.job import ConversionJob
from phoenix.idp.spectrum import empty_primary
from phoenix.instruments.giraffe.exposure import GiraffeExposure

_SETUP = "FIBER_SETUP"
#: File name code and category of the fibres that are not on a target.
_KINDS = {"SSKY": "ANCILLARY.MOSSPECTRA.SKY", "SSIM": "ANCILLARY.MOSSPECTRA.CALSIM"}
#: Axis 1 counts fibres, axis 2 is the wavelength.
_COORDINATES = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CTYPE1", "CTYPE2", "CUNIT1", "CUNIT2")


def companions(job: ConversionJob, exposure: GiraffeExposure, procsoft: str) -> list[Content]:
    """Return (file name, category, content) of each ancillary file of an exposure."""
    contents = list(_spectra(job, exposure, procsoft))
    return contents + papers(job, exposure.stem(job.prefix, "SIDP"))


def _spectra(job: ConversionJob, exposure: GiraffeExposure, procsoft: str) -> list[Content]:
    flux = read_fits(Path(job.product("SCIENCE_RBNSPECTRA").path))
    error = read_fits(Path(job.product("SCIENCE_RBNERRORS").path))
    setup = _setup(flux)
    fibres = setup.records()
    if flux.primary.image().shape != error.primary.image().shape or (
        flux.primary.image().ndim != 2 or flux.primary.image().shape[1] != len(fibres)
    ):
        raise IdpError(
            f"rebinned spectra of {exposure.name}",
            f"shapes {flux.primary.image().shape} and {error.primary.image().shape}, {len(fibres)} fibres",
            "spectra and errors, one column for each fibre",
        )
    contents = []
    for (code, category), chosen in zip(_KINDS.items(), _kinds(fibres), strict=True):
        if chosen.size:
            header = _primary(job, exposure, procsoft, category)
            content = encode_hdu([*empty_primary(), *header])
            content += _image("FLUX", flux.primary, chosen) + _image("ERR", error.primary, chosen)
            content += _table(setup, fibres, chosen)
            contents.append((f"{exposure.stem(job.prefix, code)}.fits", category, content))
    return contents


def _setup(file: FitsFile) -> Hdu:
    for hdu in file.extensions:
        if hdu.name == _SETUP:
            return hdu
    raise IdpError(str(file.path), f"has no extension {_SETUP}", "the table of its fibres")


def _kinds(fibres: npt.NDArray[np.void]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which fibres saw the sky, and which the calibration lamps."""
    names = fibres.dtype.names or ()
    words = {
        name: np.char.strip(np.char.decode(fibres[name], "latin-1")) if name in names else np.array([])
        for name in ("TYPE", "Retractor")
    }
    if not words["TYPE"].size or not words["Retractor"].size:
        raise IdpError(f"extension {_SETUP}", "has no column TYPE or Retractor", "both")
    lamps = np.char.find(words["Retractor"], "Calibration") >= 0
    return np.flatnonzero((words["TYPE"] == "S") & ~lamps), np.flatnonzero(lamps)


def _primary(job: ConversionJob, exposure: GiraffeExposure, procsoft: str, category: str) -> list[str]:
    raw = exposure.raw
    written = job.converted_at.strftime("%Y-%m-%dT%H:%M:%S")
    return [
        format_card("PRODCATG", category, "data product category"),
        format_card("ORIGIN", raw.text("ORIGIN") or "ESO", "observatory"),
        format_card("TELESCOP", raw.text("TELESCOP"), "telescope"),
        format_card("INSTRUME", raw.text("INSTRUME"), "instrument"),
        format_card("PROG_ID", raw.text("OBS.PROG.ID"), "ESO programme"),
        format_card("PROCSOFT", procsoft, "data reduction software"),
        format_card("PROV1", exposure.arcfile, "originating raw file"),
        format_card("DATE", written, "date this file was written, UTC"),
        commentary("COMMENT", " One column a fibre, as FIBER_SETUP lists them; air wavelength as observed,"),
        commentary("COMMENT", " GCORR, HCORR and BCORR of FIBER_SETUP are not applied."),
    ]


def _image(name: str, source: Hdu, chosen: npt.NDArray[np.intp]) -> bytes:
    data = np.ascontiguousarray(source.image()[:, chosen], dtype=">f4")
    steps = {f"CD{axis}_{axis}": source.number(f"CDELT{axis}") or 1.0 for axis in (1, 2)}
    return encode_hdu(
        [
            format_card("XTENSION", "IMAGE", "image extension"),
            format_card("BITPIX", -32, "array data type"),
            format_card("NAXIS", 2, "number of array dimensions"),
            format_card("NAXIS1", data.shape[1], "fibres"),
            format_card("NAXIS2", data.shape[0], "wavelengths"),
            format_card("PCOUNT", 0),
            format_card("GCOUNT", 1),
            format_card("EXTNAME", name, "name of this extension"),
            format_card("BUNIT", "adu", "unit of the data"),
            *(card.image for card in source.cards if card.keyword in _COORDINATES),
            *(format_card(keyword, step, "step of the axis") for keyword, step in steps.items()),
        ],
        data.tobytes(),
    )


def _table(setup: Hdu, fibres: npt.NDArray[np.void], chosen: npt.NDArray[np.intp]) -> bytes:
    rows = fibres[chosen].copy()
    if "INDEX" in (rows.dtype.names or ()):
        rows["INDEX"] = np.arange(1, rows.size + 1)
    cards = [
        format_card("NAXIS2", rows.size, "fibres") if card.keyword == "NAXIS2" else card.image
        for card in setup.cards
        if card.keyword not in {"CHECKSUM", "DATASUM"}
    ]
    return encode_hdu(cards, rows.tobytes())
