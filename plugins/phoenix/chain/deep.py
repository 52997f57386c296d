"""What a run is made of: the processed ABs of another release, and when a run is complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from phoenix.association.second_step import ObservingRun, Processed
from phoenix.config.loader import Configuration
from phoenix.config.release import Mode, Release
from phoenix.errors import ConfigError, UsageError
from phoenix.model.ab import AssociationBlock, Tree, raws_of
from phoenix.model.batch import BatchKey, BatchKind, BatchState
from phoenix.model.frame import FrameKind
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.bad_masters import BadMasterRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue, batch_date
from phoenix.store.tables import AbRow, AttemptRow, BatchRow, FrameRow

_GOOD = [outcome.value for outcome in Outcome if outcome.succeeded]
_MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)


def observing_run(database: Database, configuration: Configuration, release: str, key: str) -> ObservingRun:
    """Return the ABs of a run whose products deep ABs can take, of the release they are made of.

    An AB that failed, has not run, or was declared bad is among them, with the reason.

    Parameters
    ----------
    release : str
        Of mode DEEP.

    Raises
    ------
    UsageError
        If that other release has no AB of this run.
    AssociationError
        If the text of one of its ABs cannot be read, or was changed by hand.
    """
    stream = configuration.release(release)
    maker = _maker(stream)
    with database.transaction() as session:
        rows = _rows(session, maker, key)
        abs_ = {row.name: _text(configuration, row) for row in rows}
        bad = BadMasterRepository(session).reasons(maker)
        found = [row for row in rows if row.task in _makers(configuration, stream)]
        if not found:
            raise UsageError(
                f"run {key}",
                f"{maker} has no ABs of it that {release} could combine",
                f"a run of which nights are processed in {maker}",
                f"see OBS.PROG.ID: phoenix frames list; then phoenix batch run {maker} <night>",
            )
        raws = {row.name: raws_of(abs_[row.name], abs_) for row in found}
        paths = sorted({raw.path for taken in raws.values() for raw in taken})
        frames = {frame.path: frame for frame in FrameCatalogue(session).named(stream.instrument, paths)}
    first = {name: taken[0].path for name, taken in raws.items() if taken and taken[0].path in frames}
    return ObservingRun(
        key,
        tuple(
            Processed(abs_[row.name], frames[first[row.name]], raws[row.name], _defect(row, bad))
            for row in found
            if row.name in first
        ),
        lost=tuple(row.name for row in found if row.name not in first),
    )


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is processed in the release its deep ABs are made of.

    Attributes
    ----------
    blocks
        OBs with raw frames in the catalogue.
    open_blocks
        Of these the ones that are not processed: no AB, or one that has still to run.
    newest
        Time of its newest raw frame, UTC.
    quiet_days
        How long it must be quiet.
    """

    key: str
    blocks: tuple[str, ...]
    open_blocks: tuple[str, ...]
    newest: datetime
    quiet_days: int

    def missing(self, now: datetime) -> str:
        """Return why the run is not complete; empty when it is."""
        if self.open_blocks:
            return f"OBs {', '.join(self.open_blocks)} are not processed"
        until = self.newest + timedelta(days=self.quiet_days)
        if now < until:
            return f"raw frames of {self.newest:%Y-%m-%d}, quiet only from {until:%Y-%m-%d} on"
        return "" if len(self.blocks) > 1 else "there is one OB, whose cube is final"


def progress(database: Database, configuration: Configuration, release: str, key: str) -> RunProgress | None:
    """Return how far a run is processed; None if the catalogue has no science frame of it."""
    stream = configuration.release(release)
    maker = _maker(stream)
    rules = configuration.rules(stream.instrument)
    classes = {name for task in rules.tasks if task.science for name in task.raw}
    with database.transaction() as session:
        frames = session.execute(
            select(FrameRow.keywords["OBS.ID"].as_string(), FrameRow.mjd_obs).where(
                FrameRow.instrument == stream.instrument,
                FrameRow.kind == FrameKind.RAW.value,
                FrameRow.problem == "",
                FrameRow.raw_class.in_(classes),
                batch_date(BatchKind.RUN) == key,
            )
        ).all()
        rows = _rows(session, maker, key)
    if not frames:
        return None
    seen = {row.obs_id for row in rows}
    waiting = {row.obs_id for row in rows if not row.exclusion and row.outcome is None}
    blocks = tuple(sorted({str(block) for block, _ in frames}))
    newest = _MJD_0 + timedelta(days=max(mjd for _, mjd in frames))
    still_open = tuple(block for block in blocks if block not in seen or block in waiting)
    return RunProgress(key, blocks, still_open, newest, stream.ab_source.quiet_days)


def complete_runs(database: Database, configuration: Configuration, release: str, now: datetime) -> list[str]:
    """Return the runs a release of mode DEEP can be made of and that were not announced yet.

    A run is announced once for what there is of it, and again only when an AB of it was processed since.
    """
    stream = configuration.release(release)
    with database.transaction() as session:
        latest = _latest(session, _maker(stream), _makers(configuration, stream))
    due = []
    for key, processed_at in sorted(latest.items()):
        if _is_run(key) and not _is_announced(database, release, key, processed_at):
            run = progress(database, configuration, release, key)
            if run is not None and not run.missing(now):
                due.append(key)
    return due


def announce(database: Database, release: str, keys: Iterable[str], now: datetime) -> None:
    """Remember that runs are announced: they are due and wait for somebody who opens them."""
    with database.transaction() as session:
        for key in keys:
            row = session.scalar(select(BatchRow).where(BatchRow.release == release, BatchRow.key == key))
            if row is None:
                session.add(
                    BatchRow(
                        release=release,
                        key=key,
                        kind=BatchKind.RUN.value,
                        state=BatchState.DUE.value,
                        opened_at=now,
                        summary={},
                        problems=[],
                    )
                )
            elif row.state != BatchState.RUNNING:
                row.state, row.opened_at, row.closed_at = BatchState.DUE.value, now, None


def _latest(session: Session, maker: str, tasks: frozenset[str]) -> dict[str, datetime]:
    """Return for each run when an AB of it was last processed well."""
    query = (
        select(AbRow.obs_prog_id, func.max(AttemptRow.ended_at))
        .join(AttemptRow, AttemptRow.ab_id == AbRow.id)
        .where(AbRow.release == maker, AbRow.task.in_(tasks), AttemptRow.outcome.in_(_GOOD))
        .group_by(AbRow.obs_prog_id)
    )
    return {key: ended_at for key, ended_at in session.execute(query) if key and ended_at is not None}


def _is_run(key: str) -> bool:
    try:
        BatchKey(BatchKind.RUN, key)
    except UsageError:
        return False
    return True


def _is_announced(database: Database, release: str, key: str, processed_at: datetime) -> bool:
    """Whether a run was announced, or opened by a person, after an AB of it was last processed."""
    with database.transaction() as session:
        row = session.scalar(select(BatchRow).where(BatchRow.release == release, BatchRow.key == key))
    return row is not None and row.opened_at > processed_at


def _maker(stream: Release) -> str:
    if stream.mode is not Mode.DEEP or stream.ab_source.made_of is None:
        raise ConfigError(
            f"releases/{stream.release}.yaml, field mode",
            f"found {stream.mode}",
            "DEEP: only such a release is made of the ABs of another one",
        )
    return stream.ab_source.made_of


def _makers(configuration: Configuration, stream: Release) -> frozenset[str]:
    """Return the tasks of the other release whose products the deep ones take."""
    tasks = configuration.rules(stream.instrument).tasks_for(stream)
    own = {task.name for task in tasks}
    return frozenset(entry.made_by for task in tasks for entry in task.inputs if entry.made_by not in own)


def _rows(session: Session, maker: str, key: str) -> Sequence[AbRow]:
    query = select(AbRow).where(AbRow.release == maker, AbRow.obs_prog_id == key)
    return session.scalars(query.order_by(AbRow.mjd_obs_mod, AbRow.name)).all()


def _text(configuration: Configuration, row: AbRow) -> AssociationBlock:
    trees = AbTrees(configuration.folders)
    return trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256).ab


def _defect(row: AbRow, bad: Mapping[str, str]) -> str:
    """Return why the products of an AB cannot be taken, to be read after `it is itself`."""
    if row.exclusion:
        return f"excluded, {row.exclusion}: {row.reason}"
    if row.outcome is None:
        return f"not processed yet in {row.release}"
    if not Outcome(row.outcome).succeeded:
        return f"{row.outcome} in {row.release}: {row.reason}"
    return bad.get(row.name, "")
