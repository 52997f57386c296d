"""The GIRAFFE converter on stacks our own recipe made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from linetools.spectra.io import readspec

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import ConversionJob
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.ab import ProductInput
from products_giraffe import CADENCE, EXPTIME_S, MJD_OBS, Exposure, counts, giraffe_ab, job_of, release_pgis
from stacked import combine

load("GIRAFFE", "idp")

STEMS = ["200654321_2024-03-11T12:58:30.000_M1_L479.7", "200654321_2024-03-11T13:44:30.000_M1_L479.7"]


def stack_job(tmp_path: Path, mode: str = "CURRENT") -> ConversionJob:
    """Fibres 1 and 4 in both exposures, fibre 9 in the second one alone."""
    exposures = [
        Exposure(tmp_path / "first", 0, {1: "STAR'1", 4: "HD 4"}).write(),
        Exposure(tmp_path / "second", 1, {1: "STAR'1", 4: "HD 4", 9: "HD 9"}).write(),
    ]
    fibres = [p for one in exposures for p in one.products if p.pro_catg == "SCIENCE_RBNSPEC_IDP"]
    stacked = combine(fibres, tmp_path / "stack")
    pgis, folder = release_pgis(mode), tmp_path / "conv"
    singles = [one.job(folder, pgis) for one in exposures]
    inputs = tuple(ProductInput(single.ab.name, "SCIENCE_RBNSPEC_IDP") for single in singles)
    name = singles[0].ab.name.replace(".ab", "_stk.ab")
    ab = giraffe_ab(pgis, name=name, raws=(), inputs=inputs, task="stack", recipe="phoenix_spectrum_combine")
    return job_of(ab, stacked, folder, pgis, tmp_path / "stack", singles=singles)


def test_stacks_pass_our_checks_and_fitsverify(tmp_path: Path) -> None:
    job = stack_job(tmp_path)
    paths = [Path(idp.path) for idp in find_converter("giraffe_spectrum")(job)]
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    exposures = [Exposure(tmp_path / "first", 0), Exposure(tmp_path / "second", 1)]
    assert check_batch(paths, {one.arcfile: one.raw for one in exposures}) == []


def test_singles_go_with_the_stack_and_the_rest_with_all_that_need_it(tmp_path: Path) -> None:
    idps = {idp.origfile: idp for idp in find_converter("giraffe_spectrum")(stack_job(tmp_path))}
    stacks = [f"GI_SOBS_{STEMS[0]}_{fps:03d}.fits" for fps in (1, 4)]
    alone = f"GI_SIDP_{STEMS[1]}_009.fits"
    assert [name for name, idp in idps.items() if not idp.parent] == [*stacks, alone]
    for stem in STEMS:
        single = idps[f"GI_SIDP_{stem}_004.fits"]
        assert (single.prodcatg, single.parent, single.shared_with) == ("ANCILLARY.SPECTRUM", stacks[1], ())
        assert not [card for card in fits.getheader(single.path) if card.startswith("ASSO")]
    first, second = (idps[f"GI_SSKY_{stem}.fits"] for stem in STEMS)
    assert (first.parent, *first.shared_with) == tuple(stacks)
    assert (second.parent, *second.shared_with) == (*stacks, alone)
    own = idps[f"GI_SOBS_{STEMS[0]}_qc.png"]
    assert (own.parent, *own.shared_with) == tuple(stacks)


def test_the_header_adds_the_exposures_up(tmp_path: Path) -> None:
    path = find_converter("giraffe_spectrum")(stack_job(tmp_path))[0].path
    header, table = fits.getheader(path), fits.getheader(path, 1)
    expected = {
        "NCOMBINE": 2, "EXPTIME": 2 * EXPTIME_S, "TEXPTIME": 2 * EXPTIME_S, "SINGLEXP": False,
        "OBID1": 200654321, "PROV1": "GIRAF.2024-03-11T12:58:30.000.fits",
        "PROV2": "GIRAF.2024-03-11T13:44:30.000.fits",
        "FPS": 1, "OBJECT": "STAR'1", "ESO PRO CATG": "STACK_SCIENCE_RBNSPEC_IDP",
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in expected} == expected
    assert "PROV3" not in header
    assert "OBID2" not in header
    end = MJD_OBS + CADENCE + EXPTIME_S / 86400
    assert (header["MJD-OBS"], header["MJD-END"]) == pytest.approx((MJD_OBS, end), abs=1e-8)
    assert table["TELAPSE"] == pytest.approx(CADENCE * 86400 + EXPTIME_S, abs=0.01)


def test_the_stack_is_the_mean_with_smaller_errors(tmp_path: Path) -> None:
    table = QTable.read(find_converter("giraffe_spectrum")(stack_job(tmp_path))[1].path, hdu=1)
    assert table.colnames == ["WAVE", "FLUX_REDUCED", "ERR_REDUCED", "QUAL", "SNR"]
    flux = counts(4)
    np.testing.assert_allclose(table["FLUX_REDUCED"][0].value, flux, rtol=1e-6)
    np.testing.assert_allclose(table["ERR_REDUCED"][0].value, np.sqrt(flux / 3), rtol=1e-6)
    assert not np.asarray(table["QUAL"][0]).any()


def test_in_mode_history_what_is_not_stacked_is_not_delivered(tmp_path: Path) -> None:
    idps = find_converter("giraffe_spectrum")(stack_job(tmp_path, "HISTORY"))
    assert [idp.origfile[:7] for idp in idps if not idp.parent] == ["GI_SOBS", "GI_SOBS"]
    assert not [idp for idp in idps if idp.origfile.endswith("_009.fits")]


def test_a_stack_of_exposures_that_are_not_there_is_told(tmp_path: Path) -> None:
    job = stack_job(tmp_path)
    with fits.open(job.products[0].path, mode="update") as hdus:
        hdus[0].header["ESO QC STACK EXP2 NAME"] = "GIRAF.other.fits"
    with pytest.raises(IdpError, match=r"GIRAF\.other\.fits"):
        find_converter("giraffe_spectrum")(job)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_stacks_and_their_exposures(tmp_path: Path) -> None:
    for idp in find_converter("giraffe_spectrum")(stack_job(tmp_path)):
        if idp.origfile.endswith("_004.fits"):
            read = readspec(idp.path, flux_tag="FLUX_REDUCED", sig_tag="ERR_REDUCED")
            np.testing.assert_allclose(read.flux.value, counts(4), rtol=1e-6)
            assert read.sig.value.min() > 0
