"""What runs when little or nothing is left to do, as Airflow schedules it.

The DAG, its trigger rules and mapping are the real ones, under ``DAG.test``; the steps of the chain are
replaced by stand-ins that write down that they were called.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.airflow

PROGRAM = """
import contextlib, importlib, json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from unittest.mock import patch

from phoenix.chain.qc import QcReport
from phoenix.errors import UsageError
from phoenix.model.batch import BatchState
from phoenix.model.lot import Job, Lot
from phoenix.model.outcome import Outcome
from phoenix.orchestration import running
from phoenix.orchestration.dag_factory import instrument_dag

to_run, broken = json.loads(sys.argv[1]), sys.argv[2]
called = []

def stand_in(name, answer=None):
    def call(*arguments, **_named):
        called.append(f"run {arguments[3]}" if name == "run_ab" else name)
        if name == broken:
            raise UsageError(name, "refused")
        return answer
    return call

def quality(*_, names=None, part="", **_named):
    called.append("qc_reports" if names is None else f"{part}: {' '.join(names)}")
    return QcReport()

batch = running.RunningBatch(None, None, "UVES_R3", "2019-03", "test")
steps = {
    "phoenix.orchestration.steps.running_batch": lambda _release: batch,
    "phoenix.orchestration.recipe_operator.running_batch": lambda _release: batch,
    "phoenix.orchestration.qc_operator.running_batch": lambda _release: batch,
    "phoenix.chain.qc.qc_reports": quality,
    "phoenix.chain.qc.qc_shards": lambda *_: to_run.get("qc", []),
    "phoenix.chain.disk_watch.require_disk": lambda *_: "enough",
    "phoenix.chain.plan.nights_with_frames": lambda *_: ["2019-03-04"],
    "phoenix.chain.lots.lots": lambda _db, _cfg, _release, _key, task, _class, _most: [
        Lot(tuple(Job(name) for name in lot)) for lot in to_run.get(task, [])
    ],
}
attempt = SimpleNamespace(findings=(), outcome=Outcome.OK)
closed = SimpleNamespace(state=BatchState.DONE, text=lambda: "")
for place, name, answer in [
    ("batch", "open_batch", None),
    ("scan", "scan_into_catalogue", None),
    ("create", "create_abs", None),
    ("edit", "edit_abs", None),
    ("execute", "run_ab", attempt),
    ("convert", "convert_idps", None),
    ("ingest", "enqueue", None),
    ("ingest", "ingest", None),
    ("batch", "close_batch", closed),
]:
    importlib.import_module(f"phoenix.chain.{place}")
    steps[f"phoenix.chain.{place}.{name}"] = stand_in(name, answer)
importlib.import_module("phoenix.chain.lots")
with contextlib.ExitStack() as stack:
    for target, replacement in steps.items():
        stack.enter_context(patch(target, replacement))
    moment = datetime(2027, 1, 3, tzinfo=UTC)
    instrument_dag("UVES").test(logical_date=moment, run_after=moment)
print(json.dumps(called))
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow whose own database is an empty file."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return environment


def calls(airflow: dict[str, str], to_run: dict[str, list[list[str]]], broken: str = "") -> list[str]:
    """Return the steps of the chain a run of the DAG calls, in order."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(to_run), broken],
        env=airflow,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


PREPARATION = ["open_batch", "scan_into_catalogue", "create_abs", "edit_abs"]
AFTER = ["qc_reports", "convert_idps", "enqueue", "ingest", "close_batch"]


def test_a_calibration_in_the_middle_is_left(airflow: dict[str, str]) -> None:
    assert calls(airflow, {"flat": [["a.ab"]], "science": [["b.ab", "c.ab"]]}) == [
        *PREPARATION,
        "run a.ab",
        "run b.ab",
        "run c.ab",
        *AFTER,
    ]


def test_no_recipe_is_left(airflow: dict[str, str]) -> None:
    assert calls(airflow, {}) == [*PREPARATION, *AFTER]


def test_a_refused_batch_is_touched_by_nothing(airflow: dict[str, str]) -> None:
    assert calls(airflow, {"science": [["a.ab"]]}, "open_batch") == ["open_batch", "close_batch"]


@pytest.fixture
def concentrated(airflow: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same with a release whose QC jobs are concentrated."""
    config = Path(shutil.copytree(PROJECT / "include" / "config", tmp_path / "config"))
    file = config / "releases" / "UVES_R3.yaml"
    file.write_text(file.read_text().replace("qc: nightly", "qc: concentrated"))
    return {**airflow, "PHOENIX_CONFIG": str(config)}


def test_concentrated_qc_has_an_instance_for_each_shard(concentrated: dict[str, str]) -> None:
    made = calls(concentrated, {"science": [["a.ab"], ["b.ab"]], "qc": [["a.ab"], ["b.ab", "c.ab"]]})
    assert made[:4] == PREPARATION
    # Instances of a task run in any order.
    assert sorted(made[4:6]) == ["run a.ab", "run b.ab"]
    assert sorted(made[6:8]) == ["shard_1: a.ab", "shard_2: b.ab c.ab"]
    assert made[8:] == AFTER[1:]


def test_concentrated_qc_with_nothing_to_do_is_left(concentrated: dict[str, str]) -> None:
    assert calls(concentrated, {}) == [*PREPARATION, *AFTER[1:]]


def test_concentrated_qc_does_not_touch_a_refused_batch(concentrated: dict[str, str]) -> None:
    assert calls(concentrated, {"qc": [["a.ab"]]}, "open_batch") == ["open_batch", "close_batch"]
