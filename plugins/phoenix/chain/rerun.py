"""ABs run again together with all that depends on them, in the order of the cascade."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from threading import Event

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from phoenix.association.cascade import downstream, levels
from phoenix.chain.batch import close_batch, open_batch
from phoenix.chain.retries import run_with_retries
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.execution.container import ContainerRunner
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, AttemptRow, BatchRow

_WITH_PRODUCTS = (Outcome.OK.value, Outcome.CAVEATS.value)


@dataclass(frozen=True, slots=True)
class Step:
    """An AB that runs again.

    Attributes
    ----------
    key
        Its batch.
    outcome
        Of now; empty if it has none.
    after
        The ABs of the plan it waits for.
    expected_s
        Median wall time of earlier good attempts of its recipe; None if there was none.
    """

    name: str
    key: str
    night: str
    task: str
    recipe: str
    outcome: str
    after: tuple[str, ...]
    expected_s: float | None


@dataclass(frozen=True, slots=True)
class RerunPlan:
    """What runs again.

    Attributes
    ----------
    steps
        In an order they can run in.
    excluded
        ABs that would be among them, were they not excluded.
    slots
        How many run at the same time.
    """

    release: str
    steps: tuple[Step, ...]
    excluded: tuple[str, ...]
    slots: int

    def of_undone(self) -> RerunPlan:
        """Return the plan without what has products."""
        undone = tuple(s for s in self.steps if not (s.outcome and Outcome(s.outcome).succeeded))
        return replace(self, steps=undone)

    @property
    def keys(self) -> list[str]:
        """The batches the ABs belong to."""
        return sorted({step.key for step in self.steps})

    @property
    def expected_s(self) -> float:
        """Least wall time: the longest chain of ABs, or the work of all shared by the slots."""
        ends: dict[str, float] = {}
        for step in self.steps:
            begins = max((ends.get(name, 0.0) for name in step.after), default=0.0)
            ends[step.name] = begins + (step.expected_s or 0.0)
        work = sum(step.expected_s or 0.0 for step in self.steps)
        return max([work / self.slots, *ends.values()])


@dataclass(frozen=True, slots=True)
class Ended:
    """How an AB of a plan ended: its last attempt, or the error that kept it from having one."""

    step: Step
    attempt: Attempt | None
    error: Exception | None = None

    @property
    def good(self) -> bool:
        """Whether its products may be used."""
        return self.attempt is not None and self.attempt.outcome.succeeded

    def __str__(self) -> str:
        if self.attempt is None:
            return f"{self.step.task} {self.step.name}: {self.error}"
        notes = f": {self.attempt.findings[0]}" if self.attempt.findings else ""
        return (
            f"{self.step.task} {self.step.name} {self.attempt.outcome}{notes} ({self.attempt.wall_s:.0f} s)"
        )


def plan_rerun(
    database: Database, configuration: Configuration, release: str, names: Iterable[str], *, cascade: bool
) -> RerunPlan:
    """Return what runs when ABs are to run again.

    Parameters
    ----------
    cascade : bool
        With all ABs of the release, of whatever night and batch, that depend on them.

    Raises
    ------
    UsageError
        If the release has no such AB.
    AssociationError
        If ABs wait for each other in a circle.
    """
    slots = configuration.host.slots
    with database.transaction() as session:
        graph: dict[str, tuple[str, ...]] = {
            name: tuple(waits_for)
            for name, waits_for in session.execute(
                select(AbRow.name, AbRow.waits_for).where(AbRow.release == release)
            )
        }
        order = _in_order(graph, release, list(names), cascade)
        query = (
            select(AbRow, BatchRow.key)
            .join(BatchRow, BatchRow.id == AbRow.batch_id)
            .where(AbRow.release == release, AbRow.name.in_(order))
        )
        rows = {row.name: (row, key) for row, key in session.execute(query)}
        usual_s = _usual_wall_s(session, {row.recipe for row, _ in rows.values()})
    excluded = tuple(name for name in order if rows[name][0].exclusion)
    running = [name for name in order if name not in excluded]
    steps = tuple(_step(*rows[name], set(running), usual_s) for name in running)
    return RerunPlan(release, steps, excluded, slots)


def reset(database: Database, configuration: Configuration, plan: RerunPlan) -> list[str]:
    """Make the ABs of a plan pending, so that the next run of their batches runs them; return their names.

    Raises
    ------
    UsageError
        If one of their batches is being processed.
    """
    with database.transaction() as session:
        for key in plan.keys:
            BatchRepository(session).refuse_if_running(plan.release, key)
        abs_ = AbRepository(session, AbTrees(configuration.folders))
        return abs_.make_pending(plan.release, [step.name for step in plan.steps])


def rerun(
    database: Database,
    configuration: Configuration,
    plan: RerunPlan,
    owner: str,
    say: Callable[[str], None],
    runner: ContainerRunner | None = None,
) -> list[Ended]:
    """Run the ABs of a plan, each as soon as those it waits for have ended; return how, in that order.

    One that fails blocks those that need what it makes, and stops no other. What did not run when this is
    interrupted is pending, and runs with its batch. The batches are held meanwhile; their reports are renewed
    at the end, no digest is sent.

    Parameters
    ----------
    owner : str
        Who runs them.
    say : callable
        Told one line for each AB that ended.
    runner : ContainerRunner, optional
        Default: the site's Docker engine.

    Raises
    ------
    UsageError
        If one of the batches is being processed by somebody else.
    InfrastructureError
        If the disk has no room before anything could start, or the database fails.
    """
    steps = {step.name: step for step in plan.steps}
    sorter = TopologicalSorter({step.name: step.after for step in plan.steps})
    sorter.prepare()
    stop, ended = Event(), []

    def run(step: Step) -> Attempt:
        return run_with_retries(
            database, configuration, plan.release, step.name, should_stop=stop.is_set, runner=runner
        )

    with _held(database, configuration, plan, owner):
        with database.transaction() as session:
            AbRepository(session, AbTrees(configuration.folders)).make_pending(plan.release, steps)
        with _stopped_at_once(ThreadPoolExecutor(plan.slots), stop) as pool:
            running: dict[Future[Attempt], Step] = {}
            while sorter.is_active():
                running |= {pool.submit(run, steps[name]): steps[name] for name in sorter.get_ready()}
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ended.append(_ended(running.pop(future), future))
                    sorter.done(ended[-1].step.name)
                    say(f"{len(ended)} of {len(steps)}: {ended[-1]}")
    return ended


def _ended(step: Step, future: Future[Attempt]) -> Ended:
    try:
        return Ended(step, future.result())
    except Exception as error:  # as in a batch: a bad AB stops no other
        return Ended(step, None, error)


def _in_order(
    graph: Mapping[str, tuple[str, ...]], release: str, names: list[str], cascade: bool
) -> list[str]:
    for name in names:
        if name not in graph:
            raise UsageError(
                f"AB {name}", f"release {release} has none of that name", remedy=f"phoenix ab list {release}"
            )
    wanted = set(names)
    if cascade:
        wanted.update(dependent for name in names for dependent in downstream(graph, name))
    return [name for layer in levels({name: graph[name] for name in wanted}) for name in layer]


def _step(row: AbRow, key: str, running: set[str], usual_s: Mapping[str, float]) -> Step:
    return Step(
        name=row.name,
        key=key,
        night=row.night,
        task=row.task,
        recipe=row.recipe,
        outcome=row.outcome or "",
        after=tuple(name for name in row.waits_for if name in running),
        expected_s=usual_s.get(row.recipe),
    )


def _usual_wall_s(session: Session, recipes: Collection[str]) -> dict[str, float]:
    """Return the median wall time of good attempts by recipe; none for what never ran well."""
    wall_s = func.extract("epoch", AttemptRow.ended_at - AttemptRow.started_at)
    query = (
        select(AbRow.recipe, func.percentile_cont(0.5).within_group(wall_s))
        .join(AttemptRow, AttemptRow.ab_id == AbRow.id)
        .where(AbRow.recipe.in_(recipes), AttemptRow.outcome.in_(_WITH_PRODUCTS))
        .group_by(AbRow.recipe)
    )
    return {recipe: float(median) for recipe, median in session.execute(query)}


@contextmanager
def _held(database: Database, configuration: Configuration, plan: RerunPlan, owner: str) -> Iterator[None]:
    """Own the batches of a plan, so that nobody else processes them; what they had noted stays noted."""
    with ExitStack() as stack:
        for key in plan.keys:
            with database.transaction() as session:
                problems = list(BatchRepository(session).find(plan.release, key).problems)
            open_batch(database, configuration, plan.release, key, owner)
            stack.callback(close_batch, database, configuration, plan.release, key, owner, tell=False)
            with database.transaction() as session:
                BatchRepository(session).note_problems(plan.release, key, problems)
        yield


@contextmanager
def _stopped_at_once(pool: ThreadPoolExecutor, stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Give a pool that, when an exception leaves it, stops what runs and begins nothing more."""
    with pool:
        try:
            yield pool
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
