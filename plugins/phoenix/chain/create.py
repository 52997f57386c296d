"""Makes the ABs of a batch from their sources, and compares them with what the sources would give now."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from phoenix.association.cascade import downstream
from phoenix.association.groups import LeftOut
from phoenix.chain.sources.batch import BatchFrames, nights_of
from phoenix.chain.sources.protocol import Sourced, SourcedBlock, SourceName
from phoenix.chain.sources.switch import Sources
from phoenix.config.loader import Configuration
from phoenix.errors import AssociationError, PhoenixError, UsageError
from phoenix.model.ab import AssociationBlock, Completeness, Tree
from phoenix.model.ab_text import content_sha256, parse, write
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import WITHDRAWN, AbRepository, AbState, Change
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.named_trees import NamedTree

#: Alias whose value names the target in the setting of an AB.
TARGET = "target"


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
        ABs the source no longer gives.
    errors
        ABs that could not be made; the others were.
    source
        Where the ABs come from.
    notes
        What was noticed and hinders nothing.
    """

    night: str
    source: SourceName = SourceName.CREATED
    changes: dict[str, Change] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    withdrawn: list[str] = field(default_factory=list)
    errors: list[PhoenixError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        told = ", ".join(f"{count} {word}" for count, word in counts if count) or "no ABs"
        return told if self.source is SourceName.CREATED else f"{told} ({self.source})"


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
    *,
    source: SourceName | None = None,
    associations: Path | None = None,
    target: str | None = None,
) -> Creation:
    """Make the ABs of a batch, or of some of its nights, and store them with their reasons.

    The release says for each night whether its ABs are taken from stored trees or made. All nights of the
    batch are associated, so that a night can take masters its neighbours will make; only the nights asked for
    are stored. One bad AB or night stops no other: errors are in the result, and noted as problems of the
    batch. Doing it again changes nothing that is as it should be.

    Parameters
    ----------
    source : SourceName, optional
        The source of all nights, whatever the release says.
    associations : Path, optional
        The folder of calSelector's association files; default: the site's.
    target : str, optional
        Only the ABs of this target of a run, or of the target of the AB of that name; those of others stay as
        they are.

    Raises
    ------
    UsageError
        If the batch was never opened, a night is not one of it, or no AB is of the target.
    ConfigError
        If the rules or the instrument's configuration are wrong, or a stored tree is not there.
    InfrastructureError
        If disk or database fail.
    """
    wanted = _wanted_nights(configuration, release, key, nights)
    sources = Sources(BatchFrames(database, configuration, release, key), source, associations)
    found = sources.blocks(wanted)
    if target is not None:
        found = _of_target(found, target)
    trees = AbTrees(configuration.folders)
    with database.transaction() as session:
        batch_id = BatchRepository(session).find(release, key).id
    result = []
    for night in wanted:
        with database.transaction() as session:
            abs_ = AbRepository(session, trees)
            created = _store_night(abs_, trees, batch_id, night, sources.of(night), found)
        trees.save_left_out(release, night, [_plain(out) for out in created.left_out])
        _keep_on_the_way(database, configuration, release, created)
        if created.changes or created.left_out or created.errors or created.withdrawn:
            result.append(created)
    with database.transaction() as session:
        again = _pending_again(AbRepository(session, trees), release, batch_id, result)
        problems = [str(error) for created in result for error in created.errors]
        if problems:
            BatchRepository(session).note_problems(release, key, problems)
    return Creation(tuple(result), tuple(again))


def _of_target(found: Sourced, target: str) -> Sourced:
    """Leave only the ABs of a target, as their setting names it, and withdraw none of the others."""
    targets = {block.ab.name: dict(block.ab.match_keys).get(TARGET, "") for block in found.blocks}
    wanted = targets.get(target, target)
    blocks = tuple(block for block in found.blocks if targets[block.ab.name] == wanted)
    if not wanted or not blocks:
        known = sorted(set(targets.values()) - {""})
        raise UsageError(
            f"target {target}",
            "no AB of the batch is of it",
            f"one of {', '.join(known) or '(none: it has no AB with a target in its setting)'}",
            "phoenix ab left-out tells which targets are left to their single OB",
        )
    return replace(found, blocks=blocks, whole=False)


def _keep_on_the_way(
    database: Database, configuration: Configuration, release: str, created: NightCreation
) -> None:
    """Put what was made into the release's intermediate trees, where people and other sites look for it.

    ABs that come from such a tree are there already, as they were; what is made beside them is added.
    """
    names = [
        NamedTree(configuration.folders, name) for name in configuration.release(release).intermediate_trees
    ]
    if not names:
        return
    changed = [name for name, change in created.changes.items() if change is not Change.KEPT]
    source = AbTrees(configuration.folders)
    for name in (*changed, *created.withdrawn):
        with database.transaction() as session:
            state = AbRepository(session, source).state(release, name)
        ab = parse(source.text(release, Tree.SOURCE, state.night, name), name).ab
        if not ab.origin.startswith(SourceName.STORED.value):
            for tree in names:
                tree.keep(ab)


@dataclass(frozen=True, slots=True)
class Difference:
    """An AB that is not what its source would give now.

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
    """Ask the sources of a batch again, without storing anything, and tell where the ABs of the batch differ.

    Raises
    ------
    UsageError
        If the batch was never opened.
    """
    batch = BatchFrames(database, configuration, release, key)
    blocks = {block.ab.name: block.ab for block in Sources(batch).blocks(batch.nights).blocks}
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
        before.splitlines(keepends=True), now.splitlines(keepends=True), "stored", "by its source now", n=0
    )
    return Difference(state.name, state.night, "differs", "".join(lines))


def _wanted_nights(
    configuration: Configuration, release: str, key: str, nights: Collection[str] | None
) -> list[str]:
    known = nights_of(configuration, release, key)
    strange = sorted(set(nights or ()) - set(known))
    if strange:
        raise UsageError(
            f"night {strange[0]}", f"is not of batch {release} {key}", f"one of {known[0]} to {known[-1]}"
        )
    return [night for night in known if nights is None or night in nights]


def _store_night(
    abs_: AbRepository, trees: AbTrees, batch_id: int, night: str, source: SourceName, found: Sourced
) -> NightCreation:
    created = NightCreation(night, source)
    created.errors = [error for of, error in found.errors if of == night]
    created.notes = [note for of, note in found.notes if of == night]
    created.left_out = tuple(out for out in found.left_out if out.night == night)
    given: set[str] = set(found.refused)
    for block in found.blocks:
        if block.night == night:
            given.add(block.ab.name)
            try:
                _store(abs_, trees, batch_id, block, created)
            except AssociationError as error:
                created.errors.append(error)
    try:
        created.withdrawn = abs_.withdraw(batch_id, night, given) if found.whole else []
    except AssociationError as error:
        created.errors.append(error)
    return created


def _store(
    abs_: AbRepository, trees: AbTrees, batch_id: int, block: SourcedBlock, created: NightCreation
) -> None:
    ab = block.ab
    if block.night != ab.date and _of_another_batch(abs_, ab, batch_id):
        return
    change = abs_.put(ab, batch_id, block.text)
    created.changes[ab.name] = change
    if change is not Change.KEPT:
        trees.save_explanation(ab, block.explain())
    if ab.exclusion:
        created.excluded[ab.name] = f"{ab.exclusion}: {ab.exclusion_reason}"
    elif ab.completeness is Completeness.INCOMPLETE:
        created.incomplete[ab.name] = "; ".join(missing.reason for missing in ab.missing)


def _of_another_batch(abs_: AbRepository, ab: AssociationBlock, batch_id: int) -> bool:
    """Whether an AB of a night outside this batch is known as one of another batch, where it stays."""
    try:
        return abs_.state(ab.release, ab.name).batch_id != batch_id
    except UsageError:
        return False


def _pending_again(
    abs_: AbRepository, release: str, batch_id: int, nights: Iterable[NightCreation]
) -> list[str]:
    graph = {state.name: state.waits_for for state in abs_.states(batch_id)}
    replaced = [
        name for night in nights for name, change in night.changes.items() if change is Change.REPLACED
    ]
    return abs_.make_pending(release, {ab for name in replaced for ab in downstream(graph, name)})


def _plain(out: LeftOut) -> dict[str, str]:
    return {"path": out.path, "code": out.code, "reason": out.reason}
