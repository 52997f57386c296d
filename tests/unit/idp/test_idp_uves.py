"""The UVES converter: what is in the IDP against the numbers its products were made of."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.raw_header import from_sexagesimal, to_iso
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.instruments.uves.merging import NO_DATA, NO_FLUX, ChipSpectrum, calibrated_error, join
from phoenix.model.ab import Mcalib, McalibStatus, PgiEntry
from products_uves import (
    AIRMASS,
    ARCFILE,
    CONFIG,
    EXPTIME_S,
    GRIDS,
    MJD_OBS,
    STEM,
    Science,
    counts,
    extinction,
    response,
)

load("UVES", "idp")

#: Cards that may differ between two conversions of the same products.
VOLATILE = {"DATE", "CHECKSUM"}
FIRST_GOOD = {chip: start + pad[0] * step for chip, (start, step, _, pad, _) in GRIDS.items()}
LAST_GOOD = {chip: start + (n - 1 - pad[1]) * step for chip, (start, step, n, pad, _) in GRIDS.items()}


def convert(tmp_path: Path, science: Science | None = None, **changes: object) -> list[Path]:
    """Convert and return the files, the science product first."""
    science = (science or Science(tmp_path / "products")).write()
    return [
        Path(idp.path) for idp in find_converter("uves_spectrum")(science.job(tmp_path / "conv", **changes))
    ]


def red(tmp_path: Path, **changes: object) -> Science:
    return Science(tmp_path / "products", "RED", **changes)


@pytest.mark.parametrize("arm", ["BLUE", "RED"])
@pytest.mark.parametrize("fluxed", [True, False])
def test_idps_pass_our_checks_and_fitsverify(tmp_path, arm, fluxed):
    paths = convert(tmp_path, Science(tmp_path / "products", arm, fluxed))
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, {ARCFILE: tmp_path / "products" / "raw.fits"}) == []


def test_names_and_categories(tmp_path):
    idps = find_converter("uves_spectrum")(Science(tmp_path / "p").write().job(tmp_path / "conv"))
    assert [(idp.origfile, idp.prodcatg, idp.parent) for idp in idps] == [
        (f"{STEM}.fits", "SCIENCE.SPECTRUM", ""),
        (f"{STEM}_2d.fits", "ANCILLARY.2DSPECTRUM", f"{STEM}.fits"),
        (f"{STEM}_qc.png", "ANCILLARY.PREVIEW", f"{STEM}.fits"),
        (f"{STEM}_ab.txt", "ANCILLARY.README", f"{STEM}.fits"),
    ]
    for idp in idps:
        content = Path(idp.path).read_bytes()
        assert (idp.size_bytes, idp.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert idps[0].title == "HD 1'2_UVES.2019-03-05T03:04:05.678_BLUE437"


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"ESO INS MODE": "DICHR#1"}, "BLUE437d1_2x2_10"),
        ({"ESO INS MODE": "DICHR#2", "ESO DET WIN1 BINX": 1}, "BLUE437d2_1x2_10"),
        ({"ESO INS SLIT2 WID": 0.45}, "BLUE437_2x2_04"),
        ({"ESO INS SLIT1 NAME": "SLIC#2"}, "BLUE437_2x2_04"),
    ],
)
def test_the_name_tells_the_setting(tmp_path, cards, name):
    paths = convert(tmp_path, Science(tmp_path / "products", raw_cards=cards))
    assert paths[0].stem.endswith(name)


def test_an_unfluxed_spectrum_is_named_and_described_so(tmp_path):
    path = convert(tmp_path, Science(tmp_path / "products", fluxed=False))[0]
    assert path.name.startswith("UV_SRED_")
    with fits.open(path) as hdus:
        assert (hdus[0].header["FLUXCAL"], hdus[0].header["FLUXERR"]) == ("UNCALIBRATED", -1)
        names = [column.name for column in hdus[1].columns]
        assert names == ["WAVE", "FLUX_REDUCED", "ERR_REDUCED", "BGFLUX_REDUCED", "QUAL", "SNR"]
        assert hdus[1].header["TUTYP2"] == "spec:Data.FluxAxis.Value"
        assert hdus[1].header["TUCD2"].endswith("meta.main")


@pytest.mark.parametrize("scaled", [False, True])
def test_flux_and_errors_are_the_truth_in_both_units_of_the_pipeline(tmp_path, scaled):
    path = convert(tmp_path, Science(tmp_path / "products", scaled=scaled))[0]
    table = QTable.read(path, hdu=1)
    wave = table["WAVE"][0].to_value("Angstrom")
    assert str(table["FLUX"].unit) == "1e-16 erg / (Angstrom s cm2)"
    good = np.asarray(table["QUAL"][0]) == 0
    factor = response(wave) * extinction(wave) * 1e16
    flux, error = (table[name][0].value[good] for name in ("FLUX", "ERR"))
    np.testing.assert_allclose(flux, (counts(wave) * factor)[good], rtol=3e-7)
    np.testing.assert_allclose(error, (np.sqrt(counts(wave)) * factor)[good], rtol=3e-7)


def test_the_error_has_the_extinction_that_the_pipelines_own_error_lacks(tmp_path):
    path = convert(tmp_path)[0]
    pipeline = (
        fits.getdata(tmp_path / "products" / "fluxcal_errorbar_sci_point_blue.fits").astype(float) * 1e16
    )
    with fits.open(path) as hdus:
        row = hdus[1].data[0]
        wave, error, good = row["WAVE"], row["ERR"], row["QUAL"] == 0
    low = GRIDS["BLUE"][3][0]
    ratio = error[good] / pipeline[low : low + wave.size][good]
    np.testing.assert_allclose(ratio, extinction(wave[good]), rtol=1e-6)
    assert ratio.min() > 10 ** (0.4 * AIRMASS * 0.1)


def test_an_error_is_interpolated_where_the_flux_is_zero():
    reduced, error = np.array([0.0, 10.0, 0.0, -20.0, 30.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    flux = reduced * np.array([1.0, 2.0, 2.5, 3.0, 4.0])
    np.testing.assert_allclose(calibrated_error(flux, reduced, error), [2.0, 4.0, 7.5, 12.0, 20.0])


def test_an_error_without_any_calibrated_pixel_is_unknown():
    assert np.isnan(calibrated_error(np.zeros(3), np.ones(3), np.ones(3))).all()


def test_padding_is_trimmed_and_pixels_beyond_the_response_are_flagged(tmp_path):
    with fits.open(convert(tmp_path)[0]) as hdus:
        row, header, primary = hdus[1].data[0], hdus[1].header, hdus[0].header
    unknown = GRIDS["BLUE"][4]
    assert row["WAVE"][0] == pytest.approx(FIRST_GOOD["BLUE"])
    assert row["WAVE"][-1] == pytest.approx(LAST_GOOD["BLUE"])
    assert set(row["QUAL"][:unknown]) == set(row["QUAL"][-unknown:]) == {NO_FLUX}
    assert set(row["QUAL"][unknown:-unknown]) == {0}
    assert not row["FLUX"][:unknown].any()
    assert not row["ERR"][:unknown].any()
    assert np.isfinite(row["FLUX_REDUCED"]).all()
    assert primary["WAVELMIN"] == pytest.approx(row["WAVE"][unknown] / 10, abs=1e-6)
    assert primary["WAVELMAX"] == pytest.approx(row["WAVE"][-unknown - 1] / 10, abs=1e-6)
    assert (header["TDMIN1"], header["TDMAX1"]) == (row["WAVE"][0], row["WAVE"][-1])


def test_padding_between_good_pixels_stays_and_is_flagged(tmp_path):
    science = Science(tmp_path / "products").write()
    for name, value in (("red_sci_point_blue", 0.0), ("errorbar_sci_point_blue", 1.0)):
        with fits.open(science.folder / f"{name}.fits", mode="update") as hdus:
            hdus[0].data[400:403] = value
    job = science.job(tmp_path / "conv")
    with fits.open(find_converter("uves_spectrum")(job)[0].path) as hdus:
        row = hdus[1].data[0]
    flagged = np.flatnonzero(row["QUAL"] & NO_DATA)
    np.testing.assert_array_equal(flagged, np.arange(400, 403) - GRIDS["BLUE"][3][0])
    assert (row["SNR"][flagged] == 0).all()
    assert not row["ERR"][flagged].any()


def test_red_chips_are_joined_with_the_gap_left_out(tmp_path):
    with fits.open(convert(tmp_path, red(tmp_path))[0]) as hdus:
        wave, primary = hdus[1].data[0]["WAVE"], hdus[0].header
    steps = np.diff(wave)
    assert (steps > 0).all()
    gap = int(np.argmax(steps))
    assert (wave[gap], wave[gap + 1]) == pytest.approx((LAST_GOOD["REDL"], FIRST_GOOD["REDU"]))
    np.testing.assert_allclose(steps[:gap], GRIDS["REDL"][1])
    np.testing.assert_allclose(steps[gap + 1 :], GRIDS["REDU"][1])
    # The gap is no bin.
    assert (
        min(GRIDS["REDL"][1], GRIDS["REDU"][1])
        < primary["SPEC_BIN"] * 10
        < max(GRIDS["REDL"][1], GRIDS["REDU"][1])
    )


def part(wave: np.ndarray, level: float, fluxed: bool = True) -> ChipSpectrum:
    values = np.full(wave.size, level)
    return ChipSpectrum(
        wave, values, values, values, values if fluxed else None, values if fluxed else None,
        np.zeros(wave.size, np.int32),
    )  # fmt: skip


def test_an_overlap_of_chips_is_cut_in_its_middle():
    joined = join([part(np.arange(0.0, 21.0), 1.0), part(np.arange(10.5, 30.0), 2.0)])
    assert (np.diff(joined.wave) > 0).all()
    np.testing.assert_array_equal(joined.reduced, np.where(joined.wave < 15.25, 1.0, 2.0))
    assert joined.wave[0] == 0.0
    assert joined.wave[-1] == 29.5


def test_flux_is_left_out_when_one_chip_has_none(tmp_path):
    science = red(tmp_path).write()
    (science.folder / "fluxcal_sci_point_redu.fits").unlink()
    path = Path(find_converter("uves_spectrum")(science.job(tmp_path / "conv"))[0].path)
    assert path.name.startswith("UV_SRED_")
    with fits.open(path) as hdus:
        assert "FLUX" not in hdus[1].columns.names
        assert set(hdus[1].data[0]["QUAL"]) == {0}


def test_keywords_of_the_observation(tmp_path):
    header = fits.getheader(convert(tmp_path)[0])
    expected = {
        "PRODCATG": "SCIENCE.SPECTRUM", "OBJECT": "HD 1'2", "PROG_ID": "099.A-0023(B)", "OBID1": 200123,
        "NCOMBINE": 1, "OBSTECH": "ECHELLE", "PROCSOFT": "uves/6.1.8", "REFERENC": "", "PROV1": ARCFILE,
        "EXPTIME": EXPTIME_S, "TEXPTIME": EXPTIME_S, "SPECSYS": "TOPOCENT", "FLUXCAL": "ABSOLUTE",
        "FLUXERR": -2.0, "TOT_FLUX": False, "EXT_OBJ": False, "CONTNORM": False, "SPEC_RES": 41400.0,
        "LAMNLIN": 600, "GAIN": 1.84, "DETRON": 3.6, "RADESYS": "FK5", "EQUINOX": 2000.0, "PRODLVL": 2,
        "SINGLEXP": True, "M_EPOCH": False, "DISPELEM": "CD#2", "DATE": "2026-01-02T03:04:05",
        "ESO PRO CATG": "FLUXCAL_SCI_POINT_BLUE", "ESO QC VRAD BARYCOR": -17.17,
        "ESO DPR TYPE": "OBJECT,POINT",
        "PHX SIMULATED": True,
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in expected} == expected
    assert header["MJD-OBS"] == pytest.approx(MJD_OBS, abs=1e-8)
    assert header["MJD-END"] == pytest.approx(MJD_OBS + EXPTIME_S / 86400, abs=1e-8)
    # Target, not pointing: 05:32:00 -30:00:00.
    assert (header["RA"], header["DEC"]) == pytest.approx((83.0, -30.0), abs=1e-9)
    # Angstrom in the product, nm here.
    assert header["LAMRMS"] == pytest.approx(0.0002)
    assert header["SPEC_ERR"] == pytest.approx(0.0002 / 600**0.5, rel=1e-3)
    assert header["SPEC_SYE"] == pytest.approx(2e-5)
    assert header["SNR"] == pytest.approx(np.sqrt(900), rel=0.1)
    for forbidden in ("CDELT1", "BUNIT", "CD1_1", "CRVAL1", "CTYPE1", "ARCFILE", "FILTER"):
        assert forbidden not in header


def test_arc_residuals_of_two_chips_are_pooled_over_their_lines(tmp_path):
    header = fits.getheader(convert(tmp_path, red(tmp_path))[0])
    assert header["LAMNLIN"] == 900
    assert header["LAMRMS"] * 10 == pytest.approx(((600 * 0.002**2 + 300 * 0.003**2) / 900) ** 0.5)
    assert header["ESO PRO CATG"] == "FLUXCAL_SCI_POINT_RED"
    # Equal in both chips: once; different: under the chip's name.
    assert header["ESO QC VRAD BARYCOR"] == -17.17
    assert (header["ESO QC REDL EX NORD"], header["ESO QC REDU EX NORD"]) == (22, 15)


def test_the_resolving_power_has_a_limit(tmp_path):
    path = convert(tmp_path, Science(tmp_path / "products", raw_cards={"ESO INS SLIT2 WID": 0.3}))[0]
    assert fits.getheader(path)["SPEC_RES"] == 80000


def test_provenance_is_in_the_header(tmp_path):
    science = Science(tmp_path / "products").write()
    job = science.job(tmp_path / "conv")
    ab = job.ab
    mcalibs = (
        Mcalib(
            McalibStatus.REAL,
            "/data/products/UVES.2019-03-04T10:00:00.000/flat.fits",
            "MASTER_FLAT_BLUE",
            -0.5,
            1,
        ),
        Mcalib(McalibStatus.VIRTUAL, "UVES.2019-03-04T09:00:00.000_tpl.ab", "MASTER_BIAS_BLUE", 0.25, 2),
    )
    pgis = (PgiEntry("set_parameters", "1", "cd" * 32),)
    read = (("MASTER_BIAS_BLUE", "/data/products/UVES.2019-03-04T09:00:00.000_tpl/masterbias_blue.fits"),)
    job = replace(
        job,
        ab=replace(ab, mcalibs=mcalibs, pgis=pgis),
        provenance=replace(job.provenance, calibrations=read),
    )
    header = fits.getheader(find_converter("uves_spectrum")(job)[0].path)
    expected = {
        "PHXREL": "UVES_R3", "PHXAB": "UVES.2019-03-05T03:04:05.678.ab", "PHXLEVEL": 2, "PHXRULES": "2026-11",
        "PHXRECIP": "uves_obs_scired", "PHXPAR1": "reduce.tiltcorr=true", "PHXPGI1": "set_parameters 1",
        "PHXPGH1": "cd" * 32, "PHXIMAGE": "ab" * 32, "PHXCODE": "0.1.0",
        "PHXMC1": "UVES.2019-03-04T10:00:00.000/flat.fits",
        "PHXMT1": "MASTER_FLAT_BLUE", "PHXML1": 1, "PHXMD1": -0.5,
        "PHXMC2": "UVES.2019-03-04T09:00:00.000_tpl/masterbias_blue.fits", "PHXML2": 2, "PHXMD2": 0.25,
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in expected} == expected


def test_ancillary_files_hold_the_orders_the_picture_and_the_text(tmp_path):
    science, orders, picture, readme = convert(tmp_path, red(tmp_path))
    with fits.open(orders) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "FLUX_REDL", "ERR_REDL", "FLUX_REDU", "ERR_REDU"]
        np.testing.assert_array_equal(hdus["FLUX_REDU"].data, np.arange(60).reshape(3, 20))
        assert hdus[1].header["WSTART1"] == GRIDS["REDL"][0]
        assert hdus[1].header["BUNIT"] == "adu"
        assert "CDELT1" not in hdus[1].header
    header = fits.getheader(science)
    assert [header[f"ASSON{i}"] for i in (1, 2, 3)] == [orders.name, picture.name, readme.name]
    assert "ASSOC1" not in header
    assert (header["ASSOC2"], header["ASSOC3"]) == ("ANCILLARY.PREVIEW", "ANCILLARY.README")
    for number, path in ((2, picture), (3, readme)):
        assert header[f"ASSOM{number}"] == hashlib.md5(path.read_bytes()).hexdigest()


def test_two_conversions_differ_in_declared_keywords_only(tmp_path):
    science = Science(tmp_path / "products").write()
    converter = find_converter("uves_spectrum")
    first = converter(science.job(tmp_path / "a"))[0]
    second = converter(science.job(tmp_path / "b", converted_at=datetime(2031, 5, 6, tzinfo=UTC)))[0]
    with fits.open(first.path) as one, fits.open(second.path) as two:
        for a, b in zip(one, two, strict=True):
            assert a.header["DATASUM"] == b.header["DATASUM"]
            different = {
                x[0] for x, y in zip(a.header.cards, b.header.cards, strict=True) if tuple(x) != tuple(y)
            }
            assert different <= VOLATILE
    again = converter(science.job(tmp_path / "c"))[0]
    assert again.sha256 == first.sha256


@pytest.mark.parametrize("arm", ["BLUE", "RED"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_the_calibrated_pair(tmp_path, arm):
    from linetools.spectra.io import readspec

    path = convert(tmp_path, Science(tmp_path / "products", arm))[0]
    spectrum = readspec(str(path))
    with fits.open(path) as hdus:
        row = hdus[1].data[0]
    good = row["QUAL"] == 0
    wave, flux, error = spectrum.wavelength.value, spectrum.flux.value, spectrum.sig.value
    both = np.isin(wave, row["WAVE"][good])
    assert both.sum() == good.sum()
    np.testing.assert_allclose(flux[both], row["FLUX"][good], rtol=1e-6)
    np.testing.assert_allclose(error[both], row["ERR"][good], rtol=1e-6)


@pytest.mark.parametrize(
    ("cards", "found"),
    [
        ({"ESO OBS ID": None}, "OBS.ID: is missing"),
        ({"ESO OBS ID": 1.5}, "OBS.ID: is 1.5"),
        ({"ESO OBS PROG ID": None}, "OBS.PROG.ID: is missing"),
        ({"ESO INS PATH": "../etc"}, "INS PATH"),
        ({"ESO INS SLIT2 WID": -1.0}, "SLIT2 WID"),
        ({"ESO INS SLIT2 WID": "wide"}, "SLIT2.WID: is missing or not a number"),
        ({"MJD-OBS": None}, "MJD-OBS: is missing"),
        (
            {
                "ESO INS PATH": "RED",
                "ESO INS GRAT2 WLEN": 580.0,
                "ESO INS GRAT2 NAME": "CD#3",
                "ESO INS SLIT3 WID": 1.0,
            },
            "raw frame of RED",
        ),
    ],
)
def test_a_raw_header_that_cannot_be_used_is_told_by_keyword(tmp_path, cards, found):
    with pytest.raises(IdpError, match=found):
        convert(tmp_path, Science(tmp_path / "products", raw_cards=cards))


def test_a_target_name_too_long_for_a_title_is_refused(tmp_path):
    with pytest.raises(IdpError, match=r"keyword TITLE.*does not fit"):
        convert(tmp_path, Science(tmp_path / "products", target="x" * 50))


@pytest.mark.parametrize(
    ("gone", "found"),
    [
        ("errorbar_sci_point_redu", "no product ERRORBAR_SCI_POINT_REDU"),
        ("red_sci_point_redu", "no product RED_SCI_POINT_REDU"),
    ],
)
def test_a_missing_chip_is_told(tmp_path, gone, found):
    science = red(tmp_path).write()
    (science.folder / f"{gone}.fits").unlink()
    with pytest.raises(IdpError, match=found):
        find_converter("uves_spectrum")(science.job(tmp_path / "conv"))


@pytest.mark.parametrize(
    ("product", "keyword", "value", "found"),
    [
        ("fluxcal_sci_point_blue", "BUNIT", "Jy", "BUNIT is 'Jy'"),
        ("fluxcal_sci_point_blue", "CRVAL1", 3700.0, "another wavelength grid"),
        ("red_sci_point_blue", "CUNIT1", "nm", "CUNIT1 'nm'"),
    ],
)
def test_a_product_that_does_not_fit_is_told(tmp_path, product, keyword, value, found):
    science = Science(tmp_path / "products").write()
    fits.setval(science.folder / f"{product}.fits", keyword, value=value)
    with pytest.raises(IdpError, match=found):
        find_converter("uves_spectrum")(science.job(tmp_path / "conv"))


def test_a_spectrum_of_padding_alone_is_refused(tmp_path):
    science = Science(tmp_path / "products").write()
    with fits.open(science.folder / "red_sci_point_blue.fits", mode="update") as hdus:
        hdus[0].data[:] = 0
    with fits.open(science.folder / "errorbar_sci_point_blue.fits", mode="update") as hdus:
        hdus[0].data[:] = 1
    with pytest.raises(IdpError, match="no pixel holds data"):
        find_converter("uves_spectrum")(science.job(tmp_path / "conv"))


def test_a_continued_value_in_the_raw_frame_is_refused_by_keyword(tmp_path):
    with pytest.raises(IdpError, match=r"OBS\.NAME.*CONTINUE"):
        convert(tmp_path, Science(tmp_path / "products", raw_cards={"ESO OBS NAME": "x" * 90}))


def test_bytes_that_are_no_text_in_the_raw_frame_do_not_reach_the_idp(tmp_path):
    science = Science(tmp_path / "products", raw_cards={"ESO OBS NAME": "CAFE%"}).write()
    science.raw.write_bytes(science.raw.read_bytes().replace(b"CAFE%", b"CAF\xe9\x07"))
    path = Path(find_converter("uves_spectrum")(science.job(tmp_path / "conv"))[0].path)
    assert fits.getheader(path)["ESO OBS NAME"] == "CAF??"
    assert check_file(path, fitsverify) == []


def test_a_wrong_configuration_is_told_by_field(tmp_path):
    with pytest.raises(ConfigError, match=r"UVES_R3, field conversion\.config\.resolution\.BLUE"):
        convert(tmp_path, config={**CONFIG, "resolution": {"BLUE": {"slit_product_arcsec": 0, "at_most": 1}}})


def test_an_unknown_converter_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean uves_spectrum"):
        find_converter("uves_spektrum")


@pytest.mark.parametrize(
    ("mjd", "text"), [(58547.12784349, "2019-03-05T03:04:05.678"), (40587.0, "1970-01-01T00:00:00.000")]
)
def test_mjd_as_text(mjd, text):
    assert to_iso(mjd) == text


@pytest.mark.parametrize(
    ("value", "degrees"), [(-243030.0, -24.508333), (53200.0, 5.533333), (0.5, 0.5 / 3600)]
)
def test_sexagesimal_numbers(value, degrees):
    assert from_sexagesimal(value) == pytest.approx(degrees, abs=1e-6)
