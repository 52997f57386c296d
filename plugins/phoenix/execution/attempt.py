"""One attempt to run one AB, from its inputs to the verdict; nothing is published here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from phoenix.config.instrument import Instrument, Recipe
from phoenix.config.rules import Rules
from phoenix.errors import ConfigError
from phoenix.execution.command import checked_parameters, recipe_command
from phoenix.execution.container import ContainerEnd, ContainerJob, ContainerRunner, OnLine, ShouldStop
from phoenix.execution.docker_engine import recipe_user
from phoenix.execution.pipeline import recipe_facts
from phoenix.execution.products import WrittenProduct, read_products
from phoenix.execution.publish import VERDICT, RunRecord
from phoenix.execution.recipe_log import LogLine, Severity, parse_line
from phoenix.execution.staging import (
    Classifier,
    Input,
    Producer,
    Refusal,
    check_inputs,
    resolve,
    stage,
)
from phoenix.execution.usage import read_usage
from phoenix.execution.verdict import Evidence, Yardstick, judge
from phoenix.execution.workfolder import WorkFolder, disk_room, disk_trouble, require_room
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.files import write_atomically

#: Messages kept of a log for the verdict; the log file holds them all.
_MAX_MESSAGES = 10_000


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all attempts of an instrument have in common.

    Attributes
    ----------
    pipelines
        Folder where answers of pipeline images are kept.
    """

    runner: ContainerRunner
    instrument: Instrument
    rules: Rules
    classify: Classifier
    pipelines: Path
    min_free_disk_gb: float

    def recipe(self, name: str) -> Recipe:
        """Return the configuration of a recipe.

        Raises
        ------
        ConfigError
            If the instrument does not configure it.
        """
        found = self.instrument.recipes.get(name)
        if found is None:
            raise ConfigError(
                f"instruments/{self.instrument.instrument.lower()}.yaml, field recipes",
                f"{name} is not there",
                "resources and limits of every recipe the rules name",
                "add it",
            )
        return found


@dataclass(frozen=True, slots=True)
class Order:
    """What one attempt is about.

    Attributes
    ----------
    ab_sha256
        Checksum of the AB's text that is run.
    producers
        The ABs whose masters this one waits for.
    """

    ab: AssociationBlock
    ab_sha256: str
    number: int
    started_at: datetime
    folder: Path
    producers: Mapping[str, Producer]
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Run:
    """A finished attempt; products lie in the working folder until they are published."""

    attempt: Attempt
    record: RunRecord | None = None
    products: Sequence[WrittenProduct] = ()


def run_attempt(order: Order, workshop: Workshop, on_line: OnLine, should_stop: ShouldStop) -> Run:
    """Resolve, check, stage, run and judge.

    Raises
    ------
    InfrastructureError
        If disk or engine are not there.
    RecipeError
        If the recipe does not know a parameter, or the image not the recipe.
    ConfigError
        If the instrument does not configure the recipe.
    """
    work = WorkFolder(order.folder)
    require_room(order.folder, workshop.min_free_disk_gb)
    resolved = resolve(order.ab, order.producers)
    checked = resolved if isinstance(resolved, Refusal) else check_inputs(resolved, workshop.classify)
    if isinstance(checked, Refusal):
        return Run(
            Attempt(
                order.number,
                checked.outcome,
                order.started_at,
                datetime.now(UTC),
                image=workshop.instrument.pipeline.image,
                findings=checked.findings,
            )
        )
    run = _run_container(order, workshop, work, checked, on_line, should_stop)
    if not run.attempt.outcome.succeeded:
        _keep_findings(work, run)
    return run


def _run_container(
    order: Order,
    workshop: Workshop,
    work: WorkFolder,
    inputs: Sequence[Input],
    on_line: OnLine,
    should_stop: ShouldStop,
) -> Run:
    ab, pipeline = order.ab, workshop.instrument.pipeline
    recipe = workshop.recipe(ab.recipe)
    image_id = workshop.runner.image_id(pipeline.image)
    facts = recipe_facts(workshop.runner, image_id, ab.recipe, workshop.pipelines, should_stop)
    parameters = checked_parameters(ab.recipe, {**recipe.parameters, **dict(ab.parameters)}, facts.parameters)
    user = recipe_user()
    work.create(user)
    sof = stage(inputs, work, user)
    job = ContainerJob(
        release=ab.release,
        ab=ab.name,
        attempt=order.number,
        image=image_id,
        command=recipe_command(ab.recipe, sof, parameters),
        input_folder=work.input,
        output_folder=work.output,
        memory_gb=order.memory_gb,
        cpus=recipe.cpus,
        timeout_s=recipe.timeout.total_seconds(),
    )
    end, lines = _run_logged(workshop.runner, job, work, on_line, should_stop)
    listing = read_products(work.output)
    evidence = Evidence(end, lines, listing, inputs, disk_room(work.output), order.memory_gb, job.timeout_s)
    judgement = judge(ab, evidence, Yardstick(workshop.instrument, recipe, workshop.rules))
    usage = read_usage(work.output)
    attempt = Attempt(
        number=order.number,
        outcome=judgement.outcome,
        started_at=order.started_at,
        ended_at=datetime.now(UTC),
        exit_code=end.exit_code,
        cpu_s=usage.cpu_s,
        memory_peak_mb=usage.memory_peak_mb,
        image=pipeline.image,
        image_digest=image_id,
        pipeline_version=f"{pipeline.identity}{facts.version}",
        container=end.name,
        findings=judgement.findings,
    )
    record = RunRecord(ab, order.ab_sha256, attempt, inputs, parameters, order.memory_gb)
    return Run(attempt, record, listing.products)


def _run_logged(
    runner: ContainerRunner, job: ContainerJob, work: WorkFolder, on_line: OnLine, should_stop: ShouldStop
) -> tuple[ContainerEnd, list[LogLine]]:
    """Run a container, write every line it prints to the log file, and keep the messages that matter."""
    messages: list[LogLine] = []
    with disk_trouble(work.log):
        # Line by line on disk, so that the log is there even when this process is killed.
        log = work.log.open("w", encoding="utf-8", buffering=1)

    def take(line: str) -> None:
        with disk_trouble(work.log):
            log.write(f"{line}\n")
        message = parse_line(line)
        grave = message is not None and message.severity in {Severity.ERROR, Severity.WARNING}
        if message and grave and len(messages) < _MAX_MESSAGES:
            messages.append(message)
        on_line(line)

    try:
        end = runner.run(job, take, should_stop)
    finally:
        with disk_trouble(work.log):
            log.close()
    return end, messages


def _keep_findings(work: WorkFolder, run: Run) -> None:
    """Leave log and record of a bad attempt for the people who look into it; its data go."""
    work.drop_data()
    if run.record is not None:
        write_atomically(work.path / VERDICT, json.dumps(run.record.as_json(), indent=1) + "\n")


def lost_attempt(order: Order, image: str, outcome: Outcome, finding: str) -> Attempt:
    """Return the record of an attempt that could not be made or not be finished."""
    return Attempt(
        order.number, outcome, order.started_at, datetime.now(UTC), image=image, findings=(finding,)
    )
