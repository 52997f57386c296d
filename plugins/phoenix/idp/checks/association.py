"""Rule ALL-14: files that go with a science product."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from phoenix.idp.checks.report import finding
from phoenix.idp.fitsfile import FitsFile
from phoenix.model.product import Finding

_ASSO = re.compile(r"ASSO([NCM])(\d+)")
#: Categories of files that are not FITS; a FITS file tells its own.
NOT_FITS = frozenset(
    f"ANCILLARY.{kind}"
    for kind in (
        *(
            "PREVIEW",
            "HARPSTAR",
            "FEROSTAR",
            "README",
            "TAR",
            "MOSSPECTRA.PREVIEW",
            "SRCTBL",
            "2DECHELLE.TAR",
        ),
        *("FORS2TAR", "CUBE.LMV", "CRIRESPTAR"),
    )
)


def ancillaries(file: FitsFile) -> dict[str, dict[str, str]]:
    """Return index -> {N: name, C: category, M: md5} of the ancillary files told in the primary header."""
    found: dict[str, dict[str, str]] = {}
    for card in file.primary.cards:
        if match := _ASSO.fullmatch(card.keyword):
            found.setdefault(match[2], {})[match[1]] = str(card.value)
    return found


def check_ancillaries(file: FitsFile) -> Iterator[Finding]:
    """ALL-14."""
    for index, parts in ancillaries(file).items():
        name = parts.get("N")
        if name is None:
            yield finding("ALL-14", file.primary, f"ASSOC{index} or ASSOM{index} without ASSON{index}")
            continue
        is_fits = name.endswith((".fits", ".fits.fz"))
        if is_fits and parts.keys() != {"N"}:
            yield finding(
                "ALL-14", file.primary, f"ASSON{index} is FITS: its category and checksum are its own"
            )
        if not is_fits and parts.keys() != {"N", "C", "M"}:
            yield finding(
                "ALL-14", file.primary, f"ASSON{index} is not FITS and needs ASSOC{index}, ASSOM{index}"
            )
        if not is_fits and "C" in parts and parts["C"] not in NOT_FITS:
            yield finding("ALL-14", file.primary, f"ASSOC{index} is {parts['C']!r}, no known category")
        yield from _check_content(file, index, name, parts.get("M"))


def _check_content(file: FitsFile, index: str, name: str, md5: str | None) -> Iterator[Finding]:
    """Look for the file beside its parent; a name with a folder in it is never followed."""
    path = file.path.parent / name
    if Path(name).name != name or not path.is_file():
        yield finding("ALL-14", file.primary, f"ASSON{index}: there is no file {name!r} beside it")
    elif md5 is not None:
        with path.open("rb") as content:
            actual = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if actual != md5:
            yield finding("ALL-14", file.primary, f"ASSOM{index} is {md5}, the file {name} has {actual}")
