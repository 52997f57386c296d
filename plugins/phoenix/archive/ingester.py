"""One dataset after the other into the archive, each file exactly once, whatever is killed when.

For each file: archive name reserved, try counted, archive form written to disk unseen, checked by fitsverify,
its hash noted, name given, folder brought to disk, read back, receipt. A process killed at any point leaves
nothing half-written to be seen, and the next ingester goes on: a file whose hash was noted and that reads
back right gets its receipt; all else is removed and written again under the same name.

Ancillary files come first, the science product last; a dataset becomes current as a whole with its last
receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from phoenix.archive.protocol import Archive, Deposit, UnfitError
from phoenix.archive.stamps import arcfiles, is_fits
from phoenix.errors import ArchiveError
from phoenix.model.product import IngestState
from phoenix.store.archive import Dataset, IngestionQueue, QueuedFile
from phoenix.store.database import Database

#: Called with one line for each file that has been dealt with.
Progress = Callable[[str], None]
#: Returns what is wrong with a FITS file; nothing for a good one.
Verify = Callable[[Path], list[str]]


@dataclass(frozen=True, slots=True)
class Ingester:
    """Takes datasets from the queue into an archive.

    Attributes
    ----------
    verify
        Judges the archive form of each FITS file before it gets its name.
    tries
        After so many a file is FAILED and left to a person.
    """

    database: Database
    archive: Archive
    verify: Verify
    tries: int
    progress: Progress
    #: Shared files that failed: the other datasets that have them do not try them again in the same call.
    _failed: set[int] = field(default_factory=set, init=False)

    def ingest(self, head_id: int) -> int:
        """Ingest one dataset, if nobody else does; return how many files were archived.

        Raises
        ------
        InfrastructureError
            If the database or the judge is not there. Errors of files are noted in the queue.
        """
        with self.database.transaction() as lock:
            if not IngestionQueue(lock).claim(head_id):
                return 0
            with self.database.transaction() as session:
                dataset = IngestionQueue(session).open(head_id, _names)
            return self._ingest(dataset) if dataset is not None else 0

    def _ingest(self, dataset: Dataset) -> int:
        renamed = {file.origfile: file.arcfile for file in dataset.files}
        head, archived = dataset.files[-1], 0
        for queued in dataset.files:
            with self._alone(queued) as file:
                if file.state is IngestState.ARCHIVED:
                    continue
                if file.state is not IngestState.PENDING or file.row_id in self._failed:
                    self._refuse(head, file.state, f"waits for its ancillary file {file.origfile}")
                    return archived
                problem = self._attempt(file, renamed)
                if problem is not None:
                    state, error = problem
                    self._refuse(file, state, error)
                    if queued is not head:
                        self._failed.add(file.row_id)
                        self._refuse(head, state, f"waits for its ancillary file {file.origfile}")
                    return archived
                self._receive(file, dataset if queued is head else None)
                archived += 1
        return archived

    @contextmanager
    def _alone(self, file: QueuedFile) -> Iterator[QueuedFile]:
        """Keep a shared file to oneself; the other files of a dataset are kept with it."""
        if not file.shared:
            yield file
            return
        with self.database.transaction() as lock:
            yield IngestionQueue(lock).alone(file)

    def _attempt(self, file: QueuedFile, renamed: dict[str, str]) -> tuple[IngestState, str] | None:
        """Try to bring a file into the archive; return None, or what it is to be and why."""
        try:
            if self._is_there(file):
                return None
            self.archive.discard(file.arcfile)
            if file.tries >= self.tries:
                return IngestState.FAILED, f"the ingester died at it {file.tries} times"
            with self.database.transaction() as session:
                IngestionQueue(session).begin(file.row_id)
            self._write(file, renamed)
        except UnfitError as error:
            self._clean(file)
            return IngestState.REJECTED, str(error)
        except (OSError, ArchiveError) as error:
            self._clean(file)
            last = file.tries + 1 >= self.tries
            return IngestState.FAILED if last else IngestState.PENDING, self._told(file, error)
        return None

    def _is_there(self, file: QueuedFile) -> bool:
        """Whether an earlier attempt got as far as the name, and the file is right."""
        return (
            file.archive_sha256 is not None
            and file.size_bytes is not None
            and self.archive.confirm(file.arcfile, file.size_bytes, file.archive_sha256)
        )

    def _write(self, file: QueuedFile, renamed: dict[str, str]) -> None:
        staged = self.archive.stage(
            Deposit(Path(file.path), file.arcfile, file.origfile, file.sha256, renamed)
        )
        if is_fits(file.origfile) and (findings := self.verify(staged.path)):
            raise UnfitError(file.origfile, "; ".join(findings))
        with self.database.transaction() as session:
            IngestionQueue(session).note_staged(file.row_id, staged.size_bytes, staged.sha256)
        self.archive.publish(staged)
        if not self.archive.confirm(file.arcfile, staged.size_bytes, staged.sha256):
            raise ArchiveError(
                self.archive.location(file.arcfile),
                "what was read back is not what was written",
                remedy="check the disk",
            )

    def _receive(self, file: QueuedFile, complete: Dataset | None) -> None:
        with self.database.transaction() as session:
            queue = IngestionQueue(session)
            queue.receive(file.row_id, self.archive.location(file.arcfile), datetime.now(UTC))
            if complete is not None:
                queue.confirm(complete)
        self.progress(f"{file.origfile}: archived as {file.arcfile}")

    def _refuse(self, file: QueuedFile, state: IngestState, error: str) -> None:
        with self.database.transaction() as session:
            IngestionQueue(session).refuse(file.row_id, state, error)
        self.progress(f"{file.origfile}: {state}: {error}")

    def _clean(self, file: QueuedFile) -> None:
        # On a disk that refuses even this, the next try removes it; without a receipt it does not count.
        with suppress(OSError):
            self.archive.discard(file.arcfile)

    def _told(self, file: QueuedFile, error: OSError | ArchiveError) -> str:
        if isinstance(error, ArchiveError):
            return str(error)
        place = error.filename or self.archive.location(file.arcfile)
        return f"{file.origfile}: {place}: {error.strerror or error}"


def _names(last: str | None, origfiles: Sequence[str]) -> list[str]:
    return arcfiles(last, datetime.now(UTC), origfiles)
