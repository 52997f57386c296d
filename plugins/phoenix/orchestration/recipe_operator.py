"""The operator that runs one AB's recipe in its container."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from phoenix.config.loader import Configuration
from phoenix.orchestration.running import log, reported, running_batch

#: What staging, verdict and publication may take beyond the recipe's own limit.
MARGIN = timedelta(minutes=5)


class RecipeOperator(BaseOperator):
    """Run the recipe of one AB; its outcome is in our database, the task's colour only mirrors it.

    Parameters
    ----------
    release : str
        The release the AB belongs to.
    ab : str
        Name of the AB.
    """

    template_fields: Sequence[str] = ("ab",)
    ui_color = "#d6e4f0"

    def __init__(self, *, release: str, ab: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release = release
        self.ab = ab

    @reported
    def execute(self, context: Context) -> str:  # noqa: ARG002 (Airflow's signature)
        """Run the AB and return its outcome.

        Raises
        ------
        AirflowFailException
            If the outcome is one another try cannot change.
        AirflowException
            If another try may help.
        """
        from phoenix.chain.execute import run_ab

        batch = running_batch(self.release)
        attempt = run_ab(
            batch.database,
            batch.configuration,
            self.release,
            self.ab,
            on_log_line=_log_line,
        )
        for finding in attempt.findings:
            log.warning("%s", finding)
        if attempt.outcome.succeeded:
            return attempt.outcome.value
        message = f"{self.ab}: {attempt.outcome}; {'; '.join(attempt.findings[:3])}"
        if attempt.outcome.retryable:
            raise AirflowException(message)
        raise AirflowFailException(message)

    def on_kill(self) -> None:
        """Stop the container when the task is cleared, marked failed, timed out or its worker is stopped."""
        from phoenix.chain.execute import stop_ab

        stopped = stop_ab(Configuration(), self.release, self.ab)
        log.warning("%s: killed, %d containers stopped", self.ab, stopped)


def _log_line(line: str) -> None:
    """Pass a line of the recipe's log on with the severity the recipe gave it."""
    from phoenix.execution.recipe_log import parse_line

    message = parse_line(line)
    log.log(logging.getLevelNamesMapping()[message.severity] if message else logging.INFO, "%s", line)
