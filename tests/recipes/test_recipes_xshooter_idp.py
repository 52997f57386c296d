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
from phoenix.simulation.xshooter.settings import LAYOUTS
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
SCIENCE = [task for task in MODES if task.startswith("science")]
FLUX_UNIT = u.erg / u.s / u.cm**2 / u.AA


@dataclass
class Delivered:
    """A night whose spectra are in the archive."""

    night: XshooterNight
    report: BatchReport
    said: list[str]

    def folder(self, task: str) -> Path:
        night = self.night.ab(task).night
        folders = (self.night.configuration.root / "conv" / RELEASE / night).iterdir()
        (folder,) = (folder for folder in folders if folder.name == Path(self.night.ab(task).name).stem)
        return folder

    def files(self, task: str) -> list[Path]:
        """The IDP of an AB, first, and its ancillary files."""
        found = [path for path in self.folder(task).iterdir() if path.name != "conversion.json"]
        return sorted(found, key=lambda path: (len(path.stem), path.name))

    def spectrum(self, task: str) -> Path:
        return self.files(task)[0]

    def raws(self, task: str) -> dict[str, Path]:
        """Frames on target by their names in the archive."""
        raw = self.night.configuration.root / "raw"
        header = fits.getheader(self.spectrum(task))
        names = [header[f"PROV{number}"] for number in range(1, header["NCOMBINE"] + 1)]
        return {name: next(raw.rglob(name)) for name in names}

    def truth(self, task: str) -> ScienceTruth:
        return self.night.truth.exposure(fits.getval(self.spectrum(task), "PROV1"))


@pytest.fixture(scope="module")
def delivered(reduced_xshooter: XshooterNight) -> Delivered:
    steps = [Step.QC_REPORTS, Step.CONVERT_IDPS, Step.INGEST]
    return Delivered(reduced_xshooter, *reduced_xshooter.run(steps))


def test_all_spectra_are_in_the_archive(delivered: Delivered) -> None:
    assert delivered.report.idps_ingested == len(MODES), "\n".join(delivered.said)
    assert delivered.report.held == ()
    archive = delivered.night.configuration.root / "archive"
    science = [
        header["ORIGFILE"]
        for path in archive.rglob("ADP.*.fits")
        if (header := fits.getheader(path))["PRODCATG"] == "SCIENCE.SPECTRUM"
    ]
    assert sorted(science) == sorted(delivered.spectrum(task).name for task in MODES)


@pytest.mark.parametrize("task", MODES)
def test_nothing_is_found_in_real_idps(delivered: Delivered, task: str) -> None:
    paths = delivered.files(task)
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, delivered.raws(task)) == []
    code, mode = MODES[task]
    words = paths[0].stem.split("_")
    assert (words[0], words[1], words[4:]) == ("XS", code, ["VIS", mode, "1x1", "09"])
    assert {path.name.removeprefix(paths[0].stem) for path in paths[1:]} == {"_2d.fits", "_qc.png", "_ab.txt"}


def test_every_ab_is_measured_without_a_problem_and_without_a_red(delivered: Delivered) -> None:
    with delivered.night.database.transaction() as session:
        for row in session.scalars(select(AbRow)):
            result = QcRepository(session).of_ab(row.release, row.name)
            assert result is not None, row.task
            assert result.problems == (), row.task
            assert len(result.reports) == 1, row.task
    assert delivered.report.reds == ()


@pytest.mark.parametrize("task", SCIENCE)
def test_velocity_and_flux_are_the_truth_over_all_good_bins(delivered: Delivered, task: str) -> None:
    table, exposure = QTable.read(delivered.spectrum(task), hdu=1), delivered.truth(task)
    wave_nm, flux = table["WAVE"][0].to_value(u.nm), table["FLUX"][0].to_value(FLUX_UNIT)
    good = np.asarray(table["QUAL"][0]) == 0
    # Medians of 3 nm: the ends, too, where the response of the night may not hold.
    parts = np.array_split(np.flatnonzero(good), int(good.sum() * BIN_NM / 3))
    ratios = [np.median(flux[part] / exposure.science_flux(wave_nm[part])) for part in parts]
    assert good.mean() > 0.95
    np.testing.assert_allclose(ratios, 1.0, atol=0.1)
    assert abs(np.median(ratios) - 1) < 0.01
    windows = [(wave_nm > low) & (wave_nm < low + 30.0) for low in range(545, 870, 35)]
    layout = LAYOUTS["small", "VIS"]
    wrong_kms = [velocity_error_kms(wave_nm[w], flux[w], exposure, layout, BIN_NM) for w in windows]
    assert abs(np.median(wrong_kms)) < 1.0, wrong_kms


@pytest.mark.parametrize("task", MODES)
def test_the_data_are_those_the_recipe_wrote(delivered: Delivered, task: str) -> None:
    kind = "TELL" if task.startswith("telluric") else "SCI"
    recipe = fits.getdata(delivered.night.product(task, f"SDP_{kind}_SLIT_FLUX_MERGE1D"), 1)[0]
    row = fits.getdata(delivered.spectrum(task), 1)[0]
    for name in ("FLUX", "ERR", "FLUX_REDUCED", "ERR_REDUCED"):
        np.testing.assert_array_equal(row[name], recipe[name].astype("f4"))
    np.testing.assert_array_equal(row["WAVE"], recipe["WAVE"])
    changed = row["QUAL"] != recipe["QUAL"]
    assert set(row["QUAL"][changed]) <= {UNUSABLE}


def test_exposures_count_as_the_standard_wants(delivered: Delivered) -> None:
    """The recipe counts the sky of the offset as a source and as exposure time."""
    headers = {task: fits.getheader(delivered.spectrum(task)) for task in MODES}
    assert {task: header["NCOMBINE"] for task, header in headers.items()} == {
        "science_stare": 1, "science_nod": 2, "science_offset": 1, "telluric_nod": 2,
    }  # fmt: skip
    for task in SCIENCE:
        exptime_s = delivered.truth(task).exptime_s
        assert headers[task]["TEXPTIME"] == headers[task]["NCOMBINE"] * exptime_s
    recipe = fits.getheader(delivered.night.product("science_offset", "SDP_SCI_SLIT_FLUX_MERGE1D"))
    assert recipe["NCOMBINE"] == 2


def test_the_accuracy_of_the_wavelengths_is_that_of_the_arc(delivered: Delivered) -> None:
    header = fits.getheader(delivered.spectrum("science_stare"))
    lines = fits.getdata(delivered.night.product("wavelength", "WAVE_RESID_TAB_LINES"), 1)
    assert header["LAMNLIN"] == len(np.unique(lines["Wavelength"]))
    assert 0 < header["LAMRMS"] < 0.01
    # A constant of the recipe.
    recipe = fits.getheader(delivered.night.product("science_stare", "SDP_SCI_SLIT_FLUX_MERGE1D"))
    assert (recipe["LAMNLIN"], recipe["LAMRMS"]) == (310, 0.002)


@pytest.mark.parametrize("task", MODES)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_real_idps(delivered: Delivered, task: str) -> None:
    spectrum, row = readspec(str(delivered.spectrum(task))), fits.getdata(delivered.spectrum(task), 1)[0]
    np.testing.assert_allclose(spectrum.wavelength.to_value("nm"), row["WAVE"], rtol=1e-9)
    np.testing.assert_allclose(spectrum.flux.value, row["FLUX"], rtol=1e-6)
    np.testing.assert_allclose(spectrum.sig.value, row["ERR"], rtol=1e-6)
