"""The GIRAFFE converter on single exposures: what is in the IDPs against the numbers of the products."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from phoenix.archive.fitsverify import fitsverify
from phoenix.config.loader import Configuration
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import LeftOutError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.product import Idp
from products_giraffe import (
    BINS,
    EXPTIME_S,
    LAMPS,
    MJD_OBS,
    SKY,
    START_NM,
    STEP_NM,
    TARGETS,
    Exposure,
    counts,
    release_pgis,
)

load("GIRAFFE", "idp")

STEM = "200654321_2024-03-11T12:58:30.000_M1_L479.7"


def convert(tmp_path: Path, exposure: Exposure | None = None, **changes: object) -> list[Idp]:
    exposure = (exposure or Exposure(tmp_path / "products")).write()
    return find_converter("giraffe_spectrum")(exposure.job(tmp_path / "conv", **changes))


def test_idps_pass_our_checks_and_fitsverify(tmp_path: Path) -> None:
    paths = [Path(idp.path) for idp in convert(tmp_path)]
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    exposure = Exposure(tmp_path / "products")
    assert check_batch(paths, {exposure.arcfile: exposure.raw}) == []


def test_one_idp_a_fibre_and_files_they_share(tmp_path: Path) -> None:
    idps = convert(tmp_path)
    heads = [f"GI_SIDP_{STEM}_{fps:03d}.fits" for fps in TARGETS]
    assert [idp.origfile for idp in idps if not idp.parent] == heads
    assert [(idp.origfile, idp.prodcatg) for idp in idps if idp.parent] == [
        (f"GI_SSKY_{STEM}.fits", "ANCILLARY.MOSSPECTRA.SKY"),
        (f"GI_SSIM_{STEM}.fits", "ANCILLARY.MOSSPECTRA.CALSIM"),
        (f"GI_SIDP_{STEM}_qc.png", "ANCILLARY.PREVIEW"),
        (f"GI_SIDP_{STEM}_ab.txt", "ANCILLARY.README"),
    ]
    assert {(idp.parent, *idp.shared_with) for idp in idps if idp.parent} == {tuple(heads)}
    names = [idp.origfile for idp in idps if idp.parent]
    for idp in idps[: len(heads)]:
        header = fits.getheader(idp.path)
        assert [header[f"ASSON{number}"] for number in range(1, 5)] == names
        assert "ASSOC1" not in header
        assert "MOSSKY" not in repr(header)
    assert all(len(idp.origfile) <= 68 for idp in idps)


def test_without_calibration_lamps_there_is_no_file_of_them(tmp_path: Path) -> None:
    idps = convert(tmp_path, Exposure(tmp_path / "products", lamps=()))
    assert Counter(idp.prodcatg for idp in idps)["ANCILLARY.MOSSPECTRA.CALSIM"] == 0


def test_a_fibre_has_its_own_target(tmp_path: Path) -> None:
    idps = convert(tmp_path)
    for idp, (fps, target) in zip(idps, TARGETS.items(), strict=False):
        header = fits.getheader(idp.path)
        assert (header["OBJECT"], header["FPS"]) == (target, fps)
        assert (header["RA"], header["DEC"]) == pytest.approx((149.5 + fps / 100, -30 + fps / 1000))
        assert target in idp.title
    assert len({idp.title for idp in idps[: len(TARGETS)]}) == len(TARGETS)


def test_keywords_of_the_observation(tmp_path: Path) -> None:
    path = convert(tmp_path)[0].path
    expected = {
        "PRODCATG": "SCIENCE.SPECTRUM", "ORIGIN": "ESO-PARANAL", "PROG_ID": "112.25ZZ.002",
        "OBID1": 200654321, "NCOMBINE": 1, "OBSTECH": "MOS", "PROCSOFT": "giraf/2.16.10",
        "PROV1": "GIRAF.2024-03-11T12:58:30.000.fits", "EXPTIME": EXPTIME_S, "TEXPTIME": EXPTIME_S,
        "SPECSYS": "HELIOCEN", "FLUXCAL": "UNCALIBRATED", "FLUXERR": -1.0, "SPEC_RES": 7500.0,
        "EXT_OBJ": False, "LAMRMS": 0.0027, "LAMNLIN": 61, "SPEC_SYE": 0.002, "GAIN": 1.5, "DETRON": 4.5,
        "DISPELEM": "LR", "SINGLEXP": True, "GEOCORR": -0.12, "HELICORR": -2.17, "BARYCORR": -2.18,
        "ESO PRO CATG": "SCIENCE_RBNSPEC_IDP", "ESO DPR TECH": "MOS", "PHXREL": "GIRAF_STACK",
        "PHX SIMULATED": True,
    }  # fmt: skip
    header = fits.getheader(path)
    assert {keyword: header[keyword] for keyword in expected} == expected
    assert (header["MJD-OBS"], header["MJD-END"]) == pytest.approx(
        (MJD_OBS, MJD_OBS + EXPTIME_S / 86400), abs=1e-8
    )
    assert fits.getheader(path, 1)["APERTURE"] == pytest.approx(1.2 / 3600, abs=1e-9)
    assert "QCFLAG" not in header


def test_columns_are_those_of_the_recipe_with_wavelengths_in_full_precision(tmp_path: Path) -> None:
    table = QTable.read(convert(tmp_path)[1].path, hdu=1)
    assert table.colnames == ["WAVE", "FLUX_REDUCED", "ERR_REDUCED", "SNR"]
    exact = START_NM + STEP_NM * np.arange(BINS)
    np.testing.assert_allclose(table["WAVE"][0].to_value("nm"), exact, atol=1e-10, rtol=0)
    flux = counts(4)
    np.testing.assert_allclose(table["FLUX_REDUCED"][0].value, flux, rtol=3e-7)
    np.testing.assert_allclose(np.asarray(table["SNR"][0]), flux / np.sqrt(flux / 1.5), rtol=3e-7)


def test_wavelengths_the_header_does_not_tell_are_left_as_they_are(tmp_path: Path) -> None:
    exposure = Exposure(tmp_path / "products", fibre_cards={"SPEC_BIN": STEP_NM * 1.001})
    wave = QTable.read(convert(tmp_path, exposure)[0].path, hdu=1)["WAVE"][0].to_value("nm")
    single = (START_NM + STEP_NM * np.arange(BINS)).astype("f4")
    np.testing.assert_array_equal(wave, single.astype("f8"))


@pytest.mark.parametrize(("code", "fibres"), [("SSKY", SKY), ("SSIM", LAMPS)])
def test_ancillary_spectra_are_those_of_their_fibres(
    tmp_path: Path, code: str, fibres: tuple[int, ...]
) -> None:
    convert(tmp_path)
    with fits.open(tmp_path / "conv" / f"GI_{code}_{STEM}.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "FLUX", "ERR", "FIBER_SETUP"]
        table = hdus["FIBER_SETUP"].data
        assert tuple(table["FPS"]) == fibres
        assert list(table["INDEX"]) == list(range(1, len(fibres) + 1))
        expected = np.stack([counts(fps) for fps in fibres], axis=1)
        np.testing.assert_allclose(hdus["FLUX"].data, expected, rtol=3e-7)
        np.testing.assert_allclose(hdus["ERR"].data, np.sqrt(expected), rtol=3e-7)
        assert (hdus["FLUX"].header["CD2_2"], hdus["FLUX"].header["CRVAL2"]) == (0.02, 450.1)


def test_score_bits_are_in_the_header_of_their_fibre(tmp_path: Path) -> None:
    idps = convert(tmp_path, score_bits=lambda fps: f"000-0001{int(fps == '023')}")
    flags = [fits.getheader(idp.path)["QCFLAG"] for idp in idps if not idp.parent]
    assert flags == ["000-00010", "000-00010", "000-00011"]


def test_a_long_target_name_is_kept_whole(tmp_path: Path) -> None:
    target = "A" * 36
    exposure = Exposure(tmp_path / "products", targets={7: target})
    (head, *_) = convert(tmp_path, exposure)
    assert head.title == f"{target}_2024-03-11T12:58:30.000_007"
    assert check_file(Path(head.path), None) == []


def test_the_same_products_give_the_same_bytes(tmp_path: Path) -> None:
    first = {idp.origfile: idp.sha256 for idp in convert(tmp_path)}
    assert {idp.origfile: idp.sha256 for idp in convert(tmp_path)} == first


@pytest.mark.parametrize(
    ("exposure", "error", "told"),
    [
        ({"raw_cards": {"ESO INS EXP MODE": "L999.9"}}, ConfigError, "has no setup L999.9"),
        ({"raw_cards": {"ESO INS EXP MODE": "../L1"}}, IdpError, "INS EXP MODE"),
        ({"raw_cards": {"ESO INS SLIT NAME": "Argus"}}, IdpError, "is 'Argus'"),
        ({"raw_cards": {"ESO OBS ID": None}}, IdpError, "OBS.ID: is missing"),
        ({"fibre_cards": {"FPS": 4000}}, IdpError, "FPS: is 4000"),
        ({"fibre_cards": {"FPS": 5}}, IdpError, "of fibre 5"),
        ({"targets": {3: ""}}, IdpError, "OBJECT: is missing or empty"),
        ({"targets": {}}, IdpError, "no product SCIENCE_RBNSPEC_IDP"),
    ],
)
def test_what_cannot_be_right_is_told(
    tmp_path: Path, exposure: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        convert(tmp_path, Exposure(tmp_path / "products", **exposure))  # type: ignore[arg-type]


def test_a_wrong_configuration_names_its_field(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"conversion\.config\.fibre_arcsec"):
        convert(tmp_path, config={"fibre_arcsec": -1, "resolving_power": {}, "origin": ""})


def test_in_mode_history_an_exposure_that_is_in_no_stack_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(LeftOutError, match="PROC_MODE: is HISTORY"):
        convert(tmp_path, pgis=release_pgis("HISTORY"))


def test_the_converter_refuses_another_mode_than_the_ab_was_edited_under(tmp_path: Path) -> None:
    exposure = Exposure(tmp_path / "products").write()
    job = exposure.job(tmp_path / "conv", release_pgis("HISTORY"))
    for other in (replace(job, pgis=release_pgis("CURRENT")), replace(job, ab=replace(job.ab, pgis=()))):
        with pytest.raises(IdpError, match="edited"):
            find_converter("giraffe_spectrum")(other)


def test_a_release_without_the_mode_delivers_single_exposures(tmp_path: Path) -> None:
    assert len([idp for idp in convert(tmp_path, pgis={}) if not idp.parent]) == len(TARGETS)


def test_both_releases_know_all_setups_of_the_instrument() -> None:
    releases = [Configuration(root=Path("/nowhere")).release(name) for name in ("GIRAF_R", "GIRAF_STACK")]
    single, stack = (release.converting().config for release in releases)
    assert single == stack
    assert len(single["resolving_power"]) == 47
