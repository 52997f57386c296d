"""Rules ALL-01 to ALL-05, ALL-09, ALL-13, ALL-15: what every file and every science product must have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from phoenix.idp.checks.report import finding
from phoenix.idp.encode import sums_are_right
from phoenix.idp.fitsfile import FitsFile, Hdu
from phoenix.model.product import Finding

MAX_NAME = 68
#: A colon is legal and part of ESO's names; a slash or a blank is not.
_NAME = re.compile(r"[A-Za-z0-9_.:+#()-]+")
_SUFFIXES = (".fits", ".fits.fz", ".png", ".jpg", ".jpeg", ".pdf", ".txt", ".log", ".tar", ".gz", ".tgz")

_MANDATORY = (
    *(
        "ORIGIN",
        "TELESCOP",
        "INSTRUME",
        "OBSTECH",
        "DATE",
        "MJD-OBS",
        "MJD-END",
        "PROCSOFT",
        "REFERENC",
        "PROG_ID",
    ),
    *("OBJECT", "RA", "DEC", "RADESYS", "EXPTIME", "TEXPTIME", "NCOMBINE", "FLUXCAL", "OBID1"),
)
_MAY_BE_EMPTY = frozenset({"REFERENC"})
_ORIGINS = ("ESO", "APEX", "ALMA")

SCIENCE = frozenset(
    f"SCIENCE.{kind}"
    for kind in (
        *(
            "IMAGE",
            "MEFIMAGE",
            "SPECTRUM",
            "SRCTBL",
            "CUBE",
            "CUBE.IFS",
            "CATALOG",
            "CATALOGTILE",
            "MCATALOG",
        ),
        *("VISIBILITY", "CUBE.LMV"),
    )
)
ANCILLARY = frozenset(
    f"ANCILLARY.{kind}"
    for kind in (
        *("PREVIEW", "WEIGHTMAP", "GAINMAP", "MASK", "SPECTRUM", "2DSPECTRUM", "IMAGE", "MOSSPECTRA"),
        *(
            "MOSSPECTRA.CALSIM",
            "MOSSPECTRA.SKY",
            "MOSSPECTRA.PREVIEW",
            "RMSMAP",
            "SNRMAP",
            "RESMAP",
            "SRCMASK",
        ),
        *("FILTERED", "SPECTRUM.TELLURIC", "SPECTRUM.CONTINUUM", "MUSE.PIXTABLE_REDUCED"),
        *("KMOS.SCI_RECONSTRUCTED", "EXPMAP", "VARMAP", "PIXELCOUNTMAP", "IMAGE.WHITELIGHT"),
        *("CUBE.IFS.NO_TELLCORR", "KMOS.SPECTRUM.TELLURIC", "CUBE.IFS.SKY", "CCF", "DRIFT", "PIXELCOUNT3D"),
        *("MPDAF.FIELDMAP", "CUBE.IFS", "4MOST.MEC", "IMAGE.COL_DENSITY"),
    )
)
_RESERVED_NAMES = frozenset({"PHASE3CATALOG", "PHASE3FILELIST"})
PROVENANCE_NAME = "PHASE3PROVENANCE"
#: What stand-ins for pipelines have in their name; see docker/stand-ins.
_STAND_IN = "stand-in"
_MADE_BY = re.compile(r"PROCSOFT|PRO\.REC\d+\.PIPE\.ID")
_ROTATED = re.compile(r"CDELT[123]|CROTA\d|PC\d_\d")


def check_name(path: Path) -> Iterator[Finding]:
    """ALL-01."""
    name = path.name
    if len(name) > MAX_NAME:
        yield finding("ALL-01", name, f"the name has {len(name)} characters, at most {MAX_NAME} are allowed")
    if not _NAME.fullmatch(name):
        yield finding("ALL-01", name, "the name holds characters that are not letters, digits or _.:+#()-")
    if not name.lower().endswith(_SUFFIXES):
        yield finding("ALL-01", name, f"the suffix is none of {' '.join(_SUFFIXES)}")


def check_compression(file: FitsFile) -> Iterator[Finding]:
    """ALL-01: a name ends in .fz exactly when images are compressed."""
    compressed = any(hdu.get("ZIMAGE") is True for hdu in file.hdus)
    if compressed != file.path.name.endswith(".fz"):
        yield finding("ALL-01", file.path.name, "suffix .fz and tile compression do not go together")


def check_sums(file: FitsFile) -> Iterator[Finding]:
    """ALL-02."""
    for hdu in file.hdus:
        checksum, datasum = sums_are_right(hdu)
        for keyword, right in (("CHECKSUM", checksum), ("DATASUM", datasum)):
            if not right:
                state = "is wrong" if hdu.text(keyword) else "is missing"
                yield finding("ALL-02", hdu, f"{keyword} {state}")


def check_continuation(file: FitsFile) -> Iterator[Finding]:
    """ALL-03, on the raw cards: readers join continued strings without a word."""
    for hdu in file.hdus:
        for card in hdu.cards:
            if card.image.startswith(("CONTINUE", "LONGSTRN")):
                yield finding("ALL-03", hdu, f"card {card.image.strip()[:40]!r}")


def check_mandatory(file: FitsFile) -> Iterator[Finding]:
    """ALL-04."""
    primary = file.primary
    yield from missing("ALL-04", primary, _MANDATORY)
    origin = primary.text("ORIGIN")
    if origin and not origin.startswith(_ORIGINS) and primary.get("NOESODAT") is not True:
        yield finding(
            "ALL-04", primary, f"ORIGIN is {origin!r}: not ESO, APEX or ALMA, and NOESODAT is not T"
        )
    written = primary.text("DATE")
    try:
        date.fromisoformat(written[:10])
    except ValueError:
        yield finding("ALL-04", primary, f"DATE is {written!r}, not yyyy-MM-dd")


def missing(rule: str, hdu: Hdu, keywords: tuple[str, ...]) -> Iterator[Finding]:
    """Tell which mandatory keywords are absent, without a value, or empty."""
    for keyword in keywords:
        value = hdu.get(keyword)
        if value is None:
            yield finding(rule, hdu, f"{keyword} is missing")
        elif value == "" and keyword not in _MAY_BE_EMPTY:
            yield finding(rule, hdu, f"{keyword} is empty")


def check_category(file: FitsFile) -> Iterator[Finding]:
    """ALL-05."""
    category = file.primary.text("PRODCATG")
    if category not in SCIENCE | ANCILLARY:
        yield finding("ALL-05", file.primary, f"PRODCATG is {category!r}, no known category")
    for hdu in file.extensions:
        for keyword in ("PRODCATG", "ORIGFILE"):
            if keyword in hdu.values:
                yield finding("ALL-05", hdu, f"{keyword} belongs into the primary header only")


def check_coordinates(file: FitsFile) -> Iterator[Finding]:
    """ALL-09."""
    for hdu in file.hdus:
        for keyword in hdu.values:
            if _ROTATED.fullmatch(keyword):
                yield finding("ALL-09", hdu, f"{keyword} is not allowed; use CDi_j")


def check_extension_names(file: FitsFile) -> Iterator[Finding]:
    """ALL-13."""
    seen: set[str] = set()
    for hdu in file.extensions:
        name = hdu.text("EXTNAME")
        if not name:
            yield finding("ALL-13", hdu, "EXTNAME is missing")
        elif name in seen:
            yield finding("ALL-13", hdu, f"EXTNAME {name} is there twice")
        elif name in _RESERVED_NAMES or (name == PROVENANCE_NAME and file.primary.get("PROVXTN") is not True):
            yield finding("ALL-13", hdu, f"EXTNAME {name} is reserved")
        seen.add(name)


def check_pipeline(file: FitsFile) -> Iterator[Finding]:
    """ALL-15."""
    for hdu in file.hdus:
        for keyword, value in hdu.values.items():
            if _MADE_BY.fullmatch(keyword) and _STAND_IN in str(value).lower():
                yield finding("ALL-15", hdu, f"{keyword} is {value!r}: a stand-in, not a real pipeline")
