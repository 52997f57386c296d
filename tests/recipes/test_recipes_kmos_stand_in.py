"""KMOS with its STAND-IN: a simulated night through the whole chain, up to IDPs the archive refuses."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from astropy.io import fits
from sqlalchemy import select

from phoenix.chain.run import BatchRun
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.images import ensure_images
from phoenix.deployment.installation import Installation
from phoenix.model.batch import BatchState
from phoenix.model.product import IngestState
from phoenix.model.report import BatchReport
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, IdpRow, IngestionRow

pytestmark = pytest.mark.engine

RELEASE, KEY = "KMOS_R", "2021-03"
OBJECTS = 6
#: ABs of each task.
TASKS = {
    "dark": 1, "flat": 1, "wavelength": 1, "illumination": 1, "standard": 1, "science": 2, "combine": 1,
}  # fmt: skip


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

    def refused(self) -> dict[int, str]:
        """Why the gate refused the files it refused."""
        with self.database.transaction() as session:
            rows = session.scalars(select(IngestionRow).where(IngestionRow.state == IngestState.REJECTED))
            return {row.idp_id: row.error for row in rows}


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
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
    return Site(database, Configuration(tmp_path / "config", root))


def test_a_month_runs_to_idps_that_the_archive_refuses(site: Site) -> None:
    report = site.run()
    assert {task: [row.outcome for row in site.abs_of(task)] for task in TASKS} == {
        task: ["ok"] * count for task, count in TASKS.items()
    }
    idps = site.idps()
    assert Counter(idp.prodcatg for idp in idps) == {
        "SCIENCE.CUBE.IFS": OBJECTS,
        "ANCILLARY.IMAGE.WHITELIGHT": OBJECTS,
        "ANCILLARY.PREVIEW": 2 * OBJECTS,
        "ANCILLARY.README": OBJECTS,
    }
    # The stand-in's mark is all that is wrong with them, and enough.
    assert {finding.split()[0] for idp in idps for finding in idp.findings} == {"ALL-15"}
    heads = [idp for idp in idps if idp.prodcatg == "SCIENCE.CUBE.IFS"]
    refused = site.refused()
    assert all("stand-in" in refused[head.id] for head in heads)
    assert not list(site.configuration.root.glob("archive/**/*.fits"))
    assert report.state is BatchState.FAILED
    text = report.text()
    for head in heads:
        assert f"{head.origfile}: ALL-15 HDU 0 PRIMARY: PROCSOFT is 'stand-in/1.0.0': a stand-in" in text
        check_sources(head, site)


def check_sources(head: IdpRow, site: Site) -> None:
    """An object is made of the exposures in which an arm was on it."""
    header = fits.getheader(head.path)
    frames = sorted(site.configuration.root.glob("raw/*/*.fits"))
    on = [frame.name for frame in frames if header["OBJECT"] in objects_of(frame)]
    assert [header[f"PROV{number}"] for number in range(1, header["NCOMBINE"] + 1)] == on
    assert (header["NCOMBINE"], header["TEXPTIME"]) == (4, 1200.0)
    assert header["QCFLAG"] == "0000100", "the atmosphere of the night is not known without a network"
    assert header["PHX SIMULATED"] is True


def objects_of(frame: Path) -> set[str]:
    """Names of the objects arms were on, in a science frame."""
    header = fits.getheader(frame)
    if header["ESO DPR CATG"] != "SCIENCE":
        return set()
    arms = [arm for arm in range(1, 25) if header.get(f"ESO OCS ARM{arm} TYPE") == "O"]
    return {header[f"ESO OCS ARM{arm} NAME"] for arm in arms}
