"""Fixity: whether the archive still holds, byte by byte, what its receipts say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from phoenix.archive.protocol import Archive
from phoenix.archive.transfer import examine
from phoenix.model.product import Finding, Receipt

MISSING = "ARC-MISSING"
UNREADABLE = "ARC-UNREADABLE"
SIZE = "ARC-SIZE"
HASH = "ARC-HASH"
CHECKSUM = "ARC-CHECKSUM"
UNKNOWN = "ARC-UNKNOWN"
UNFINISHED = "ARC-UNFINISHED"


def check_file(archive: Archive, receipt: Receipt) -> Iterator[Finding]:
    """Read every byte of a file and yield what differs from its receipt, or with its FITS sums."""
    place = archive.location(receipt.arcfile)
    try:
        with archive.open(receipt.arcfile) as stream:
            digest, fault = examine(stream, receipt.arcfile)
    except FileNotFoundError:
        yield Finding(MISSING, place, f"the file of {receipt.origfile} is not there; restore it from a copy")
        return
    except OSError as error:
        yield Finding(UNREADABLE, place, f"cannot be read: {error.strerror or error}; check the disk")
        return
    if digest.size_bytes != receipt.size_bytes:
        yield Finding(SIZE, place, f"{digest.size_bytes} bytes, {receipt.size_bytes} by the receipt")
    if digest.sha256 != receipt.sha256:
        yield Finding(HASH, place, f"SHA-256 {digest.sha256}, {receipt.sha256} by the receipt")
    if fault:
        yield Finding(CHECKSUM, place, fault)


def check_names(archive: Archive, known: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for all the archive holds beyond the files of a receipt.

    Run it while nothing is ingested: a file on its way is shown an instant before its receipt is written.
    """
    receipts = set(known)
    for name in archive.names():
        if name not in receipts:
            yield Finding(UNKNOWN, name, "shown by the archive, and there is no receipt for it")
    for name in archive.unfinished():
        yield Finding(
            UNFINISHED, name, "left by an interrupted ingestion; the next `phoenix archive ingest` clears it"
        )


def sample(receipts: list[Receipt], percent: float, random: Random) -> list[Receipt]:
    """Return a random part of the receipts, at least one if there are any, in their order."""
    if percent >= 100 or not receipts:
        return receipts
    count = max(1, round(len(receipts) * percent / 100))
    return [receipts[index] for index in sorted(random.sample(range(len(receipts)), count))]
