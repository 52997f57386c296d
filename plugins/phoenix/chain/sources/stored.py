"""ABs of earlier releases, taken from their trees and renewed for this one.

What was decided then stays: raw frames, calibrations, parameters, the ledger of PGIs, comments of people.
What belongs to the earlier processing goes: its outcome, products and failures. Release and status are new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from phoenix.association.explain import explanation
from phoenix.association.groups import LeftOut
from phoenix.chain.sources.batch import BatchFrames
from phoenix.chain.sources.calibrations import CalibrationCheck
from phoenix.chain.sources.protocol import Sourced, SourcedBlock, SourceName
from phoenix.errors import AssociationError, ConfigError, PhoenixError
from phoenix.model.ab import AssociationBlock, PgiEntry, ProcessStatus, RawFile, Tree
from phoenix.model.ab_keys import HEADINGS
from phoenix.model.ab_lines import remark
from phoenix.model.ab_text import AbDocument, write
from phoenix.model.frame import Frame, FrameKind
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import BY_HAND, WITHDRAWN, AbRepository
from phoenix.store.named_trees import NamedTree

#: Code of raw frames that are in no AB of the trees.
NOT_STORED = "NOT_STORED"


@dataclass(frozen=True, slots=True)
class _Found:
    """An AB as a tree has it."""

    tree: str
    document: AbDocument


class StoredAbs:
    """Trees of earlier releases as a source: of several the first one that has an AB counts.

    Parameters
    ----------
    batch : BatchFrames
        The batch.
    there : collection of str, optional
        Names of all ABs of the batch; default: those of the trees.
    """

    name = SourceName.STORED

    def __init__(self, batch: BatchFrames, there: Collection[str] | None = None) -> None:
        self._batch, self._there = batch, there
        self._trees = [NamedTree(batch.configuration.folders, name) for name in batch.stream.ab_source.stored]
        if not self._trees:
            raise ConfigError(
                f"releases/{batch.stream.release}.yaml, field ab_source.stored",
                "found nothing",
                "names of the trees to take ABs from",
                "add them, or make the ABs by the rules",
            )
        for tree in self._trees:
            if not tree.exists():
                raise ConfigError(
                    f"releases/{batch.stream.release}.yaml, field ab_source.stored",
                    f"found {tree.name!r}, and there is no folder {tree.folder}",
                    "a tree a release has filled, or one copied there",
                    f"bring the tree, or run {tree.name} first",
                )

    def names(self, nights: Collection[str]) -> frozenset[str]:
        """Return the names of the ABs the trees have for some nights and the release runs."""
        if len(self._batch.tasks) == len(self._batch.rules.tasks):
            return frozenset(name for tree in self._trees for night in nights for name in tree.names(night))
        found, _ = self._read(nights)
        return frozenset(
            each.document.ab.name for each in found if each.document.ab.task in self._batch.tasks
        )

    def blocks(self, nights: Collection[str]) -> Sourced:
        """Return the ABs of some nights."""
        found, errors = self._read(nights)
        wanted = [
            each
            for each in found
            if each.document.ab.task in self._batch.tasks and each.document.ab.exclusion != WITHDRAWN
        ]
        frames = self._batch.named(_files(each.document.ab for each in wanted))
        raws = _Raws(frames)
        there = self.names(self._batch.nights) if self._there is None else self._there
        check = CalibrationCheck(self._batch, frames, there, self._product)
        blocks: list[SourcedBlock] = []
        notes: list[tuple[str, str]] = []
        for each in wanted:
            ab = each.document.ab
            try:
                renewed = self._renewed(each, raws)
            except AssociationError as error:
                errors.append((ab.date, ab.name, error))
                continue
            checked = check.check(renewed)
            notes += [(ab.date, f"{ab.name}: {change}") for change in checked.changes]
            text = _text(each.document, checked.ab)
            explain = partial(_explanation, each, checked.ab, checked.changes)
            blocks.append(SourcedBlock(checked.ab, ab.date, explain, text))
        blocks += self._second_steps(nights, there)
        return Sourced(
            tuple(sorted(blocks, key=lambda block: (block.ab.mjd_obs_mod, block.ab.name))),
            tuple(self._left_out(nights, found)),
            tuple((night, error) for night, _, error in errors),
            tuple(notes),
            frozenset(name for _, name, _ in errors),
        )

    def _second_steps(self, nights: Collection[str], there: Collection[str]) -> Iterator[SourcedBlock]:
        """Give the ABs that combine products of stored ones and are in no tree, as the rules make them."""
        for block in self._batch.by_rules.blocks if self._combines else ():
            ab = block.ab
            if ab.inputs and ab.date in nights and ab.name not in there and set(ab.waits_for) <= set(there):
                trees = ", ".join(tree.name for tree in self._trees)
                ab = replace(ab, origin=f"{SourceName.CREATED} of {SourceName.STORED} {trees}")
                explain = partial(explanation, ab, block.group, block.traces, self._batch.rules)
                yield SourcedBlock(ab, ab.date, explain)

    @property
    def _combines(self) -> bool:
        return any(not task.raw for task in self._batch.tasks.values())

    def _read(self, nights: Collection[str]) -> tuple[list[_Found], list[tuple[str, str, PhoenixError]]]:
        """Return the ABs of the trees, and (night, name, error) of those that cannot be read."""
        found: dict[str, _Found] = {}
        errors: list[tuple[str, str, PhoenixError]] = []
        seen: set[str] = set()
        for tree in self._trees:
            recorded = self._recorded(tree.name, nights)
            for night in sorted(nights):
                for name in tree.names(night):
                    if name in seen:
                        continue
                    seen.add(name)
                    try:
                        document = tree.load(night, name, recorded.get(name))
                        _same_place(document.ab, night, name, tree.name)
                        self._fits(document.ab, tree.name)
                        found[name] = _Found(tree.name, document)
                    except AssociationError as error:
                        errors.append((night, name, error))
        return list(found.values()), errors

    def _product(self, maker: str, tag: str) -> str:
        """Return the product an AB of the trees has left, if the file is still there; else nothing."""
        for tree in self._trees:
            for night in self._batch.nights:
                if maker in tree.names(night):
                    processing = tree.load(night, maker).processing
                    paths = [path for path, catg in processing.products if catg == tag] if processing else []
                    return next((path for path in paths if Path(path).is_file()), "")
        return ""

    def _recorded(self, tree: str, nights: Collection[str]) -> dict[str, tuple[Tree, str]]:
        """Return which texts count, of a release that this database knows and that stores in its own tree."""
        configuration = self._batch.configuration
        if tree in configuration.names("releases") and configuration.release(tree).tree != tree:
            return {}
        with self._batch.database.transaction() as session:
            return AbRepository(session, AbTrees(configuration.folders)).recorded(tree, nights)

    def _fits(self, ab: AssociationBlock, tree: str) -> None:
        stream = self._batch.stream
        known = [task.name for task in self._batch.rules.tasks]
        if ab.instrument != stream.instrument:
            raise AssociationError(
                f"AB {ab.name} of tree {tree}",
                f"is of {ab.instrument}",
                f"an AB of {stream.instrument}",
            )
        if ab.task not in known:
            raise AssociationError(
                f"AB {ab.name} of tree {tree}",
                f"is of task {ab.task!r}",
                f"one of {', '.join(known)}",
                "add the task to the rules, or mend TASK in a copy of the tree",
            )

    def _renewed(self, found: _Found, raws: _Raws) -> AssociationBlock:
        ab = found.document.ab
        catg = "SCIENCE" if self._batch.rules.task(ab.task).science else "CALIB"
        return replace(
            ab,
            release=self._batch.stream.release,
            batch_id=f"{catg}_{ab.date}",
            process_status=ProcessStatus.CREATED,
            raws=tuple(raws.find(raw, ab, found.tree) for raw in ab.raws),
            pgis=tuple(_kept(entry, found.tree) for entry in ab.pgis),
            origin=f"{SourceName.STORED} {found.tree}",
        )

    def _left_out(self, nights: Collection[str], found: Iterable[_Found]) -> Iterator[LeftOut]:
        """Tell of classified raw frames that the tasks of the release take and no AB has."""
        taken = {Path(raw.path).name for each in found for raw in each.document.ab.raws}
        classes = {name for task in self._batch.tasks.values() for name in task.raw}
        trees = ", ".join(tree.name for tree in self._trees)
        for frame in self._batch.raws(nights):
            if frame.raw_class in classes and taken.isdisjoint({frame.name, Path(frame.path).name}):
                yield LeftOut(frame.path, frame.night, NOT_STORED, f"no AB of {trees} takes it")


class _Raws:
    """The raw frames of the catalogue by path, and by name where a file was moved."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        raws = [frame for frame in frames if frame.kind is FrameKind.RAW]
        self._paths = {frame.path for frame in raws}
        self._by_name = {frame.name: frame.path for frame in reversed(raws)}

    def find(self, raw: RawFile, ab: AssociationBlock, tree: str) -> RawFile:
        """Return a raw frame with the path it has now.

        Raises
        ------
        AssociationError
            If the catalogue does not have it.
        """
        if raw.path in self._paths:
            return raw
        path = self._by_name.get(Path(raw.path).name)
        if path is None:
            raise AssociationError(
                f"AB {ab.name} of tree {tree}",
                f"its raw frame {raw.path} is not in the catalogue, or must not be used",
                "all its raw frames below the folder raw",
                "bring it back, then run the batch again; phoenix frames list --problems tells what is wrong",
            )
        return replace(raw, path=path)


def _same_place(ab: AssociationBlock, night: str, name: str, tree: str) -> None:
    if (ab.date, ab.name) != (night, name):
        raise AssociationError(
            f"AB {name} of tree {tree}, {night}",
            f"is the text of {ab.name} of {ab.date}",
            "AB_NAME and DATE as file and folder are called",
            "put the file where it belongs",
        )


def _kept(entry: PgiEntry, tree: str) -> PgiEntry:
    """Keep an entry of the ledger; an edit by hand is of that release and protects nothing in this one."""
    return replace(entry, name=f"{BY_HAND}_in_{tree}") if entry.name == BY_HAND else entry


def _files(abs_: Iterable[AssociationBlock]) -> Iterator[str]:
    """Give what the ABs name, as path and as name, for files may have been moved."""
    for ab in abs_:
        for path in (*(raw.path for raw in ab.raws), *(mcalib.source for mcalib in ab.mcalibs)):
            yield path
            yield Path(path).name


def _text(document: AbDocument, ab: AssociationBlock) -> str:
    """Return the text of the renewed AB: comments of people stay, what told of its processing goes."""
    if document.render() == write(document.ab, document.processing):
        return write(ab)
    heading = f"{remark().text}{remark(HEADINGS['OUTCOME']).text}"
    return document.edited(ab).render().replace(heading, "")


def _explanation(found: _Found, ab: AssociationBlock, changes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "ab": ab.name,
        "release": ab.release,
        "night": ab.date,
        "task": ab.task,
        "source": ab.origin,
        "rules_version": ab.rules_version,
        "match_time_mjd": ab.mjd_obs_mod,
        "grouped_by": {},
        "raw_frames": len(ab.raws),
        "exclusion": ab.exclusion,
        "exclusion_reason": ab.exclusion_reason,
        "remarks": [
            f"taken from tree {found.tree}, where release {found.document.ab.release} stored it",
            *(f"PGI {entry.name} {entry.version} was applied there" for entry in ab.pgis),
            *changes,
            *(f"{missing.tag} is missing: {missing.reason}" for missing in ab.missing),
        ],
        "associations": [],
    }
