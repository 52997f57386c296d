"""What a task needs to know about the batch it works for, taken from Airflow's context."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError, PhoenixError, UsageError
from phoenix.store.database import Database

log = logging.getLogger("phoenix")

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class RunningBatch:
    """The batch of the current task instance."""

    database: Database
    configuration: Configuration
    release: str
    key: str
    owner: str


def running_batch(release: str) -> RunningBatch:
    """Return the batch of the task instance this is called in.

    Raises
    ------
    UsageError
        If the DAG run has no partition key: it was triggered without saying which batch.
    """
    from phoenix.chain.connect import connect

    configuration = Configuration()
    dag_run = get_current_context()["dag_run"]
    key = dag_run.partition_key
    if not key:
        raise UsageError(
            f"DAG run {dag_run.run_id}",
            "has no partition key, so it is not known which batch is meant",
            f"a run with a partition key such as {configuration.release(release).batch.example}",
            "start it as a backfill, or trigger it with a partition key",
        )
    return RunningBatch(
        connect(configuration), configuration, release, key, f"{dag_run.dag_id} {dag_run.run_id}"
    )


def reported(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a PhoenixError end the task with its own words; only infrastructure errors are tried again."""

    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except InfrastructureError as error:
            raise AirflowException(str(error)) from error
        except PhoenixError as error:
            raise AirflowFailException(str(error)) from error

    return wrapper
