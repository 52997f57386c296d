"""Airflow as a library: tasks run with no more of it than the context they ask for."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def import_airflow(home: Path) -> None:
    """Import Airflow into this process without touching a real installation.

    It sets up logging when it is imported, so this must happen before a test looks at log records.
    """
    if "airflow" not in sys.modules:
        os.environ["AIRFLOW_HOME"] = str(home)
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    importlib.import_module("phoenix.orchestration.recipe_operator")


def in_run(partition_key: str | None, run_id: str) -> AbstractContextManager[Any]:
    """Enter the context of a task instance of a run of UVES, in its first try."""
    from airflow.sdk.execution_time.context import set_current_context

    dag_run = SimpleNamespace(dag_id="phoenix_uves", run_id=run_id, partition_key=partition_key)
    instance = SimpleNamespace(try_number=1, max_tries=0)
    return set_current_context({"dag_run": dag_run, "ti": instance})  # type: ignore[typeddict-item]
