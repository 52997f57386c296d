"""Brings the frame catalogue up to date with the files that are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from phoenix.config.loader import Configuration
from phoenix.errors import ConfigError
from phoenix.headers.listing import list_frames
from phoenix.headers.scan import Classifier, describe, scan
from phoenix.model.frame import FrameRecord
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue

#: Told how many of how many files are read.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did: counts of files, and what a person should look at.

    Attributes
    ----------
    problems
        Files and folders that cannot be used, one sentence each, also those known from earlier scans.
    notes
        What was passed over, one sentence each.
    """

    read: int
    unchanged: int
    reclassified: int
    removed: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f"{self.read} files read, {self.unchanged} unchanged, {self.removed} removed"
        again = f", {self.reclassified} classified anew" if self.reclassified else ""
        return f"{counts}{again}, {len(self.problems)} with problems"


def scan_into_catalogue(
    database: Database,
    configuration: Configuration,
    folders: Collection[Path] | None = None,
    progress: Progress = lambda _done, _all: None,
) -> ScanReport:
    """Read what is new or changed below the folders, forget what vanished, classify anew where rules changed.

    Parameters
    ----------
    folders
        Default: raw, static and master frames of the site; of these, missing ones count as empty.
    progress
        Called with the number of files read so far and of all to read.

    Raises
    ------
    InfrastructureError
        If the database does not answer.
    """
    if folders is None:
        folders = [folder for folder in configuration.folders.scanned() if folder.exists()]
    listing = list_frames(folders)
    classifiers = _Classifiers(configuration)
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.lock()
        known = catalogue.known()
        changed = {path: stat for path, stat in listing.files.items() if known.get(path) != stat}
        catalogue.record(_counted(scan(changed, classifiers.of), len(changed), progress))
        removed = catalogue.forget(listing.vanished(known))
        outdated = catalogue.outdated(classifiers.versions())
        reclassified = catalogue.record(describe(record, classifiers.of) for record in outdated)
        catalogue.mark_duplicates()
        bad = [f"{item.path}: {item.problem}" for item in catalogue.problems() if item.path in listing.files]
    unread = [f"{folder}: the folder cannot be read: {reason}" for folder, reason in listing.unread.items()]
    return ScanReport(
        read=len(changed),
        unchanged=len(listing.files) - len(changed),
        reclassified=reclassified,
        removed=removed,
        problems=(*unread, *bad),
        notes=tuple(listing.notes),
    )


class _Classifiers:
    """The site's rules by INSTRUME, each read once; one that is broken spoils no other."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._names = {name.upper() for name in configuration.names("rules")}
        self._made: dict[str, Classifier] = {}

    def of(self, instrument: str) -> Classifier:
        """Return the classifier of an instrument, which may be one without rules."""
        if instrument not in self._names:
            found = f"INSTRUME is {instrument!r}" if instrument else "INSTRUME is missing"
            return Classifier(
                None, f"{found}, expected one of {', '.join(sorted(self._names)) or '(no rules)'}"
            )
        if instrument not in self._made:
            try:
                self._made[instrument] = Classifier(self._configuration.rules(instrument))
            except ConfigError as error:
                problem = f"the rules of {instrument} cannot be used: {error.subject}: {error.found}"
                self._made[instrument] = Classifier(None, problem)
        return self._made[instrument]

    def versions(self) -> dict[str, str]:
        """Return instrument -> version of its classification, of those whose rules can be used."""
        return {name: self.of(name).version for name in sorted(self._names) if self.of(name).rules}


def _counted(records: Iterator[FrameRecord], total: int, progress: Progress) -> Iterator[FrameRecord]:
    for number, record in enumerate(records, 1):
        yield record
        progress(number, total)
