"""The XSHOOTER converter: what is in the IDP against the numbers its products were made of."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.instruments.xshooter.reduced import UNUSABLE
from products_xshooter import (
    BINS,
    COSMIC,
    DIT_S,
    EXPTIME_S,
    FLAGGED,
    HIGH,
    LOW,
    MJD_OBS,
    NDIT,
    OB,
    START,
    STEP_S,
    TARGET,
    Slit,
    arcfile,
    counts,
    response,
    wave_nm,
)
from qc_products_xshooter import (
    DISPERSION_NM,
    LINES_PER_ORDER,
    SHIFT_PIX,
    ProductFolder,
    table,
    write_wavelength,
)

load("XSHOOTER", "idp")


def convert(tmp_path: Path, slit: Slit | None = None, **changes: object) -> list[Path]:
    """Convert and return the files, the science product first."""
    slit = (slit or Slit(tmp_path / "products")).write()
    return [
        Path(idp.path) for idp in find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv", **changes))
    ]


def slit_of(tmp_path: Path, *, arm: str = "VIS", **changes: object) -> Slit:
    return Slit(tmp_path / "products", arm, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("arm", ["UVB", "VIS", "NIR"])
@pytest.mark.parametrize(
    ("technique", "exposures", "skies"), [("STARE", 1, 0), ("NODDING", 4, 0), ("OFFSET", 2, 2)]
)
def test_idps_pass_our_checks_and_fitsverify(tmp_path, arm, technique, exposures, skies):
    slit = slit_of(tmp_path, arm=arm, technique=technique, exposures=exposures, skies=skies)
    paths = convert(tmp_path, slit)
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, slit.sources) == []


@pytest.mark.parametrize("kind", ["SCI", "TELL"])
def test_the_recipes_table_and_its_images_give_the_same_idp(tmp_path, kind):
    first = convert(tmp_path / "a", slit_of(tmp_path / "a", kind=kind, table=True))
    second = convert(tmp_path / "b", slit_of(tmp_path / "b", kind=kind, table=False))
    assert [path.name for path in first] == [path.name for path in second]
    assert first[0].read_bytes() == second[0].read_bytes()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "XS_SFLX_302550123_2021-03-04T07:12:30.000_VIS_STARE_1x2_09"),
        (
            {"technique": "NODDING", "exposures": 2},
            "XS_SFLX_302550123_2021-03-04T07:12:30.000_VIS_NOD_1x2_09",
        ),
        ({"technique": "OFFSET", "skies": 1}, "XS_SFLX_302550123_2021-03-04T07:12:30.000_VIS_OFFSET_1x2_09"),
        ({"arm": "NIR"}, "XS_SFLX_302550123_2021-03-04T07:12:30.000_NIR_STARE_09"),
        (
            {"arm": "NIR", "raw_cards": {"ESO INS OPTI5 NAME": "0.9x11JH"}},
            "XS_SFLX_302550123_2021-03-04T07:12:30.000_NIR_STARE_09JH",
        ),
        ({"kind": "TELL"}, "XS_STEL_302550123_2021-03-04T07:12:30.000_VIS_STARE_1x2_09"),
    ],
)
def test_names_and_categories(tmp_path, changes, name):
    slit = slit_of(tmp_path, **changes).write()
    idps = find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))
    assert [(idp.origfile, idp.prodcatg, idp.parent) for idp in idps] == [
        (f"{name}.fits", "SCIENCE.SPECTRUM", ""),
        (f"{name}_2d.fits", "ANCILLARY.2DSPECTRUM", f"{name}.fits"),
        (f"{name}_qc.png", "ANCILLARY.PREVIEW", f"{name}.fits"),
        (f"{name}_ab.txt", "ANCILLARY.README", f"{name}.fits"),
    ]
    for idp in idps:
        content = Path(idp.path).read_bytes()
        assert (idp.size_bytes, idp.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert idps[0].title == f"{TARGET}_{Path(arcfile()).stem}_{slit.arm}"


@pytest.mark.parametrize("arm", ["UVB", "VIS", "NIR"])
def test_flux_and_errors_are_the_truth(tmp_path, arm):
    table = QTable.read(convert(tmp_path, slit_of(tmp_path, arm=arm))[0], hdu=1)
    assert table["WAVE"].unit.to_string("fits") == "nm"
    assert table["FLUX"].unit == u.erg / u.s / u.cm**2 / u.AA
    wave = table["WAVE"][0].value
    np.testing.assert_array_equal(wave, wave_nm(arm))
    lit = slice(LOW, BINS - HIGH)
    flux, error, reduced, reduced_error = (
        table[name][0].value[lit] for name in ("FLUX", "ERR", "FLUX_REDUCED", "ERR_REDUCED")
    )
    np.testing.assert_allclose(reduced, counts(arm)[lit], rtol=1e-6)
    np.testing.assert_allclose(reduced_error, np.sqrt(counts(arm))[lit], rtol=1e-6)
    np.testing.assert_allclose(flux, (counts(arm) * response(arm))[lit], rtol=1e-6)
    np.testing.assert_allclose(error, (np.sqrt(counts(arm)) * response(arm))[lit], rtol=1e-6)
    np.testing.assert_allclose(table["SNR"][0][lit], np.sqrt(counts(arm))[lit], rtol=1e-6)


def test_columns_stand_in_the_recipes_order(tmp_path):
    with fits.open(convert(tmp_path)[0]) as hdus:
        names = [column.name for column in hdus[1].columns]
        header = hdus[1].header
    assert names == ["WAVE", "FLUX", "ERR", "QUAL", "SNR", "FLUX_REDUCED", "ERR_REDUCED"]
    assert [name for number, name in enumerate(names, 1) if "meta.main" in header[f"TUCD{number}"]] == [
        "FLUX", "ERR", "QUAL", "SNR",
    ]  # fmt: skip


def test_flags_stay_and_bins_without_data_are_no_part_of_the_range(tmp_path):
    with fits.open(convert(tmp_path)[0]) as hdus:
        row, primary = hdus[1].data[0], hdus[0].header
    assert set(row["QUAL"][FLAGGED]) == {COSMIC}
    assert (row["QUAL"][:LOW] != 0).all()
    assert (row["SNR"][:LOW] == 0).all()
    assert primary["WAVELMIN"] == pytest.approx(wave_nm("VIS")[LOW])
    assert primary["WAVELMAX"] == pytest.approx(wave_nm("VIS")[BINS - HIGH - 1])
    assert primary["SPEC_BIN"] == pytest.approx(0.02)


@pytest.mark.parametrize("table", [True, False])
def test_values_that_are_no_numbers_become_zero_and_flagged(tmp_path, table):
    slit = slit_of(tmp_path, table=table).write()
    if table:
        with fits.open(slit.path("SCI_SLIT_FLUX_IDP_VIS"), mode="update") as hdus:
            hdus[1].data["FLUX"][0][500] = np.inf
            hdus[1].data["ERR"][0][501] = np.nan
    else:
        with fits.open(slit.path("SCI_SLIT_FLUX_MERGE1D_VIS"), mode="update") as hdus:
            hdus[0].data[500] = np.inf
            hdus[1].data[501] = np.nan
    path = Path(find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))[0].path)
    row = fits.getdata(path, 1)[0]
    assert list(row["QUAL"][499:503]) == [0, UNUSABLE, UNUSABLE, 0]
    assert row["FLUX"][500] == row["ERR"][501] == row["SNR"][500] == row["SNR"][501] == 0
    assert check_file(path, fitsverify) == []


def test_keywords_of_the_observation(tmp_path):
    header = fits.getheader(convert(tmp_path)[0])
    expected = {
        "PRODCATG": "SCIENCE.SPECTRUM", "OBJECT": TARGET, "PROG_ID": "0106.A-0023(B)", "OBID1": OB,
        "NCOMBINE": 1, "OBSTECH": "ECHELLE,SLIT,STARE", "PROCSOFT": "xshoo/3.5.0", "REFERENC": "",
        "PROV1": arcfile(), "EXPTIME": EXPTIME_S, "TEXPTIME": EXPTIME_S, "SPECSYS": "TOPOCENT",
        "FLUXCAL": "ABSOLUTE", "FLUXERR": -2.0, "TOT_FLUX": False, "CONTNORM": False, "SPEC_RES": 7400.0,
        "GAIN": 1.68, "DETRON": 3.1, "RADESYS": "FK5", "EQUINOX": 2000.0, "DISPELEM": "VIS",
        "DATE": "2026-01-02T03:04:05", "ESO PRO CATG": "SCI_SLIT_FLUX_IDP_VIS",
        "ESO QC VRAD BARYCOR": 1.35, "ESO QC FLUX SN": 32.1, "ESO DPR TYPE": "OBJECT", "PHX SIMULATED": True,
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in expected} == expected
    assert header["MJD-OBS"] == pytest.approx(MJD_OBS, abs=1e-8)
    assert header["MJD-END"] == pytest.approx(MJD_OBS + EXPTIME_S / 86400, abs=1e-8)
    # Target, not pointing: 10:12:24 -27:48:00.
    assert (header["RA"], header["DEC"]) == pytest.approx((153.1, -27.8), abs=1e-6)
    # EXT_OBJ is not known; LAMNLIN of the recipe's table is a constant, not a measurement.
    for absent in ("EXT_OBJ", "LAMNLIN", "CDELT1", "BUNIT", "CD1_1", "ARCFILE", "FILTER", "RADECSYS"):
        assert absent not in header


@pytest.mark.parametrize("solution", ["WAVE_TAB_2D_VIS", "XSH_MOD_CFG_OPT_2D_VIS"])
def test_the_accuracy_of_the_wavelengths_is_measured_on_the_arc_lines_behind_them(tmp_path, solution):
    arc = ProductFolder(tmp_path / "arc")
    write_wavelength(arc, "VIS")
    read = ((solution, str(arc.folder / f"{solution}.fits")),)
    slit = slit_of(tmp_path).write()
    job = slit.job(tmp_path / "conv")
    job = replace(job, provenance=replace(job.provenance, calibrations=read))
    header = fits.getheader(find_converter("xshooter_spectrum")(job)[0].path)
    lines = LINES_PER_ORDER * 15
    assert header["LAMNLIN"] == lines
    assert header["LAMRMS"] == pytest.approx(SHIFT_PIX * DISPERSION_NM, rel=0.05)
    assert header["SPEC_ERR"] == pytest.approx(header["LAMRMS"] / lines**0.5, rel=1e-4)


def test_a_solution_without_its_lines_tells_no_accuracy(tmp_path):
    slit = slit_of(tmp_path).write()
    job = slit.job(tmp_path / "conv")
    read = (("WAVE_TAB_2D_VIS", str(tmp_path / "masters" / "wave.fits")),)
    job = replace(job, provenance=replace(job.provenance, calibrations=read))
    header = fits.getheader(find_converter("xshooter_spectrum")(job)[0].path)
    assert not {"LAMNLIN", "LAMRMS", "SPEC_ERR"} & set(header)


def test_bins_where_the_response_does_not_hold_are_flagged(tmp_path):
    """The spectrum begins at 533.66 nm; the response runs to 0 over its first 6 nm and ends before."""
    tables = ProductFolder(tmp_path / "response")
    wave = np.linspace(533.66, 553.66, 1001)
    curve = np.minimum((wave - wave[0]) / 6.0, 1.0)
    rows = table(LAMBDA=wave, RESPONSE=curve, REF_DIV_OBS=np.ones(wave.size))
    path = tables.write("RESPONSE_MERGE1D_SLIT_VIS", [rows])
    slit = slit_of(tmp_path).write()
    job = slit.job(tmp_path / "conv")
    read = (("RESPONSE_MERGE1D_SLIT_VIS", str(path)),)
    job = replace(job, provenance=replace(job.provenance, calibrations=read))
    written = Path(find_converter("xshooter_spectrum")(job)[0].path)
    row, header = fits.getdata(written, 1)[0], fits.getheader(written)
    # Within 10 % from 90 % of the ramp on, in steps of half a nm.
    assert header["WAVELMIN"] == pytest.approx(533.66 + 0.9 * 6.0, abs=0.5)
    assert header["WAVELMAX"] == pytest.approx(wave_nm("VIS")[BINS - HIGH - 1])
    unfitted = row["WAVE"] < header["WAVELMIN"] - 0.001
    lit = slit.lit
    assert set(row["QUAL"][unfitted & lit]) == {UNUSABLE}
    np.testing.assert_allclose(row["FLUX"][lit], (counts("VIS") * response("VIS"))[lit], rtol=1e-6)
    assert check_file(written, fitsverify) == []


def test_the_aperture_is_the_width_of_the_arms_own_slit(tmp_path):
    slits = {"ESO INS OPTI3 NAME": "1.6x11", "ESO INS OPTI4 NAME": "5.0x11", "ESO INS OPTI5 NAME": "0.4x11"}
    path = convert(tmp_path, slit_of(tmp_path, raw_cards=slits))[0]
    primary, table = fits.getheader(path), fits.getheader(path, 1)
    assert table["APERTURE"] == pytest.approx(5.0 / 3600)
    assert primary["SPEC_RES"] == 3200
    # Nothing is lost beside a slit of 5 arcsec.
    assert primary["TOT_FLUX"] is True


def test_exposures_of_the_infrared_arm_are_dit_times_ndit(tmp_path):
    slit = slit_of(tmp_path, arm="NIR", technique="NODDING", exposures=2)
    header = fits.getheader(convert(tmp_path, slit)[0])
    assert header["EXPTIME"] == header["TEXPTIME"] == 2 * DIT_S * NDIT
    assert header["MJD-END"] == pytest.approx(MJD_OBS + (STEP_S + DIT_S * NDIT) / 86400, abs=1e-8)


def test_a_nod_is_made_of_all_its_exposures(tmp_path):
    path = convert(tmp_path, slit_of(tmp_path, technique="NODDING", exposures=3))[0]
    header, table = fits.getheader(path), fits.getheader(path, 1)
    assert [header[f"PROV{i}"] for i in (1, 2, 3)] == [arcfile(i) for i in range(3)]
    assert (header["NCOMBINE"], header["SINGLEXP"], header["TEXPTIME"]) == (3, False, 3 * EXPTIME_S)
    assert table["TELAPSE"] == pytest.approx(2 * STEP_S + EXPTIME_S, abs=0.01)


def test_sky_exposures_of_an_offset_count_nowhere(tmp_path):
    header = fits.getheader(convert(tmp_path, slit_of(tmp_path, technique="OFFSET", exposures=2, skies=2))[0])
    assert (header["NCOMBINE"], header["TEXPTIME"]) == (2, 2 * EXPTIME_S)
    assert [header.get(f"PROV{i}") for i in (1, 2, 3)] == [arcfile(0), arcfile(1), None]
    assert header["MJD-END"] == pytest.approx(MJD_OBS + (STEP_S + EXPTIME_S) / 86400, abs=1e-8)


def test_a_telluric_standard_is_told_by_its_product_category(tmp_path):
    header = fits.getheader(convert(tmp_path, slit_of(tmp_path, kind="TELL"))[0])
    assert header["ESO PRO CATG"] == "TELL_SLIT_FLUX_IDP_VIS"
    assert (header["PRODCATG"], header["ESO DPR CATG"]) == ("SCIENCE.SPECTRUM", "CALIB")


def test_score_bits_are_in_the_header(tmp_path):
    header = fits.getheader(convert(tmp_path, score_bits=lambda item: f"100-{item}")[0])
    assert header["QCFLAG"] == "100-"


def test_ancillary_files_hold_the_spectrum_along_the_slit_the_picture_and_the_text(tmp_path):
    slit = slit_of(tmp_path)
    science, along, picture, readme = convert(tmp_path, slit)
    with fits.open(along) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "FLUX", "ERR", "QUAL"]
        with fits.open(slit.path("SCI_SLIT_FLUX_MERGE2D_VIS")) as products:
            for mine, theirs in zip(hdus[1:], products, strict=True):
                np.testing.assert_array_equal(mine.data, theirs.data)
        assert hdus[1].header["BUNIT"] == "erg cm**(-2) s**(-1) angstrom**(-1)"
        assert "CDELT1" not in hdus[1].header
        axes = WCS(hdus[1].header)
        assert axes.world_axis_physical_types[0] == "em.wl;obs.atmos"
        wave_m, along_slit = axes.wcs_pix2world([[100, 4]], 0)[0]
        assert wave_m * 1e9 == pytest.approx(wave_nm("VIS")[100], abs=1e-9)
        assert along_slit == pytest.approx(-5.3 + 4 * 0.16)
    header = fits.getheader(science)
    assert [header[f"ASSON{i}"] for i in (1, 2, 3)] == [along.name, picture.name, readme.name]
    assert "ASSOC1" not in header
    assert (header["ASSOC2"], header["ASSOC3"]) == ("ANCILLARY.PREVIEW", "ANCILLARY.README")
    for number, path in ((2, picture), (3, readme)):
        assert header[f"ASSOM{number}"] == hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_the_calibrated_pair(tmp_path):
    from linetools.spectra.io import readspec

    path = convert(tmp_path)[0]
    spectrum, row = readspec(str(path)), fits.getdata(path, 1)[0]
    good = spectrum.sig.value > 0
    np.testing.assert_array_equal(np.flatnonzero(row["ERR"] > 0), np.flatnonzero(good))
    np.testing.assert_allclose(spectrum.wavelength.to_value("nm"), row["WAVE"], rtol=1e-9)
    np.testing.assert_allclose(spectrum.flux.value[good], row["FLUX"][good], rtol=1e-6)
    np.testing.assert_allclose(spectrum.sig.value[good], row["ERR"][good], rtol=1e-6)


@pytest.mark.parametrize(
    ("cards", "found"),
    [
        ({"ESO OBS ID": None}, "OBS.ID: is missing"),
        ({"ESO OBS PROG ID": None}, "OBS.PROG.ID: is missing"),
        ({"ESO SEQ ARM": "AGC"}, "SEQ ARM: is 'AGC'"),
        ({"ESO SEQ ARM": "UVB"}, "raw frames of UVB, products of VIS"),
        ({"ESO INS OPTI4 NAME": "Pin_row"}, "OPTI4.NAME: is 'Pin_row'"),
        ({"ESO DPR TECH": "ECHELLE,IFU,STARE"}, "DPR TECH: is 'ECHELLE,IFU,STARE'"),
        ({"MJD-OBS": None}, "MJD-OBS: is missing"),
        ({"EXPTIME": None}, "EXPTIME: is missing"),
        ({"ESO DPR TYPE": "SKY"}, "none of its 1 raw frames is on target"),
    ],
)
def test_a_raw_header_that_cannot_be_used_is_told_by_keyword(tmp_path, cards, found):
    with pytest.raises(IdpError, match=found):
        convert(tmp_path, slit_of(tmp_path, raw_cards=cards))


def test_frames_of_two_slits_are_refused(tmp_path):
    slit = slit_of(tmp_path, technique="NODDING", exposures=2).write()
    fits.setval(slit.raws[1], "HIERARCH ESO INS OPTI4 NAME", value="5.0x11")
    with pytest.raises(IdpError, match="of 2 settings"):
        find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))


def test_a_slit_without_a_resolving_power_is_told_by_field(tmp_path):
    with pytest.raises(ConfigError, match=r"resolving_power\.VIS: has no slit of 1.2 arcsec"):
        convert(tmp_path, slit_of(tmp_path, raw_cards={"ESO INS OPTI4 NAME": "1.2x11"}))


@pytest.mark.parametrize(
    ("gone", "found"),
    [
        ("SCI_SLIT_FLUX_MERGE1D_VIS", "0 flux calibrated spectra"),
        ("SCI_SLIT_MERGE1D_VIS", "no product SCI_SLIT_MERGE1D_VIS"),
        ("SCI_SLIT_FLUX_MERGE2D_VIS", "no product SCI_SLIT_FLUX_MERGE2D_VIS"),
    ],
)
def test_a_missing_product_is_told(tmp_path, gone, found):
    slit = slit_of(tmp_path).write()
    slit.path(gone).unlink()
    with pytest.raises(IdpError, match=found):
        find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))


@pytest.mark.parametrize(
    ("product", "keyword", "value", "found"),
    [
        ("SCI_SLIT_FLUX_MERGE1D_VIS", "BUNIT", "Jy", "BUNIT 'Jy'"),
        ("SCI_SLIT_MERGE1D_VIS", "CRVAL1", 500.0, "on other wavelengths"),
        ("SCI_SLIT_FLUX_MERGE1D_VIS", "CUNIT1", "Angstrom", "CUNIT1 'Angstrom'"),
    ],
)
def test_a_product_that_does_not_fit_is_told(tmp_path, product, keyword, value, found):
    slit = slit_of(tmp_path).write()
    fits.setval(slit.path(product), keyword, value=value)
    with pytest.raises(IdpError, match=found):
        find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))


def test_a_table_on_another_grid_is_refused(tmp_path):
    slit = slit_of(tmp_path).write()
    with fits.open(slit.path("SCI_SLIT_FLUX_IDP_VIS"), mode="update") as hdus:
        hdus[1].data["WAVE"][0][:] += 0.01
    with pytest.raises(IdpError, match="not those of the merged spectrum"):
        find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))


def test_a_spectrum_without_a_good_bin_is_refused(tmp_path):
    slit = slit_of(tmp_path, table=False).write()
    with fits.open(slit.path("SCI_SLIT_FLUX_MERGE1D_VIS"), mode="update") as hdus:
        hdus["QUAL"].data[:] = 32
    with pytest.raises(IdpError, match="no bin is good"):
        find_converter("xshooter_spectrum")(slit.job(tmp_path / "conv"))


def test_two_conversions_are_equal(tmp_path):
    slit = slit_of(tmp_path).write()
    first, second = (
        find_converter("xshooter_spectrum")(slit.job(tmp_path / name))[0].sha256 for name in "ab"
    )
    assert first == second


def test_the_start_in_the_name_is_that_of_the_first_exposure(tmp_path):
    slit = slit_of(tmp_path, technique="NODDING", exposures=2).write()
    job = slit.job(tmp_path / "conv", raws=list(reversed(slit.raws)))
    assert START in find_converter("xshooter_spectrum")(job)[0].origfile
