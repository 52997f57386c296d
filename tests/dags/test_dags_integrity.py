"""Every DAG file is found, thin, light, and alone in its fate."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
