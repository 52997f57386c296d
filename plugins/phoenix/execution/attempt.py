"""One attempt to run one AB, from its inputs to the verdict; nothing is published here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from phoenix.config.instrument import Instrument, Recipe
from phoenix.config.rules import Rules
from phoenix.errors import ConfigError, InfrastructureError, RecipeError
from phoenix.execution.command import checked_parameters, recipe_command
from phoenix.execution.commission import Commission, Terms, read_commission
from phoenix.execution.companions import read_companions
from phoenix.execution.container import ContainerEnd, ContainerJob, ContainerRunner, OnLine, ShouldStop
from phoenix.execution.demands import lacking_keywords, unmet_demands
from phoenix.execution.docker_engine import recipe_user
from phoenix.execution.pipeline import recipe_facts
from phoenix.execution.products import WrittenProduct, read_products
from phoenix.execution.publish import VERDICT, RunRecord
from phoenix.execution.recipe_log import KeptLines, LogLine
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
    """Resolve, check, stage, run and judge; the ended container stays until the outcome is recorded.

    Raises
    ------
    InfrastructureError
        If disk or engine are not there.
    RecipeError
        If the recipe does not know a parameter, or the image not the recipe.
    ConfigError
        If the instrument does not configure the recipe.
    """
    require_room(order.folder, workshop.min_free_disk_gb)
    checked = _checked_inputs(order, workshop)
    if isinstance(checked, Refusal):
        return Run(
            Attempt(
                order.number,
                checked.outcome,
                order.started_at,
                datetime.now(UTC),
                image=workshop.instrument.pipeline_of(order.ab.recipe).image,
                findings=checked.findings,
            )
        )
    commission = _prepare(order, workshop, checked, should_stop)
    workshop.runner.start(commission.job)
    return _attend(order, workshop, commission, on_line, should_stop)


def _checked_inputs(order: Order, workshop: Workshop) -> tuple[Input, ...] | Refusal:
    """Return the files of an AB that holds all its recipe needs, each of them whole and what the AB says."""
    resolved = resolve(order.ab, order.producers)
    if isinstance(resolved, Refusal):
        return resolved
    unmet = unmet_demands(order.ab, workshop.rules)
    if unmet:
        return Refusal(Outcome.UNPROCESSABLE, unmet)
    checked = check_inputs(resolved, workshop.classify)
    if isinstance(checked, Refusal):
        return checked
    lacking = lacking_keywords(checked, workshop.recipe(order.ab.recipe).needs_keywords)
    return Refusal(Outcome.UNPROCESSABLE, lacking) if lacking else checked


def resume_attempt(order: Order, workshop: Workshop, on_line: OnLine, should_stop: ShouldStop) -> Run:
    """Follow and judge the container a lost process started, as that process would have done.

    Only for an order `objection` has nothing against. Log lines the lost process had written down are not
    handed on again.
    """
    return _attend(order, workshop, read_commission(order.folder), on_line, should_stop)


def objection(order: Order, workshop: Workshop, should_stop: ShouldStop) -> str:
    """Say why the container of an unfinished attempt cannot be adopted; empty when it can.

    Raises
    ------
    InfrastructureError
        If the engine does not answer, so that nobody knows.
    """
    work = WorkFolder(order.folder)
    try:
        commission = read_commission(order.folder)
    except InfrastructureError as error:
        return f"{error.subject} {error.found}" if work.path.exists() else "its working folder is gone"
    found = workshop.runner.find(commission.job)
    if found is None:
        return "it left no container"
    if found.attempt != str(order.number):
        return f"the container there is one of attempt {found.attempt}"
    if found.image != commission.job.image:
        return f"the container runs another image, {found.image[:19]}"
    if found.killed:
        return f"its container was killed meanwhile (exit code {found.exit_code})"
    if not (work.input.is_dir() and work.output.is_dir()):
        return "its working folder is gone"
    moved = workshop.runner.differing_folder(_job_of(order, workshop, commission), found)
    if moved:
        return f"folders were moved since: {moved}"
    resolved = resolve(order.ab, order.producers)
    if isinstance(resolved, Refusal):
        return f"the AB could not start now: {'; '.join(resolved.findings)}"
    try:
        now, _ = _terms(order, workshop, resolved, should_stop)
    except (RecipeError, ConfigError) as error:
        return f"the AB could not start now: {error}"
    return commission.terms.changed(now)


def _job_of(order: Order, workshop: Workshop, commission: Commission) -> ContainerJob:
    """Return the job of a commission with the folders and the limit that hold now."""
    work, recipe = WorkFolder(order.folder), workshop.recipe(order.ab.recipe)
    return replace(
        commission.job,
        input_folder=work.input,
        output_folder=work.output,
        timeout_s=recipe.timeout.total_seconds(),
    )


def _terms(
    order: Order, workshop: Workshop, inputs: Sequence[Input], should_stop: ShouldStop
) -> tuple[Terms, str]:
    """Return what decides about the products, and the version the pipeline tells of itself."""
    ab, pipeline = order.ab, workshop.instrument.pipeline_of(order.ab.recipe)
    recipe = workshop.recipe(ab.recipe)
    image_id = workshop.runner.image_id(pipeline.image)
    facts = recipe_facts(workshop.runner, image_id, ab.recipe, workshop.pipelines, should_stop)
    parameters = checked_parameters(ab.recipe, {**recipe.parameters, **dict(ab.parameters)}, facts.parameters)
    files = tuple((str(entry.path), entry.tag) for entry in inputs)
    terms = Terms(order.ab_sha256, image_id, parameters, files, order.memory_gb)
    return terms, f"{pipeline.identity}{facts.version}"


def _prepare(
    order: Order, workshop: Workshop, inputs: Sequence[Input], should_stop: ShouldStop
) -> Commission:
    """Make the working folder with all a container needs, and with what a process that takes over needs."""
    ab, work = order.ab, WorkFolder(order.folder)
    recipe = workshop.recipe(ab.recipe)
    terms, pipeline_version = _terms(order, workshop, inputs, should_stop)
    user = recipe_user()
    work.create(user)
    sof = stage(inputs, work, user)
    job = ContainerJob(
        release=ab.release,
        ab=ab.name,
        attempt=order.number,
        image=terms.image_id,
        command=recipe_command(ab.recipe, sof, terms.parameters),
        input_folder=work.input,
        output_folder=work.output,
        memory_gb=order.memory_gb,
        cpus=recipe.cpus,
        timeout_s=recipe.timeout.total_seconds(),
        # CPL and the pipelines start as many threads as the host has processors, whatever the container got.
        environment={"OMP_NUM_THREADS": str(max(1, int(recipe.cpus)))},
    )
    commission = Commission(terms, job, tuple(inputs), pipeline_version)
    commission.write(work.path)
    return commission


def _attend(
    order: Order, workshop: Workshop, commission: Commission, on_line: OnLine, should_stop: ShouldStop
) -> Run:
    """Follow the container of an attempt to its end and judge what it made."""
    work, job = WorkFolder(order.folder), _job_of(order, workshop, commission)
    end, lines = _follow_logged(workshop.runner, job, work, on_line, should_stop)
    recipe = workshop.recipe(order.ab.recipe)
    listing, usage = read_products(work.output), read_usage(work.output)
    evidence = Evidence(
        end,
        lines,
        listing,
        commission.inputs,
        disk_room(work.output),
        job.memory_gb,
        job.timeout_s,
        usage,
        read_companions(recipe.sanity, commission.inputs, order.producers),
    )
    judgement = judge(order.ab, evidence, Yardstick(workshop.instrument, recipe, workshop.rules))
    attempt = Attempt(
        number=order.number,
        outcome=judgement.outcome,
        started_at=order.started_at,
        ended_at=datetime.now(UTC),
        exit_code=end.exit_code,
        cpu_s=usage.cpu_s,
        memory_peak_mb=usage.memory_peak_mb,
        image=workshop.instrument.pipeline_of(order.ab.recipe).image,
        image_digest=commission.terms.image_id,
        pipeline_version=commission.pipeline_version,
        container=end.name,
        findings=judgement.findings,
    )
    parameters = commission.terms.parameters
    record = RunRecord(order.ab, order.ab_sha256, attempt, commission.inputs, parameters, job.memory_gb)
    return Run(attempt, record, listing.products)


def _follow_logged(
    runner: ContainerRunner, job: ContainerJob, work: WorkFolder, on_line: OnLine, should_stop: ShouldStop
) -> tuple[ContainerEnd, list[LogLine]]:
    """Follow a container, write every line it prints to the log file, and keep the messages that matter.

    A log a lost process left is written anew, from the engine's, which is whole; only lines it did not have
    are handed on.
    """
    kept = KeptLines()
    with disk_trouble(work.log):
        known = _whole_lines(work.log)
        # Line by line on disk, so that the log is there even when this process is killed.
        log = work.log.open("w", encoding="utf-8", buffering=1)
    count = 0

    def take(line: str) -> None:
        nonlocal count
        count += 1
        with disk_trouble(work.log):
            log.write(f"{line}\n")
        kept.take(line)
        if count > known:
            on_line(line)

    try:
        end = runner.follow(job, take, should_stop)
    finally:
        with disk_trouble(work.log):
            log.close()
    return end, kept.lines


def _whole_lines(log: Path) -> int:
    """Return how many lines a log file has; one that was broken off in the middle does not count."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def keep_findings(work: WorkFolder, record: RunRecord | None) -> None:
    """Leave log and record of a bad attempt for the people who look into it; its data go."""
    work.drop_data()
    if record is not None:
        write_atomically(work.path / VERDICT, json.dumps(record.as_json(), indent=1) + "\n")


def lost_attempt(order: Order, image: str, outcome: Outcome, finding: str) -> Attempt:
    """Return the record of an attempt that could not be made or not be finished."""
    return Attempt(
        order.number, outcome, order.started_at, datetime.now(UTC), image=image, findings=(finding,)
    )
