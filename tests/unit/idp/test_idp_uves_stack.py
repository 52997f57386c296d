"""The UVES converter on stacks our own recipe made of exposures known exactly."""

from __future__ import annotations

from dataclasses import replace
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
from phoenix.idp.raw_header import to_iso
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.ab import RawFile
from phoenix.model.product import Product
from products_uves import EXPTIME_S, MJD_OBS, Science, counts, extinction, response
from stacked import combine

load("UVES", "idp")

CADENCE = 660.0 / 86400
STACKED = ("RED_", "ERRORBAR_", "FLUXCAL_")
NAME = "200123_2019-03-05T03:04:05.678"


def exposures(tmp_path: Path, arm: str, fluxed: bool) -> list[Science]:
    found = []
    for number in range(2):
        mjd = MJD_OBS + number * CADENCE
        cards = {"MJD-OBS": mjd, "ARCFILE": f"UVES.{to_iso(mjd)}.fits"}
        found.append(Science(tmp_path / f"exposure{number}", arm, fluxed, raw_cards=cards).write())
    return found


def to_stack(science: Science) -> list[Product]:
    return [
        product
        for product in science.products
        if product.pro_catg.startswith(STACKED) and "WCALIB" not in product.pro_catg
    ]


def stack_job(tmp_path: Path, arm: str = "BLUE", fluxed: bool = True) -> ConversionJob:
    folder = tmp_path / "conv"
    singles = [
        replace(
            job := one.job(folder),
            ab=replace(job.ab, name=f"UVES.{number}.ab", raws=(RawFile(str(one.raw), "X"),)),
        )
        for number, one in enumerate(exposures(tmp_path, arm, fluxed))
    ]
    stacked = combine(
        [product for one in exposures(tmp_path, arm, fluxed) for product in to_stack(one)], tmp_path / "stack"
    )
    ab = replace(
        singles[0].ab, name="UVES.0_stk.ab", raws=(), task="stack", recipe="phoenix_spectrum_combine"
    )
    return replace(singles[0], ab=ab, products=stacked, raws=[], singles=singles, readme="the stack\n")


def convert(tmp_path: Path, arm: str = "BLUE", fluxed: bool = True) -> list[Path]:
    return [Path(idp.path) for idp in find_converter("uves_spectrum")(stack_job(tmp_path, arm, fluxed))]


@pytest.mark.parametrize("arm", ["BLUE", "RED"])
@pytest.mark.parametrize("fluxed", [True, False])
def test_stacks_pass_our_checks_and_fitsverify(tmp_path: Path, arm: str, fluxed: bool) -> None:
    paths = convert(tmp_path, arm, fluxed)
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    raws = {one.raw_cards["ARCFILE"]: one.raw for one in exposures(tmp_path, arm, fluxed)}
    assert check_batch(paths, raws) == []


def test_exposures_their_orders_and_reports_go_with_the_stack(tmp_path: Path) -> None:
    idps = find_converter("uves_spectrum")(stack_job(tmp_path))
    end, second = "BLUE437_2x2_10", f"200123_{to_iso(MJD_OBS + CADENCE)}"
    stack = f"UV_SOBF_{NAME}_{end}"
    assert idps[0].origfile == f"{stack}.fits"
    assert {idp.origfile: idp.prodcatg for idp in idps[1:]} == {
        **{f"UV_SFLX_{one}_{end}.fits": "ANCILLARY.SPECTRUM" for one in (NAME, second)},
        **{f"UV_SFLX_{one}_{end}_2d.fits": "ANCILLARY.2DSPECTRUM" for one in (NAME, second)},
        **{f"UV_SFLX_{one}_{end}_qc.png": "ANCILLARY.PREVIEW" for one in (NAME, second)},
        **{f"UV_SFLX_{one}_{end}_ab.txt": "ANCILLARY.README" for one in (NAME, second)},
        f"{stack}_qc.png": "ANCILLARY.PREVIEW",
        f"{stack}_ab.txt": "ANCILLARY.README",
    }
    assert {idp.parent for idp in idps[1:]} == {f"{stack}.fits"}
    single = fits.getheader(idps[1].path)
    assert single["PRODCATG"] == "ANCILLARY.SPECTRUM"
    assert not [card for card in single if card.startswith("ASSO")]
    named = [value for key, value in fits.getheader(idps[0].path).items() if key.startswith("ASSON")]
    assert named == [idp.origfile for idp in idps[1:]]


def test_the_header_adds_the_exposures_up(tmp_path: Path) -> None:
    path = convert(tmp_path)[0]
    header = fits.getheader(path)
    expected = {
        "NCOMBINE": 2, "EXPTIME": 2 * EXPTIME_S, "TEXPTIME": 2 * EXPTIME_S, "SINGLEXP": False,
        "OBID1": 200123, "PROV1": f"UVES.{to_iso(MJD_OBS)}.fits", "FLUXCAL": "ABSOLUTE",
        "PROV2": f"UVES.{to_iso(MJD_OBS + CADENCE)}.fits", "SPECSYS": "TOPOCENT",
        "ESO PRO CATG": "STACK_FLUXCAL_SCI_POINT_BLUE",
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in expected} == expected
    assert header["MJD-END"] == pytest.approx(MJD_OBS + CADENCE + EXPTIME_S / 86400, abs=1e-8)
    assert fits.getheader(path, 1)["TELAPSE"] == pytest.approx(CADENCE * 86400 + EXPTIME_S, abs=0.01)


def test_flux_and_error_are_the_truth_with_the_extinction_in_both(tmp_path: Path) -> None:
    table = QTable.read(convert(tmp_path)[0], hdu=1)
    assert table.colnames == ["WAVE", "FLUX_REDUCED", "ERR_REDUCED", "FLUX", "ERR", "QUAL", "SNR"]
    wave = table["WAVE"][0].to_value("Angstrom")
    good = np.asarray(table["QUAL"][0]) == 0
    assert good.sum() > 800
    factor = response(wave) * extinction(wave) * 1e16
    flux, error = (table[name][0].value[good] for name in ("FLUX", "ERR"))
    np.testing.assert_allclose(flux, (counts(wave) * factor)[good], rtol=1e-5)
    np.testing.assert_allclose(error, (np.sqrt(counts(wave) / 2) * factor)[good], rtol=1e-5)


def test_a_stack_without_response_is_named_so_and_has_no_flux(tmp_path: Path) -> None:
    path = convert(tmp_path, fluxed=False)[0]
    assert path.name.startswith("UV_SOBR_")
    with fits.open(path) as hdus:
        assert hdus[0].header["FLUXCAL"] == "UNCALIBRATED"
        assert hdus[1].columns.names == ["WAVE", "FLUX_REDUCED", "ERR_REDUCED", "QUAL", "SNR"]


def test_exposures_that_do_not_fit_the_stack_are_told(tmp_path: Path) -> None:
    job = stack_job(tmp_path)
    with pytest.raises(IdpError, match="a stack of 2 exposures, 1 of its ABs"):
        find_converter("uves_spectrum")(replace(job, singles=job.singles[:1]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_the_calibrated_pair_of_a_stack(tmp_path: Path) -> None:
    path = convert(tmp_path)[0]
    read, row = readspec(str(path)), fits.getdata(path, 1)[0]
    np.testing.assert_allclose(read.flux.value, row["FLUX"], rtol=1e-6)
    np.testing.assert_allclose(read.sig.value, row["ERR"], rtol=1e-6)
