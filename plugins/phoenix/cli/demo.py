"""``phoenix demo``: a simulated month through Airflow, from raw frames to ingested IDPs."""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Iterable
from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from phoenix.cli.context import get_configuration, get_database
from phoenix.cli.simulate import Size, simulate
from phoenix.deployment.airflow_api import FINAL_STATES, AirflowApi, DagRun, TaskInstance
from phoenix.deployment.components import airflow_api, up
from phoenix.deployment.installation import Installation
from phoenix.errors import InfrastructureError

INSTRUMENT = "UVES"
DAG_ID = "phoenix_uves"
_POLL_S = 2.0
_TELL_EVERY_S = 10.0
_STARTS_WITHIN_S = 120.0


def demo(
    month: Annotated[str, typer.Option(help="month to simulate and process")] = "2019-03",
    nights: Annotated[int, typer.Option(min=1, max=28)] = 5,
    seed: Annotated[int, typer.Option()] = 1,
    size: Annotated[Size, typer.Option()] = Size.SMALL,
) -> None:
    """Simulate a month of UVES, start Airflow, backfill the month and show what came of it.

    The raw frames are simulated; recipes, conversion, checks and ingestion are the real ones. A second call
    runs the batch again, which does only what is missing.
    """
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    simulate(INSTRUMENT, month=month, out=get_configuration().root, nights=nights, seed=seed, size=size)
    installation = Installation.here()
    running = up(installation, lambda line: console.print(f"up: {line}"))
    os.environ["PHOENIX_DATABASE_URL"] = running.databases.phoenix
    os.environ["PHOENIX_UI_URL"] = running.login.url
    ready = time.monotonic()
    with airflow_api(installation) as api:
        run = _backfill(api, month, console)
    processed = time.monotonic()
    typer.echo(_table(month))
    login = running.login
    typer.echo(f"\nAirflow UI: {login.url}  user {login.username}, password {login.password}")
    start_min, processing_min = (ready - began) / 60, (processed - ready) / 60
    typer.echo(f"simulation and start {start_min:.1f} min, processing {processing_min:.1f} min")
    typer.echo("`make down` stops everything")
    raise typer.Exit(0 if run.state == "success" else 1)


def _backfill(api: AirflowApi, month: str, console: Console) -> DagRun:
    """Run the month as an Airflow backfill and wait for its end, telling how far it is."""
    api.wait_for_dag(DAG_ID)
    before = {run.dag_run_id for run in api.runs(DAG_ID, month)}
    first = date.fromisoformat(f"{month}-01")
    # Airflow takes the months whose cron tick lies in the range.
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    api.create_backfill(DAG_ID, first, last, reprocess="completed")
    api.set_paused(DAG_ID, paused=False)
    console.print(f"backfill of {month} by {DAG_ID} is queued")
    run = _find_run(api, month, before)
    told = 0.0
    while run.state not in FINAL_STATES:
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            console.print(_progress(api.task_instances(DAG_ID, run.dag_run_id)))
        time.sleep(_POLL_S)
        run = api.run(DAG_ID, run.dag_run_id)
    return run


def _find_run(api: AirflowApi, month: str, before: set[str]) -> DagRun:
    """Return the backfill's run: a new one, or one of before that is queued again."""
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        for run in api.runs(DAG_ID, month):
            if run.dag_run_id not in before or run.state not in FINAL_STATES:
                return run
        time.sleep(_POLL_S)
    raise InfrastructureError(
        f"backfill of {month}",
        f"no run appeared within {_STARTS_WITHIN_S:.0f} s",
        remedy="see var/log/scheduler.log; make doctor",
    )


def _progress(instances: Iterable[TaskInstance]) -> str:
    """Say in one line how many task instances are done and which run now."""
    known = list(instances)
    done = sum(instance.state in {"success", "failed", "skipped", "upstream_failed"} for instance in known)
    now = [
        f"{instance.task_id.split('.')[-1]} {instance.rendered_map_index or ''}".strip()
        for instance in known
        if instance.state == "running"
    ]
    return (
        f"{time.strftime('%H:%M:%S')}  {done}/{len(known)} tasks done; now: {', '.join(now) or 'scheduling'}"
    )


def _table(month: str) -> str:
    from phoenix.chain.report import batch_report

    configuration = get_configuration()
    release = configuration.instrument(INSTRUMENT).default_release
    return batch_report(get_database(), configuration, release, month).text()
