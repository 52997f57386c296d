"""Runs the checks that fit a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.checks.association import check_ancillaries
from phoenix.idp.checks.common import (
    check_category,
    check_compression,
    check_continuation,
    check_coordinates,
    check_extension_names,
    check_mandatory,
    check_name,
    check_pipeline,
    check_sums,
)
from phoenix.idp.checks.cube import EXPOSURE_MAP, WHITE_LIGHT, check_companion, check_cube
from phoenix.idp.checks.image import check_image, check_source_list
from phoenix.idp.checks.observation import (
    check_domains,
    check_exposure,
    check_frame,
    check_indexed,
    check_provenance,
    check_times,
)
from phoenix.idp.checks.report import finding
from phoenix.idp.checks.spectrum import (
    check_columns,
    check_consistency,
    check_data,
    check_flux_keywords,
    check_headers,
    check_structure,
    table_of,
)
from phoenix.idp.fitsfile import FitsFile, read_fits
from phoenix.model.product import Finding

#: What an independent tool finds in a file, one sentence each: fitsverify in a child process with limits.
Verifier = Callable[[Path], list[str]]

_ANY_FITS = (check_compression, check_sums, check_category, check_pipeline)
_ANY_SCIENCE = (
    check_continuation,
    check_mandatory,
    check_frame,
    check_times,
    check_exposure,
    check_coordinates,
    check_indexed,
    check_domains,
    check_provenance,
    check_extension_names,
    check_ancillaries,
)


def check_file(path: Path, verifier: Verifier | None) -> list[Finding]:
    """Hold a file of an IDP delivery against the rules; its ancillary files are expected beside it.

    Parameters
    ----------
    path : Path
        Science product or ancillary file.
    verifier : callable, optional
        Independent check of the FITS structure, asked only about files of sane sizes; None leaves it out.

    Returns
    -------
    list of Finding
        Empty for a file that may be ingested. Never raises because of what is in the file.
    """
    findings = list(check_name(path))
    if not path.name.lower().endswith((".fits", ".fits.fz", ".fz")):
        return findings
    try:
        file = read_fits(path)
    except IdpError as error:
        return [*findings, finding("FIT-01", path.name, f"{error.found}, expected {error.expected}")]
    findings += _check(file)
    if verifier is not None:
        findings += [finding("FIT-02", path.name, told) for told in verifier(path)]
    return findings


def _check(file: FitsFile) -> Iterator[Finding]:
    for check in _ANY_FITS:
        yield from check(file)
    category = file.primary.text("PRODCATG")
    if category in {WHITE_LIGHT, EXPOSURE_MAP}:
        yield from check_companion(file)
    if not category.startswith("SCIENCE."):
        return
    for science_check in _ANY_SCIENCE:
        yield from science_check(file)
    if category == "SCIENCE.SPECTRUM":
        yield from _check_spectrum(file)
    elif category == "SCIENCE.CUBE.IFS":
        yield from check_cube(file)
    elif category in {"SCIENCE.IMAGE", "SCIENCE.MEFIMAGE"}:
        yield from check_image(file)
    elif category == "SCIENCE.SRCTBL":
        yield from check_source_list(file)


def _check_spectrum(file: FitsFile) -> Iterator[Finding]:
    broken = list(check_structure(file))
    yield from broken
    table = table_of(file)
    if table is None:
        return
    yield from check_headers(file, table)
    yield from check_columns(table)
    yield from check_consistency(file, table)
    yield from check_flux_keywords(file)
    if not broken:
        yield from check_data(file, table)
