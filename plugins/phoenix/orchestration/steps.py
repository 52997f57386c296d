"""The tasks of a batch: thin shells around ``phoenix.chain``, which does the work.

Imports of the chain stand inside the tasks: every task process and the DAG processor read this module.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import get_current_context, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from phoenix.config.loader import Configuration
from phoenix.model.batch import BatchState
from phoenix.orchestration.running import log, reported, running_batch
from phoenix.orchestration.schedule import complete_runs_of

NIGHT_NAME = "{{ task.op_kwargs['night'] }}"


@task
@reported
def open_batch(release: str) -> None:
    """Guard the batch: a key is there, nobody else works on it, the disk has room."""
    from phoenix.chain.batch import open_batch as open_

    batch = running_batch(release)
    open_(batch.database, batch.configuration, batch.release, batch.key, batch.owner)
    log.info("batch %s %s is open", batch.release, batch.key)


@task
@reported
def scan_frames(release: str) -> list[str]:
    """Bring the frame catalogue up to date; return the nights with raw frames of a batch that fits."""
    from phoenix.chain.disk_watch import require_disk
    from phoenix.chain.plan import nights_with_frames
    from phoenix.chain.scan import scan_into_catalogue

    batch = running_batch(release)
    report = scan_into_catalogue(batch.database, batch.configuration)
    log.info("frame catalogue: %s", report)
    nights = nights_with_frames(batch.database, batch.configuration, batch.release, batch.key)
    log.info("disk: %s", require_disk(batch.database, batch.configuration, batch.release, batch.key))
    log.info("%d nights with raw frames: %s", len(nights), ", ".join(nights) or "none")
    return nights


@task(map_index_template=NIGHT_NAME)
@reported
def associate(release: str, night: str) -> None:
    """Make the ABs of a night by the rules."""
    from phoenix.chain.create import create_abs

    batch = running_batch(release)
    log.info("%s", create_abs(batch.database, batch.configuration, release, batch.key, nights=[night]))


@task(map_index_template=NIGHT_NAME)
@reported
def apply_pgis(release: str, night: str) -> None:
    """Edit the ABs of a night by the release's PGIs."""
    from phoenix.chain.edit import edit_abs

    batch = running_batch(release)
    log.info("%s", edit_abs(batch.database, batch.configuration, release, batch.key, night))


@task
@reported
def plan(release: str, step: str, memory_class: str, earlier: list[list[str]] | None) -> list[list[str]]:
    """List the ABs of one task of the cascade and one memory class that have no good outcome yet, as lots.

    ``earlier`` is what an earlier plan listed, where this one waits for its recipes; None: it listed nothing.
    """
    from phoenix.chain.lots import lots

    if earlier is None:
        raise AirflowSkipException("nothing was planned before: see the tasks of create_abs and edit_abs")
    batch = running_batch(release)
    most = conf.getint("core", "max_map_length")
    planned = lots(batch.database, batch.configuration, release, batch.key, step, memory_class, most)
    log.info("%s: %d ABs to run, in %d lots", step, sum(len(lot.jobs) for lot in planned), len(planned))
    return [lot.names for lot in planned]


@task(map_index_template=NIGHT_NAME)
@reported
def report_quality(release: str, night: str) -> None:
    """Measure, score and draw the QC reports of a night."""
    from phoenix.chain.qc import qc_reports

    batch = running_batch(release)
    # One worker each: nights run beside each other, as many as the host has slots.
    log.info("%s", qc_reports(batch.database, batch.configuration, release, batch.key, night, workers=1))


@task
@reported
def plan_qc(release: str, nights: list[str] | None) -> list[list[str]]:
    """List the ABs of the batch that have no QC of their products, split over the hosts of the release.

    ``nights`` is what the preparation found; None tells that it failed.
    """
    from phoenix.chain.qc import qc_shards

    if nights is None:
        raise AirflowFailException("the preparation failed: see the tasks of create_abs")
    batch = running_batch(release)
    shards = qc_shards(batch.database, batch.configuration, release, batch.key)
    log.info("%d QC jobs in %d shards", sum(map(len, shards)), len(shards))
    return shards


@task(map_index_template=NIGHT_NAME)
@reported
def convert(release: str, night: str) -> None:
    """Convert the science products of a night to IDPs and check them."""
    from phoenix.chain.convert import convert_idps

    batch = running_batch(release)
    log.info("%s", convert_idps(batch.database, batch.configuration, release, batch.key, night))


@task
@reported
def ingest(release: str, nights: list[str] | None) -> None:
    """Put the IDPs of the batch into the ingestion queue and ingest what the gate lets through.

    ``nights`` is what the preparation found; None tells that it failed.
    """
    from phoenix.chain.ingest import enqueue
    from phoenix.chain.ingest import ingest as ingest_

    if nights is None:
        raise AirflowFailException("the preparation failed: see the tasks of create_abs")
    batch = running_batch(release)
    log.info("%s", enqueue(batch.database, batch.configuration, release, batch.key))
    log.info("%s", ingest_(batch.database, batch.configuration, release, batch.key))


@task(trigger_rule="all_done")
@reported
def close_out(release: str) -> None:
    """Close the batch, write its report and send one digest if it is not DONE."""
    from phoenix.chain.batch import close_batch

    batch = running_batch(release)
    report = close_batch(batch.database, batch.configuration, release, batch.key, batch.owner)
    for line in report.text().splitlines():
        log.info("%s", line)
    if report.state is not BatchState.DONE:
        raise AirflowFailException(f"batch {release} {batch.key} is {report.state}: see the report above")


@task
@reported
def announce_runs(release: str) -> None:
    """Announce the runs that are complete, each as a partition of their deep release's asset."""
    from phoenix.chain.connect import connect
    from phoenix.chain.deep import announce, complete_runs

    configuration = Configuration()
    database = connect(configuration)
    now = datetime.now(UTC)
    keys = complete_runs(database, configuration, release, now)
    if not keys:
        raise AirflowSkipException(f"no run is complete that was not announced to {release}")
    get_current_context()["outlet_events"][complete_runs_of(release)].add_partitions(keys)
    announce(database, release, keys, now)
    log.info("announced to %s: %s", release, ", ".join(keys))
