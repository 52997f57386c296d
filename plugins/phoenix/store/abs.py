"""ABs: the row pages and queries need, and behind it the text in the AB store, kept in step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Text, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from phoenix.errors import AssociationError, UsageError
from phoenix.model.ab import AssociationBlock, Completeness, PgiEntry, Tree, referred
from phoenix.model.ab_text import AbDocument, Processing, content_sha256, write
from phoenix.model.frame import Value
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees, sha256_of
from phoenix.store.masters import index_calibrations
from phoenix.store.tables import AbRow

#: Ledger name of an edit by a person; accepted texts carry it.
BY_HAND = "by_hand"
#: Exclusion of an AB that the frames of the catalogue no longer give.
WITHDRAWN = "WITHDRAWN"


class Change(StrEnum):
    """What putting an AB into the store came to."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    #: The rules now say something else, but a person edited the AB: theirs stays.
    KEPT = "kept, edited by hand"


@dataclass(frozen=True, slots=True)
class AbState:
    """How an AB stands, without its text.

    Attributes
    ----------
    reason
        Why it is excluded or incomplete, or what the last attempt found.
    tree
        The tree whose text counts.
    outcome
        None while it has not been processed, or must be again.
    """

    name: str
    release: str
    batch_id: int
    night: str
    task: str
    recipe: str
    raw_type: str
    setting: Mapping[str, Value]
    mjd_obs_mod: float
    obs_id: str
    completeness: Completeness
    level: int
    waits_for: tuple[str, ...]
    exclusion: str
    reason: str
    tree: Tree
    outcome: Outcome | None
    product_folder: str

    @property
    def pending(self) -> bool:
        """Whether a recipe has still to run for it."""
        return not self.exclusion and (self.outcome is None or not self.outcome.succeeded)


class AbRepository:
    """ABs of all releases, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    trees : AbTrees
        The texts. A text is written before the transaction ends; if that is rolled back, putting the same
        AB again heals it.
    """

    def __init__(self, session: Session, trees: AbTrees) -> None:
        self._session = session
        self._trees = trees

    def put(self, ab: AssociationBlock, batch_id: int, text: str = "") -> Change:
        """Store an AB as its source gives it; the same content changes nothing, however far it has come.

        Other content replaces the text and makes the AB pending again, unless a person edited it.

        Parameters
        ----------
        text : str
            Its text form, when it has one with comments of its own.

        Raises
        ------
        AssociationError
            If the text was changed by hand and not accepted yet, or the name is another task's.
        """
        content = content_sha256(ab)
        row = self._find(ab.release, ab.name, lock=True)
        if row is None:
            row = AbRow(release=ab.release, name=ab.name, reason="", product_folder="")
            self._replace(row, ab, batch_id, content, text)
            self._session.add(row)
            self._session.flush()
            return Change.CREATED
        if row.task != ab.task:
            raise AssociationError(
                f"AB {ab.name}",
                f"is made by task {row.task} and by task {ab.task}",
                "each raw frame in one task, or tasks with different `event`",
                "give one of the two tasks an `event` in the rules",
            )
        if row.source_sha256 == content:
            row.batch_id = batch_id
            source = self._trees.path(ab.release, Tree.SOURCE, ab.date, ab.name)
            if row.tree == Tree.SOURCE and not source.exists():
                row.text_sha256 = self._trees.create(ab, text)
            return Change.UNCHANGED
        if self._edited_by_hand(row, text or write(ab)):
            return Change.KEPT
        self._replace(row, ab, batch_id, content, text)
        return Change.REPLACED

    def advance(self, ab: AssociationBlock, tree: Tree, processing: Processing | None = None) -> None:
        """Store the next text of an AB: as PGIs edited it, or with the record of its processing.

        An edited text makes the AB pending again; comments of the text before are kept.

        Raises
        ------
        UsageError
            If the AB was never put.
        """
        row = self._row(ab.release, ab.name, lock=True)
        if tree is not Tree.FINAL:
            row.outcome = None
            row.reason = _reason(ab)
        self._describe(row, ab)
        row.tree = tree.value
        row.text_sha256 = self._trees.save(tree, ab, processing)

    def get(self, release: str, name: str) -> AssociationBlock:
        """Return an AB by its text that counts.

        Raises
        ------
        UsageError
            If there is no such AB.
        AssociationError
            If its text is missing, wrong, or was changed by hand and not accepted.
        """
        return self._load(self._row(release, name)).ab

    def content(self, release: str, name: str) -> str:
        """Return the hash of what the rules made, by :func:`phoenix.model.ab_text.content_sha256`."""
        return self._row(release, name).source_sha256

    def state(self, release: str, name: str) -> AbState:
        """Return how an AB stands; ``UsageError`` if there is none."""
        return _state(self._row(release, name))

    def of_batch(
        self, batch_id: int, task: str | None = None, night: str | None = None
    ) -> list[AssociationBlock]:
        """Return the ABs of a batch, by match time and name; raises as :meth:`get` does."""
        return [self._load(row).ab for row in self._of_batch(batch_id, task, night)]

    def states(self, batch_id: int, task: str | None = None, night: str | None = None) -> list[AbState]:
        """Return how the ABs of a batch stand, by match time and name."""
        return [_state(row) for row in self._of_batch(batch_id, task, night)]

    def of_release(self, release: str) -> list[AbState]:
        """Return how all ABs of a release stand, by match time and name."""
        query = select(AbRow).where(AbRow.release == release).order_by(AbRow.mjd_obs_mod, AbRow.name)
        return [_state(row) for row in self._session.scalars(query)]

    def recorded(self, release: str, nights: Iterable[str]) -> dict[str, tuple[Tree, str]]:
        """Return which text of each AB counts, with its sha256, for some nights of a release."""
        query = select(AbRow).where(AbRow.release == release, AbRow.night.in_(list(nights)))
        return {row.name: (Tree(row.tree), row.text_sha256) for row in self._session.scalars(query)}

    def runnable(self, batch_id: int, task: str | None = None) -> list[AbState]:
        """Return the pending ABs whose calibrations are all there."""
        return [state for state, ready in self._pending(batch_id, task) if ready]

    def waiting(self, batch_id: int, task: str | None = None) -> list[AbState]:
        """Return the pending ABs that wait for others, or miss a calibration for good."""
        return [state for state, ready in self._pending(batch_id, task) if not ready]

    def set_outcome(
        self,
        release: str,
        name: str,
        outcome: Outcome | None,
        reason: str = "",
        product_folder: str | None = None,
    ) -> None:
        """Record how the processing of an AB ended; None makes it pending again."""
        row = self._row(release, name, lock=True)
        row.outcome = outcome.value if outcome else None
        row.reason = reason
        if product_folder is not None:
            row.product_folder = product_folder

    def make_pending(self, release: str, names: Iterable[str]) -> list[str]:
        """Make processed ABs pending again, e.g. what depends on a new master; return their names."""
        rows = self._session.scalars(
            select(AbRow)
            .where(AbRow.release == release, AbRow.name.in_(list(names)), AbRow.outcome.is_not(None))
            .order_by(AbRow.name)
            .with_for_update()
        ).all()
        for row in rows:
            row.outcome = None
        return [row.name for row in rows]

    def withdraw(self, batch_id: int, night: str, given: Iterable[str]) -> list[str]:
        """Exclude the night's ABs that the rules no longer give; return their names.

        An AB a person edited stays, and nothing is deleted: history and products remain.
        """
        kept = set(given)
        withdrawn = []
        for row in self._of_batch(batch_id, None, night):
            if row.name in kept or row.exclusion == WITHDRAWN:
                continue
            document = self._load(row)
            if _has_hand_edit(document.ab):
                continue
            reason = "the source of its night no longer gives this AB"
            ab = replace(document.ab, exclusion=WITHDRAWN, exclusion_reason=reason)
            self._replace(row, ab, batch_id, content_sha256(ab))
            withdrawn.append(row.name)
        return withdrawn

    def accept(self, release: str, name: str) -> AbDocument:
        """Take over an AB's text as a person left it, enter the edit into its ledger, make it pending again.

        Raises
        ------
        UsageError
            If there is no such AB, or nothing was changed.
        AssociationError
            If the text cannot be read, or is another AB's.
        """
        row = self._row(release, name, lock=True)
        tree = Tree(row.tree)
        text = self._trees.text(release, tree, row.night, name)
        digest = sha256_of(text)
        if digest == row.text_sha256:
            raise UsageError(
                f"AB {name}",
                "its text is as recorded; there is nothing to accept",
                remedy=f"edit {self._trees.path(release, tree, row.night, name)} first",
            )
        ab = self._trees.load(release, tree, row.night, name, digest).ab
        if (ab.release, ab.date, ab.name, ab.task) != (release, row.night, name, row.task):
            raise AssociationError(
                str(self._trees.path(release, tree, row.night, name)),
                f"is now the text of {ab.release} {ab.date} {ab.name}, task {ab.task}",
                f"{release} {row.night} {name}, task {row.task}: these cannot be edited",
                "mend RELEASE, DATE, AB_NAME or TASK",
            )
        self.advance(replace(ab, pgis=(*ab.pgis, PgiEntry(BY_HAND, "1", digest))), tree)
        row.outcome, row.reason = None, _reason(ab)
        return self._load(row)

    def _replace(
        self, row: AbRow, ab: AssociationBlock, batch_id: int, content: str, source_text: str = ""
    ) -> None:
        row.text_sha256 = self._trees.create(ab, source_text)
        self._describe(row, ab)
        row.batch_id, row.tree = batch_id, Tree.SOURCE.value
        row.source_sha256, row.outcome, row.reason = content, None, _reason(ab)

    def _describe(self, row: AbRow, ab: AssociationBlock) -> None:
        row.instrument, row.night, row.task, row.recipe = ab.instrument, ab.date, ab.task, ab.recipe
        row.raw_type, row.setting, row.mjd_obs_mod = ab.raw_type, dict(ab.setting), ab.mjd_obs_mod
        row.obs_id, row.obs_prog_id = ab.obs_id, ab.obs_prog_id
        row.completeness, row.level = ab.completeness.value, ab.level
        row.waits_for, row.exclusion = list(ab.waits_for), ab.exclusion
        index_calibrations(row, ab)

    def _edited_by_hand(self, row: AbRow, source_text: str) -> bool:
        text = self._trees.text(row.release, Tree(row.tree), row.night, row.name)
        if row.tree == Tree.SOURCE and text == source_text:
            return False  # written by a transaction that was rolled back afterwards
        return _has_hand_edit(self._load(row).ab)

    def _load(self, row: AbRow) -> AbDocument:
        return self._trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256)

    def _pending(self, batch_id: int, task: str | None) -> list[tuple[AbState, bool]]:
        states = [_state(row) for row in self._of_batch(batch_id, task, None)]
        pending = [state for state in states if state.pending]
        wanted = {referred(name, state.release)[1] for state in pending for name in state.waits_for}
        made = {
            (release, name)
            for release, name, outcome in self._session.execute(
                select(AbRow.release, AbRow.name, AbRow.outcome).where(AbRow.name.in_(wanted))
            )
            if outcome is not None and Outcome(outcome).succeeded
        }
        return [
            (
                state,
                state.completeness is Completeness.COMPLETE
                and all(referred(name, state.release) in made for name in state.waits_for),
            )
            for state in pending
        ]

    def _of_batch(self, batch_id: int, task: str | None, night: str | None) -> Sequence[AbRow]:
        query = select(AbRow).where(AbRow.batch_id == batch_id).order_by(AbRow.mjd_obs_mod, AbRow.name)
        if task is not None:
            query = query.where(AbRow.task == task)
        if night is not None:
            query = query.where(AbRow.night == night)
        return self._session.scalars(query).all()

    def _find(self, release: str, name: str, lock: bool = False) -> AbRow | None:
        query = select(AbRow).where(AbRow.release == release, AbRow.name == name)
        return self._session.scalar(query.with_for_update() if lock else query)

    def _row(self, release: str, name: str, lock: bool = False) -> AbRow:
        row = self._find(release, name, lock)
        if row is None:
            raise UsageError(
                f"AB {name}", f"is not known in release {release}", remedy=f"phoenix ab list {release}"
            )
        return row


def waiting_for(session: Session, release: str, names: Collection[str]) -> Sequence[AbRow]:
    """Return the ABs of a release that wait for any of these, by match time and name."""
    if not names:
        return []
    wanted = cast(list(names), ARRAY(Text))
    query = select(AbRow).where(AbRow.release == release, AbRow.waits_for.op("?|")(wanted))
    return session.scalars(query.order_by(AbRow.mjd_obs_mod, AbRow.name)).all()


def _has_hand_edit(ab: AssociationBlock) -> bool:
    return any(pgi.name == BY_HAND for pgi in ab.pgis)


def _reason(ab: AssociationBlock) -> str:
    return ab.exclusion_reason or "; ".join(missing.reason for missing in ab.missing)


def _state(row: AbRow) -> AbState:
    return AbState(
        name=row.name,
        release=row.release,
        batch_id=row.batch_id,
        night=row.night,
        task=row.task,
        recipe=row.recipe,
        raw_type=row.raw_type,
        setting=row.setting,
        mjd_obs_mod=row.mjd_obs_mod,
        obs_id=row.obs_id,
        completeness=Completeness(row.completeness),
        level=row.level,
        waits_for=tuple(row.waits_for),
        exclusion=row.exclusion,
        reason=row.reason,
        tree=Tree(row.tree),
        outcome=Outcome(row.outcome) if row.outcome else None,
        product_folder=row.product_folder,
    )
