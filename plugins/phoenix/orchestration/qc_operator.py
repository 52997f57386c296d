"""The operator that runs the QC jobs of many nights together, as many at a time as its host has cores."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from phoenix.orchestration.running import log, reported, running_batch

if TYPE_CHECKING:
    from phoenix.store.qc_progress import QcProgress

#: How often the task log tells how far it is.
_TOLD_S = 30.0


class QcConcentrationOperator(BaseOperator):
    """Run the QC jobs of a shard in warm workers, the longest first; one that fails stops no other.

    What is done is in our database: another try, or a cleared task, does what is missing.

    Parameters
    ----------
    release : str
        The release the ABs belong to.
    shard : list of str
        Names of the ABs.
    """

    ui_color = "#e3d7ef"

    def __init__(self, *, release: str, shard: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release = release
        self.shard = shard
        self._killed = False
        self._worker = 0
        self._told = 0.0

    @reported
    def execute(self, context: Context) -> dict[str, int]:
        """Run the jobs and return what came of them, in ABs.

        Raises
        ------
        AirflowException
            If database or disk are not there, or the task is killed; what had ended is saved.
        """
        from phoenix.chain.qc import qc_reports

        self._worker, self._told = os.getppid(), time.monotonic()
        batch = running_batch(self.release)
        log.info("%d QC jobs", len(self.shard))
        report = qc_reports(
            batch.database,
            batch.configuration,
            self.release,
            batch.key,
            names=self.shard,
            part=f"shard_{(context['ti'].map_index or 0) + 1}",
            progress=self._tell,
            should_stop=self._should_stop,
        )
        for line in str(report).splitlines():
            log.info("%s", line)
        return {
            "measured": report.measured,
            "unchanged": report.unchanged,
            "reds": len(report.reds),
            "failed": len(report.failures),
        }

    def on_kill(self) -> None:
        """Let the workers be stopped when the task is cleared, marked failed or its worker is stopped."""
        self._killed = True

    def _tell(self, progress: QcProgress) -> None:
        """Tell now and then how far it is; there may be thousands of jobs."""
        now = time.monotonic()
        if now - self._told >= _TOLD_S:
            self._told = now
            log.info("%s", progress)

    def _should_stop(self) -> bool:
        """Whether the task was killed; ends this process when its worker is gone, and the kernel its workers.

        Airflow tries the task again then, and two shall not do the same jobs.
        """
        if os.getppid() != self._worker:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._killed
