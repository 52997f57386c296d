"""IDPs of really reduced frames: one science exposure of each arm, its cascade run by the real recipes."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from linetools.spectra.io import readspec
from sqlalchemy import create_engine, select, text

from builders_uves import project_configuration
from phoenix.archive.fitsverify import fitsverify
from phoenix.chain.convert import convert_idps
from phoenix.chain.create import create_abs
from phoenix.chain.edit import edit_abs
from phoenix.chain.execute import run_ab
from phoenix.chain.scan import scan_into_catalogue
from phoenix.config.loader import Configuration
from phoenix.execution.publish import VERDICT
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Outcome
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.truth import load_truth
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.idps import IdpRepository
from phoenix.store.tables import AbRow
from truth_uves import compare

pytestmark = pytest.mark.engine

RELEASE, KEY, NIGHT = "UVES_R3", "2019-03", "2019-03-04"
FLUX_UNIT = u.erg / u.s / u.cm**2 / u.AA


@dataclass
class Reduced:
    """A simulated night whose ABs are made, reduced on demand."""

    database: Database
    configuration: Configuration

    def science(self, arm: str) -> AbRow:
        """The first science AB of an arm."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(AbRow)
                .where(AbRow.raw_type == f"SCI_POINT_{arm}", AbRow.exclusion == "")
                .order_by(AbRow.mjd_obs_mod)
            )
            return rows.first()

    def reduce(self, name: str) -> None:
        """Run an AB after those it waits for."""
        with self.database.transaction() as session:
            row = session.scalars(select(AbRow).where(AbRow.name == name)).one()
        for master in row.waits_for:
            self.reduce(master)
        assert run_ab(self.database, self.configuration, RELEASE, name).outcome is Outcome.OK

    def convert(self) -> None:
        report = convert_idps(self.database, self.configuration, RELEASE, KEY, NIGHT)
        assert report.clean, str(report)

    def files(self, row: AbRow) -> list[Path]:
        """The IDP of an AB and its ancillary files."""
        with self.database.transaction() as session:
            return [Path(idp.path) for idp in IdpRepository(session).of_ab(row.id)]

    def raw(self, path: Path) -> Path:
        return next(self.configuration.folders.raw.rglob(fits.getval(path, "PROV1")))


@pytest.fixture(scope="module")
def reduced(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reduced]:
    root = tmp_path_factory.mktemp("night")
    simulator("UVES").simulate(SimulationPlan("UVES", KEY, 1, 1, "small"), root, lambda *_: None)
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
    database, configuration = Database(postgres.format(name=name)), project_configuration(root)
    with database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
    scan_into_catalogue(database, configuration)
    create_abs(database, configuration, RELEASE, KEY, nights=[NIGHT])
    edit_abs(database, configuration, RELEASE, KEY, NIGHT)
    night = Reduced(database, configuration)
    for arm in ("BLUE", "RED"):
        night.reduce(night.science(arm).name)
    night.convert()
    yield night
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["BLUE", "RED"])
def delivery(request: pytest.FixtureRequest, reduced: Reduced) -> list[Path]:
    """Science product of an arm, first, and its ancillary files."""
    return reduced.files(reduced.science(request.param))


def test_nothing_is_found_in_real_idps(reduced: Reduced, delivery: list[Path]) -> None:
    assert [finding for path in delivery for finding in check_file(path, fitsverify)] == []
    raws = {fits.getval(delivery[0], "PROV1"): reduced.raw(delivery[0])}
    assert check_batch(delivery, raws) == []


def test_velocities_and_fluxes_are_the_truth(reduced: Reduced, delivery: list[Path]) -> None:
    truth = load_truth(reduced.configuration.root / "truth.json").exposure(fits.getval(delivery[0], "PROV1"))
    table = QTable.read(delivery[0], hdu=1)
    found = compare(
        table["WAVE"][0].to_value(u.nm),
        table["FLUX"][0].to_value(FLUX_UNIT),
        table["ERR"][0].to_value(FLUX_UNIT),
        truth,
    )
    assert len(found.velocity_errors_kms) >= 50
    assert abs(found.mean_velocity_error_kms) < 0.1
    assert found.flux_ratios.min() > 0.99
    assert found.flux_ratios.max() < 1.01


def test_real_errors_follow_from_the_reduced_spectrum(delivery: list[Path]) -> None:
    row = fits.getdata(delivery[0], 1)[0]
    good = row["QUAL"] == 0
    relative = row["ERR_REDUCED"][good].astype(float) / row["FLUX_REDUCED"][good]
    np.testing.assert_allclose(row["ERR"][good] / row["FLUX"][good], relative, rtol=1e-5)
    assert (row["ERR"][good] > 0).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # linetools leaves files open
def test_linetools_reads_real_idps(delivery: list[Path]) -> None:
    row = fits.getdata(delivery[0], 1)[0]
    spectrum = readspec(str(delivery[0]))
    good = spectrum.sig.value > 0
    assert good.sum() == (row["QUAL"] == 0).sum()
    np.testing.assert_allclose(spectrum.flux.value[good], row["FLUX"][row["QUAL"] == 0], rtol=1e-6)


def test_two_runs_of_one_ab_give_the_same_data(reduced: Reduced, tmp_path: Path) -> None:
    row = reduced.science("BLUE")
    first = [Path(shutil.copy(path, tmp_path)) for path in reduced.files(row)]
    with reduced.database.transaction() as session:
        folder = Path(session.get_one(AbRow, row.id).product_folder)
    (folder / VERDICT).unlink()  # without its record an AB counts as not run
    reduced.reduce(row.name)
    reduced.convert()
    for before, after in zip(first, reduced.files(row), strict=True):
        assert before.name == after.name
        if before.suffix != ".fits":
            continue
        with fits.open(before) as one, fits.open(after) as two:
            for a, b in zip(one, two, strict=True):
                assert a.header["DATASUM"] == b.header["DATASUM"]
                pairs = zip(a.header.cards, b.header.cards, strict=True)
                different = {x[0] for x, y in pairs if tuple(x) != tuple(y)}
                assert {name.rstrip("0123456789") for name in different} <= {
                    "DATE", "CHECKSUM", "ESO PRO REC1 START", "ESO PRO REC1 STOP", "ASSOM",
                }  # fmt: skip
