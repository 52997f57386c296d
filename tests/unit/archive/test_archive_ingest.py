"""The chain's ingestion and ``phoenix archive``, with real fitsverify and a real store."""

import errno
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from archive_files import KEY, NIGHT, RELEASE, Shelf, sha256, visible
from phoenix.archive.fitsverify import fitsverify
from phoenix.chain.ingest import enqueue, ingest, replace
from phoenix.cli import archive as archive_commands
from phoenix.config.loader import Configuration
from phoenix.errors import ArchiveError, UsageError
from phoenix.store.database import Database
from phoenix.store.receipts import Receipts
from phoenix.store.tables import IdpRow

Call = Callable[..., Result]


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path / "conv")


@pytest.fixture
def call(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(archive_commands, "get_database", lambda: database)
    monkeypatch.setattr(archive_commands, "get_configuration", lambda: configuration)

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(archive_commands.app, [*arguments])

    return called


def with_gate(configuration: Configuration, tmp_path: Path, text: str) -> Configuration:
    """The project's configuration with another gate in the release."""
    folder = tmp_path / "config"
    for path in configuration.folder.rglob("*.yaml"):
        target = folder / path.relative_to(configuration.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    release = folder / "releases" / f"{RELEASE}.yaml"
    release.write_text(release.read_text().replace("gate: automatic", text))
    return Configuration(folder, configuration.root)


def head_receipt(database: Database, origfile: str) -> str:
    with database.transaction() as session:
        return next(receipt.arcfile for receipt in Receipts(session).all() if receipt.origfile == origfile)


def test_a_batch_is_ingested_once_and_every_file_passes_fitsverify(
    database: Database, configuration: Configuration, shelf: Shelf
) -> None:
    for _ in range(3):
        shelf.dataset()
    assert enqueue(database, configuration, RELEASE, KEY).waiting == 9
    lines: list[str] = []
    report = ingest(database, configuration, RELEASE, KEY, progress=lines.append)
    assert (report.archived, report.already, report.held, report.failed) == (9, 0, 0, 0)
    assert len(lines) == 9
    archive = configuration.folders.archive
    assert len(visible(archive)) == 9
    for path in archive.glob("*/*.fits"):
        assert fitsverify(path) == []
    again = ingest(database, configuration, RELEASE, KEY)
    assert enqueue(database, configuration, RELEASE, KEY).archived == 9
    assert (again.archived, again.already, again.clean) == (0, 9, True)


def test_nights_are_ingested_apart(database: Database, configuration: Configuration, shelf: Shelf) -> None:
    shelf.dataset(night=NIGHT)
    shelf.dataset(night="2019-03-05")
    enqueue(database, configuration, RELEASE, KEY, "2019-03-05")
    assert ingest(database, configuration, RELEASE, KEY, NIGHT).archived == 0
    assert ingest(database, configuration, RELEASE, KEY).archived == 3


def test_several_ingesters_share_the_work(
    database: Database, configuration: Configuration, shelf: Shelf
) -> None:
    for _ in range(8):
        shelf.dataset()
    enqueue(database, configuration, RELEASE, KEY)
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: ingest(database, configuration, RELEASE, KEY), range(3)))
    assert sum(report.archived for report in reports) == 24
    assert len(visible(configuration.folders.archive)) == 24


def test_one_bad_dataset_does_not_stop_the_others(
    database: Database, configuration: Configuration, shelf: Shelf
) -> None:
    shelf.dataset("bad", pipeline="uves stand-in/0")
    shelf.dataset("warned")
    shelf.dataset("good")
    shelf.dataset("lost")
    (shelf.folder / "UV_S2D_lost.fits").unlink()
    warned = shelf.folder / "UV_S2D_warned.fits"
    old_fashioned = fits.PrimaryHDU()
    old_fashioned.header["EPOCH"] = 2000.0
    old_fashioned.writeto(warned, checksum=True, overwrite=True)
    with database.transaction() as session:
        session.query(IdpRow).filter_by(origfile=warned.name).one().sha256 = sha256(warned)
    enqueue(database, configuration, RELEASE, KEY)
    report = ingest(database, configuration, RELEASE, KEY)
    assert report.archived == 3
    assert not report.clean
    told = "\n".join(report.problems)
    assert "stand-in" in told
    assert "UV_S2D_lost.fits" in told
    assert "No such file" in told
    assert "UV_S2D_warned.fits" in told
    assert "fitsverify: 1 warnings, 0 errors" in told
    assert "UV_SFLX_warned.fits: rejected: waits for its ancillary file" in told
    assert "good" not in told


def test_a_full_disk_is_told_per_file_and_the_next_call_goes_on(
    database: Database, configuration: Configuration, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.dataset()
    enqueue(database, configuration, RELEASE, KEY)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        report = ingest(database, configuration, RELEASE, KEY)
    assert report.archived == 0
    assert report.failed == 2
    assert "UV_S2D_0001.fits: will be tried again" in report.problems[1]
    assert "No space left" in report.problems[1]
    assert visible(configuration.folders.archive) == []
    assert list((configuration.folders.archive / ".incoming").iterdir()) == []
    assert ingest(database, configuration, RELEASE, KEY).archived == 3


def test_red_scores_stop_where_the_release_says_so(
    database: Database, configuration: Configuration, shelf: Shelf, tmp_path: Path
) -> None:
    strict = with_gate(configuration, tmp_path, "gate: automatic\n  stop_on_red: true")
    shelf.dataset(reds=2)
    shelf.dataset()
    enqueue(database, strict, RELEASE, KEY)
    report = ingest(database, strict, RELEASE, KEY)
    assert (report.archived, report.held, report.clean) == (3, 3, True)
    assert "red scores: SNR0, SNR1" in report.problems[0]


def test_replacing_archives_the_new_content_as_the_next_version(
    database: Database, configuration: Configuration, shelf: Shelf
) -> None:
    head_id = shelf.dataset("A")
    enqueue(database, configuration, RELEASE, KEY)
    ingest(database, configuration, RELEASE, KEY)
    former = head_receipt(database, "UV_SFLX_A.fits")
    with pytest.raises(ArchiveError, match="archived already"):
        replace(database, configuration, former, "no reason")
    shelf.reconvert(head_id, seed=8)
    assert replace(database, configuration, former, "better response").archived == 1
    assert head_receipt(database, "UV_SFLX_A.fits") > former
    with database.transaction() as session:
        history = [r for r in Receipts(session).all(history=True) if r.origfile == "UV_SFLX_A.fits"]
    assert [(r.version, r.status, r.remark) for r in history] == [
        (1, "obsolete", ""),
        (2, "current", "better response"),
    ]
    assert all(Path(receipt.path).exists() for receipt in history)


def test_commands_ingest_list_and_verify(call: Call, shelf: Shelf, configuration: Configuration) -> None:
    shelf.dataset("A")
    assert call("status").stdout == "nothing in the queue\n"
    result = call("ingest", RELEASE, KEY, "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["archived"] == 3
    listed = json.loads(call("receipts", RELEASE, KEY, "--format", "json").stdout)
    assert [row["arcfile"] for row in listed] == visible(configuration.folders.archive)
    counted = json.loads(call("status", RELEASE, "--format", "json").stdout)
    assert (counted[0]["state"], counted[0]["files"]) == ("archived", 3)
    result = call("verify")
    assert result.exit_code == 0
    assert "3 of 3 files" in result.stdout
    assert "1 of 3 files" in call("verify", RELEASE, "--sample", "1").stdout


@pytest.mark.parametrize(
    ("harm", "rules"),
    [
        (lambda path: flip(path), {"ARC-HASH", "ARC-CHECKSUM"}),
        (lambda path: path.write_bytes(path.read_bytes()[:-2880]), {"ARC-SIZE", "ARC-HASH", "ARC-CHECKSUM"}),
        (lambda path: path.unlink(), {"ARC-MISSING"}),
        (lambda path: path.with_name("ADP.2000-01-01T00:00:00.000.fits").write_text(""), {"ARC-UNKNOWN"}),
        (lambda path: (path.parent.parent / ".incoming" / "left.part").write_text(""), {"ARC-UNFINISHED"}),
    ],
    ids=["flipped bit", "cut", "lost", "stranger", "leftover"],
)
def test_verify_finds_every_harm(
    call: Call, shelf: Shelf, configuration: Configuration, harm: Callable[[Path], object], rules: set[str]
) -> None:
    shelf.dataset("A")
    call("ingest", RELEASE, KEY)
    path = next(configuration.folders.archive.glob("*/*.fits"))
    path.chmod(0o644)
    harm(path)
    result = call("verify", "--format", "json")
    assert result.exit_code == 1
    assert {finding["rule"] for finding in json.loads(result.stdout)} == rules


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_a_person_opens_the_gate(
    call: Call,
    shelf: Shelf,
    configuration: Configuration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manual = with_gate(configuration, tmp_path, "gate: manual")
    monkeypatch.setattr(archive_commands, "get_configuration", lambda: manual)
    shelf.dataset("A")
    result = call("ingest", RELEASE, KEY, "--format", "json")
    assert json.loads(result.stdout)[0]["held"] == 3
    assert "opened by hand" in call("status", RELEASE, KEY).stdout
    assert "3 files released" in call("release", RELEASE, KEY).stdout
    assert json.loads(call("ingest", RELEASE, KEY, "--format", "json").stdout)[0]["archived"] == 3


def test_hiding_by_command(call: Call, shelf: Shelf, database: Database) -> None:
    shelf.dataset("A")
    call("ingest", RELEASE, KEY)
    arcfile = head_receipt(database, "UV_SFLX_A.fits")
    assert call("hide", arcfile).exit_code == 2
    assert call("hide", arcfile, "--reason", "wrong").stdout.count("is hidden") == 3
    assert call("receipts").stdout == "no receipts\n"
    history = json.loads(call("receipts", "--history", "--format", "json").stdout)
    assert {row["status"] for row in history} == {"deprecated"}
    assert isinstance(call("hide", "ADP.x.fits", "--reason", "x").exception, UsageError)


def test_failures_give_exit_code_one_and_can_be_retried(
    call: Call, shelf: Shelf, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.dataset("A")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        for _ in range(configuration.release(RELEASE).ingestion.tries):
            assert call("ingest", RELEASE, KEY).exit_code == 1
    assert call("ingest", RELEASE, KEY).exit_code == 1
    assert call("ingest", RELEASE, KEY, "--retry").exit_code == 0
