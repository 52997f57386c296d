"""Whether a batch fits on the disk: asked before it starts, from what batches like it took."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.execution.workfolder import disk_room
from phoenix.model.batch import BatchKey
from phoenix.store.database import Database
from phoenix.store.disk_use import volume_of, volume_of_others

_GB = 1e9


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """What a batch will write, and what there is. The raw frames of a run are those of all its nights.

    Attributes
    ----------
    per_raw
        Bytes written per byte of raw frames.
    learned
        Whether that is from earlier nights, or runs, of the release, not from phoenix.yaml.
    to_come_gb
        What is not written yet.
    """

    raw_gb: float
    per_raw: float
    learned: bool
    to_come_gb: float
    free_gb: float
    reserve_gb: float

    @property
    def lacking_gb(self) -> float:
        """How much too little there is; 0 when the batch fits."""
        return max(0.0, self.to_come_gb + self.reserve_gb - self.free_gb)

    def __str__(self) -> str:
        source = "as earlier batches of the release took" if self.learned else "disk_per_raw in phoenix.yaml"
        return (
            f"{self.raw_gb:.3g} GB of raw frames, {self.per_raw:.2g} times that to be written ({source}), "
            f"{self.to_come_gb:.3g} GB to come, {self.free_gb:.3g} GB free"
        )


def disk_need(database: Database, configuration: Configuration, release: str, key: str) -> DiskNeed:
    """Estimate what a batch, whose raw frames are in the catalogue, will write."""
    stream = configuration.release(release)
    batch_key = BatchKey(stream.batch, key)
    with database.transaction() as session:
        batch = volume_of(session, release, stream.instrument, batch_key)
        others = volume_of_others(session, release, stream.instrument, batch_key)
    learned = others.raw_bytes > 0 and others.made_bytes > 0
    per_raw = others.made_bytes / others.raw_bytes if learned else configuration.site.disk_per_raw
    return DiskNeed(
        raw_gb=batch.raw_bytes / _GB,
        per_raw=per_raw,
        learned=learned,
        to_come_gb=max(0.0, per_raw * batch.raw_bytes - batch.made_bytes) / _GB,
        free_gb=disk_room(configuration.root).free_gb,
        reserve_gb=configuration.host.min_free_disk_gb,
    )


def require_disk(database: Database, configuration: Configuration, release: str, key: str) -> DiskNeed:
    """Refuse a batch that does not fit.

    Raises
    ------
    InfrastructureError
        Names by how much.
    """
    need = disk_need(database, configuration, release, key)
    if need.lacking_gb > 0:
        raise InfrastructureError(
            f"batch {release} {key}",
            f"does not fit on the disk of {configuration.root}: {need}",
            f"{need.lacking_gb:.3g} GB more, {need.reserve_gb:g} GB of reserve included",
            f"free {need.lacking_gb:.3g} GB there (`phoenix housekeeping` clears what nobody needs), "
            "then run the batch again",
        )
    return need
