"""The association block: what to process, with what, how, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from phoenix.model.frame import Value

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d+\.\d*(e[+-]?\d{1,3})?")


class Completeness(StrEnum):
    """Whether all mandatory calibrations were found."""

    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class ProcessStatus(StrEnum):
    """DFOS's word for how far an AB has come."""

    CREATED = "CREATED"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"


class McalibStatus(StrEnum):
    """REAL: a file exists. VIRTUAL: another AB will make it. STATIC: a table of the instrument."""

    REAL = "REAL"
    VIRTUAL = "VIRTUAL"
    STATIC = "STATIC"


class Tree(StrEnum):
    """Where in an AB store a text form lies."""

    SOURCE = "source"
    EDITED = "edited"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A raw frame of the AB with the tag it carries in the SOF."""

    path: str
    tag: str


@dataclass(frozen=True, slots=True)
class Mcalib:
    """A calibration of the AB.

    Attributes
    ----------
    source
        Path of the file; for VIRTUAL the name of the AB that makes it.
    tag
        PRO.CATG, which is also the tag in the SOF.
    dt_days
        Calibration minus group time, days; 0 for static tables.
    level
        Calibration level: 0 follows the calibration plan, higher is riskier.
    mandatory
        Whether the AB is INCOMPLETE, and the recipe must not start, without it.
    """

    status: McalibStatus
    source: str
    tag: str
    dt_days: float = 0.0
    level: int = 0
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class ProductInput:
    """Products of another AB that this one combines: what raw frames are to the first step of a cascade.

    Attributes
    ----------
    ab
        The AB that makes them: its name, or ``<release>/<name>`` where it is of another release.
    tag
        PRO.CATG, which is also the tag in the SOF; all products of it are taken.
    mandatory
        Whether an AB that did not make it is left out as a whole.
    level
        Calibration level of the AB that makes them.
    """

    ab: str
    tag: str
    mandatory: bool = True
    level: int = 0


@dataclass(frozen=True, slots=True)
class PgiEntry:
    """A PGI that has edited this AB: name, version and hash of its configuration."""

    name: str
    version: str
    config_sha256: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A mandatory calibration nobody could supply, and why."""

    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class AssociationBlock:
    """One processing job: raw frames or products of other ABs, master calibrations, recipe, history.

    Attributes
    ----------
    name
        ``<INSTR>.<timestamp of the first raw>[_<event>].ab``; unique in a release. A second step is named
        after the first raw frame of its first input.
    task
        Name of the rule task that made it (``bias``, ``science``); gives the place in the cascade.
    match_keys
        Setting of the group as (keyword, value) pairs, in the rule's order.
    expected
        PRO.CATG the recipe must write.
    exclusion
        Code of the pre-selection that took the AB out (``ABORTED_TEMPLATE``); empty when it may run.
    origin
        Where the AB comes from: ``created`` by the rules, ``stored`` in a tree, a ``calselector`` file.
    inputs
        Products of other ABs, in their order of time; an AB has raw frames or inputs.
    min_inputs
        Of how many ABs the inputs must be there; those of others that failed are left out.
    extras
        Lines of the text form this version does not know; kept as they are.
    """

    name: str
    release: str
    instrument: str
    date: str
    task: str
    recipe: str
    raw_type: str
    dpr_catg: str
    batch_id: str
    mjd_obs: float
    mjd_obs_mod: float
    raws: tuple[RawFile, ...]
    mcalibs: tuple[Mcalib, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    expected: tuple[str, ...] = ()
    match_keys: tuple[tuple[str, str], ...] = ()
    drs_type: str = "CON"
    event: str = ""
    completeness: Completeness = Completeness.COMPLETE
    process_status: ProcessStatus = ProcessStatus.CREATED
    obs_prog_id: str = ""
    obs_id: str = ""
    obs_mode: str = ""
    missing: tuple[Missing, ...] = ()
    exclusion: str = ""
    exclusion_reason: str = ""
    pgis: tuple[PgiEntry, ...] = ()
    rules_version: str = ""
    origin: str = ""
    extras: tuple[str, ...] = ()
    inputs: tuple[ProductInput, ...] = ()
    min_inputs: int = 0

    @property
    def stem(self) -> str:
        """Name without ``.ab``; names its product folder, log and report."""
        return self.name.removesuffix(".ab")

    @property
    def setting(self) -> dict[str, Value]:
        """Match keys with numbers as numbers, ready for the conditions of the configuration."""
        return {key: _value(text) for key, text in self.match_keys}

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The ABs that must have run first, each once, in order: inputs, then masters.

        Names, or ``<release>/<name>`` of another release.
        """
        masters = (m.source for m in self.mcalibs if m.status is McalibStatus.VIRTUAL)
        return tuple(dict.fromkeys((*self.input_abs, *masters)))

    @property
    def input_abs(self) -> tuple[str, ...]:
        """The ABs whose products are the inputs, each once, in order; as in :class:`ProductInput`."""
        return tuple(dict.fromkeys(entry.ab for entry in self.inputs))

    @property
    def level(self) -> int:
        """Calibration level of the AB: the worst of its calibrations and of its inputs."""
        return max((*(m.level for m in self.mcalibs), *(i.level for i in self.inputs)), default=0)

    @property
    def product_root(self) -> str:
        """DFOS product root, ``r.<stem>``."""
        return f"r.{self.stem}"


def reference(ab: AssociationBlock, release: str) -> str:
    """Return what ABs of a release call this AB: its name, with its release if that is another one."""
    return ab.name if ab.release == release else f"{ab.release}/{ab.name}"


def referred(text: str, release: str) -> tuple[str, str]:
    """Return release and name of the AB that an AB of this release refers to."""
    other, _, name = text.rpartition("/")
    return other or release, name


def raws_of(ab: AssociationBlock, made_by: Mapping[str, AssociationBlock]) -> tuple[RawFile, ...]:
    """Return the raw frames an AB goes back to: its own and those of its inputs, each once, in order.

    Parameters
    ----------
    made_by : mapping
        The ABs that make the inputs, and those that make theirs, by name.

    Raises
    ------
    KeyError
        If one of them is not there.
    """
    found = dict.fromkeys(ab.raws)
    for name in ab.input_abs:
        found.update(dict.fromkeys(raws_of(made_by[name], made_by)))
    return tuple(found)


def _value(text: str) -> Value:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
