"""A run of MUSE through Airflow: its last night completes it, its announcement makes the deep cube by itself.

Simulated pixel tables stand for the output of muse_scibasic; everything from the cubes of single exposures on
is done by the real recipes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits

from airflow_operator import Operator, wait_for
from muse_frames import NEXT_NIGHT, NIGHT, one_run
from phoenix.chain.batch import close_batch, open_batch
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.airflow_api import DagRun
from phoenix.deployment.components import down, up
from phoenix.deployment.installation import Installation
from phoenix.simulation.muse.month import FIRST_RUN as RUN
from phoenix.simulation.muse.truth import FieldTruth
from phoenix.store.database import Database
from truth_muse import held_against

pytestmark = [pytest.mark.engine, pytest.mark.airflow]

MUSE, DEEP = "phoenix_muse", "phoenix_muse_deep"
PHOENIX = str(Path(sys.executable).with_name("phoenix"))
OPEN_BATCH = "create_abs.open_batch"


@dataclass(frozen=True)
class Site:
    """An installation whose Airflow runs, and the truth of its simulated frames."""

    root: Path
    configuration: Configuration
    database: Database
    operator: Operator
    truth: FieldTruth

    def phoenix(self, *arguments: str) -> Any:
        """What the command line says, as JSON."""
        done = subprocess.run(
            [PHOENIX, *arguments, "--format", "json"], capture_output=True, text=True, check=False
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def log(self, dag: str, run: str, task: str) -> str:
        """What Airflow's log of a task says, in its first try."""
        folder = self.root / "airflow" / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={task}"
        return (folder / "attempt=1.log").read_text()

    def states(self, dag: str, run: str) -> dict[str, str | None]:
        return {task.task_id: task.state for task in self.operator.task_instances(dag, run)}

    def archived(self) -> list[str]:
        return sorted(path.name for path in (self.root / "archive").rglob("ADP.*"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Simulated frames of a run of two nights, and an Airflow that has done nothing yet."""
    folder = tmp_path_factory.mktemp("run")
    config, root = folder / "config", folder / "var"
    shutil.copytree(PROJECT / "include" / "config", config)
    release = config / "releases" / "MUSE_R.yaml"
    content = yaml.safe_load(release.read_text())
    content["schedule"]["start"] = date(2999, 1, 1)  # no night of today beside the two
    release.write_text(yaml.safe_dump(content))
    truth = one_run(root)
    installation, configuration = Installation(root, config), Configuration(config, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOENIX_ROOT", str(root))
        patch.setenv("PHOENIX_CONFIG", str(config))
        try:
            running = up(installation, print)
            database = Database(running.databases.phoenix)
            with Operator(running.login) as operator:
                yield Site(root, configuration, database, operator, truth)
            database.close()
        finally:
            down(installation, print)


@dataclass(frozen=True)
class Processed:
    """The run of the last night, and the run of the deep DAG that nobody but it has started."""

    night: DagRun
    deep: DagRun


@pytest.fixture(scope="module")
def processed(site: Site) -> Processed:
    """Process the first night without Airflow, backfill the second, and wait for what comes of it."""
    assert site.phoenix("batch", "run", "MUSE_R", NIGHT)["state"] == "DONE"
    for dag in (MUSE, DEEP):
        site.operator.wait_for_dag(dag)
        site.operator.set_paused(dag, paused=False)
    # A night belongs to a backfill when its cron tick, in the evening, does.
    evening = date.fromisoformat(NEXT_NIGHT)
    site.operator.create_backfill(MUSE, evening, evening + timedelta(days=1))
    (deep,) = wait_for(lambda: site.operator.runs(DEEP), timeout_s=300)
    deep = site.operator.end_of(DEEP, deep.dag_run_id)
    (night,) = site.operator.runs(MUSE)
    return Processed(site.operator.end_of(MUSE, night.dag_run_id), deep)


@pytest.fixture(scope="module")
def deep_cube(site: Site, processed: Processed) -> Path:
    """The deep cube in the archive."""
    cubes = [
        path
        for path in (site.root / "archive").rglob("ADP.*.fits")
        if fits.getheader(path).get("ORIGFILE", "").startswith("MU_SCBD_")
    ]
    assert len(cubes) == 1, site.phoenix("batch", "status", "MUSE_DEEP", RUN)
    return cubes[0]


def test_the_last_night_of_a_run_starts_the_deep_dag_with_the_run_for_a_key(
    site: Site, processed: Processed
) -> None:
    night = processed.night
    assert (night.partition_key, night.run_type, night.state) == (NEXT_NIGHT, "backfill", "success")
    assert site.states(MUSE, night.dag_run_id)["announce_to_muse_deep"] == "success"
    assert processed.deep.partition_key == RUN
    assert processed.deep.run_type == "asset_triggered"
    assert processed.deep.state == "success"


def test_the_deep_batch_is_done(site: Site, processed: Processed) -> None:
    report = site.phoenix("batch", "status", "MUSE_DEEP", RUN)
    assert report["state"] == "DONE"
    assert report["outcomes"] == {"deep_alignment": {"ok": 1}, "deep_combine": {"ok": 1}}
    assert (report["idps_ingested"], report["not_ingested"], report["problems"]) == (1, [], [])
    (alone,) = site.phoenix("ab", "left-out", "MUSE_DEEP", RUN)
    assert alone["code"] == "SINGLE_OB"
    assert "its cube is final without a deep one" in alone["reason"]


def test_the_deep_cube_is_the_truth(site: Site, deep_cube: Path) -> None:
    alone = site.truth.exposures[-1].field
    taken = [exposure for exposure in site.truth.exposures if exposure.field != alone]
    field = site.truth.fields[taken[0].field]
    found = held_against(deep_cube, field, taken[0].pointing_error_arcsec)
    assert np.abs(found.places_arcsec).max() < 0.05
    np.testing.assert_allclose(found.flux_ratios, 1.0, atol=0.02)
    assert found.fwhm_arcsec == pytest.approx(0.8, abs=0.03)
    # A pixel is 54 km/s wide.
    assert abs(found.line_error_kms) < 6.0
    assert found.line_flux_ratio == pytest.approx(1.0, abs=0.05)
    header = fits.getheader(deep_cube)
    assert [header[f"PROV{number}"] for number in range(1, 5)] == [exposure.arcfile for exposure in taken]


def test_a_run_triggered_again_by_hand_does_nothing_twice(site: Site, deep_cube: Path) -> None:
    archived = site.archived()
    run = site.operator.end_of(DEEP, site.operator.trigger(DEEP, RUN))
    assert (run.state, run.run_type) == ("success", "manual")
    assert site.archived() == archived


def test_a_run_without_a_key_is_refused_by_the_first_task(site: Site, processed: Processed) -> None:
    run = site.operator.end_of(DEEP, site.operator.trigger(DEEP, None)).dag_run_id
    states = site.states(DEEP, run)
    assert states.pop(OPEN_BATCH) == "failed"
    assert states.pop("close_out") == "failed"
    assert "success" not in states.values()
    assert "a partition key such as 099.A-0023(B)" in site.log(DEEP, run, OPEN_BATCH)


def test_a_run_in_work_elsewhere_is_refused_by_the_first_task(site: Site, processed: Processed) -> None:
    batch = site.database, site.configuration, "MUSE_DEEP", RUN
    open_batch(*batch, "somebody@elsewhere")
    run = site.operator.end_of(DEEP, site.operator.trigger(DEEP, RUN)).dag_run_id
    assert site.states(DEEP, run)[OPEN_BATCH] == "failed"
    assert "is being processed by somebody@elsewhere" in site.log(DEEP, run, OPEN_BATCH)
    assert close_batch(*batch, "somebody@elsewhere").state == "DONE"
