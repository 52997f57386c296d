"""Ingestion killed, or refused by the disk, at every single step it makes; then a fresh ingester goes on."""

from __future__ import annotations

import errno
import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from archive_files import KEY, RELEASE, Shelf, sha256, visible
from phoenix.archive.fixity import check_file, check_names
from phoenix.archive.gate import judge
from phoenix.archive.ingester import Ingester
from phoenix.archive.local import LocalArchive
from phoenix.archive.transfer import examine
from phoenix.config.loader import Configuration
from phoenix.config.release import Ingestion
from phoenix.store.archive import IngestionQueue, Scope
from phoenix.store.database import Database
from phoenix.store.receipts import Receipts
from phoenix.store.tables import IngestionRow

SCOPE = Scope(RELEASE, KEY)
TRIES = 3
#: More steps than an ingestion makes; a test that gets here has lost count.
MOST_STEPS = 1000

Step = Callable[[], None]


class Steps:
    """Calls `strike` before one step: an operation on the file system or a statement to the database."""

    def __init__(self, number: int, strike: Step) -> None:
        self.seen = 0
        self._number = number
        self._strike = strike

    def before(self, *_: Any, **__: Any) -> None:
        self.seen += 1
        if self.seen == self._number:
            self._strike()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.before()
            return function(*args, **kwargs)

        return stepped

    def opener(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def opened(*args: Any, **kwargs: Any) -> Any:
            self.before()
            file = function(*args, **kwargs)
            if isinstance(file, io.BufferedWriter):
                return _SteppedFile(file, self)
            return file

        return opened

    @contextmanager
    def on_files(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("link", "unlink", "mkdir", "open", "fsync", "fchmod", "posix_fadvise"):
                patch.setattr(os, name, self.wrap(getattr(os, name)))
            patch.setattr(io, "open", self.opener(io.open))
            yield


class _SteppedFile:
    """A file whose writes are steps; half of each is on its way when the strike comes."""

    def __init__(self, file: io.BufferedWriter, steps: Steps) -> None:
        self._file, self._steps = file, steps

    def __enter__(self) -> _SteppedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._steps.before()
        return self._file.write(data[len(data) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def archive(configuration: Configuration) -> LocalArchive:
    return LocalArchive(configuration.folders.archive)


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path / "conv")


def queue_dataset(shelf: Shelf) -> int:
    head_id = shelf.dataset()
    with shelf.database.transaction() as session:
        queue = IngestionQueue(session)
        candidate = queue.candidate(head_id)
        judgement = judge(candidate, Ingestion())
        queue.enter(candidate, judgement.state, judgement.reason, judgement.named)
    return head_id


def ingester(database: Database, archive: LocalArchive) -> Ingester:
    return Ingester(database, archive, lambda _path: [], TRIES, lambda _line: None)


def recover(database: Database, archive: LocalArchive, head_id: int) -> None:
    """Ingest as a fresh process would; the server may need a moment to see that the killed one is gone."""
    for _ in range(500):
        ingester(database, archive).ingest(head_id)
        with database.transaction() as session:
            if head_id not in IngestionQueue(session).waiting(SCOPE):
                return
        time.sleep(0.01)
    pytest.fail("the dataset was never ingested")


def check_shown_files_are_whole(root: Path) -> None:
    for name in visible(root):
        with (root / name[4:14] / name).open("rb") as stream:
            assert examine(stream, name)[1] == "", name


def check_all_is_well(database: Database, archive: LocalArchive, head_id: int) -> None:
    with database.transaction() as session:
        rows = session.query(IngestionRow).all()
        receipts = list(Receipts(session).all(history=True))
    assert {row.state for row in rows} == {"archived"}
    assert {row.status for row in rows} == {"current"}
    assert {row.version for row in rows} == {1}
    assert len({row.origfile for row in rows}) == len(rows) == len(receipts)
    assert list(check_names(archive, (receipt.arcfile for receipt in receipts))) == []
    for receipt in receipts[-3:]:
        assert list(check_file(archive, receipt)) == []
        assert sha256(Path(receipt.path)) == receipt.sha256


def in_child(url: str, archive: LocalArchive, head_id: int, number: int) -> bool:
    """Ingest in a process of its own that is killed before step `number`; return whether it came that far."""
    child = os.fork()
    if child == 0:
        try:
            steps = Steps(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
            database = Database(url)
            for moment in ("before_cursor_execute", "commit"):
                event.listen(database.engine, moment, steps.before)
            with steps.on_files():
                ingester(database, archive).ingest(head_id)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def test_killed_before_every_step_it_recovers_to_exactly_one_receipt_and_file(
    database: Database, configuration: Configuration, archive: LocalArchive, shelf: Shelf
) -> None:
    for number in range(1, MOST_STEPS):
        head_id = queue_dataset(shelf)
        killed = in_child(url_of(database), archive, head_id, number)
        check_shown_files_are_whole(configuration.folders.archive)
        recover(database, archive, head_id)
        check_all_is_well(database, archive, head_id)
        if not killed:
            break
    assert 60 < number < MOST_STEPS - 1


def test_killed_again_while_recovering_it_still_recovers(
    database: Database, configuration: Configuration, archive: LocalArchive, shelf: Shelf
) -> None:
    random = Random(20190304)
    for _ in range(25):
        head_id = queue_dataset(shelf)
        for _ in range(TRIES - 1):
            in_child(url_of(database), archive, head_id, random.randint(1, 85))
            check_shown_files_are_whole(configuration.folders.archive)
        recover(database, archive, head_id)
        check_all_is_well(database, archive, head_id)


def test_killed_at_any_moment_it_recovers(
    database: Database, configuration: Configuration, archive: LocalArchive, shelf: Shelf
) -> None:
    random = Random(5)
    for _ in range(15):
        head_id = queue_dataset(shelf)
        child = os.fork()
        if child == 0:
            try:
                ingester(Database(url_of(database)), archive).ingest(head_id)
            finally:
                os._exit(0)
        time.sleep(random.uniform(0.0, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        check_shown_files_are_whole(configuration.folders.archive)
        recover(database, archive, head_id)
        check_all_is_well(database, archive, head_id)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full disk", "broken disk"])
def test_refused_at_every_step_nothing_half_written_is_shown_and_the_next_try_succeeds(
    database: Database, configuration: Configuration, archive: LocalArchive, shelf: Shelf, code: int
) -> None:
    def refuse() -> None:
        raise OSError(code, os.strerror(code))

    for number in range(1, MOST_STEPS):
        head_id = queue_dataset(shelf)
        steps = Steps(number, refuse)
        with steps.on_files():
            ingester(database, archive).ingest(head_id)
        if steps.seen < number:
            break
        check_shown_files_are_whole(configuration.folders.archive)
        with database.transaction() as session:
            troubles = Receipts(session).standing(SCOPE).problems
        # A step may be one that can fail without harm, such as clearing up.
        if troubles:
            assert os.strerror(code) in troubles[-1] or os.strerror(code) in troubles[0]
            assert f"_{shelf.made:04d}." in troubles[0]
        recover(database, archive, head_id)
        check_all_is_well(database, archive, head_id)
    assert 30 < number < MOST_STEPS - 1


def test_a_disk_that_stays_full_fails_the_file_after_its_tries_and_a_person_can_retry(
    database: Database, archive: LocalArchive, shelf: Shelf
) -> None:
    head_id = queue_dataset(shelf)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(TRIES + 2):
            assert ingester(database, archive).ingest(head_id) == 0
    with database.transaction() as session:
        rows = session.query(IngestionRow).order_by(IngestionRow.id).all()
        assert [(row.state, row.tries) for row in rows if row.state == "failed"] == [
            ("failed", TRIES),
            ("failed", 0),
        ]
        assert "No space left" in rows[0].error + rows[1].error + rows[2].error
        assert IngestionQueue(session).try_again(SCOPE) == 2
    assert ingester(database, archive).ingest(head_id) == 3
    check_all_is_well(database, archive, head_id)


def test_a_file_that_got_its_name_before_the_crash_is_not_written_again(
    database: Database, archive: LocalArchive, shelf: Shelf
) -> None:
    head_id = queue_dataset(shelf)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalArchive, "confirm", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ingester(database, archive).ingest(head_id)
    [name] = archive.names()
    inode = Path(archive.location(name)).stat().st_ino
    (shelf.folder / "UV_S2D_0001.fits").unlink()
    recover(database, archive, head_id)
    assert Path(archive.location(name)).stat().st_ino == inode
    check_all_is_well(database, archive, head_id)


def interrupt(*_: object) -> bool:
    raise KeyboardInterrupt


def test_a_file_that_kills_its_ingester_is_given_up(
    database: Database, archive: LocalArchive, shelf: Shelf
) -> None:
    head_id = queue_dataset(shelf)
    for _ in range(TRIES):
        child = os.fork()
        if child == 0:
            try:
                Ingester(
                    Database(url_of(database)),
                    archive,
                    lambda _path: os.kill(os.getpid(), signal.SIGKILL),  # type: ignore[arg-type, return-value]
                    TRIES,
                    lambda _line: None,
                ).ingest(head_id)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    recover(database, archive, head_id)
    with database.transaction() as session:
        problems = Receipts(session).standing(SCOPE).problems
    assert any(f"died at it {TRIES} times" in problem for problem in problems)
    assert archive.unfinished() == []
