"""A simulated GIRAFFE night through the real recipes to stacks of its blocks, held against the truth."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import create_engine, select, text

from builders_uves import project_configuration
from giraffe_frames import MONTH, giraffe_night
from phoenix.chain.run import BatchRun, Step
from phoenix.model.outcome import Outcome
from phoenix.simulation.giraffe.optics import SLIT_OFFSET_MM
from phoenix.simulation.giraffe.truth import ExposureTruth, FibreTruth, GiraffeTruth, load_truth
from phoenix.store.database import Database
from phoenix.store.tables import AbRow
from truth_giraffe import Fitted, fitted

pytestmark = pytest.mark.engine


@dataclass
class Reduced:
    """A night whose recipes all ran."""

    abs_: list[AbRow]
    truth: GiraffeTruth
    fits_made: dict[Path, Fitted] = field(default_factory=dict)

    def folder(self, row: AbRow) -> Path:
        assert row.product_folder is not None
        return Path(row.product_folder)

    def of_task(self, task: str) -> list[AbRow]:
        return [row for row in self.abs_ if row.task == task]

    def exposures(self, exptime_s: float) -> list[tuple[AbRow, ExposureTruth]]:
        """Science ABs of exposures so long, with their truth."""
        pairs = [(row, self.truth.exposure(f"{Path(row.name).stem}.fits")) for row in self.of_task("science")]
        return [pair for pair in pairs if pair[1].exptime_s == exptime_s]

    def fit(self, path: Path, exposure: ExposureTruth) -> tuple[Fitted, FibreTruth]:
        """Fit the spectrum of a star; the exposure tells which star and what broadens its lines."""
        with fits.open(path) as hdus:
            fibre = exposure.fibre(hdus[0].header["FPS"])
            assert hdus[0].header["OBJECT"] == fibre.target
            row = hdus[1].data[0]
            if path not in self.fits_made:
                star = self.truth.stars[fibre.target]
                self.fits_made[path] = fitted(row["WAVE"], row["FLUX_REDUCED"], star, exposure)
        return self.fits_made[path], fibre


@pytest.fixture(scope="module")
def reduced(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reduced]:
    root = tmp_path_factory.mktemp("giraffe")
    giraffe_night(root)
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
    database = Database(postgres.format(name=name))
    said: list[str] = []
    batch = BatchRun(database, project_configuration(root), "GIRAF_STACK", MONTH, "test", say=said.append)
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


def spectra(folder: Path) -> list[Path]:
    """Spectra of single fibres, or their stacks."""
    return sorted([*folder.glob("science_spectrum_*.fits"), *folder.glob("stack_*.fits")])


def test_each_task_ran_and_stacks_take_what_is_alike(reduced: Reduced) -> None:
    counts = {row.task: len(reduced.of_task(row.task)) for row in reduced.abs_}
    assert counts == {"bias": 1, "flat": 1, "wavelength": 1, "science": 8, "stack": 2}
    stacked = {
        fits.getval(path, f"ESO QC STACK EXP{number} NAME")
        for row in reduced.of_task("stack")
        for path in spectra(reduced.folder(row))[:1]
        for number in range(1, fits.getval(path, "NCOMBINE") + 1)
    }
    # Neither what is alone in its block, nor the exposure of another length, nor the attached calibration.
    assert stacked == {truth.arcfile for _, truth in reduced.exposures(1200.0)}
    assert len(stacked) == 5


def test_slit_fibres_and_resolution_come_back(reduced: Reduced) -> None:
    flat, arc = (reduced.folder(reduced.of_task(task)[0]) for task in ("flat", "wavelength"))
    fibres = reduced.truth.exposures[0].fibres
    found = {
        row["FPS"]: row["TRANSMISSION"] for row in fits.getdata(flat / "ff_extspectra.fits", "FIBER_SETUP")
    }
    assert set(found) == {fibre.fps for fibre in fibres}
    ratio = np.array([found[fibre.fps] / fibre.transmission for fibre in fibres if fibre.use != "CALSIM"])
    assert ratio.std() / ratio.mean() < 0.002
    lines = fits.getheader(arc / "line_data.fits")
    assert lines["ESO PRO WSOL OPTMOD SLITDX"] == pytest.approx(SLIT_OFFSET_MM, abs=0.001)
    assert lines["ESO QC RESOL POWER"] == pytest.approx(7500, rel=0.03)


def test_velocities_and_lines_are_the_truth(reduced: Reduced) -> None:
    for row, exposure in reduced.exposures(1200.0):
        pairs = [reduced.fit(path, exposure) for path in spectra(reduced.folder(row))]
        assert len(pairs) == 10
        wrong_kms = np.array(
            [
                found.velocity_kms - reduced.truth.stars[f.target].velocity_barycentric_kms
                for found, f in pairs
            ]
        )
        assert abs(wrong_kms.mean()) < 0.2, wrong_kms
        assert abs(wrong_kms).max() < 1.0, wrong_kms
        depth = np.array([found.depth * (f.star_e + f.sky_e) / f.star_e for found, f in pairs])
        assert depth.mean() == pytest.approx(1.0, abs=0.01), depth


def test_fluxes_of_the_fibres_are_those_of_their_stars(reduced: Reduced) -> None:
    """Beside each other in an exposure, free of transmissions; and over exposure time."""
    level = {}
    for exptime_s in (1200.0, 400.0):
        row, exposure = reduced.exposures(exptime_s)[-1]
        pairs = [reduced.fit(path, exposure) for path in spectra(reduced.folder(row))]
        ratio = np.array([found.level * f.transmission / (f.star_e + f.sky_e) for found, f in pairs])
        assert ratio.std() / ratio.mean() < 0.005, ratio
        level[exptime_s] = ratio.mean()
    assert level[400.0] == pytest.approx(level[1200.0], rel=0.005)


def test_signal_to_noise_is_that_of_the_light(reduced: Reduced) -> None:
    row, exposure = reduced.exposures(1200.0)[0]
    for path in spectra(reduced.folder(row)):
        _, fibre = reduced.fit(path, exposure)
        # The header holds the median over a spectrum that is fainter at both ends.
        assert fits.getval(path, "SNR") == pytest.approx(0.96 * fibre.snr_per_row, rel=0.05)


def test_stacks_gain_as_the_square_root_of_their_exposures(reduced: Reduced) -> None:
    by_name = {truth.arcfile: (row, truth) for row, truth in reduced.exposures(1200.0)}
    sizes = []
    for stack in reduced.of_task("stack"):
        gains, told = [], []
        for path in spectra(reduced.folder(stack)):
            header = fits.getheader(path)
            members = range(1, header["NCOMBINE"] + 1)
            pairs = [by_name[header[f"ESO QC STACK EXP{number} NAME"]] for number in members]
            singles = [
                single
                for row, _ in pairs
                for single in spectra(reduced.folder(row))
                if fits.getval(single, "FPS") == header["FPS"]
            ]
            assert len(singles) == len(pairs)
            alone = [reduced.fit(single, truth)[0] for single, (_, truth) in zip(singles, pairs, strict=True)]
            found, fibre = reduced.fit(path, pairs[0][1])
            star = reduced.truth.stars[fibre.target]
            assert abs(found.velocity_kms - star.velocity_barycentric_kms) < 0.8
            assert found.level == pytest.approx(np.mean([each.level for each in alone]), rel=0.003)
            gains.append((found.level / found.noise) / np.mean([each.level / each.noise for each in alone]))
            told.append(
                header["ESO QC STACK SNR"] / np.mean([fits.getval(single, "SNR") for single in singles])
            )
        size = len(pairs)
        assert np.median(gains) == pytest.approx(size**0.5, rel=0.05), gains
        assert np.median(told) == pytest.approx(size**0.5, rel=0.02), told
        sizes.append(size)
    assert sorted(sizes) == [2, 3]


def test_attached_calibrations_show_the_calibration_fibre(reduced: Reduced) -> None:
    (attached,), (other, *_) = (
        [reduced.folder(row) for row, _ in reduced.exposures(exptime_s)] for exptime_s in (60.0, 1200.0)
    )
    fibres = [len(fits.getdata(each / "science_rbnspectra.fits", 1)) for each in (attached, other)]
    assert fibres == [12, 11]
    assert len(spectra(attached)) == len(spectra(other)) == 10
    assert len(fits.getdata(other / "science_ancillary.fits", 1)) == 1  # the sky fibre
