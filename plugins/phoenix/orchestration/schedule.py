"""When a stream's batches are due: the key of a batch is Airflow's partition key.

Nights and months are due by the clock. A run is due when it is complete: the DAG of the release its deep ABs
are made of announces it as a partition of an asset, and the deep DAG gets one run of its own for each.
"""

from __future__ import annotations

from airflow.sdk import Asset, CronPartitionTimetable, PartitionedAssetTimetable

from phoenix.config.release import Release
from phoenix.model.batch import BatchKind

_KEY_FORMAT = {BatchKind.NIGHT: "%Y-%m-%d", BatchKind.MONTH: "%Y-%m"}


def timetable(release: Release) -> CronPartitionTimetable | PartitionedAssetTimetable | None:
    """Return the timetable of a release; by the clock, the period before the due one is processed."""
    if release.batch is BatchKind.RUN:
        return PartitionedAssetTimetable(assets=complete_runs_of(release.release))
    if release.schedule is None:
        return None
    return CronPartitionTimetable(
        release.schedule.cron, timezone="UTC", run_offset=-1, key_format=_KEY_FORMAT[release.batch]
    )


def complete_runs_of(release: str) -> Asset:
    """Return the asset whose partitions are the complete runs that a release makes deep ABs of."""
    return Asset(f"{release}_complete_runs")
