"""Applies a release's PGIs to the ABs of a night: from the source tree to the edited tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

import phoenix.pgi.parameters  # noqa: F401 (registers the generic PGI)
from phoenix import instruments
from phoenix.config.loader import Configuration
from phoenix.config.release import Release
from phoenix.errors import PhoenixError
from phoenix.model.ab import Tree
from phoenix.pgi.apply import Edited, apply_pgis, diff
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import waiting_for
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow


@dataclass(slots=True)
class EditReport:
    """What the PGIs did.

    Attributes
    ----------
    diffs
        What changed in each AB's text, by AB name; of a dry run, what would change.
    notes
        PGIs that were not applied, and why.
    problems
        ABs that could not be edited, and why; the others were.
    """

    seen: int = 0
    diffs: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dry_run: bool = False

    def __str__(self) -> str:
        verb = "would change" if self.dry_run else "changed"
        parts = [f"{self.seen} ABs, {len(self.diffs)} {verb} by PGIs", *self.problems]
        return "; ".join(parts)


def edit_abs(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str,
    night: str | None = None,
    *,
    dry_run: bool = False,
) -> EditReport:
    """Apply the release's PGIs to the ABs of a batch, or of one of its nights.

    An AB that went through this step is left as it is: the ledger in its text tells. One bad AB stops no
    other.

    Raises
    ------
    ConfigError
        If a PGI does not exist or its configuration is wrong.
    UsageError
        If the batch was never opened.
    """
    stream = configuration.release(release)
    instruments.load(stream.instrument, "pgi")
    report = EditReport(dry_run=dry_run)
    trees = AbTrees(configuration.folders)
    with database.transaction() as session:
        batch = BatchRepository(session).find(release, key)
        query = select(AbRow).where(AbRow.batch_id == batch.id).order_by(AbRow.mjd_obs_mod, AbRow.name)
        rows = session.scalars(query.where(AbRow.night == night) if night else query).all()
        combined_in = _second_steps(session, configuration, stream, rows)
    for row in rows:
        report.seen += 1
        try:
            _edit(database, trees, stream, row, report, combined_in.get(row.name, []))
        except PhoenixError as error:
            if error.exit_code > 1:
                raise
            report.problems.append(str(error))
    return report


def _second_steps(
    session: Session, configuration: Configuration, stream: Release, rows: Sequence[AbRow]
) -> dict[str, list[str]]:
    """Return by AB the names of the ABs that combine its products; those that were taken out do not."""
    rules = configuration.rules(stream.instrument)
    tasks = {task.name for task in rules.tasks if task.inputs and task.science}
    found: dict[str, list[str]] = {}
    for row in waiting_for(session, stream.release, [row.name for row in rows]):
        if row.task in tasks and not row.exclusion:
            for name in row.waits_for:
                found.setdefault(name, []).append(row.name)
    return found


def _edit(
    database: Database,
    trees: AbTrees,
    stream: Release,
    row: AbRow,
    report: EditReport,
    combined_in: Sequence[str],
) -> None:
    if row.tree == Tree.FINAL:
        report.notes.append(f"{row.name}: processed already; PGIs edit an AB before it is processed")
        return
    ab = trees.load(stream.release, Tree(row.tree), row.night, row.name, row.text_sha256).ab
    edited = apply_pgis(ab, stream.pgis, f"releases/{stream.release}.yaml", combined_in)
    report.notes += edited.skipped
    change = diff(ab, edited.ab)
    if change:
        report.diffs[row.name] = change
    if report.dry_run or not (edited.applied or row.tree == Tree.SOURCE):
        return
    _save(database, trees, row, edited)


def _save(database: Database, trees: AbTrees, row: AbRow, edited: Edited) -> None:
    """Write the edited text and let the row point to it, unless somebody changed the AB meanwhile."""
    with database.transaction() as session:
        current = session.scalars(select(AbRow).where(AbRow.id == row.id).with_for_update()).one()
        if current.text_sha256 != row.text_sha256:
            return
        current.text_sha256 = trees.save(Tree.EDITED, edited.ab)
        current.tree = Tree.EDITED.value
        if edited.ab.exclusion != current.exclusion:
            current.exclusion, current.reason = edited.ab.exclusion, edited.ab.exclusion_reason
