"""ABs made of calSelector's association files: the archive says what belongs together, the rules what to do.

Each association of raw frames becomes ABs by the tasks that take their classes. It may choose its
calibrations only among the files associated with it, however old they are; nested raw calibrations become ABs
first, and their masters are VIRTUAL. Keys must match all the same, for a recipe would fail otherwise. Static
tables that the catalogue does not know by the archive's names are taken as the rules take them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from phoenix.association.calselector import CalAssociation, NamedFile, read
from phoenix.association.engine import AssociatedBlock, associate
from phoenix.association.explain import explanation
from phoenix.association.groups import LeftOut
from phoenix.chain.sources.batch import BatchFrames
from phoenix.chain.sources.protocol import Sourced, SourcedBlock, SourceName
from phoenix.config.association import Association, Level, TimeRule
from phoenix.config.rules import Rules
from phoenix.errors import AssociationError, ConfigError, PhoenixError
from phoenix.model.ab import AssociationBlock, Completeness, Mcalib, McalibStatus
from phoenix.model.frame import Frame, FrameKind

#: Code of science frames that no association file names.
NO_ASSOCIATION = "NO_ASSOCIATION"
#: How far away the archive may look for a calibration: as far as it likes.
_EVER = timedelta(days=36500)
_TOLD = 3
_STAMP = re.compile(r"\.(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?", re.ASCII)


@dataclass(slots=True)
class _File:
    """An association file on its way to ABs, and what was noticed in it."""

    path: Path
    night: str
    root: CalAssociation
    blocks: list[SourcedBlock] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    errors: list[PhoenixError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def place(self, file: NamedFile) -> str:
        return f"{self.path}, line {file.line}"


class CalselectorAbs:
    """A folder of association files as a source.

    Parameters
    ----------
    batch : BatchFrames
        The batch.
    folder : Path
        Holds ``*.xml``, at any depth.
    scope : collection of str
        The nights of the batch whose science the files speak of.

    Raises
    ------
    ConfigError
        If there is no such folder.
    """

    name = SourceName.CALSELECTOR

    def __init__(self, batch: BatchFrames, folder: Path, scope: Collection[str]) -> None:
        self._batch, self._folder, self._scope = batch, folder, frozenset(scope)
        self._rules = _within_reach(batch.rules)
        self._made: dict[str, AssociationBlock] = {}
        self._frames: dict[str, Frame] = {}
        self._by_path: dict[str, Frame] = {}
        if not folder.is_dir():
            raise ConfigError(
                str(folder),
                "is no folder",
                "a folder with calSelector's association files, *.xml",
                "put them there, or name their folder: phoenix.yaml, folders.associations",
            )

    def blocks(self, nights: Collection[str]) -> Sourced:
        """Return the ABs of some nights.

        The files of all nights are followed: they may name calibrations of these nights. An AB of a night
        beyond the scope is stored with the night of the science that needs it.
        """
        files, errors = self._files()
        self._know(files)
        for file in files:
            self._associate(file, file.root)
        taken = {raw.path for ab in self._made.values() for raw in ab.raws}
        taken |= {out.path for file in files for out in file.left_out}
        return Sourced(
            tuple(block for file in files for block in file.blocks if block.night in nights),
            (
                *(out for file in files if file.night in nights for out in file.left_out),
                *self._left_out(nights, taken),
            ),
            (
                *(error for error in errors if error[0] in nights),
                *((file.night, error) for file in files if file.night in nights for error in file.errors),
            ),
            tuple((file.night, note) for file in files if file.night in nights for note in file.notes),
            whole=not errors,
        )

    def _files(self) -> tuple[list[_File], list[tuple[str, PhoenixError]]]:
        """Return the files of these nights; one that cannot be read is told of with the first night."""
        first = min(self._scope)
        files: list[_File] = []
        errors: list[tuple[str, PhoenixError]] = []
        for path in sorted(self._folder.rglob("*.xml")):
            try:
                root = read(path)
            except AssociationError as error:
                errors.append((first, error))
                continue
            night = _night(root.main[0])
            if night in self._scope:
                files.append(_File(path, night, root))
            elif not night:
                errors.append((first, _unknown(f"{path}, line {root.main[0].line}", root.main[0])))
        return files, errors

    def _know(self, files: Iterable[_File]) -> None:
        """Ask the catalogue for all files that are named."""
        names = {file.name for each in files for node in each.root.walk() for file in node.main}
        frames = self._batch.named([*names, *(f"{name}.fits" for name in names)])
        self._frames = {frame.name.removesuffix(".fits"): frame for frame in reversed(frames)}
        self._by_path = {frame.path: frame for frame in frames}

    @cached_property
    def _statics(self) -> list[Frame]:
        return self._batch.statics()

    def _associate(self, file: _File, node: CalAssociation) -> list[AssociationBlock]:
        """Make the ABs of an association, those it needs first, and return its own."""
        children = [ab for child in node.associated for ab in self._associate(file, child)]
        frames = [(named, self._frames.get(named.name)) for named in node.main]
        self._tell_unknown(file, node, [named for named, frame in frames if frame is None])
        raws = [frame for _, frame in frames if frame is not None and frame.kind is FrameKind.RAW]
        if not raws:
            return []
        if not node.complete:
            said = "; ".join(node.messages[:_TOLD])
            file.notes.append(f"{file.path.name}: calSelector calls {node.category} incomplete: {said}")
        found = associate(
            [*raws, *self._calibrations(node), *self._masters_of(children)],
            self._rules,
            self._batch.stream,
            self._batch.configuration.instrument(self._batch.stream.instrument),
            {frame.night for frame in raws},
            self._batch.bad,
        )
        file.errors += [error for _, error in found.errors]
        file.left_out += [replace(out, night=file.night) for out in found.left_out]
        made = [self._block(file, node, block, children) for block in found.blocks]
        seen = {raw.path for ab in made for raw in ab.raws} | {out.path for out in found.left_out}
        self._tell_untaken(file, node, [raw for raw in raws if raw.path not in seen])
        return made

    def _block(
        self, file: _File, node: CalAssociation, block: AssociatedBlock, children: list[AssociationBlock]
    ) -> AssociationBlock:
        """Keep an AB with the masters of nested ones VIRTUAL; one that another file gave stays as it is."""
        ab = block.ab
        if ab.name in self._made:
            return self._made[ab.name]
        names = {child.name for child in children}
        ab = replace(
            ab,
            origin=f"{self.name} {file.path.name}",
            mcalibs=tuple(_virtual(mcalib, names) for mcalib in ab.mcalibs),
            missing=tuple(
                replace(each, reason=f"{each.reason}{self._why(file, node, children)}") for each in ab.missing
            ),
        )
        self._made[ab.name] = ab
        explain = partial(_explanation, ab, block, self._rules, names, file.path.name)
        night = ab.date if ab.date in self._scope else file.night
        file.blocks.append(SourcedBlock(ab, night, explain))
        return ab

    def _why(self, file: _File, node: CalAssociation, children: list[AssociationBlock]) -> str:
        """Return what the file says about calibrations that were not found, to be added to the reason."""
        unknown = [
            f"{named.name} ({named.category})"
            for child in node.associated
            for named in child.main
            if named.name not in self._frames
        ]
        useless = [ab.name for ab in children if not _usable(ab)]
        said = [f"{', '.join(unknown[:_TOLD])} not in the catalogue"] if unknown else []
        said += [f"{', '.join(useless[:_TOLD])} incomplete or excluded"] if useless else []
        said += [] if node.complete else list(node.messages[:_TOLD])
        return f"; {file.path.name}: {'; '.join(said)}" if said else f"; {file.path.name} names no other"

    def _calibrations(self, node: CalAssociation) -> list[Frame]:
        """Return the masters and tables associated with a node; other tables only of other categories."""
        named = [self._frames.get(file.name) for child in node.associated for file in child.main]
        known = [frame for frame in named if frame is not None and frame.kind is not FrameKind.RAW]
        categories = {frame.keywords.get("PRO.CATG") for frame in known}
        return known + [frame for frame in self._statics if frame.keywords.get("PRO.CATG") not in categories]

    def _masters_of(self, children: Iterable[AssociationBlock]) -> Iterator[Frame]:
        """Give the masters nested ABs will make as frames in the folder of their AB."""
        for ab in children:
            if not _usable(ab) or ab.name in self._batch.bad or not ab.raws:
                continue
            first = self._by_path[ab.raws[0].path]
            for tag in ab.expected:
                yield replace(
                    first,
                    path=f"{ab.name}/{tag}",
                    name=ab.name,
                    kind=FrameKind.MASTER,
                    mjd_obs=ab.mjd_obs_mod,
                    exptime_s=0.0,
                    keywords={**first.keywords, "PRO.CATG": tag},
                )

    def _tell_unknown(self, file: _File, node: CalAssociation, unknown: list[NamedFile]) -> None:
        for named in unknown:
            error = _unknown(file.place(named), named)
            if node is file.root:
                file.errors.append(error)
            else:
                file.notes.append(f"{error.subject}: {error.found}")

    def _tell_untaken(self, file: _File, node: CalAssociation, raws: list[Frame]) -> None:
        """Tell of raw frames that became no AB; of calibrations the mode does not make, nothing is said."""
        classes = {name for task in self._batch.rules.tasks for name in task.raw}
        for raw in raws:
            if raw.raw_class in classes:
                continue
            what = f"class {raw.raw_class}" if raw.raw_class else "no class"
            file.errors.append(
                AssociationError(
                    f"{file.path}, association {node.category}",
                    f"{raw.name} has {what} by the rules",
                    "a class that a task takes",
                    "phoenix frames orphans tells why a frame has no class",
                )
            )

    def _left_out(self, nights: Collection[str], taken: set[str]) -> Iterator[LeftOut]:
        classes = {name for task in self._batch.tasks.values() if task.science for name in task.raw}
        for frame in self._batch.raws(nights):
            if frame.raw_class in classes and frame.path not in taken:
                reason = f"no association file in {self._folder} names it"
                yield LeftOut(frame.path, frame.night, NO_ASSOCIATION, reason)


def _within_reach(rules: Rules) -> Rules:
    """Return the rules with no bound in time: which calibrations are near enough, the archive has decided."""
    tasks = tuple(
        task.model_copy(update={"associate": tuple(_unbound(each) for each in task.associate)})
        for task in rules.tasks
    )
    return rules.model_copy(update={"tasks": tasks, "breakpoints": ()})


def _unbound(association: Association) -> Association:
    timeless: dict[str, Any] = {"between": (), "try_between": ()}
    if association.any_of:
        return association.model_copy(update={"any_of": tuple(map(_unbound, association.any_of))})
    if association.static is not None:
        return association.model_copy(update=timeless)
    last = association.levels[-1]
    beyond = Level.model_construct(level=last.level + 1, within=max(_EVER, last.within * 2))
    levels = (*association.levels, beyond)
    timeless |= {"levels": levels, "made_by": None, "time": TimeRule.CLOSEST}
    return association.model_copy(update=timeless)


def _virtual(mcalib: Mcalib, names: Collection[str]) -> Mcalib:
    maker, _, _ = mcalib.source.rpartition("/")
    return replace(mcalib, status=McalibStatus.VIRTUAL, source=maker) if maker in names else mcalib


def _usable(ab: AssociationBlock) -> bool:
    return not ab.exclusion and ab.completeness is Completeness.COMPLETE


def _night(file: NamedFile) -> str:
    """Return the night a frame of this name belongs to, noon to noon; empty if the name tells no time."""
    match = _STAMP.search(file.name)
    try:
        return (datetime.fromisoformat(match[1]) - timedelta(hours=12)).date().isoformat() if match else ""
    except ValueError:
        return ""


def _unknown(place: str, file: NamedFile) -> AssociationError:
    return AssociationError(
        place,
        f"names {file.name[:80]!r} ({file.category[:40]}), which the catalogue does not have",
        "the name of a frame below the folders raw, masters or static that may be used",
        "bring the file and run phoenix frames scan; phoenix frames list --problems tells what is wrong",
    )


def _explanation(
    ab: AssociationBlock, block: AssociatedBlock, rules: Rules, virtual: Collection[str], file: str
) -> dict[str, Any]:
    told = explanation(ab, block.group, block.traces, rules)
    for association in told["associations"]:
        association["from"] = f"files of {file}"
        for candidate in association["candidates"]:
            if candidate["name"] in virtual:
                candidate["status"] = McalibStatus.VIRTUAL.value
    return told | {"source": ab.origin}
