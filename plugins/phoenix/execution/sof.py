"""The set of frames a recipe reads: one line per file, path and tag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from phoenix.errors import RecipeError

_SAFE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class SofLine:
    """A file as the container sees it, with its tag."""

    path: PurePosixPath
    tag: str


def sof_text(lines: Iterable[SofLine]) -> str:
    """Return the content of a SOF.

    Raises
    ------
    RecipeError
        If a path or tag is not printable ASCII without blanks: esorex splits lines at blanks.
    """
    written = []
    for line in lines:
        for part in (str(line.path), line.tag):
            if not _SAFE.fullmatch(part):
                raise RecipeError(
                    f"SOF line of {line.path.name!r}",
                    f"{part!r} cannot stand in a SOF",
                    "printable ASCII without blanks",
                    "rename the file, or mend the tag in rules/",
                )
        written.append(f"{line.path} {line.tag}\n")
    return "".join(written)
