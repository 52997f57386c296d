"""When a stream's batches are due: the key of a batch is Airflow's partition key."""

from __future__ import annotations

from airflow.sdk import CronPartitionTimetable

from phoenix.config.release import Release
from phoenix.errors import ConfigError
from phoenix.model.batch import BatchKind

_KEY_FORMAT = {BatchKind.NIGHT: "%Y-%m-%d", BatchKind.MONTH: "%Y-%m"}


def timetable(release: Release) -> CronPartitionTimetable | None:
    """Return the timetable of a release; a run processes the period before the one it is due in.

    Raises
    ------
    ConfigError
        If a release by runs has a cron schedule: runs become complete when they do, not by the clock.
    """
    if release.schedule is None:
        return None
    if release.batch not in _KEY_FORMAT:
        raise ConfigError(
            f"releases/{release.release}.yaml, field schedule",
            f"a cron schedule for batches by {release.batch}",
            "a schedule only for batches by night or month",
            "remove schedule",
        )
    return CronPartitionTimetable(
        release.schedule.cron, timezone="UTC", run_offset=-1, key_format=_KEY_FORMAT[release.batch]
    )
