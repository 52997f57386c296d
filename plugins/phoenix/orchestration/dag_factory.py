"""From the name of an instrument to its DAG."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow.sdk import DAG, TaskGroup, TriggerRule, chain

from phoenix.config.hosts import Queue, serving, streams
from phoenix.config.instrument import Instrument
from phoenix.config.loader import Configuration
from phoenix.config.release import QcMode, Release
from phoenix.config.rules import Rules, Task
from phoenix.model.batch import BatchKind
from phoenix.orchestration import steps
from phoenix.orchestration.qc_operator import QcConcentrationOperator
from phoenix.orchestration.recipe_operator import MARGIN, RecipeOperator
from phoenix.orchestration.schedule import complete_runs_of, timetable

#: One failed night never stops the others, but a refused batch or a failed scan stops all.
ISOLATED = TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
#: After recipes: nothing to run for a task of the cascade means that it is skipped, which must not spread.
#: A failed preparation still stops what is mapped, for there is nothing to map over.
AFTER_RECIPES = TriggerRule.ALL_DONE

#: What the UI shows of a shard.
SHARD_NAME = "{{ task.shard | length }} QC jobs"
#: What the UI shows of a lot.
LOT_NAME = "{{ task.lot[0] }}{% if task.lot[1:] %} and {{ task.lot | length - 1 }} more{% endif %}"


def instrument_dag(instrument: str, stream: str | None = None) -> DAG:
    """Return the DAG of a release of an instrument, one run per batch.

    Parameters
    ----------
    instrument : str
        Name as in ``include/config/instruments``, e.g. ``UVES``.
    stream : str, optional
        Name of the release; by default the instrument's default release.

    Raises
    ------
    ConfigError
        If a YAML of this instrument is wrong; the DAGs of the others are not touched.
    """
    configuration = Configuration()
    data = configuration.instrument(instrument)
    release = configuration.release(stream or data.default_release)
    rules = configuration.rules(instrument)
    start = release.schedule.start if release.schedule else None
    end = release.schedule.end if release.schedule else None
    dag = DAG(
        dag_id=release.dag_id,
        description=f"{data.title}: {release.title}",
        doc_md=_documentation(data, release, rules),
        schedule=timetable(release),
        start_date=datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        end_date=datetime(end.year, end.month, end.day, tzinfo=UTC) if end else None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,
        tags=["phoenix", instrument, release.release],
        default_args={"owner": "phoenix", "retries": 2, "retry_delay": timedelta(seconds=30)},
    )
    with dag:
        ingested = _batch(data, release, rules, serving(configuration.site, release))
        for name in release.announces_to:
            announced = steps.announce_runs.override(
                task_id=f"announce_to_{name.lower()}",
                trigger_rule=AFTER_RECIPES,
                outlets=[complete_runs_of(name)],
            )
            chain(ingested, announced(name))
    return dag


def _batch(instrument: Instrument, release: Release, rules: Rules, hosts: Queue) -> TaskGroup:
    """Wire the six task groups and the close-out; return the last group."""
    name = release.release
    with TaskGroup("create_abs") as create_abs:
        nights = steps.scan_frames(name)
        chain(steps.open_batch(name), nights)
        steps.associate.partial(release=name).expand(night=nights)
    with TaskGroup("edit_abs") as edit_abs:
        steps.apply_pgis.override(trigger_rule=ISOLATED).partial(release=name).expand(night=nights)
    with TaskGroup("run_recipes") as run_recipes:
        _cascade(instrument, release, rules.tasks_for(release), hosts)
    with TaskGroup("qc_reports") as qc_reports:
        _quality(release, nights, hosts)
    with TaskGroup("convert_idps") as convert_idps:
        steps.convert.override(trigger_rule=AFTER_RECIPES).partial(release=name).expand(night=nights)
    with TaskGroup("ingest") as ingest:
        steps.ingest.override(trigger_rule=AFTER_RECIPES)(name, cast("list[str]", nights))
    chain(create_abs, edit_abs, run_recipes, qc_reports, convert_idps, ingest, steps.close_out(name))
    return ingest


def _cascade(instrument: Instrument, release: Release, tasks: Iterable[Task], hosts: Queue) -> None:
    """One mapped task per task of the cascade, one instance per lot; masters before those who need them.

    A task whose ABs can come into several memory classes has one mapped task for each, the smallest first:
    what ends there as out_of_memory is planned again for the next.
    """
    before = None
    planned: Any = []
    for step in tasks:
        recipe = instrument.recipes[step.recipe]
        classes = hosts.classes_of(recipe)
        for entry in classes:
            name = step.name if len(classes) == 1 else f"{step.name}_{entry.name}"
            # Its plan depends on what ran before: outcomes in a smaller class, or inputs that are measured.
            late = before is not None and (entry is not classes[0] or recipe.memory is not None)
            planning = steps.plan.override(
                task_id=f"plan_{name}", trigger_rule=AFTER_RECIPES if late else ISOLATED
            )
            planned = planning(release.release, step.name, entry.name, planned if late else [])
            recipes = RecipeOperator.partial(
                task_id=name,
                release=release.release,
                map_index_template=LOT_NAME,
                ab_timeout=recipe.timeout + MARGIN,
                within_gb=entry.up_to_gb,
                trigger_rule=AFTER_RECIPES,
                max_active_tis_per_dag=streams(instrument.drs_type, release),
                doc_md=f"{step.title}: `{step.recipe}`, one instance per lot, {entry.up_to_gb:g} GB each.",
                **_place(hosts, hosts.share.taken(entry.up_to_gb, recipe.cpus)),
            ).expand(lot=planned)
            if before is not None:
                chain(before, planned if late else recipes)
            before = recipes


def _quality(release: Release, nights: Any, hosts: Queue) -> None:
    """One instance per night on one core each; or, concentrated, one per host on all its cores."""
    if release.qc is QcMode.NIGHTLY:
        nightly = _place(hosts, hosts.share.core_mb)
        reporting = steps.report_quality.override(trigger_rule=AFTER_RECIPES, **nightly)
        reporting.partial(release=release.release).expand(night=nights)
        return
    planned = steps.plan_qc.override(trigger_rule=AFTER_RECIPES)(release.release, nights)
    QcConcentrationOperator.partial(
        task_id="concentrate_qc",
        release=release.release,
        map_index_template=SHARD_NAME,
        doc_md="QC jobs of all nights together, the longest first, one instance per host.",
        **_place(hosts, hosts.share.taken(0, hosts.fewest_slots)),
    ).expand(shard=planned)


def _place(hosts: Queue, taken_mb: int) -> dict[str, Any]:
    """Return where a task runs and what it takes there; where there is one host, there are no queues."""
    place: dict[str, Any] = {"pool": hosts.pool, "pool_slots": taken_mb}
    return place if hosts.name is None else {**place, "queue": hosts.name}


def _documentation(instrument: Instrument, release: Release, rules: Rules) -> str:
    """Return what the DAG's page tells an operator."""
    tasks = rules.tasks_for(release)
    runs = release.batch is BatchKind.RUN
    past = (
        "A run is started when it is complete, or by hand: Trigger, Partition Key."
        if runs
        else "Past batches are run by a backfill."
    )
    cascade = "\n".join(f"| {step.name} | {step.title} | `{step.recipe}` |" for step in tasks)
    return f"""
# {instrument.title}: {release.title}

Each run processes one batch ({release.batch}) of release `{release.release}`; the batch key is the run's
**partition key**, such as `{release.batch.example}`. {past}

**Healthy** is a run that ends with success: the batch is DONE. A failed run means that the batch is PARTIAL
or FAILED; the log of `close_out` lists each AB that is missing, why, and the command that replays it. Running
the same key again does only what is missing.

| step | makes | recipe |
|---|---|---|
{cascade}
"""
