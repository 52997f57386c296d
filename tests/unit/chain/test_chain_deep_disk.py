"""Whether what a run of MUSE_DEEP will write fits on the disk: judged by the raw frames of all its nights."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from builders_muse import DEEP, RUN, MuseRun
from phoenix.chain.disk_watch import disk_need, require_disk
from phoenix.chain.report import batch_report
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.store.database import Database
from phoenix.store.tables import FrameRow, ProductRow

OTHER_RUN = "098.A-0001(A)"
FRAME_BYTES, PRODUCT_BYTES = 10_000_000, 30_000_000


@pytest.fixture
def run(database: Database, configuration: Configuration) -> MuseRun:
    """A run of four exposures on two nights, among calibrations and exposures of another run."""
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 1))
    site.night("2021-04-10", (2, "HUDF", 3))
    site.night("2021-05-11", (3, "NGC 253", 1), (4, "NGC 253", 1), OBS__PROG__ID=OTHER_RUN)
    site.process(site.exposures())
    with database.transaction() as session:
        session.execute(update(FrameRow).values(size_bytes=FRAME_BYTES))
    return site


def test_the_raw_frames_of_a_run_are_its_own_of_all_nights(run: MuseRun) -> None:
    run.create()
    need = disk_need(run.database, run.configuration, DEEP, RUN)
    assert need.raw_gb == pytest.approx(4 * FRAME_BYTES / 1e9)
    assert not need.learned, "what MUSE_R wrote tells nothing about deep cubes"
    assert need.to_come_gb == pytest.approx(run.configuration.site.disk_per_raw * need.raw_gb)
    (line,) = batch_report(run.database, run.configuration, DEEP, RUN).nights
    assert (line.night, line.raw_frames) == (RUN, 4)


def test_earlier_runs_teach_what_a_run_will_write(run: MuseRun) -> None:
    run.create(OTHER_RUN)
    made = [state.name for state in run.states(DEEP, OTHER_RUN)]
    run.process(made, release=DEEP)
    with run.database.transaction() as session:
        of_run = [row.id for row in session.query(ProductRow) if OTHER_RUN in row.path]
        sizes = update(ProductRow).where(ProductRow.id.in_(of_run)).values(size_bytes=PRODUCT_BYTES)
        session.execute(sizes)
    run.create()
    need = disk_need(run.database, run.configuration, DEEP, RUN)
    assert need.learned
    assert need.per_raw == pytest.approx(len(of_run) * PRODUCT_BYTES / (2 * FRAME_BYTES))
    assert need.to_come_gb == pytest.approx(need.per_raw * 4 * FRAME_BYTES / 1e9)


def test_a_run_that_does_not_fit_is_refused(run: MuseRun) -> None:
    free_gb = require_disk(run.database, run.configuration, DEEP, RUN).free_gb
    with run.database.transaction() as session:
        size = int((free_gb + 100) * 1e9 / run.configuration.site.disk_per_raw / 4)
        session.execute(update(FrameRow).values(size_bytes=size))
    with pytest.raises(InfrastructureError, match=r"free 10\d(\.\d+)? GB there"):
        require_disk(run.database, run.configuration, DEEP, RUN)
