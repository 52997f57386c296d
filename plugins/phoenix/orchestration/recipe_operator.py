"""The operator that runs the recipes of one lot of ABs, each in its container."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseOperator, Context, get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError, PhoenixError
from phoenix.model.outcome import Outcome
from phoenix.orchestration.running import RunningBatch, log, reported, running_batch

#: What staging, verdict and publication may take beyond the recipe's own limit.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How one AB of the lot ended; ``trouble`` is empty when its products may be used."""

    ab: str
    outcome: str
    trouble: str = ""
    retryable: bool = False


class RecipeOperator(BaseOperator):
    """Run the recipes of a lot; the outcomes are in our database, the task's colour only mirrors them.

    Parameters
    ----------
    release : str
        The release the ABs belong to.
    lot : list of str
        Names of the ABs, run one after the other; a bad one stops no other, and fails the task at the end.
    ab_timeout : timedelta, optional
        What one AB may take; the task may take as much for each AB of its lot.
    within_gb : float, optional
        Memory the task has reserved; an AB that needs more is left to the task of the next memory class.
    """

    template_fields: Sequence[str] = ("lot",)
    ui_color = "#d6e4f0"

    def __init__(
        self,
        *,
        release: str,
        lot: list[str],
        ab_timeout: timedelta | None = None,
        within_gb: float | None = None,
        **kwargs: Any,
    ) -> None:
        if ab_timeout is not None:
            kwargs["execution_timeout"] = ab_timeout * len(lot)
        super().__init__(**kwargs)
        self.release = release
        self.lot = lot
        self.ab_timeout = ab_timeout
        self.within_gb = within_gb
        self._running: str | None = None
        self._killed = False
        self._forebears: tuple[int, ...] = ()

    @reported
    def execute(self, context: Context) -> dict[str, str]:  # noqa: ARG002 (Airflow's signature)
        """Run the ABs and return their outcomes by name.

        Raises
        ------
        AirflowFailException
            If an AB gave no products and another try can change none of them.
        AirflowException
            If another try may help at least one AB.
        """
        self._forebears = _forebears()
        batch = running_batch(self.release)
        ended = []
        for ab in self._to_do(batch):
            if self._killed:
                raise AirflowException(f"killed before {ab}")
            self._running = ab
            ended.append(self._run(batch, ab))
        bad = [entry for entry in ended if entry.trouble]
        if not bad:
            return {entry.ab: entry.outcome for entry in ended}
        message = f"{len(bad)} of {len(self.lot)} ABs: " + "; ".join(entry.trouble for entry in bad)
        if any(entry.retryable for entry in bad):
            raise AirflowException(message)
        raise AirflowFailException(message)

    def on_kill(self) -> None:
        """Stop the container when the task is cleared, marked failed, timed out or its worker is stopped.

        Not so when the scheduler above the worker is gone: its successor has the task tried again, and it is
        the old try that is told to end.
        """
        from phoenix.chain.execute import stop_ab

        if self._forebears and _forebears() != self._forebears:
            _leave()
        self._killed = True
        if self._running is None:
            return
        stopped = stop_ab(Configuration(), self.release, self._running)
        log.warning("%s: killed, %d containers stopped", self._running, stopped)

    def _should_stop(self) -> bool:
        if self._forebears and os.getppid() != self._forebears[0]:
            _leave()
        return self._killed

    def _to_do(self, batch: RunningBatch) -> list[str]:
        """Return the whole lot; when Airflow tries the task again, what the tries before did not settle."""
        from phoenix.chain.plan import unsettled

        running = get_current_context()
        instance = running["ti"]
        # Airflow raises max_tries when a person clears the task: that is a first try anew.
        first = instance.max_tries - (self.retries or 0) + 1
        since = running["dag_run"].start_date
        if instance.try_number <= first or since is None:
            return self.lot
        return unsettled(batch.database, self.release, self.lot, since)

    def _run(self, batch: RunningBatch, ab: str) -> _Ended:
        """Run one AB; whatever goes wrong with it is told at the end of the lot."""
        from phoenix.chain.execute import run_ab

        if len(self.lot) > 1:
            log.info("AB %d of %d: %s", self.lot.index(ab) + 1, len(self.lot), ab)
        log.info("about this AB: phoenix ab show|explain|attempts %s %s", self.release, ab)
        try:
            attempt = run_ab(
                batch.database,
                batch.configuration,
                self.release,
                ab,
                on_log_line=_log_line,
                should_stop=self._should_stop,
                within_gb=self.within_gb,
            )
        except PhoenixError as error:
            log.error("%s", error)
            return _Ended(ab, "error", f"{ab}: {error}", isinstance(error, InfrastructureError))
        except Exception as error:
            log.exception("%s", ab)
            return _Ended(ab, "error", f"{ab}: unexpected {type(error).__name__}: {error}", retryable=True)
        for finding in attempt.findings:
            log.warning("%s", finding)
        if attempt.outcome.succeeded:
            return _Ended(ab, attempt.outcome.value)
        words = f"{ab}: {attempt.outcome}; {'; '.join(attempt.findings[:3])}"
        return _Ended(ab, attempt.outcome.value, words, self._may_help(batch, ab, attempt.outcome))

    def _may_help(self, batch: RunningBatch, ab: str, outcome: Outcome) -> bool:
        """Whether another try of this task may help an AB: it keeps the memory it has reserved."""
        from phoenix.chain.resources import can_grow

        if outcome is Outcome.OUT_OF_MEMORY:
            return can_grow(batch.database, batch.configuration, self.release, ab, self.within_gb)
        return outcome.retryable


def _forebears() -> tuple[int, ...]:
    """Return the ids of this task's worker and of the process above it, with LocalExecutor the scheduler."""
    import psutil

    worker = os.getppid()
    try:
        return worker, psutil.Process(worker).ppid()
    except psutil.NoSuchProcess:
        return (worker,)


def _leave() -> NoReturn:
    """End this process and nothing else.

    Airflow knows nothing of it any more and tries the task again; that try shall take the container over, not
    wait for the lock of a process nobody hears.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # never reached: nobody outlives this signal


def _log_line(line: str) -> None:
    """Pass a line of the recipe's log on with the severity the recipe gave it."""
    from phoenix.execution.recipe_log import parse_line

    message = parse_line(line)
    log.log(logging.getLevelNamesMapping()[message.severity] if message else logging.INFO, "%s", line)
