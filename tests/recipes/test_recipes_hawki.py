"""HAWK-I for real: a small simulated night through ESO's recipes to the stacked pawprint, against truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from sqlalchemy import select

from phoenix.chain.create import create_abs
from phoenix.chain.execute import run_ab
from phoenix.chain.scan import scan_into_catalogue
from phoenix.config.loader import Configuration
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Outcome
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow

pytestmark = pytest.mark.engine

RELEASE, KEY = "HAWKI_R", "2021-03"
#: The tile takes two minutes: it is run by hand, see the guide.
TASKS = ("dark", "noise", "science")
ISOLATED_PX = 40


def test_the_stack_shows_the_stars_that_went_in(database: Database, configuration: Configuration) -> None:
    root = configuration.root
    simulator("HAWKI").simulate(SimulationPlan("HAWKI", KEY, 1, 1, "small"), root, lambda *_: None)
    with database.transaction() as session:
        BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
    scan_into_catalogue(database, configuration)
    create_abs(database, configuration, RELEASE, KEY)
    for task in TASKS:
        for row in abs_of(database, task):
            attempt = run_ab(database, configuration, RELEASE, row.name)
            assert attempt.outcome is Outcome.OK, attempt.findings
    (science,) = abs_of(database, "science")
    (noise,) = abs_of(database, "noise")
    truth = json.loads((root / "truth.json").read_text())
    check_detectors(Path(noise.product_folder), truth)
    check_stars(Path(science.product_folder), truth)


def abs_of(database: Database, task: str) -> list[AbRow]:
    with database.transaction() as session:
        query = select(AbRow).where(AbRow.task == task, AbRow.exclusion == "").order_by(AbRow.name)
        return list(session.scalars(query))


def check_detectors(folder: Path, truth: dict[str, float]) -> None:
    """Gain and read noise come back; whole numbers in the raw frames add a little noise."""
    table = fits.getdata(folder / "readgain.fits", 1)
    assert np.allclose(table["GAIN"], truth["gain_e_adu"], rtol=0.03)
    assert np.allclose(table["READNOISE"], truth["read_noise_adu"], rtol=0.06)


def check_stars(folder: Path, truth: dict[str, object]) -> None:
    """Isolated stars have their light and stand where they should, on every detector."""
    (block,) = truth["blocks"]
    stars = np.array(truth["fields"][block["field"]]["stars"])
    airmass = np.mean(block["airmass"])
    adu = 10.0 * 10 ** (-0.4 * (stars[:, 2] + 0.07 * airmass - truth["zero_point_mag"]))
    with fits.open(folder / "stack_1.fits") as image, fits.open(folder / "stack_cat_1.fits") as catalogue:
        assert image[0].header["PRODCATG"] == "SCIENCE.MEFIMAGE"
        for chip in range(1, 5):
            ratio, offset_px = matched(image[chip].header, catalogue[chip].data, stars, adu)
            assert ratio.size >= 15
            assert np.median(ratio) == pytest.approx(1, abs=0.02)
            assert np.all(np.abs(np.median(offset_px, axis=0)) < 0.4)  # 0.04 arcsec


def matched(
    header: fits.Header, found: fits.FITS_rec, stars: np.ndarray, adu: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Measured over true light, and measured minus true place, of the isolated stars."""
    x_px, y_px = WCS(header).all_world2pix(stars[:, 0], stars[:, 1], 1)
    apart = np.hypot(x_px[:, None] - x_px, y_px[:, None] - y_px) + 1e9 * np.eye(len(x_px))
    ratios, offsets = [], []
    for star in np.flatnonzero(apart.min(axis=1) > ISOLATED_PX):
        distance = np.hypot(found["X_coordinate"] - x_px[star], found["Y_coordinate"] - y_px[star])
        nearest = distance.argmin()
        if distance[nearest] < 3:
            ratios.append(found["Aper_flux_3"][nearest] / adu[star])
            offsets.append(
                (found["X_coordinate"][nearest] - x_px[star], found["Y_coordinate"][nearest] - y_px[star])
            )
    return np.array(ratios), np.array(offsets)
