"""IDPs of a simulated XSHOOTER night: reduced by the real recipes, measured, converted, checked, ingested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from linetools.spectra.io import readspec
from sqlalchemy import select

from phoenix.archive.fitsverify import fitsverify
from phoenix.chain.run import Step
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.instruments.xshooter.reduced import UNUSABLE
from phoenix.model.report import BatchReport
from phoenix.simulation.truth import ScienceTruth
from phoenix.simulation.xshooter.settings import ARMS, LAYOUTS
from phoenix.store.qc import QcRepository
from phoenix.store.tables import AbRow
from truth_xshooter import velocity_error_kms
from xshooter_night import BIN_NM, RELEASE, XshooterNight

pytestmark = pytest.mark.engine

MODES = {
    "science_stare": ("SFLX", "STARE"),
    "science_nod": ("SFLX", "NOD"),
    "science_offset": ("SFLX", "OFFSET"),
    "telluric_nod": ("STEL", "NOD"),
}
#: Where the infrared sky is clear, nm. In between the recipe draws the response across telluric bands, which
#: the simulated sky has none of: there the flux is up to 19 % off.
CLEAR_NM = ((1000.0, 1080.0), (1510.0, 1700.0), (2050.0, 2400.0))
FLUX_UNIT = u.erg / u.s / u.cm**2 / u.AA


@dataclass(frozen=True)
class Case:
    """A spectrum of the night: a task and an arm."""

    task: str
    arm: str

    def __str__(self) -> str:
        return f"{self.task}-{self.arm}"

    @property
    def kind(self) -> str:
        return "TELL" if self.task.startswith("telluric") else "SCI"


ALL = [Case(task, arm.name) for task in MODES for arm in ARMS]
SCIENCE = [case for case in ALL if case.kind == "SCI"]
on_each = pytest.mark.parametrize("case", ALL, ids=str)
on_science = pytest.mark.parametrize("case", SCIENCE, ids=str)


@dataclass
class Delivered:
    """A night whose spectra are in the archive."""

    night: XshooterNight
    report: BatchReport
    said: list[str]

    def files(self, case: Case) -> list[Path]:
        """The IDP of an AB, first, and its ancillary files."""
        row = self.night.ab(case.task, case.arm)
        folder = self.night.configuration.root / "conv" / RELEASE / row.night / Path(row.name).stem
        found = [path for path in folder.iterdir() if path.name != "conversion.json"]
        return sorted(found, key=lambda path: (len(path.stem), path.name))

    def spectrum(self, case: Case) -> Path:
        return self.files(case)[0]

    def recipes(self, case: Case) -> Path:
        """The table in archive format the recipe wrote."""
        return self.night.product(case.task, f"SDP_{case.kind}_SLIT_FLUX_MERGE1D", case.arm)

    def raws(self, case: Case) -> dict[str, Path]:
        """Frames on target by their names in the archive."""
        raw = self.night.configuration.root / "raw"
        header = fits.getheader(self.spectrum(case))
        names = [header[f"PROV{number}"] for number in range(1, header["NCOMBINE"] + 1)]
        return {name: next(raw.rglob(name)) for name in names}

    def truth(self, case: Case) -> ScienceTruth:
        return self.night.truth.exposure(fits.getval(self.spectrum(case), "PROV1"))


@pytest.fixture(scope="module")
def delivered(reduced_xshooter: XshooterNight) -> Delivered:
    steps = [Step.QC_REPORTS, Step.CONVERT_IDPS, Step.INGEST]
    return Delivered(reduced_xshooter, *reduced_xshooter.run(steps))


def test_all_spectra_are_in_the_archive(delivered: Delivered) -> None:
    assert delivered.report.idps_ingested == len(ALL), "\n".join(delivered.said)
    assert delivered.report.held == ()
    archive = delivered.night.configuration.root / "archive"
    science = [
        header["ORIGFILE"]
        for path in archive.rglob("ADP.*.fits")
        if (header := fits.getheader(path))["PRODCATG"] == "SCIENCE.SPECTRUM"
    ]
    assert sorted(science) == sorted(delivered.spectrum(case).name for case in ALL)


@on_each
def test_nothing_is_found_in_real_idps(delivered: Delivered, case: Case) -> None:
    paths = delivered.files(case)
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, delivered.raws(case)) == []
    code, mode = MODES[case.task]
    words = paths[0].stem.split("_")
    assert (words[:2], words[4:6]) == (["XS", code], [case.arm, mode])
    assert {path.name.removeprefix(paths[0].stem) for path in paths[1:]} == {"_2d.fits", "_qc.png", "_ab.txt"}


def test_every_ab_is_measured_without_a_problem_and_without_a_red(delivered: Delivered) -> None:
    with delivered.night.database.transaction() as session:
        for row in session.scalars(select(AbRow)):
            result = QcRepository(session).of_ab(row.release, row.name)
            assert result is not None, row.task
            assert result.problems == (), row.task
            assert len(result.reports) == 1, row.task
    assert delivered.report.reds == ()


@on_science
def test_flux_is_the_truth_over_all_good_bins(delivered: Delivered, case: Case) -> None:
    table, exposure = QTable.read(delivered.spectrum(case), hdu=1), delivered.truth(case)
    wave_nm, flux = table["WAVE"][0].to_value(u.nm), table["FLUX"][0].to_value(FLUX_UNIT)
    good, snr = np.asarray(table["QUAL"][0]) == 0, np.asarray(table["SNR"][0])
    if case.arm == "NIR":
        clear = np.any([(wave_nm > low) & (wave_nm < high) for low, high in CLEAR_NM], axis=0)
        good, reach_nm = good & clear, sum(high - low for low, high in CLEAR_NM)
    else:
        reach_nm = np.ptp(wave_nm)
    # Medians of 3 nm: the ends, too, where the response may not hold; not where ozone leaves nothing.
    parts = np.array_split(np.flatnonzero(good), int(good.sum() * BIN_NM / 3))
    bright = [part for part in parts if np.median(snr[part]) > 20]
    ratios = [np.median(flux[part] / exposure.science_flux(wave_nm[part])) for part in bright]
    assert len(bright) * 3.0 > 0.9 * reach_nm
    np.testing.assert_allclose(ratios, 1.0, atol=0.1)
    assert abs(np.median(ratios) - 1) < (0.02 if case.arm == "NIR" else 0.01)


@pytest.mark.parametrize("case", [case for case in SCIENCE if case.arm != "NIR"], ids=str)
def test_velocity_is_the_truth(delivered: Delivered, case: Case) -> None:
    """The simulated stars have no lines in the infrared."""
    table, exposure = QTable.read(delivered.spectrum(case), hdu=1), delivered.truth(case)
    wave_nm, flux = table["WAVE"][0].to_value(u.nm), table["FLUX"][0].to_value(FLUX_UNIT)
    # Not the last quarter, whose lines are few and whose bins are the widest.
    starts = np.linspace(wave_nm[0] + 15, wave_nm[0] + 0.65 * np.ptp(wave_nm), 10)
    windows = [(wave_nm > low) & (wave_nm < low + 0.06 * np.ptp(wave_nm)) for low in starts]
    layout = LAYOUTS["small", case.arm]
    wrong_kms = [velocity_error_kms(wave_nm[w], flux[w], exposure, layout, BIN_NM) for w in windows]
    bin_kms = 299792.458 * BIN_NM / np.mean(wave_nm)
    assert abs(np.median(wrong_kms)) < 0.03 * bin_kms, wrong_kms


@on_each
def test_the_data_are_those_the_recipe_wrote(delivered: Delivered, case: Case) -> None:
    recipe = fits.getdata(delivered.recipes(case), 1)[0]
    row = fits.getdata(delivered.spectrum(case), 1)[0]
    for name in ("FLUX", "ERR", "FLUX_REDUCED", "ERR_REDUCED"):
        np.testing.assert_array_equal(row[name], recipe[name].astype("f4"))
    np.testing.assert_array_equal(row["WAVE"], recipe["WAVE"])
    changed = row["QUAL"] != recipe["QUAL"]
    assert set(row["QUAL"][changed]) <= {UNUSABLE}


@on_each
def test_exposures_count_as_the_standard_wants(delivered: Delivered, case: Case) -> None:
    """The recipe counts the sky of the offset as a source and as exposure time."""
    header, recipe = fits.getheader(delivered.spectrum(case)), fits.getheader(delivered.recipes(case))
    raws = [fits.getheader(path) for path in delivered.raws(case).values()]
    assert header["NCOMBINE"] == (2 if case.task.endswith("nod") else 1)
    assert header["TEXPTIME"] == pytest.approx(sum(raw["EXPTIME"] for raw in raws))
    assert {raw["ESO DPR TYPE"] for raw in raws} == {"OBJECT" if case.kind == "SCI" else "STD,TELLURIC"}
    assert recipe["NCOMBINE"] == (1 if case.task == "science_stare" else 2)


@on_science
def test_the_accuracy_of_the_wavelengths_is_that_of_the_arc(delivered: Delivered, case: Case) -> None:
    header, recipe = fits.getheader(delivered.spectrum(case)), fits.getheader(delivered.recipes(case))
    lines = fits.getdata(delivered.night.product("wavelength", "WAVE_RESID_TAB_LINES", case.arm), 1)
    assert header["LAMNLIN"] == len(np.unique(lines["Wavelength"]))
    assert 0 < header["LAMRMS"] < 0.01
    assert header["LAMNLIN"] != recipe["LAMNLIN"]  # a constant


@on_each
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_real_idps(delivered: Delivered, case: Case) -> None:
    spectrum, row = readspec(str(delivered.spectrum(case))), fits.getdata(delivered.spectrum(case), 1)[0]
    np.testing.assert_allclose(spectrum.wavelength.to_value("nm"), row["WAVE"], rtol=1e-9)
    np.testing.assert_allclose(spectrum.flux.value, row["FLUX"], rtol=1e-6)
    np.testing.assert_allclose(spectrum.sig.value, row["ERR"], rtol=1e-6)
