"""The gate of the archive: which datasets may enter, which wait for a person, which may not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phoenix.archive.cards import read_cards
from phoenix.archive.protocol import UnfitError
from phoenix.archive.stamps import is_fits, suffix
from phoenix.archive.transfer import ASSON
from phoenix.config.release import Ingestion
from phoenix.errors import ArchiveError
from phoenix.model.product import IngestState
from phoenix.store.archive import Candidate

_PIPELINE = r"HIERARCH ESO PRO REC\d+ PIPE ID"
_STAND_IN = "stand-in"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of a dataset.

    Attributes
    ----------
    state
        PENDING (may enter), HELD or REJECTED.
    reason
        One sentence; empty for PENDING.
    named
        Original names of the ancillary files that share the judgement: those the science product names,
        or all when it is rejected.
    """

    state: IngestState
    reason: str
    named: frozenset[str]


def judge(candidate: Candidate, ingestion: Ingestion) -> Judgement:
    """Hold a dataset against the rules of the gate.

    Rejected: findings of the format check, a product of a stand-in pipeline, a science product that is no
    FITS file or names ancillary files nobody made. Held: red scores where the release stops on them, or a
    gate that is opened by hand.
    """
    every = frozenset(file.origfile for file in candidate.files[1:])
    try:
        named = _admitted(candidate, every)
    except ArchiveError as error:
        return Judgement(IngestState.REJECTED, f"{error.subject}: {error.found}", every)
    except OSError as error:
        return Judgement(
            IngestState.REJECTED, f"{candidate.head.path}: cannot be read: {error.strerror}", every
        )
    if ingestion.stop_on_red and candidate.reds:
        return Judgement(IngestState.HELD, f"red scores: {', '.join(candidate.reds)}", named)
    if ingestion.gate == "manual":
        return Judgement(IngestState.HELD, "the gate is opened by hand", named)
    return Judgement(IngestState.PENDING, "", named)


def _admitted(candidate: Candidate, made: frozenset[str]) -> frozenset[str]:
    head = candidate.head
    for file in candidate.files:
        suffix(file.origfile)
        if file.findings:
            raise UnfitError(
                file.origfile, f"{len(file.findings)} findings of the format check, first: {file.findings[0]}"
            )
    if not is_fits(head.origfile):
        raise UnfitError(head.origfile, "the science product is no FITS file")
    with Path(head.path).open("rb") as stream:
        header = read_cards(stream, head.origfile)
    if header is None:
        raise UnfitError(head.origfile, "the file is empty")
    cards, _ = header
    for keyword, pipeline in cards.strings(_PIPELINE).items():
        if _STAND_IN in pipeline.lower():
            raise UnfitError(
                head.origfile,
                f"made by {pipeline!r} ({keyword.removeprefix('HIERARCH ')}), not a real pipeline",
            )
    named = frozenset(cards.strings(ASSON).values())
    if unknown := named - made:
        raise UnfitError(
            head.origfile, f"names ancillary files that were not made: {', '.join(sorted(unknown))}"
        )
    return named
