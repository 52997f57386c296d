"""Runs the recipe of one AB and brings its products and its record to where everybody finds them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.orm import Session

from phoenix.chain.resources import memory_gb, policy, producers_of, room_on_host, too_large
from phoenix.config.loader import Configuration
from phoenix.config.rules import Rules
from phoenix.errors import InfrastructureError, PhoenixError, UsageError
from phoenix.execution.attempt import (
    Order,
    Run,
    Workshop,
    keep_findings,
    lost_attempt,
    objection,
    resume_attempt,
    run_attempt,
)
from phoenix.execution.container import ContainerRunner
from phoenix.execution.docker_engine import DockerRunner
from phoenix.execution.publish import VERDICT, RunRecord, prepare, publish
from phoenix.execution.retry import memory_for
from phoenix.execution.staging import Producer, Refusal, resolve
from phoenix.execution.workfolder import WorkFolder
from phoenix.headers.classify import classify
from phoenix.model.ab import AssociationBlock, ProcessStatus, Tree
from phoenix.model.ab_text import Processing
from phoenix.model.frame import Value
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_lock import sole_run
from phoenix.store.ab_trees import AbTrees
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database

log = logging.getLogger(__name__)


def run_ab(
    database: Database,
    configuration: Configuration,
    release: str,
    ab_name: str,
    on_log_line: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    runner: ContainerRunner | None = None,
    within_gb: float | None = None,
) -> Attempt:
    """Run one AB once; one that is done already is left alone and its last attempt returned.

    Parameters
    ----------
    on_log_line : callable
        Receives each line of the recipe's log while it runs.
    should_stop : callable
        Asked several times a second; True stops the container.
    runner : ContainerRunner, optional
        Default: the Docker engine of this host.
    within_gb : float, optional
        Most memory an attempt may get, if that is less than the host has.

    Raises
    ------
    InfrastructureError
        If engine, disk or database fail; the attempt is recorded as crashed, trying again may help.
    UsageError
        If there is no such AB, or it was taken out by pre-selection.
    AssociationError
        If the AB's text was changed by hand since it was recorded.
    """
    with nullcontext(runner) if runner else _docker(configuration) as engine:
        execution = AbExecution(database, configuration, release, ab_name, engine, within_gb)
        return execution.run(on_log_line, should_stop)


def stop_ab(configuration: Configuration, release: str, ab_name: str) -> int:
    """Stop and remove the containers of an AB, whoever started them; return how many there were."""
    with _docker(configuration) as engine:
        return engine.stop(release, ab_name)


def _docker(configuration: Configuration) -> DockerRunner:
    return DockerRunner(configuration.engine, str(configuration.root))


class AbExecution:
    """The execution of one AB: what is in our database before and after the container."""

    def __init__(
        self,
        database: Database,
        configuration: Configuration,
        release: str,
        ab_name: str,
        runner: ContainerRunner,
        within_gb: float | None = None,
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._folders = configuration.folders
        self._trees = AbTrees(configuration.folders)
        self._release = release
        self._name = ab_name
        self._runner = runner
        self._within_gb = within_gb

    def run(self, on_line: Callable[[str], None], should_stop: Callable[[], bool]) -> Attempt:
        """Run the AB unless it is done; see `run_ab`."""
        with sole_run(self._database, self._release, self._name, should_stop):
            ab, sha256, done = self._load()
            if done is not None:
                self._clear_away(ab, done.number)
                return done
            with room_on_host(self._configuration, ab, self._memory_gb(ab), should_stop):
                return self._attempt(ab, sha256, on_line, should_stop)

    def _attempt(
        self,
        ab: AssociationBlock,
        sha256: str,
        on_line: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Attempt:
        """Take over an attempt that lost its process, or begin another."""
        workshop = self._workshop(ab)
        order = self._unfinished(ab, sha256)
        why_not = ""
        if order is not None:
            why_not = objection(order, workshop, should_stop)
            if not why_not:
                log.warning("attempt %d lost its process and is taken over", order.number)
                return self._run(order, partial(resume_attempt, order, workshop, on_line, should_stop))
            log.warning("attempt %d lost its process: %s; another is begun", order.number, why_not)
            self._runner.stop(self._release, self._name)
            WorkFolder(order.folder).drop_data()
        order = self._begin(ab, sha256, why_not)
        if why_not := self._does_not_fit(order):
            image = workshop.instrument.pipeline_of(ab.recipe).image
            return self._end(order, lost_attempt(order, image, Outcome.UNPROCESSABLE, why_not))
        return self._run(order, partial(run_attempt, order, workshop, on_line, should_stop))

    def _does_not_fit(self, order: Order) -> str:
        """Return why an AB whose inputs are there is too large; one that lacks some is blocked, not large."""
        if isinstance(resolve(order.ab, order.producers), Refusal):
            return ""
        needs_gb = memory_gb(self._configuration, order.ab, order.producers)
        return too_large(self._configuration, order.ab, needs_gb)

    def _run(self, order: Order, work: Callable[[], Run]) -> Attempt:
        """Do the work of an attempt and record how it ended, whatever happens."""
        image = self._configuration.instrument(order.ab.instrument).pipeline_of(order.ab.recipe).image
        try:
            run = work()
            if run.attempt.outcome.succeeded:
                return self._publish(order, run)
        except InfrastructureError as error:
            self._end(order, lost_attempt(order, image, Outcome.CRASHED, str(error)))
            raise
        except PhoenixError as error:
            return self._end(order, lost_attempt(order, image, Outcome.FAILED, str(error)))
        except BaseException as error:
            # A killed task or an error of ours: nothing goes on without us, and the history must not show an
            # attempt that runs for ever.
            self._runner.discard(self._release, self._name, order.number)
            words = f"interrupted: {type(error).__name__} {error}".rstrip()
            self._end(order, lost_attempt(order, image, Outcome.CRASHED, words))
            raise
        return self._end(order, run.attempt, run.record)

    def _load(self) -> tuple[AssociationBlock, str, Attempt | None]:
        """Return the AB, its text's checksum, and its last attempt if there is nothing left to do."""
        with self._database.transaction() as session:
            attempts = AttemptRepository(session)
            row = attempts.find(self._release, self._name)
            history = attempts.history(self._release, self._name)
        if row.exclusion:
            raise UsageError(
                f"AB {self._name}",
                f"taken out by pre-selection {row.exclusion}: {row.reason}",
                "an AB to run",
            )
        document = self._trees.load(self._release, Tree(row.tree), row.night, self._name, row.text_sha256)
        # An AB that was made or edited anew stands in another tree than the final one.
        good = row.tree == Tree.FINAL and row.outcome is not None and Outcome(row.outcome).succeeded
        done = good and bool(history) and (self._folders.products_of(document.ab) / VERDICT).is_file()
        return document.ab, row.text_sha256, history[-1] if done else None

    def _workshop(self, ab: AssociationBlock) -> Workshop:
        rules = self._configuration.rules(ab.instrument)
        return Workshop(
            runner=self._runner,
            instrument=self._configuration.instrument(ab.instrument),
            rules=rules,
            classify=lambda header: _class_by_rules(header, rules),
            pipelines=self._folders.work / ".pipelines",
            min_free_disk_gb=self._configuration.host.min_free_disk_gb,
        )

    def _unfinished(self, ab: AssociationBlock, sha256: str) -> Order | None:
        """Return the order of an attempt whose process was lost."""
        with self._database.transaction() as session:
            unfinished = AttemptRepository(session).unfinished(self._release, self._name)
            if unfinished is None:
                return None
            return self._order(session, ab, sha256, unfinished.number, unfinished.started_at)

    def _begin(self, ab: AssociationBlock, sha256: str, not_adopted: str) -> Order:
        image = self._configuration.instrument(ab.instrument).pipeline_of(ab.recipe).image
        now = datetime.now(UTC)
        with self._database.transaction() as session:
            number = AttemptRepository(session).begin(self._release, self._name, image, now, not_adopted)
            return self._order(session, ab, sha256, number, now)

    def _order(
        self, session: Session, ab: AssociationBlock, sha256: str, number: int, started_at: datetime
    ) -> Order:
        producers = producers_of(session, self._release, ab)
        return Order(
            ab=ab,
            ab_sha256=sha256,
            number=number,
            started_at=started_at,
            folder=self._folders.attempt(ab, number),
            producers=producers,
            memory_gb=self._next_memory_gb(session, ab, producers),
        )

    def _memory_gb(self, ab: AssociationBlock) -> float:
        with self._database.transaction() as session:
            return self._next_memory_gb(session, ab, producers_of(session, self._release, ab))

    def _next_memory_gb(
        self, session: Session, ab: AssociationBlock, producers: Mapping[str, Producer]
    ) -> float:
        """Return the memory of the next attempt: by inputs and history, within what there is."""
        first_gb = memory_gb(self._configuration, ab, producers)
        history = AttemptRepository(session).history(self._release, self._name)
        return memory_for(history, policy(self._configuration, self._release, first_gb, self._within_gb))

    def _publish(self, order: Order, run: Run) -> Attempt:
        """Make products, final text and database rows visible together, if no newer attempt was begun."""
        if run.record is None:
            return self._end(order, run.attempt)
        target = self._folders.products_of(order.ab)
        ready = prepare(WorkFolder(order.folder), target, run.products, run.record)
        with self._database.transaction() as session:
            attempts = AttemptRepository(session)
            if not attempts.is_newest(self._release, self._name, order.number):
                shutil.rmtree(ready, ignore_errors=True)
                raise InfrastructureError(
                    f"AB {self._name}", f"attempt {order.number} was overtaken by a newer one"
                )
            products = publish(ready, target, run.products)
            sha256 = self._trees.save(
                Tree.FINAL,
                replace(order.ab, process_status=ProcessStatus.SUCCESSFUL),
                Processing(
                    outcome=run.attempt.outcome,
                    texec_s=run.attempt.wall_s,
                    log_name="esorex.log",
                    prod_path=str(target),
                    pipeline=run.attempt.pipeline_version,
                    image=run.attempt.image_digest,
                    products=tuple((product.path, product.pro_catg) for product in products),
                    failures=run.attempt.findings,
                ),
            )
            attempts.publish(self._release, self._name, run.attempt, target, products, sha256)
        self._clear_away(order.ab, order.number)
        return run.attempt

    def _end(self, order: Order, attempt: Attempt, record: RunRecord | None = None) -> Attempt:
        """Record an attempt without products; only then is given up what another process could take over."""
        with self._database.transaction() as session:
            AttemptRepository(session).end(self._release, self._name, attempt)
        self._runner.discard(self._release, self._name, order.number)
        keep_findings(WorkFolder(order.folder), record)
        return attempt

    def _clear_away(self, ab: AssociationBlock, number: int) -> None:
        """Remove container and working folder of an attempt whose products are published, or of no use."""
        self._runner.discard(self._release, self._name, number)
        WorkFolder(self._folders.attempt(ab, number)).remove()


def _class_by_rules(header: Mapping[str, Value], rules: Rules) -> str:
    """Return the class of a frame; empty when no rule takes it."""
    found = classify(header, rules)
    return found.name if found else ""
