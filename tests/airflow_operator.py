"""What a person does in Airflow's UI, and how long tests wait for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from phoenix.deployment.airflow_api import FINAL_STATES, AirflowApi, DagRun, TaskInstance

T = TypeVar("T")


def wait_for(what: Callable[[], T | None], timeout_s: float = 90) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} never came")


class Operator(AirflowApi):
    """A logged-in person; calls are those of the UI's forms."""

    def trigger(self, dag: str, key: str | None) -> str:
        """Start a run of an unpaused DAG; None: the field of the partition key is left empty."""
        body = {"logical_date": None, "partition_key": key}
        return str(self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", json=body)["dag_run_id"])

    def clear(self, dag: str, run: str, task: str) -> None:
        """Clear a task of a run."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": [task]}
        self._ask("POST", f"/api/v2/dags/{dag}/clearTaskInstances", json=body)

    def mark_failed(self, dag: str, run: str, task: str) -> None:
        """Mark a task of a run as failed."""
        url = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}"
        self._ask("PATCH", url, json={"new_state": "failed"})

    def only_task(self, dag: str, run: str) -> TaskInstance:
        """Return the task of a run that has one."""
        (instance,) = self.task_instances(dag, run)
        return instance

    def end_of(self, dag: str, run: str, timeout_s: float = 300) -> DagRun:
        """Wait until a run has ended, well or not."""

        def ended() -> DagRun | None:
            now = self.run(dag, run)
            return now if now.state in FINAL_STATES else None

        return wait_for(ended, timeout_s)
