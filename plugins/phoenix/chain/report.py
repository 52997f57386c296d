"""Fills the report of a batch from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from phoenix.config.loader import Configuration
from phoenix.model.ab import Completeness
from phoenix.model.batch import BatchKey, BatchKind, BatchState
from phoenix.model.frame import FrameKind
from phoenix.model.outcome import Outcome
from phoenix.model.product import IngestState
from phoenix.model.report import AbLine, BatchReport, NightLine, RedLine
from phoenix.model.score import Verdict
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import waiting_for
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import batch_date
from phoenix.store.tables import (
    AbRow,
    AttemptRow,
    BatchRow,
    FrameRow,
    IdpRow,
    IngestionRow,
    Qc1Row,
    ScoreRow,
)

TO_DO = "to do"
EXCLUDED = "excluded"
_WITH_PRODUCTS = {Outcome.OK.value, Outcome.CAVEATS.value}


def batch_report(database: Database, configuration: Configuration, release: str, key: str) -> BatchReport:
    """Return how a batch stands now.

    Raises
    ------
    UsageError
        If the batch was never opened.
    """
    with database.transaction() as session:
        batch = BatchRepository(session).find(release, key)
        rows = session.scalars(
            select(AbRow).where(AbRow.batch_id == batch.id).order_by(AbRow.mjd_obs_mod, AbRow.name)
        ).all()
        idps = _idps(session, batch)
        return BatchReport(
            site=configuration.site.site,
            release=release,
            key=key,
            state=BatchState(batch.state),
            opened_at=batch.opened_at,
            closed_at=batch.closed_at,
            nights=_nights(session, configuration, release, key, rows, idps.ingested),
            outcomes=_by_task(rows),
            problems=(*batch.problems, *_bad_frames(session, configuration, release, key)),
            troubled=tuple(_line(configuration, row, key) for row in rows if _is_troubled(row)),
            excluded=tuple(_line(configuration, row, key) for row in rows if row.exclusion),
            reds=_reds(session, batch),
            idps_ingested=sum(idps.ingested.values()),
            held=tuple(idps.held),
            not_ingested=(*idps.not_ingested, *_unconverted(session, configuration, release, rows)),
            recipe_s=_recipe_seconds(session, batch),
            slots=configuration.host.slots,
            links=_links(configuration, release, key),
            left_out=_left_out(configuration, release, key),
        )


def outcome_word(row: AbRow) -> str:
    """Return the outcome of an AB, or why it has none."""
    return EXCLUDED if row.exclusion else row.outcome or TO_DO


def _is_troubled(row: AbRow) -> bool:
    return not row.exclusion and row.outcome is not None and not Outcome(row.outcome).succeeded


def _by_task(rows: Iterable[AbRow]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        task = counts.setdefault(row.task, {})
        word = outcome_word(row)
        task[word] = task.get(word, 0) + 1
    return counts


def _nights(
    session: Session,
    configuration: Configuration,
    release: str,
    key: str,
    rows: Iterable[AbRow],
    ingested: Counter[str],
) -> tuple[NightLine, ...]:
    stream = configuration.release(release)
    science = {task.name for task in configuration.rules(stream.instrument).tasks if task.science}
    date = batch_date(stream.batch)
    counted = session.execute(
        select(date.label("night"), func.count().label("number"))
        .where(
            FrameRow.instrument == stream.instrument,
            FrameRow.kind == FrameKind.RAW.value,
            date.in_(BatchKey(stream.batch, key).dates()),
        )
        .group_by(date)
    )
    frames: dict[str, int] = {row.night: row.number for row in counted}
    outcomes: dict[str, Counter[str]] = {night: Counter() for night in frames}
    science_abs: Counter[str] = Counter()
    for row in rows:
        outcomes.setdefault(row.night, Counter())[outcome_word(row)] += 1
        science_abs[row.night] += row.task in science
    return tuple(
        NightLine(night, frames.get(night, 0), dict(outcomes[night]), science_abs[night], ingested[night])
        for night in sorted(outcomes)
    )


def _bad_frames(session: Session, configuration: Configuration, release: str, key: str) -> tuple[str, ...]:
    """Name frames of the batch that could not be read or that no rule classifies."""
    stream = configuration.release(release)
    nights = BatchKey(stream.batch, key).nights()
    rows = session.scalars(
        select(FrameRow)
        .where(
            FrameRow.night.in_(nights),
            (FrameRow.problem != "") | (FrameRow.raw_class == ""),
            FrameRow.instrument.in_((stream.instrument, "")),
        )
        .order_by(FrameRow.path)
    )
    return tuple(
        f"{row.path}: {row.problem or 'no rule classifies it; `phoenix frames orphans` tells why'}"
        for row in rows
    )


def _left_out(configuration: Configuration, release: str, key: str) -> tuple[str, ...]:
    """Say why exposures of a run are in no AB; of nights `phoenix ab left-out` tells."""
    if configuration.release(release).batch is not BatchKind.RUN:
        return ()
    told = AbTrees(configuration.folders).left_out(release, key)
    counts = Counter(f"{out['code']}: {out['reason']}" for out in told)
    return tuple(f"{why} (exposures: {number})" for why, number in counts.items())


def _line(configuration: Configuration, row: AbRow, key: str) -> AbLine:
    work = configuration.folders.work / row.release / row.night / row.name.removesuffix(".ab")
    folder = Path(row.product_folder) if row.product_folder else work
    reason = f"{row.exclusion}: {row.reason}" if row.exclusion else row.reason
    return AbLine(
        row.name,
        row.night,
        row.task,
        outcome_word(row),
        reason,
        str(folder) if folder.exists() else "",
        _replay(row, key),
    )


def _replay(row: AbRow, key: str) -> str:
    """Return the command that can help: an INCOMPLETE AB has to be associated again."""
    if row.exclusion:
        return ""
    if row.completeness == Completeness.INCOMPLETE:
        return f"phoenix batch run {row.release} '{key}'"
    return f"phoenix ab run {row.release} {row.name}"


def _reds(session: Session, batch: BatchRow) -> tuple[RedLine, ...]:
    rows = session.execute(
        select(AbRow.name, AbRow.night, ScoreRow, Qc1Row.unit)
        .join(ScoreRow, ScoreRow.ab_id == AbRow.id)
        .outerjoin(Qc1Row, (Qc1Row.ab_id == AbRow.id) & (Qc1Row.parameter == ScoreRow.parameter))
        .where(AbRow.batch_id == batch.id, ScoreRow.verdict == Verdict.RED.value)
        .order_by(AbRow.mjd_obs_mod, AbRow.name, ScoreRow.parameter)
    )
    return tuple(
        RedLine(name, night, score.parameter, score.value, score.low, score.high, unit or "")
        for name, night, score, unit in rows
    )


@dataclass(frozen=True, slots=True)
class _Idps:
    """Science IDPs of a batch: how many are in the archive, by night; the others by name, with the reason."""

    ingested: Counter[str] = field(default_factory=Counter)
    held: list[str] = field(default_factory=list)
    not_ingested: list[str] = field(default_factory=list)


def _idps(session: Session, batch: BatchRow) -> _Idps:
    latest = (
        select(IngestionRow.idp_id, func.max(IngestionRow.version).label("version"))
        .group_by(IngestionRow.idp_id)
        .subquery()
    )
    rows = session.execute(
        select(AbRow.night, IdpRow, IngestionRow)
        .join(IdpRow, IdpRow.ab_id == AbRow.id)
        .outerjoin(latest, latest.c.idp_id == IdpRow.id)
        .outerjoin(
            IngestionRow,
            (IngestionRow.idp_id == IdpRow.id)
            & (IngestionRow.version == latest.c.version)
            & (IngestionRow.source_sha256 == IdpRow.sha256),
        )
        .where(AbRow.batch_id == batch.id, IdpRow.parent_id.is_(None))
        .order_by(IdpRow.origfile)
    )
    found = _Idps()
    for night, idp, ingestion in rows:
        if ingestion is not None and ingestion.state == IngestState.ARCHIVED:
            found.ingested[night] += 1
        elif idp.findings:
            found.not_ingested.append(f"{idp.origfile}: {idp.findings[0]}")
        elif ingestion is None:
            found.not_ingested.append(f"{idp.origfile}: not in the ingestion queue yet")
        elif ingestion.state == IngestState.HELD:
            found.held.append(f"{idp.origfile}: {ingestion.error}")
        else:
            found.not_ingested.append(f"{idp.origfile}: {ingestion.state} {ingestion.error}".rstrip())
    return found


def _unconverted(
    session: Session, configuration: Configuration, release: str, rows: Iterable[AbRow]
) -> tuple[str, ...]:
    """Name science ABs with products and no IDP, e.g. because the conversion of their night broke off."""
    stream = configuration.release(release)
    if stream.conversion is None:
        return ()
    delivering = configuration.rules(stream.instrument).delivering
    made = [
        row for row in rows if row.task in delivering and row.outcome in _WITH_PRODUCTS and not row.exclusion
    ]
    converted = set(session.scalars(select(IdpRow.ab_id).where(IdpRow.ab_id.in_([row.id for row in made]))))
    missing = [row for row in made if row.id not in converted]
    stacks = waiting_for(session, release, [row.name for row in missing])
    have_idps = set(session.scalars(select(IdpRow.ab_id).where(IdpRow.ab_id.in_([row.id for row in stacks]))))
    # The files of an exposure in a stack are the stack's.
    taken = {name for row in stacks if row.id in have_idps for name in row.waits_for}
    while further := {name for row in stacks if row.name in taken for name in row.waits_for} - taken:
        taken |= further
    return tuple(f"{row.name}: not converted to an IDP yet" for row in missing if row.name not in taken)


def _recipe_seconds(session: Session, batch: BatchRow) -> float:
    seconds = session.scalar(
        select(func.sum(func.extract("epoch", AttemptRow.ended_at - AttemptRow.started_at)))
        .join(AbRow, AbRow.id == AttemptRow.ab_id)
        .where(AbRow.batch_id == batch.id, AttemptRow.started_at >= batch.opened_at)
    )
    return float(seconds or 0.0)


def _links(configuration: Configuration, release: str, key: str) -> dict[str, str]:
    folders = configuration.folders
    dag = configuration.release(release).dag_id
    return {
        "Airflow": f"{configuration.ui_url}/dags/{dag}/runs?partition_key={quote(key)}",
        "archive": str(folders.archive),
        "QC reports": str(folders.reports / release),
        "products and logs": str(folders.products / release),
        "ABs": str(folders.ab / release),
    }
