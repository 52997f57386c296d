"""Airflow as a library: tasks run with no more of it than the context they ask for."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: When runs of these tests began.
STARTED = datetime(2026, 11, 22, 12, tzinfo=UTC)


def import_airflow(home: Path) -> None:
    """Import Airflow into this process without touching a real installation.

    It sets up logging when it is imported, so this must happen before a test looks at log records.
    """
    if "airflow" not in sys.modules:
        os.environ["AIRFLOW_HOME"] = str(home)
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    importlib.import_module("phoenix.orchestration.recipe_operator")


def in_run(
    partition_key: str | None, run_id: str, try_number: int = 1, max_tries: int = 0
) -> AbstractContextManager[Any]:
    """Enter the context of a task instance of a run of UVES, by default in its first and only try."""
    from airflow.sdk.execution_time.context import set_current_context

    dag_run = SimpleNamespace(
        dag_id="phoenix_uves", run_id=run_id, partition_key=partition_key, start_date=STARTED
    )
    instance = SimpleNamespace(try_number=try_number, max_tries=max_tries)
    return set_current_context({"dag_run": dag_run, "ti": instance})  # type: ignore[typeddict-item]
