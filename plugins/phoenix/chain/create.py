"""Makes the ABs of a batch by the rules, and compares stored ones with what the rules would make now."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from phoenix.association.cascade import downstream, waits
from phoenix.association.engine import AssociatedBlock, Associations, associate
from phoenix.association.explain import explanation
from phoenix.association.grouping import LeftOut
from phoenix.config.loader import Configuration
from phoenix.config.rules import Rules
from phoenix.errors import AssociationError, PhoenixError, UsageError
from phoenix.model.ab import Completeness, Tree
from phoenix.model.ab_text import content_sha256, write
from phoenix.model.batch import BatchKey
from phoenix.model.frame import Frame, FrameKind, night_begins
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import WITHDRAWN, AbRepository, AbState, Change
from phoenix.store.bad_masters import BadMasterRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue


@dataclass(slots=True)
class NightCreation:
    """What became of one night.

    Attributes
    ----------
    changes
        AB name -> what putting it into the store came to.
    incomplete, excluded
        AB name -> reason.
    left_out
        Raw frames that are in no AB.
    withdrawn
        ABs the rules no longer give.
    errors
        ABs that could not be made; the others were.
    """

    night: str
    changes: dict[str, Change] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    withdrawn: list[str] = field(default_factory=list)
    errors: list[PhoenixError] = field(default_factory=list)

    def __str__(self) -> str:
        counts = [
            (len(self.changes), "ABs"),
            *((sum(c is change for c in self.changes.values()), change.value) for change in Change),
            (len(self.withdrawn), "withdrawn"),
            (len(self.incomplete), "incomplete"),
            (len(self.excluded), "excluded"),
            (len(self.left_out), "frames left out"),
            (len(self.errors), "errors"),
        ]
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "no ABs"


@dataclass(frozen=True, slots=True)
class Creation:
    """What became of the nights of a batch.

    Attributes
    ----------
    pending_again
        Processed ABs that must run again, because one they depend on was replaced.
    """

    nights: tuple[NightCreation, ...]
    pending_again: tuple[str, ...] = ()

    @property
    def errors(self) -> list[PhoenixError]:
        """Errors of all nights."""
        return [error for night in self.nights for error in night.errors]

    def __str__(self) -> str:
        many = len(self.nights) > 1
        lines = [f"{night.night}: {night}" if many else str(night) for night in self.nights]
        if self.pending_again:
            lines.append(f"{len(self.pending_again)} ABs run again, for one they depend on was replaced")
        return "; ".join(lines) or "no nights"


def create_abs(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str,
    nights: Collection[str] | None = None,
) -> Creation:
    """Make the ABs of a batch, or of some of its nights, and store them with their reasons.

    All nights of the batch are associated, so that a night can take masters its neighbours will make; only
    the nights asked for are stored. One bad AB or night stops no other: errors are in the result, and noted
    as problems of the batch. Doing it again changes nothing that is as it should be.

    Raises
    ------
    UsageError
        If the batch was never opened, or a night is not one of it.
    ConfigError
        If the rules or the instrument's configuration are wrong.
    InfrastructureError
        If disk or database fail.
    """
    found = _associated(database, configuration, release, key)
    wanted = _wanted_nights(configuration, release, key, nights)
    rules = configuration.rules(configuration.release(release).instrument)
    trees = AbTrees(configuration.folders)
    with database.transaction() as session:
        batch_id = BatchRepository(session).find(release, key).id
    result = []
    for night in wanted:
        with database.transaction() as session:
            created = _store_night(AbRepository(session, trees), trees, batch_id, night, found, rules)
        trees.save_left_out(release, night, [_plain(out) for out in created.left_out])
        if created.changes or created.left_out or created.errors or created.withdrawn:
            result.append(created)
    with database.transaction() as session:
        again = _pending_again(AbRepository(session, trees), release, found, result)
        problems = [str(error) for created in result for error in created.errors]
        if problems:
            BatchRepository(session).note_problems(release, key, problems)
    return Creation(tuple(result), tuple(again))


@dataclass(frozen=True, slots=True)
class Difference:
    """An AB that is not what the rules would make now.

    Attributes
    ----------
    what
        ``not stored``, ``no longer given`` or ``differs``.
    diff
        Unified diff from the stored source text to the new one.
    """

    name: str
    night: str
    what: str
    diff: str = ""


def verify_abs(database: Database, configuration: Configuration, release: str, key: str) -> list[Difference]:
    """Associate a batch again, without storing anything, and tell where the stored ABs differ.

    Raises
    ------
    UsageError
        If the batch was never opened.
    """
    blocks = {block.ab.name: block.ab for block in _associated(database, configuration, release, key).blocks}
    trees = AbTrees(configuration.folders)
    with database.transaction() as session:
        abs_ = AbRepository(session, trees)
        stored = {state.name: state for state in abs_.states(BatchRepository(session).find(release, key).id)}
        content = {name: abs_.content(release, name) for name in stored}
    differences = []
    for name in sorted(blocks.keys() | stored.keys()):
        if name not in stored:
            differences.append(Difference(name, blocks[name].date, "not stored"))
        elif name not in blocks:
            if stored[name].exclusion != WITHDRAWN:
                differences.append(Difference(name, stored[name].night, "no longer given"))
        elif content[name] != content_sha256(blocks[name]):
            differences.append(_difference(trees, stored[name], write(blocks[name])))
    return differences


def _difference(trees: AbTrees, state: AbState, now: str) -> Difference:
    before = trees.text(state.release, Tree.SOURCE, state.night, state.name)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), now.splitlines(keepends=True), "stored", "by the rules now", n=0
    )
    return Difference(state.name, state.night, "differs", "".join(lines))


def _associated(database: Database, configuration: Configuration, release: str, key: str) -> Associations:
    stream = configuration.release(release)
    nights = _nights_of(configuration, release, key)
    rules = configuration.rules(stream.instrument)
    reach_days = max(
        (
            level.within.total_seconds() / 86400
            for task in rules.tasks
            for association in task.associate
            for level in association.levels
        ),
        default=0.0,
    )
    # Masters are matched by the middle of their exposure; a day covers the longest one.
    window = night_begins(nights[0]) - reach_days - 1, night_begins(nights[-1]) + 1 + reach_days
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        frames: list[Frame] = [
            *catalogue.frames(stream.instrument, (FrameKind.RAW,), nights=(nights[0], nights[-1])),
            *catalogue.frames(stream.instrument, (FrameKind.MASTER, FrameKind.STATIC), mjd=window),
        ]
        bad = BadMasterRepository(session).reasons(release)
    return associate(frames, rules, stream, configuration.instrument(stream.instrument), nights, bad)


def _nights_of(configuration: Configuration, release: str, key: str) -> tuple[str, ...]:
    nights = BatchKey(configuration.release(release).batch, key).nights()
    if not nights:
        raise UsageError(
            f"batch {release} {key}",
            "is a run, and the rules make ABs night by night",
            "a release whose batches are nights or months",
        )
    return nights


def _wanted_nights(
    configuration: Configuration, release: str, key: str, nights: Collection[str] | None
) -> list[str]:
    known = _nights_of(configuration, release, key)
    strange = sorted(set(nights or ()) - set(known))
    if strange:
        raise UsageError(
            f"night {strange[0]}", f"is not of batch {release} {key}", f"one of {known[0]} to {known[-1]}"
        )
    return [night for night in known if nights is None or night in nights]


def _store_night(
    abs_: AbRepository, trees: AbTrees, batch_id: int, night: str, found: Associations, rules: Rules
) -> NightCreation:
    created = NightCreation(night)
    created.errors = [error for of, error in found.errors if of == night]
    created.left_out = tuple(out for out in found.left_out if out.night == night)
    given: list[str] = []
    for block in found.blocks:
        if block.ab.date == night:
            given.append(block.ab.name)
            try:
                _store(abs_, trees, batch_id, block, rules, created)
            except AssociationError as error:
                created.errors.append(error)
    try:
        created.withdrawn = abs_.withdraw(batch_id, night, given)
    except AssociationError as error:
        created.errors.append(error)
    return created


def _store(
    abs_: AbRepository,
    trees: AbTrees,
    batch_id: int,
    block: AssociatedBlock,
    rules: Rules,
    created: NightCreation,
) -> None:
    ab = block.ab
    change = abs_.put(ab, batch_id)
    created.changes[ab.name] = change
    if change is not Change.KEPT:
        trees.save_explanation(ab, explanation(ab, block.group, block.traces, rules))
    if ab.exclusion:
        created.excluded[ab.name] = f"{ab.exclusion}: {ab.exclusion_reason}"
    elif ab.completeness is Completeness.INCOMPLETE:
        created.incomplete[ab.name] = "; ".join(missing.reason for missing in ab.missing)


def _pending_again(
    abs_: AbRepository, release: str, found: Associations, nights: Iterable[NightCreation]
) -> list[str]:
    graph = waits(block.ab for block in found.blocks)
    replaced = [
        name for night in nights for name, change in night.changes.items() if change is Change.REPLACED
    ]
    return abs_.make_pending(release, {ab for name in replaced for ab in downstream(graph, name)})


def _plain(out: LeftOut) -> dict[str, str]:
    return {"path": out.path, "code": out.code, "reason": out.reason}
