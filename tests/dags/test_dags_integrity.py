"""Every DAG file is found, thin, light, and alone in its fate."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((PROJECT / "dags").glob("*.py"))
HEAVY = ("astropy", "numpy", "pandas", "scipy", "matplotlib", "docker")
GROUPS = ["create_abs", "edit_abs", "run_recipes", "qc_reports", "convert_idps", "ingest"]


def parse(dag_file: Path, config: Path, airflow_home: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a DAG file in a fresh interpreter, then a program that sees ``dag``."""
    return subprocess.run(
        [sys.executable, "-c", f"{dag_file.read_text()}\n{program}"],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(PROJECT / "plugins"),
            "PHOENIX_CONFIG": str(config),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("dag_file", DAG_FILES, ids=lambda path: path.stem)
def test_dag_file_is_thin_and_seen_by_airflow(dag_file: Path) -> None:
    source = dag_file.read_text()
    assert len(source.splitlines()) <= 8
    # Airflow skips files without these words in silence.
    assert re.search(r"airflow", source, re.IGNORECASE)
    assert re.search(r"dag", source, re.IGNORECASE)


@pytest.mark.parametrize("dag_file", DAG_FILES, ids=lambda path: path.stem)
def test_parsing_imports_nothing_heavy(dag_file: Path, tmp_path: Path) -> None:
    result = parse(
        dag_file,
        PROJECT / "include" / "config",
        tmp_path,
        f"import sys; print([m for m in {HEAVY!r} if m in sys.modules])",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_task_groups_in_order_then_close_out(tmp_path: Path) -> None:
    program = """
groups = []
for task in dag.topological_sort():
    name = task.task_id.split(".")[0]
    if name not in groups:
        groups.append(name)
print(groups)
"""
    result = parse(PROJECT / "dags" / "phoenix_uves.py", PROJECT / "include" / "config", tmp_path, program)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str([*GROUPS, "close_out"])


def test_policy_of_every_dag(tmp_path: Path) -> None:
    program = """
assert dag.max_active_runs == 1, "a key must not be processed twice at the same time"
assert dag.catchup is False
assert "phoenix" in dag.tags
assert dag.doc_md and "Healthy" in dag.doc_md
for task in dag.tasks:
    assert task.owner == "phoenix", task.task_id
"""
    for dag_file in DAG_FILES:
        result = parse(dag_file, PROJECT / "include" / "config", tmp_path, program)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("dag_file", "found"),
    [
        ("phoenix_uves", ["UVES_R3", "0 6 3 * *", False]),
        ("phoenix_giraffe", ["GIRAF_R", None, False]),
        ("phoenix_giraffe_stack", ["GIRAF_STACK", "0 6 3 * *", True]),
    ],
)
def test_each_stream_of_an_instrument_has_its_dag(dag_file: str, found: list[Any], tmp_path: Path) -> None:
    """GIRAF_R has ended: it waits for backfills, beside the stream of today."""
    program = """
import json
stacks = any(task.task_id == "run_recipes.stack" for task in dag.tasks)
schedule = getattr(dag.schedule, "expression", None)
print(json.dumps([dag.dag_id, *(tag for tag in dag.tags if "_" in tag), schedule, stacks]))
"""
    path = PROJECT / "dags" / f"{dag_file}.py"
    result = parse(path, PROJECT / "include" / "config", tmp_path, program)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == [dag_file, *found]


def tasks(config: Path, tmp_path: Path, instrument: str = "UVES") -> dict[str, dict[str, Any]]:
    """Return what each task of an instrument's DAG takes of the hosts, and what it waits for."""
    program = f"""
import json
from phoenix.orchestration.dag_factory import instrument_dag
print(json.dumps({{task.task_id: {{
    "pool": task.pool, "slots": task.pool_slots, "queue": task.queue, "rule": task.trigger_rule,
    "at_once": task.max_active_tis_per_dag, "after": sorted(task.upstream_task_ids),
}} for task in instrument_dag({instrument!r}).tasks}}))
"""
    result = parse(PROJECT / "dags" / "phoenix_uves.py", config, tmp_path, program)
    assert result.returncode == 0, result.stderr
    found: dict[str, dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return found


def copy_of_configuration(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "include" / "config", tmp_path / "config"))


def test_two_recipes_at_a_time_on_the_host_of_the_demo(tmp_path: Path) -> None:
    found = tasks(PROJECT / "include" / "config", tmp_path)
    recipes = [
        task for name, task in found.items() if name.startswith("run_recipes.") and "plan_" not in name
    ]
    assert recipes
    for task in [*recipes, found["qc_reports.report_quality"]]:
        assert (task["pool"], task["slots"], task["queue"]) == ("host", 2048, "default")
        assert task["at_once"] is None
    assert {task["pool"] for name, task in found.items() if "plan_" in name} == {"default_pool"}


def test_one_mapped_task_per_task_of_the_cascade(tmp_path: Path) -> None:
    found = {name.removeprefix("run_recipes.") for name in tasks(PROJECT / "include" / "config", tmp_path)}
    assert {"bias", "plan_bias", "science", "plan_science"} <= found
    assert not {name for name in found if name.endswith(("_small", "_medium", "_large"))}


def test_memory_classes_follow_each_other(tmp_path: Path) -> None:
    config = copy_of_configuration(tmp_path)
    file = config / "instruments" / "uves.yaml"
    content = yaml.safe_load(file.read_text())
    content["recipes"]["uves_cal_mflat"] = {"timeout": "10 min", "memory_gb": 2}
    file.write_text(yaml.safe_dump(content))
    found = tasks(config, tmp_path)
    small, medium = found["run_recipes.flat_small"], found["run_recipes.flat_medium"]
    assert (small["slots"], medium["slots"]) == (2048, 4096)
    again = found["run_recipes.plan_flat_medium"]
    assert again["rule"] == "all_done"
    assert again["after"] == ["run_recipes.flat_small", "run_recipes.plan_flat_small"]
    assert "run_recipes.plan_flat_medium" in medium["after"]


def test_memory_by_measured_inputs_is_planned_after_they_are_made(tmp_path: Path) -> None:
    config = copy_of_configuration(tmp_path)
    file = config / "instruments" / "uves.yaml"
    content = yaml.safe_load(file.read_text())
    memory = {"base_gb": 0.5, "bytes_per_row": 66, "typical_rows": 1000}
    content["recipes"]["uves_obs_scired"] = {"timeout": "10 min", "memory": memory}
    file.write_text(yaml.safe_dump(content))
    found = tasks(config, tmp_path)
    (plan,) = (task for name, task in found.items() if name.endswith("plan_science_small"))
    assert any(not name.startswith("run_recipes.plan_") for name in plan["after"])
    assert "run_recipes.science_medium" in found


def test_several_hosts_have_queues_pools_and_streams(tmp_path: Path) -> None:
    config = copy_of_configuration(tmp_path)
    shutil.copy(config / "sites" / "example_eso.yaml", config / "phoenix.yaml")
    science = tasks(config, tmp_path)["run_recipes.science"]
    assert (science["queue"], science["pool"], science["slots"]) == ("shared", "host_shared", 4096)
    muse = tasks(config, tmp_path, "MUSE")["run_recipes.bias"]
    assert (muse["queue"], muse["pool"], muse["at_once"]) == ("muse", "host_muse", 3)
    assert muse["slots"] == 128 * 1024


def concentrated(config: Path) -> Path:
    file = config / "releases" / "UVES_R3.yaml"
    file.write_text(file.read_text().replace("qc: nightly", "qc: concentrated"))
    return config


def test_a_concentrated_release_has_one_task_for_the_qc_of_all_nights(tmp_path: Path) -> None:
    found = tasks(concentrated(copy_of_configuration(tmp_path)), tmp_path)
    group = {name for name in found if name.startswith("qc_reports.")}
    assert group == {"qc_reports.plan_qc", "qc_reports.concentrate_qc"}
    task = found["qc_reports.concentrate_qc"]
    # Both cores of the host of the demo.
    assert (task["pool"], task["slots"], task["queue"]) == ("host", 4096, "default")
    assert task["after"] == ["qc_reports.plan_qc"]
    plan = found["qc_reports.plan_qc"]
    assert (plan["pool"], plan["rule"]) == ("default_pool", "all_done")
    assert "create_abs.scan_frames" in plan["after"]
    assert found["convert_idps.convert"]["rule"] == "all_done"


def test_concentrated_qc_runs_where_the_recipes_of_the_release_run(tmp_path: Path) -> None:
    config = concentrated(copy_of_configuration(tmp_path))
    shutil.copy(config / "sites" / "example_eso.yaml", config / "phoenix.yaml")
    task = tasks(config, tmp_path)["qc_reports.concentrate_qc"]
    assert (task["pool"], task["slots"], task["queue"]) == ("host_shared", 128 * 1024, "shared")


def test_a_nightly_release_has_one_instance_per_night(tmp_path: Path) -> None:
    found = tasks(PROJECT / "include" / "config", tmp_path)
    assert {name for name in found if name.startswith("qc_reports.")} == {"qc_reports.report_quality"}


def test_serial_processing_is_one_ab_at_a_time(tmp_path: Path) -> None:
    config = copy_of_configuration(tmp_path)
    file = config / "instruments" / "uves.yaml"
    file.write_text(file.read_text().replace("drs_type: CON", "drs_type: CPL"))
    assert tasks(config, tmp_path)["run_recipes.bias"]["at_once"] == 1


def test_broken_yaml_is_named_with_its_field(tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(PROJECT / "include" / "config", config)
    rules = config / "rules" / "uves.yaml"
    rules.write_text(rules.read_text().replace("min_raw: 3", "min_raw: three", 1))
    result = parse(PROJECT / "dags" / "phoenix_uves.py", config, tmp_path, "")
    assert result.returncode != 0
    assert "rules/uves.yaml, field tasks.0.min_raw" in result.stderr
    assert "'three'" in result.stderr


def test_plugin_folder_leaves_other_modules_alone(tmp_path: Path) -> None:
    """Airflow runs every file below plugins/ as a module of its bare name, were it not told otherwise."""
    program = """
import sys
from airflow._shared.plugins_manager.plugins_manager import _load_plugins_from_plugin_directory as load
before = set(sys.modules)
load(sys.argv[1])
stray = {"errors", "batch", "frame", "config", "score", "ab"} & (set(sys.modules) - before)
print(sorted(stray))
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(PROJECT / "plugins")],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT / "plugins")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
