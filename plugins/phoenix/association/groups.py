"""Groups, each of which becomes one AB, and what is left out of all of them, with codes and reasons."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.association.second_step import Member
from phoenix.association.traits import Traits
from phoenix.config.rules import Task
from phoenix.model.frame import Frame

ABORTED_TEMPLATE = "ABORTED_TEMPLATE"
TOO_FEW_RAWS = "TOO_FEW_RAWS"
MIXED_GROUP = "MIXED_GROUP"
DUPLICATE = "DUPLICATE"
NO_TIME = "NO_TIME"
#: Of ABs that are in no AB of a second step.
DEFECTIVE_INPUT = "DEFECTIVE_INPUT"
TOO_FEW_INPUTS = "TOO_FEW_INPUTS"
#: Of exposures of a target that only one OB observed: their cube is made without a deep AB.
SINGLE_OB = "SINGLE_OB"
#: Of ABs of a run whose header is not known any more.
NO_FRAME = "NO_FRAME"
NO_TASK = "NO_TASK"
NO_GROUP = "NO_GROUP"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A raw frame that is in no AB, with a code for counting and a reason for people.

    Or an AB that a second step had to leave out; its name then stands for the path. Codes are those of
    pre-selection, ``DUPLICATE``, ``NO_TIME``, ``NO_TASK`` (no task takes the class), ``NO_GROUP`` (a task
    does, and has no group for this frame), ``DEFECTIVE_INPUT``, ``TOO_FEW_INPUTS``, ``SINGLE_OB``,
    ``NO_FRAME``, and what a regrouping says.
    """

    path: str
    night: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """The raw frames of one AB, or the ABs whose products a second step combines.

    Attributes
    ----------
    frames
        In order of time, those of the primary class first; the first one names the AB and speaks for the
        group. Of a second step the primary frames of its members.
    traits
        Those of the first frame.
    mjd_mod
        Time for matching: mean over the frames of MJD-OBS + EXPTIME/2, days, rounded to 1e-8 (about 1 ms).
        Of a second step the mean over its members of theirs.
    exclusion, exclusion_reason
        Why it must not be processed, empty when it may.
    members
        Of a second step: the ABs it takes, in order of time. Empty for raw frames.
    refused
        ABs that belong to the group and cannot be processed.
    considered
        All ABs of the tasks it takes products of.
    run
        The observing run that stands in place of the night; empty for ABs made night by night.
    remarks
        What a regrouping decided about the members.
    elsewhere
        (frame, reason) of exposures with the same keys that a regrouping separated from these.
    """

    task: Task
    frames: tuple[Frame, ...]
    traits: Traits
    mjd_mod: float
    exclusion: str = ""
    exclusion_reason: str = ""
    members: tuple[Member, ...] = ()
    refused: tuple[Member, ...] = ()
    considered: tuple[Member, ...] = ()
    run: str = ""
    remarks: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()

    @property
    def first(self) -> Frame:
        """The primary frame."""
        return self.frames[0]

    @property
    def night(self) -> str:
        """The night of the primary frame, or the run."""
        return self.run or self.first.night
