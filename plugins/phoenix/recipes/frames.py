"""The frames a recipe reads: a SOF, held against what the recipe declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from phoenix.recipes.failure import CplCode, ReductionError


class FrameGroup(StrEnum):
    """What a frame is to a recipe: what it reduces, or what it reduces it with."""

    RAW = "RAW"
    CALIB = "CALIB"


@dataclass(frozen=True, slots=True)
class InputClass:
    """Frames a recipe takes.

    Attributes
    ----------
    tag
        Tag in the SOF; ``*`` stands for any text.
    at_least, at_most
        Numbers of frames; no upper limit by default.
    """

    tag: str
    group: FrameGroup = FrameGroup.RAW
    at_least: int = 0
    at_most: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A file of the SOF."""

    path: Path
    tag: str
    group: FrameGroup


@dataclass(frozen=True, slots=True)
class Frames:
    """All files of a SOF, in its order."""

    of_sof: tuple[Frame, ...]

    def __len__(self) -> int:
        return len(self.of_sof)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.of_sof)

    def tagged(self, pattern: str) -> tuple[Frame, ...]:
        """Return the frames whose tag fits a pattern, in which ``*`` stands for any text."""
        return tuple(frame for frame in self.of_sof if fnmatchcase(frame.tag, pattern))

    def of_group(self, group: FrameGroup) -> tuple[Frame, ...]:
        """Return the frames of a group."""
        return tuple(frame for frame in self.of_sof if frame.group is group)


def read_sof(sof: Path, classes: Sequence[InputClass]) -> Frames:
    """Read a set of frames: a line is ``path tag``, empty lines and those that begin with ``#`` do not count.

    Raises
    ------
    ReductionError
        If SOF or a file is not there, a line is malformed, a tag is unknown, or frames are too few or many.
    """
    try:
        lines = sof.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise ReductionError(CplCode.FILE_NOT_FOUND, str(sof), "no such SOF") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReductionError(CplCode.FILE_IO, str(sof), f"cannot be read: {error}") from error
    frames = Frames(tuple(_frames(sof, lines, classes)))
    for wanted in classes:
        _require_number(wanted, len(frames.tagged(wanted.tag)))
    return frames


def _frames(sof: Path, lines: Iterable[str], classes: Sequence[InputClass]) -> Iterator[Frame]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{sof}, line {number}"
        if len(words) != 2:
            raise ReductionError(CplCode.BAD_FILE_FORMAT, where, f"{len(words)} words", "a path and a tag")
        path, tag = Path(words[0]), words[1]
        found = next((entry for entry in classes if fnmatchcase(tag, entry.tag)), None)
        if found is None:
            known = ", ".join(entry.tag for entry in classes)
            raise ReductionError(CplCode.ILLEGAL_INPUT, where, f"unrecognized frame tag {tag}", known)
        if not path.is_file():
            raise ReductionError(CplCode.FILE_NOT_FOUND, where, f"could not open the input file {path}")
        yield Frame(path, tag, found.group)


def _require_number(wanted: InputClass, found: int) -> None:
    if found >= wanted.at_least and (wanted.at_most is None or found <= wanted.at_most):
        return
    limits = f"at least {wanted.at_least}" + ("" if wanted.at_most is None else f", at most {wanted.at_most}")
    raise ReductionError(CplCode.DATA_NOT_FOUND, f"input {wanted.tag}", f"{found} frames", limits)
