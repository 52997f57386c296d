"""The DAG that keeps the house: daily, whatever the instruments do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task

from phoenix.orchestration.running import log, reported

_DOCUMENTATION = """
# Housekeeping

| task | does |
|---|---|
| `watch_disk` | fails while less disk is free than `min_free_disk_gb` of phoenix.yaml |
| `clear_leftovers` | stops containers nobody follows, clears data of ended attempts; logs stay |
| `check_fixity` | reads a thirtieth of the archive again, all of it in 30 days |

**Healthy**: green every day. A red task says in its log which figure or which file is wrong, and what to do.
By hand: `phoenix housekeeping [--dry-run]`, `phoenix archive verify`.
"""
_NOON = "0 12 * * *"  # UTC: no telescope observes at that hour, and no batch is due


def housekeeping_dag() -> DAG:
    """Return the DAG ``phoenix_housekeeping``."""
    dag = DAG(
        dag_id="phoenix_housekeeping",
        description="Disk watch, orphan containers, working folders of ended attempts, fixity of the archive",
        doc_md=_DOCUMENTATION,
        schedule=_NOON,
        start_date=datetime(2026, 11, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        tags=["phoenix"],
        default_args={"owner": "phoenix", "retries": 1, "retry_delay": timedelta(minutes=5)},
    )
    with dag:
        watch_disk()
        clear_leftovers()
        check_fixity()
    return dag


@task
@reported
def watch_disk() -> None:
    """Fail when less disk is free than the site wants, so that an alert is seen before a batch fails."""
    from phoenix.config.loader import Configuration
    from phoenix.execution.workfolder import disk_room, require_room

    configuration = Configuration()
    require_room(configuration.root, configuration.host.min_free_disk_gb)
    log.info("%s", disk_room(configuration.root))


@task
@reported
def clear_leftovers() -> None:
    """Stop containers nobody follows and clear working folders of ended attempts."""
    from phoenix.chain.connect import connect
    from phoenix.chain.housekeeping import sweep
    from phoenix.config.loader import Configuration

    configuration = Configuration()
    found = sweep(connect(configuration), configuration)
    for leftover in found:
        log.info("%s %s: %s, %s", leftover.what, leftover.where, leftover.action, leftover.why)
    log.info("%d leftovers", len(found))


@task
@reported
def check_fixity() -> None:
    """Read a thirtieth of the archive again, another one each day; fail when a byte is not as received."""
    from phoenix.chain.connect import connect
    from phoenix.chain.fixity import check_share
    from phoenix.config.loader import Configuration

    configuration = Configuration()
    log.info("%s", check_share(connect(configuration), configuration, datetime.now(UTC).date()))
