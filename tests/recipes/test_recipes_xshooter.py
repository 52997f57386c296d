"""A simulated XSHOOTER night through the real recipes to flux calibrated spectra, held against the truth."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import create_engine, select, text

from builders_uves import PROJECT
from phoenix.chain.run import BatchRun, Step
from phoenix.config.loader import Configuration
from phoenix.model.outcome import Outcome
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.truth import ScienceTruth, Truth, load_truth
from phoenix.simulation.xshooter.geometry import Echellogram
from phoenix.simulation.xshooter.settings import LAYOUTS, SHIFT_PX
from phoenix.store.database import Database
from phoenix.store.tables import AbRow
from truth_xshooter import velocity_error_kms

pytestmark = pytest.mark.engine

MONTH = "2021-03"
#: Coarse bins save most of the time of the recipes: with polynomials they spend it on rectifying.
COARSE = """
pgis:
  - name: set_parameters
    config:
"""
ON_SKY = ("respon_slit_stare", "scired_slit_stare", "scired_slit_nod", "scired_slit_offset")
BIN_NM = 0.1


@dataclass
class Reduced:
    """A night whose recipes all ran."""

    abs_: list[AbRow]
    truth: Truth

    def product(self, task: str, name: str) -> Path:
        (row,) = (row for row in self.abs_ if row.task == task)
        assert row.product_folder is not None
        return Path(row.product_folder) / f"{name}_VIS.fits"

    def spectrum(self, task: str) -> tuple[np.ndarray, np.ndarray, ScienceTruth]:
        """Return wavelengths (nm), flux densities and the truth of the first exposure."""
        with fits.open(self.product(task, "SDP_SCI_SLIT_FLUX_MERGE1D")) as hdus:
            header, row = hdus[0].header, hdus[1].data[0]
            return row["WAVE"], row["FLUX"], self.truth.exposure(header["ESO PRO REC1 RAW1 NAME"])


def coarse_configuration(folder: Path, root: Path) -> Configuration:
    """Return the project's configuration with coarse bins for the recipes of frames of the sky."""
    shutil.copytree(PROJECT / "include" / "config", folder)
    release = folder / "releases" / "XSHOOT_R2.yaml"
    entries = "".join(
        f"      - recipe: xsh_{recipe}\n"
        f"        parameters: {{rectify-bin-lambda: {BIN_NM}, rectify-bin-slit: 0.32}}\n"
        f'        reason: "a test is to be quick"\n'
        for recipe in ON_SKY
    )
    release.write_text(release.read_text() + COARSE + entries)
    return Configuration(folder, root)


@pytest.fixture(scope="module")
def reduced(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reduced]:
    root = tmp_path_factory.mktemp("xshooter")
    plan = SimulationPlan("XSHOOTER", MONTH, 1, 1, "small")
    simulator("XSHOOTER").simulate(plan, root, lambda _done, _total, _name: None)
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
    database = Database(postgres.format(name=name))
    said: list[str] = []
    configuration = coarse_configuration(root / "config", root)
    batch = BatchRun(database, configuration, "XSHOOT_R2", MONTH, "test", say=said.append)
    batch.run([Step.CREATE_ABS, Step.EDIT_ABS, Step.RUN_RECIPES])
    with database.transaction() as session:
        rows = list(session.scalars(select(AbRow).order_by(AbRow.name)))
        session.expunge_all()
    assert {row.outcome for row in rows} == {Outcome.OK}, "\n".join(said)
    yield Reduced(rows, load_truth(root / "truth.json"))
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def test_each_task_ran_once(reduced: Reduced) -> None:
    assert sorted(row.task for row in reduced.abs_) == [
        "bias", "flat", "format_check", "order_position", "response",
        "science_nod", "science_offset", "science_stare", "telluric_nod", "wavelength",
    ]  # fmt: skip


def test_orders_are_traced_where_they_are(reduced: Reduced) -> None:
    orders = Echellogram(LAYOUTS["small", "VIS"], SHIFT_PX)
    rows = np.arange(10.0, orders.ny - 10.0)
    edges = fits.getdata(reduced.product("flat", "ORDER_TAB_EDGES_SLIT"))

    def traced(which: str, line: fits.FITS_record) -> np.ndarray:
        terms = [name for name in edges.names if name.startswith(which)]
        return sum(line[name] * (rows + 1) ** int(name.removeprefix(which)) for name in terms) - 1

    assert sorted(edges["ABSORDER"]) == sorted(orders.orders)
    for line in edges:
        wrong = traced("CENCOEF", line) - orders.centre_column(int(line["ABSORDER"]), rows)
        assert abs(wrong).max() < 0.05
        width = traced("EDGUPCOEF", line) - traced("EDGLOCOEF", line)
        assert np.median(width) == pytest.approx(11.0 / orders.layout.scale_arcsec, abs=0.3)


def test_the_maps_tell_wavelength_and_slit_position_of_each_pixel(reduced: Reduced) -> None:
    orders = Echellogram(LAYOUTS["small", "VIS"], SHIFT_PX)
    wave_nm, slit = (fits.getdata(reduced.product("wavelength", f"{name}_MAP")) for name in ("WAVE", "SLIT"))
    y, x = np.mgrid[30 : orders.ny - 30, 0 : orders.nx].astype(float)
    for order in orders.orders:
        true_slit = (x - orders.centre_column(order, y)) * orders.layout.scale_arcsec
        inside = abs(true_slit) < 5.0
        true_nm = orders.wave_nm(order, orders.straightened(y, true_slit))
        wrong_kms = (wave_nm[30:-30] / true_nm - 1)[inside] * 299792.458
        assert abs(np.median(wrong_kms)) < 0.3, order
        assert np.std(wrong_kms) < 2.0, order
        assert np.std((slit[30:-30] - true_slit)[inside]) < 0.02, order


@pytest.mark.parametrize("task", ["science_stare", "science_nod", "science_offset"])
def test_spectra_are_those_of_the_stars(reduced: Reduced, task: str) -> None:
    wave_nm, flux, exposure = reduced.spectrum(task)
    assert wave_nm[1] - wave_nm[0] == pytest.approx(BIN_NM)
    windows = [(wave_nm > low) & (wave_nm < low + 30.0) for low in range(545, 870, 35)]
    ratios = [np.median(flux[w] / exposure.science_flux(wave_nm[w])) for w in windows]
    # Absorption lines, broadened and true, differ; their medians over 30 nm do not.
    np.testing.assert_allclose(ratios, 1.0, atol=0.02)
    wrong_kms = [
        velocity_error_kms(wave_nm[w], flux[w], exposure, LAYOUTS["small", "VIS"], BIN_NM) for w in windows
    ]
    assert abs(np.median(wrong_kms)) < 1.0, wrong_kms
    assert np.std(wrong_kms) < 3.0, wrong_kms


def test_a_telluric_standard_is_reduced_as_science_is(reduced: Reduced) -> None:
    header = fits.getheader(reduced.product("telluric_nod", "SDP_TELL_SLIT_FLUX_MERGE1D"))
    assert header["ESO PRO CATG"] == "SCI_SLIT_FLUX_IDP_VIS"
    assert header["PRODCATG"] == "SCIENCE.SPECTRUM"
    assert header["ESO QC FLUX SN"] > 50
