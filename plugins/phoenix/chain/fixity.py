"""Reads the archive again, a share each day, so that within a month every byte was seen."""

from __future__ import annotations

import hashlib
from datetime import date

from phoenix.archive.fixity import check_file
from phoenix.archive.local import LocalArchive
from phoenix.config.loader import Configuration
from phoenix.errors import ArchiveError
from phoenix.store.database import Database
from phoenix.store.receipts import Receipts

DAYS = 30


def check_share(database: Database, configuration: Configuration, day: date) -> str:
    """Check the files whose turn it is on a day; return what was done in one sentence.

    Raises
    ------
    ArchiveError
        If a file is not as its receipt says; names all of them.
    """
    archive = LocalArchive(configuration.folders.archive)
    with database.transaction() as session:
        receipts = list(Receipts(session).all(history=True))
    due = [receipt for receipt in receipts if _turn(receipt.arcfile) == day.toordinal() % DAYS]
    findings = [finding for receipt in due for finding in check_file(archive, receipt)]
    if findings:
        told = "; ".join(f"{found.rule} {found.where}: {found.message}" for found in findings)
        raise ArchiveError(
            str(configuration.folders.archive),
            f"{len(findings)} findings: {told}",
            "every byte as it was received",
            "restore these files from a copy, then `phoenix archive verify`",
        )
    return f"{len(due)} of {len(receipts)} archive files read again: all as received"


def _turn(arcfile: str) -> int:
    """Return the day of the month a file is read on: spread evenly, the same for ever."""
    return int.from_bytes(hashlib.sha256(arcfile.encode()).digest()[:4], "big") % DAYS
