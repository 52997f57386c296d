"""OBs of MUSE through the real recipes: pixel tables, aligned and combined, held against truth."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from sqlalchemy import create_engine, select, text

from muse_frames import NIGHT, one_ob
from phoenix.chain.create import create_abs
from phoenix.chain.edit import edit_abs
from phoenix.chain.execute import run_ab
from phoenix.chain.scan import scan_into_catalogue
from phoenix.config.loader import Configuration
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Attempt, Outcome
from phoenix.simulation.atmosphere import transmission
from phoenix.simulation.muse.field import Field
from phoenix.simulation.muse.settings import (
    CENTRE_A,
    SKY_LINE_SIGMA_A,
    SKY_LINES_A,
    SKY_PER_S_A,
    response_mag,
)
from phoenix.simulation.muse.truth import FieldTruth
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow
from truth_muse import held_against

pytestmark = pytest.mark.engine

RELEASE = "MUSE_R"
PROJECT_CONFIGURATION = Path(__file__).parents[2] / "include" / "config"
OUR_THRESHOLD = "threshold: -10, bkgfraction: 0.9"


class ObservationBlock:
    """A simulated OB whose ABs are made and run one task after the other."""

    def __init__(self, database: Database, configuration: Configuration, truth: FieldTruth) -> None:
        self.truth = truth
        self._database, self._configuration = database, configuration

    def run(self, task: str) -> list[Attempt]:
        """Run the ABs of a task in the order of time."""
        return [run_ab(self._database, self._configuration, RELEASE, name) for name in self._names(task)]

    def products(self, task: str, name: str) -> list[Path]:
        """The products of that name of the ABs of a task."""
        folder = self._configuration.folders.products / RELEASE / NIGHT
        return [folder / ab.removesuffix(".ab") / name for ab in self._names(task)]

    @property
    def field(self) -> Field:
        (field,) = self.truth.fields.values()
        return field

    def _names(self, task: str) -> list[str]:
        with self._database.transaction() as session:
            rows = select(AbRow).where(AbRow.task == task).order_by(AbRow.mjd_obs_mod)
            return [row.name for row in session.scalars(rows)]


Observe = Callable[..., ObservationBlock]


@pytest.fixture(scope="module")
def observed(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observe]:
    """Simulate an OB and make its ABs."""
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    databases: dict[str, Database] = {}

    def observe(
        posangs_deg: tuple[float, ...],
        stars: int | None = None,
        folder: Path = PROJECT_CONFIGURATION,
        *,
        sky: bool = False,
    ) -> ObservationBlock:
        root = tmp_path_factory.mktemp("ob")
        truth = one_ob(root, posangs_deg, stars, sky=sky)
        name = f"test_{uuid.uuid4().hex[:12]}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
        database, configuration = Database(postgres.format(name=name)), Configuration(folder, root)
        databases[name] = database
        with database.transaction() as session:
            BatchRepository(session).open(RELEASE, BatchKey(BatchKind.NIGHT, NIGHT), "test")
        scan_into_catalogue(database, configuration)
        create_abs(database, configuration, RELEASE, NIGHT, nights=[NIGHT])
        edit_abs(database, configuration, RELEASE, NIGHT, NIGHT)
        return ObservationBlock(database, configuration, truth)

    yield observe
    for name, database in databases.items():
        database.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@dataclass
class Combination:
    """An OB, the attempts to make a cube of it, and the cube."""

    ob: ObservationBlock
    exposures: list[Attempt]
    alignment: Attempt
    misaligned: Attempt
    combined: Attempt

    @property
    def cube(self) -> Path:
        return self.ob.products("combine", "DATACUBE_FINAL.fits")[0]


@pytest.fixture(scope="module")
def combination(observed: Observe) -> Combination:
    """Three exposures, combined with offsets wrong by half an arcsecond, then with right ones."""
    ob = observed((0.0, 90.0, 180.0))
    exposures, (alignment,) = ob.run("exposure_stored"), ob.run("alignment")
    (offsets,) = ob.products("alignment", "OFFSET_LIST.fits")
    right = offsets.read_bytes()
    _spoil(offsets, wrong_arcsec=0.5)
    (misaligned,) = ob.run("combine")
    offsets.write_bytes(right)
    (combined,) = ob.run("combine")
    return Combination(ob, exposures, alignment, misaligned, combined)


def _spoil(offsets: Path, wrong_arcsec: float) -> None:
    """Move the second and third exposure of a list of offsets, one north and one south."""
    with fits.open(offsets, mode="update") as hdus:
        hdus[1].data["DEC_OFFSET"][1:] += np.array([wrong_arcsec, -wrong_arcsec]) / 3600


def _offset_errors(ob: ObservationBlock) -> NDArray[np.float64]:
    """Offsets found minus pointing errors of the headers, arcsec, relative to the first exposure."""
    (path,) = ob.products("alignment", "OFFSET_LIST.fits")
    offsets, exposures = fits.getdata(path, 1), ob.truth.exposures
    assert [row["DATE_OBS"] for row in offsets] == [exposure.arcfile[5:28] for exposure in exposures]
    cosine = np.cos(np.radians(ob.field.dec_deg))
    found = 3600 * np.transpose([offsets["RA_OFFSET"] * cosine, offsets["DEC_OFFSET"]])
    told = np.array([exposure.pointing_error_arcsec for exposure in exposures])
    return np.asarray(found - (told - told[0]))


def test_pixel_tables_become_a_combined_cube(combination: Combination) -> None:
    attempts = [*combination.exposures, combination.alignment, combination.combined]
    assert [(attempt.outcome, attempt.findings) for attempt in attempts] == [(Outcome.OK, ())] * 5


def test_offsets_are_the_pointing_errors_of_the_headers(combination: Combination) -> None:
    assert np.abs(_offset_errors(combination.ob)).max() < 0.05
    # Nothing but the sources of the field was taken for one; the galaxy is among them or not.
    header = fits.getheader(combination.ob.products("alignment", "OFFSET_LIST.fits")[0])
    sources = len(combination.ob.field.stars)
    assert all(sources - 1 <= header[f"ESO QC EXPALIGN NDET{n}"] <= sources + 1 for n in (1, 2, 3))


def test_the_combined_cube_is_the_truth(combination: Combination) -> None:
    first = combination.ob.truth.exposures[0]
    found = held_against(combination.cube, combination.ob.field, first.pointing_error_arcsec)
    assert np.abs(found.places_arcsec).max() < 0.05
    np.testing.assert_allclose(found.flux_ratios, 1.0, atol=0.02)
    assert found.fwhm_arcsec == pytest.approx(0.8, abs=0.03)
    # A pixel is 54 km/s wide.
    assert abs(found.line_error_kms) < 6.0
    assert found.line_flux_ratio == pytest.approx(1.0, abs=0.05)


def test_the_cube_names_what_it_is_made_of(combination: Combination) -> None:
    header = fits.getheader(combination.cube)
    names = [exposure.arcfile for exposure in combination.ob.truth.exposures]
    assert [header[f"PROV{number}"] for number in (1, 2, 3)] == names
    assert (header["NCOMBINE"], header["TEXPTIME"], header["FLUXCAL"]) == (3, 1800.0, "ABSOLUTE")
    # Staged under names of their own: recipes give all their pixel tables the same.
    tables = [header[f"ESO PRO REC2 RAW{number} NAME"] for number in (1, 2, 3)]
    assert len(set(tables)) == 3


def test_a_slightly_wrong_offset_is_no_success(combination: Combination) -> None:
    assert combination.misaligned.exit_code == 0
    assert combination.misaligned.outcome is Outcome.FAILED
    assert "QC.EXPCOMB.FWHM.MEDIAN" in combination.misaligned.findings[0]


@dataclass
class Subtracted:
    """An exposure whose sky is that of an exposure of its own."""

    ob: ObservationBlock
    sky: Attempt
    exposure: Attempt


@pytest.fixture(scope="module")
def subtracted(observed: Observe) -> Subtracted:
    ob = observed((0.0,), sky=True)
    (sky,) = ob.run("sky_stored")
    (exposure,) = ob.run("exposure_stored")
    return Subtracted(ob, sky, exposure)


def test_a_sky_of_its_own_tells_continuum_and_lines_as_they_are(subtracted: Subtracted) -> None:
    assert (subtracted.sky.outcome, subtracted.sky.findings) == (Outcome.OK, ())
    airmass = subtracted.ob.truth.exposures[1].airmass
    # Of a spaxel, as it was put in: counts become fluxes above the atmosphere.
    per_count = 1e20 * 10 ** (-0.4 * response_mag(CENTRE_A)) / transmission(np.array(CENTRE_A / 10), airmass)
    (path,) = subtracted.ob.products("sky_stored", "SKY_CONTINUUM.fits")
    continuum = fits.getdata(path, "CONTINUUM")
    away = np.abs(np.subtract.outer([line_a for line_a, _ in SKY_LINES_A], continuum["lambda"])).min(axis=0)
    assert np.median(continuum["flux"][away > 6]) == pytest.approx(SKY_PER_S_A * per_count, rel=0.01)
    (path,) = subtracted.ob.products("sky_stored", "SKY_LINES.fits")
    lines = np.sort(fits.getdata(path, "LINES"), order="lambda")
    np.testing.assert_allclose(lines["lambda"], [line_a for line_a, _ in SKY_LINES_A], atol=0.05)
    peaks = np.array([peak for _, peak in SKY_LINES_A])
    expected = peaks * SKY_LINE_SIGMA_A * np.sqrt(2 * np.pi) * per_count
    np.testing.assert_allclose(lines["flux"], expected, rtol=0.03)


def test_an_exposure_less_its_sky_is_the_truth(subtracted: Subtracted) -> None:
    assert (subtracted.exposure.outcome, subtracted.exposure.findings) == (Outcome.OK, ())
    (cube,) = subtracted.ob.products("exposure_stored", "DATACUBE_FINAL.fits")
    header = fits.getheader(cube)
    given = {header[key] for key in header if key.startswith("ESO PRO REC1 CAL") and key.endswith("CATG")}
    assert {"SKY_CONTINUUM", "SKY_LINES", "LSF_PROFILE"} <= given
    first = subtracted.ob.truth.exposures[0]
    found = held_against(cube, subtracted.ob.field, first.pointing_error_arcsec)
    assert np.abs(found.places_arcsec).max() < 0.05
    np.testing.assert_allclose(found.flux_ratios, 1.0, atol=0.02)
    assert abs(found.line_error_kms) < 6.0
    assert found.line_flux_ratio == pytest.approx(1.0, abs=0.05)


def test_few_stars_suffice(observed: Observe) -> None:
    ob = observed((0.0, 90.0), stars=3)
    ob.run("exposure_stored")
    (alignment,) = ob.run("alignment")
    assert (alignment.outcome, alignment.findings) == (Outcome.OK, ())
    assert np.abs(_offset_errors(ob)).max() < 0.05


def test_an_alignment_that_locked_on_noise_is_no_success(observed: Observe, tmp_path: Path) -> None:
    """Few stars and the recipe's own defaults: exit code 0, no exposure unmatched, wrong by arcseconds."""
    folder = Path(shutil.copytree(PROJECT_CONFIGURATION, tmp_path / "config"))
    rules = folder / "rules" / "muse.yaml"
    text_ours = rules.read_text()
    rules.write_text(text_ours.replace(OUR_THRESHOLD, "threshold: 15, bkgfraction: 0.1"))
    assert rules.read_text() != text_ours
    ob = observed((0.0, 90.0), stars=3, folder=folder)
    ob.run("exposure_stored")
    (alignment,) = ob.run("alignment")
    assert alignment.exit_code == 0
    assert alignment.outcome is Outcome.FAILED
    assert "QC.EXPALIGN.NMATCH.MIN" in alignment.findings[0]
    (combined,) = ob.run("combine")
    assert combined.outcome is Outcome.BLOCKED
