"""KMOS with its STAND-IN: a simulated night through the whole chain, up to the archive that refuses the IDPs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from sqlalchemy import select

from phoenix.chain.run import BatchRun
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.images import ensure_images
from phoenix.deployment.installation import Installation
from phoenix.model.report import BatchReport
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, IdpRow

pytestmark = pytest.mark.engine

RELEASE, KEY = "KMOS_R", "2021-03"
OBJECTS = 6


@dataclass
class Site:
    """A site that has the stand-in in place of ESO's pipeline."""

    database: Database
    configuration: Configuration

    def run(self) -> BatchReport:
        return BatchRun(self.database, self.configuration, RELEASE, KEY, "test", lambda _line: None).run()

    def abs_of(self, task: str) -> list[AbRow]:
        with self.database.transaction() as session:
            return list(session.scalars(select(AbRow).where(AbRow.task == task).order_by(AbRow.name)))

    def idps(self) -> list[IdpRow]:
        with self.database.transaction() as session:
            return list(session.scalars(select(IdpRow).order_by(IdpRow.origfile)))


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    """The project's configuration, but for one line."""
    with closing(docker.from_env()) as client:
        ensure_images(client, Installation.here(), lambda _line: None, only=("kmos-stand-in",))
    shutil.copytree(PROJECT / "include" / "config", tmp_path / "config")
    kmos = tmp_path / "config" / "instruments" / "kmos.yaml"
    text = kmos.read_text()
    assert text.count("image: phoenix-kmos\n") == 1
    kmos.write_text(text.replace("image: phoenix-kmos\n", "image: phoenix-kmos-stand-in\n"))
    root = tmp_path / "var"
    simulator("KMOS").simulate(SimulationPlan("KMOS", KEY, 1, 1, "small"), root, lambda *_: None)
    yield Site(database, Configuration(tmp_path / "config", root))


def test_a_month_runs_to_idps_that_the_archive_refuses(site: Site) -> None:
    report = site.run()
    print(report.text())
    with site.database.transaction() as session:
        for row in session.scalars(select(AbRow)):
            print(row.name, row.task, row.outcome, row.reason)
        for row in session.scalars(select(IdpRow)):
            print(row.origfile, row.prodcatg, row.ingest_state, row.findings)
    assert False
