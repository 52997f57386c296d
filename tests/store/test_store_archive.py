import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from archive_files import KEY, NIGHT, RELEASE, Shelf
from phoenix.archive.stamps import arcfiles, moment_of
from phoenix.errors import UsageError
from phoenix.model.product import FileStatus, IngestState
from phoenix.store.archive import Dataset, IngestionQueue, Scope
from phoenix.store.database import Database
from phoenix.store.receipts import Receipts
from phoenix.store.tables import IdpRow, IngestionRow

SCOPE = Scope(RELEASE, KEY)
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path / "conv")


def names(last: str | None, origfiles: object) -> list[str]:
    return arcfiles(last, NOW, list(origfiles))  # type: ignore[call-overload]


def enter(
    database: Database,
    head_id: int,
    state: IngestState = IngestState.PENDING,
    reason: str = "",
    leave_out: str = "",
) -> None:
    with database.transaction() as session:
        queue = IngestionQueue(session)
        candidate = queue.candidate(head_id)
        named = [file.origfile for file in candidate.files[1:] if file.origfile != leave_out]
        queue.enter(candidate, state, reason, named)


def opened(database: Database, head_id: int) -> Dataset:
    with database.transaction() as session:
        dataset = IngestionQueue(session).open(head_id, names)
    assert dataset is not None
    return dataset


def archived(database: Database, head_id: int) -> Dataset:
    dataset = opened(database, head_id)
    with database.transaction() as session:
        queue = IngestionQueue(session)
        for file in dataset.files:
            queue.note_staged(file.row_id, 10, "f" * 64)
            queue.receive(file.row_id, f"/archive/{file.arcfile}", NOW)
        queue.confirm(dataset)
    return dataset


def rows(database: Database) -> list[tuple[str, int, str, str]]:
    with database.transaction() as session:
        found = session.query(IngestionRow).order_by(IngestionRow.origfile, IngestionRow.version)
        return [(row.origfile, row.version, row.state, row.status) for row in found]


def standing(database: Database, scope: Scope = SCOPE) -> tuple[int, int, int, int, int]:
    with database.transaction() as session:
        now = Receipts(session).standing(scope)
    return now.waiting, now.held, now.rejected, now.failed, now.archived


def test_ancillary_files_come_first_and_names_are_consecutive(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset("A")
    enter(database, head_id)
    dataset = opened(database, head_id)
    assert [file.origfile for file in dataset.files] == ["UV_S2D_A.fits", "UV_QC_A.png", "UV_SFLX_A.fits"]
    moments = sorted(moment_of(file.arcfile) for file in dataset.files)
    assert (moments[2] - moments[0]).total_seconds() == 0.002
    assert opened(database, head_id) == dataset


def test_entering_twice_queues_once(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset()
    for _ in range(2):
        enter(database, head_id)
        assert standing(database) == (3, 0, 0, 0, 0)
    archived(database, head_id)
    enter(database, head_id)
    assert standing(database) == (0, 0, 0, 0, 3)
    assert len(rows(database)) == 3


def test_scopes_are_told_apart(database: Database, shelf: Shelf, tmp_path: Path) -> None:
    first, second = shelf.dataset(night=NIGHT), shelf.dataset(night="2019-03-05")
    third = Shelf(database, tmp_path / "april", key="2019-04").dataset("april")
    for head_id in (first, second, third):
        enter(database, head_id)
    with database.transaction() as session:
        queue = IngestionQueue(session)
        assert queue.waiting(Scope(RELEASE)) == [first, second, third]
        assert queue.heads(SCOPE) == queue.waiting(SCOPE) == [first, second]
        assert queue.waiting(Scope(RELEASE, KEY, NIGHT)) == [first]
        assert queue.waiting(Scope("OTHER")) == []


def test_a_dataset_is_claimed_by_one_only_and_freed_with_the_transaction(
    database: Database, shelf: Shelf
) -> None:
    head_id = shelf.dataset()
    enter(database, head_id)
    with database.transaction() as one, database.transaction() as other:
        assert IngestionQueue(one).claim(head_id)
        other.execute(text("SET LOCAL lock_timeout = '1s'"))
        assert not IngestionQueue(other).claim(head_id)
        with database.transaction() as writer:
            row_id = IngestionQueue(writer).open(head_id, names).files[0].row_id  # type: ignore[union-attr]
        with database.transaction() as writer:
            IngestionQueue(writer).begin(row_id)
    with database.transaction() as later:
        assert IngestionQueue(later).claim(head_id)


def test_names_are_unique_and_grow_whoever_asks_at_once(database: Database, shelf: Shelf) -> None:
    heads = [shelf.dataset() for _ in range(12)]
    for head_id in heads:
        enter(database, head_id)
    together = threading.Barrier(4)

    def open_some(number: int) -> list[str]:
        together.wait()
        return [file.arcfile for head_id in heads[number::4] for file in opened(database, head_id).files]

    with ThreadPoolExecutor(4) as pool:
        given_out = [name for some in pool.map(open_some, range(4)) for name in some]
    moments = sorted(moment_of(name) for name in given_out)
    assert len(set(moments)) == 36
    assert (moments[-1] - moments[0]).total_seconds() == 0.035


def test_other_content_becomes_the_next_version_and_the_former_obsolete_only_when_all_is_there(
    database: Database, shelf: Shelf
) -> None:
    head_id = shelf.dataset("A")
    enter(database, head_id)
    archived(database, head_id)
    shelf.reconvert(head_id, seed=2)
    enter(database, head_id)
    dataset = opened(database, head_id)
    assert [file.state for file in dataset.files] == ["archived", "archived", "pending"]
    assert [row for row in rows(database) if "SFLX" in row[0]] == [
        ("UV_SFLX_A.fits", 1, "archived", "current"),
        ("UV_SFLX_A.fits", 2, "pending", "incoming"),
    ]
    with database.transaction() as session:
        queue = IngestionQueue(session)
        queue.note_staged(dataset.files[-1].row_id, 10, "e" * 64)
        queue.receive(dataset.files[-1].row_id, "/x", NOW)
        queue.confirm(dataset)
    assert rows(database) == [
        ("UV_QC_A.png", 1, "archived", "current"),
        ("UV_S2D_A.fits", 1, "archived", "current"),
        ("UV_SFLX_A.fits", 1, "archived", "obsolete"),
        ("UV_SFLX_A.fits", 2, "archived", "current"),
    ]


def test_a_changed_ancillary_file_renews_the_science_product_that_names_it(
    database: Database, shelf: Shelf
) -> None:
    head_id = shelf.dataset("A")
    enter(database, head_id)
    archived(database, head_id)
    shelf.reconvert(head_id + 1, seed=5)
    enter(database, head_id)
    archived(database, head_id)
    assert rows(database) == [
        ("UV_QC_A.png", 1, "archived", "current"),
        ("UV_S2D_A.fits", 1, "archived", "obsolete"),
        ("UV_S2D_A.fits", 2, "archived", "current"),
        ("UV_SFLX_A.fits", 1, "archived", "obsolete"),
        ("UV_SFLX_A.fits", 2, "archived", "current"),
    ]


def test_content_that_returns_to_a_former_one_is_a_version_too(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset("A")
    with database.transaction() as session:
        original = session.get_one(IdpRow, head_id).sha256
    for sha256 in (original, "b" * 64, original):
        with database.transaction() as session:
            session.get_one(IdpRow, head_id).sha256 = sha256
        enter(database, head_id)
        archived(database, head_id)
    assert [row[1:] for row in rows(database) if "SFLX" in row[0]] == [
        (1, "archived", "obsolete"),
        (2, "archived", "obsolete"),
        (3, "archived", "current"),
    ]


def test_what_changes_while_it_waits_stays_one_version_and_forgets_what_was_staged(
    database: Database, shelf: Shelf
) -> None:
    head_id = shelf.dataset()
    enter(database, head_id)
    dataset = opened(database, head_id)
    with database.transaction() as session:
        for file in dataset.files:
            IngestionQueue(session).begin(file.row_id)
            IngestionQueue(session).note_staged(file.row_id, 10, "e" * 64)
    shelf.reconvert(head_id + 1, seed=3)
    enter(database, head_id)
    image, picture, spectrum = opened(database, head_id).files
    assert (image.archive_sha256, image.tries) == (None, 0)
    assert image.sha256 != dataset.files[0].sha256
    assert picture.archive_sha256 == "e" * 64
    assert spectrum.archive_sha256 is None
    assert [image.arcfile, spectrum.arcfile] == [dataset.files[0].arcfile, dataset.files[2].arcfile]


def test_an_ancillary_file_no_longer_named_leaves_the_dataset(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset("A")
    enter(database, head_id)
    archived(database, head_id)
    shelf.reconvert(head_id, seed=2)
    enter(database, head_id, leave_out="UV_QC_A.png")
    archived(database, head_id)
    assert ("UV_QC_A.png", 1, "archived", "obsolete") in rows(database)
    assert ("UV_S2D_A.fits", 1, "archived", "current") in rows(database)


def test_an_ancillary_file_nobody_names_is_rejected_alone(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset("A")
    enter(database, head_id, leave_out="UV_QC_A.png")
    assert standing(database) == (2, 0, 1, 0, 0)
    assert [file.origfile for file in opened(database, head_id).files] == ["UV_S2D_A.fits", "UV_SFLX_A.fits"]
    with database.transaction() as session:
        assert "no ASSONi of UV_SFLX_A.fits" in Receipts(session).standing(SCOPE).problems[0]


def test_the_gate_opens_by_hand_and_stays_open_for_the_same_content(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset()
    enter(database, head_id, IngestState.HELD, "the gate is opened by hand")
    assert standing(database) == (0, 3, 0, 0, 0)
    with database.transaction() as session:
        assert IngestionQueue(session).waiting(SCOPE) == []
        assert IngestionQueue(session).open_gate(Scope(RELEASE, "2019-04")) == 0
        assert IngestionQueue(session).open_gate(SCOPE) == 3
    enter(database, head_id, IngestState.HELD, "the gate is opened by hand")
    assert standing(database) == (3, 0, 0, 0, 0)
    shelf.reconvert(head_id, seed=4)
    enter(database, head_id, IngestState.HELD, "the gate is opened by hand")
    assert standing(database) == (2, 1, 0, 0, 0)


@pytest.mark.parametrize("before", [IngestState.HELD, IngestState.REJECTED])
def test_what_was_held_or_rejected_is_judged_anew(
    database: Database, shelf: Shelf, before: IngestState
) -> None:
    head_id = shelf.dataset()
    enter(database, head_id, before, "a reason")
    enter(database, head_id)
    assert standing(database) == (3, 0, 0, 0, 0)
    with database.transaction() as session:
        assert Receipts(session).standing(SCOPE).problems == ()


def test_findings_reject_what_waits(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset()
    enter(database, head_id)
    enter(database, head_id, IngestState.REJECTED, "findings")
    assert standing(database) == (0, 0, 3, 0, 0)


def test_what_failed_waits_for_a_person(database: Database, shelf: Shelf) -> None:
    head_id = shelf.dataset()
    enter(database, head_id)
    with database.transaction() as session:
        for row in session.query(IngestionRow):
            IngestionQueue(session).refuse(row.id, IngestState.FAILED, "disk full")
    enter(database, head_id)
    assert standing(database) == (0, 0, 0, 3, 0)
    with database.transaction() as session:
        assert IngestionQueue(session).try_again(SCOPE) == 3
    assert standing(database) == (3, 0, 0, 0, 0)


def test_hiding_a_science_product_hides_its_ancillary_files(database: Database, shelf: Shelf) -> None:
    kept, hidden = shelf.dataset("A"), shelf.dataset("B")
    for head_id in (kept, hidden):
        enter(database, head_id)
    archived(database, kept)
    head = archived(database, hidden).files[-1]
    with database.transaction() as session:
        assert len(Receipts(session).hide(head.arcfile, "wrong flux")) == 3
    with database.transaction() as session:
        book = Receipts(session)
        assert {receipt.origfile[-6] for receipt in book.all(SCOPE) if receipt.origfile[-1] == "s"} == {"A"}
        deprecated = [r for r in book.all(history=True) if r.status is FileStatus.DEPRECATED]
        assert {receipt.remark for receipt in deprecated} == {"wrong flux"}
        assert len(deprecated) == 3
        with pytest.raises(UsageError, match="is deprecated"):
            book.hide(head.arcfile, "again")
    enter(database, hidden)
    with database.transaction() as session:
        assert IngestionQueue(session).waiting(SCOPE) == []


@pytest.mark.parametrize(
    "call",
    [lambda book: book.hide("ADP.x.fits", ""), lambda book: book.head_of("ADP.x.fits")],
    ids=["hide", "head_of"],
)
def test_unknown_files_are_named(database: Database, call: Callable[[Receipts], object]) -> None:
    with (
        database.transaction() as session,
        pytest.raises(UsageError, match=r"ADP\.x\.fits.*not in the archive"),
    ):
        call(Receipts(session))


def test_counts_tell_batch_state_and_standing(database: Database, shelf: Shelf, tmp_path: Path) -> None:
    head_id = shelf.dataset()
    enter(database, head_id)
    archived(database, head_id)
    other = Shelf(database, tmp_path / "april", key="2019-04").dataset("april")
    enter(database, other, IngestState.HELD, "red")
    with database.transaction() as session:
        counts = Receipts(session).counts()
        assert [(c.key, c.state, c.status, c.files) for c in counts] == [
            ("2019-03", "archived", "current", 3),
            ("2019-04", "held", "", 3),
        ]
        assert counts[0].size_bytes > 10_000
        assert len(Receipts(session).counts(RELEASE, "2019-04")) == 1
