import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from archive_files import sha256, visible, write_image, write_spectrum
from phoenix.archive.fitsverify import fitsverify
from phoenix.archive.local import LocalArchive
from phoenix.archive.protocol import Deposit, Staged, UnfitError
from phoenix.archive.transfer import transfer
from phoenix.errors import ArchiveError, PhoenixError

NAME = "ADP.2026-11-22T18:00:00.123.fits"
ANCILLARY = {
    "UV_S2D.fits": "ADP.2026-11-22T18:00:00.124.fits",
    "UV_QC.png": "ADP.2026-11-22T18:00:00.125.png",
}


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


@pytest.fixture
def spectrum(tmp_path: Path) -> Path:
    return write_spectrum(tmp_path / "UV_SFLX.fits", tuple(ANCILLARY))


def deposit(source: Path, name: str = NAME) -> Deposit:
    return Deposit(source, name, source.name, sha256(source), {source.name: name, **ANCILLARY})


def bring(archive: LocalArchive, source: Path, name: str = NAME) -> Staged:
    staged = archive.stage(deposit(source, name))
    archive.publish(staged)
    assert archive.confirm(name, staged.size_bytes, staged.sha256)
    return staged


def test_header_is_edited_as_the_archive_does_and_data_stay(
    archive: LocalArchive, spectrum: Path, tmp_path: Path
) -> None:
    staged = bring(archive, spectrum)
    final = tmp_path / "archive" / "2026-11-22" / NAME
    assert archive.location(NAME) == str(final)
    assert sha256(final) == staged.sha256
    assert final.stat().st_mode & 0o777 == 0o444
    assert fitsverify(final) == []
    with fits.open(final, checksum=True) as archived, fits.open(spectrum) as source:
        header = archived[0].header
        assert header["ARCFILE"] == NAME
        assert header["ORIGFILE"] == "UV_SFLX.fits"
        assert header["P3ORIG"] == "IDP"
        assert [header["ASSON1"], header["ASSON2"]] == list(ANCILLARY.values())
        assert header["PROV1"] == source[0].header["PROV1"]
        assert header["OBJECT"] == "HD 1'2"
        assert [hdu.header["DATASUM"] for hdu in archived] == [hdu.header["DATASUM"] for hdu in source]
        assert header["CHECKSUM"] != source[0].header["CHECKSUM"]
        for column in ("WAVE", "FLUX", "ERR"):
            assert np.array_equal(archived[1].data[column], source[1].data[column])


def test_data_of_the_primary_hdu_stay(archive: LocalArchive, tmp_path: Path) -> None:
    image = write_image(tmp_path / "UV_S2D.fits")
    bring(archive, image)
    assert fitsverify(Path(archive.location(NAME))) == []
    with fits.open(archive.location(NAME), checksum=True) as archived, fits.open(image) as source:
        assert np.array_equal(archived[0].data, source[0].data)
        assert archived[0].header["DATASUM"] == source[0].header["DATASUM"]


def test_other_files_are_copied_as_they_are(archive: LocalArchive, tmp_path: Path) -> None:
    picture = tmp_path / "UV_QC.png"
    picture.write_bytes(b"\x89PNG\x00\xff" * 1000)
    name = NAME.replace(".fits", ".png")
    bring(archive, picture, name)
    assert sha256(Path(archive.location(name))) == sha256(picture)


def test_the_same_source_and_name_give_the_same_bytes(archive: LocalArchive, spectrum: Path) -> None:
    assert archive.stage(deposit(spectrum)).sha256 == archive.stage(deposit(spectrum)).sha256


def test_a_staged_file_is_not_shown(archive: LocalArchive, spectrum: Path, tmp_path: Path) -> None:
    staged = archive.stage(deposit(spectrum))
    assert list(archive.names()) == []
    assert archive.unfinished() == [staged.path.name]
    assert not archive.confirm(NAME, staged.size_bytes, staged.sha256)
    archive.discard(NAME)
    assert archive.unfinished() == []


def test_nothing_is_ever_overwritten(archive: LocalArchive, spectrum: Path, tmp_path: Path) -> None:
    first = bring(archive, spectrum)
    other = write_spectrum(tmp_path / "other.fits", seed=7)
    with pytest.raises(ArchiveError, match="there already"):
        archive.publish(archive.stage(deposit(other)))
    assert archive.confirm(NAME, first.size_bytes, first.sha256)


def test_a_flipped_bit_is_not_confirmed(archive: LocalArchive, spectrum: Path) -> None:
    staged = bring(archive, spectrum)
    final = Path(archive.location(NAME))
    final.chmod(0o644)
    content = bytearray(final.read_bytes())
    content[-5000] ^= 1
    final.write_bytes(content)
    assert not archive.confirm(NAME, staged.size_bytes, staged.sha256)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:-2880], "ends"),
        (lambda content: content + b"x" * 100, "header"),
        (lambda content: content + b"\0" * 2880, "begins with"),
        (lambda content: content[:-3000] + b"\1" + content[-2999:], "DATASUM"),
        (lambda content: content.replace(b"HD 1''2", b"HD 1''3"), "CHECKSUM"),
        (lambda content: content.replace(b"DATASUM ", b"DATASUX "), "DATASUM"),
        (lambda content: content.replace(b"UV_QC.png", b"UV_QQ.png"), "ASSON2"),
        (lambda content: b"", "header"),
    ],
    ids=["cut", "tail", "zeros", "data", "header", "no sum", "unknown ancillary", "empty"],
)
def test_a_damaged_source_is_refused_and_leaves_nothing(
    archive: LocalArchive, spectrum: Path, damage: object, told: str
) -> None:
    assert callable(damage)
    spectrum.write_bytes(damage(spectrum.read_bytes()))
    with pytest.raises(UnfitError, match=told):
        archive.stage(deposit(spectrum))
    assert archive.unfinished() == []


def test_a_source_other_than_the_one_checked_is_refused(archive: LocalArchive, tmp_path: Path) -> None:
    spectrum = write_spectrum(tmp_path / "a.fits")
    expected = deposit(spectrum)
    spectrum.unlink()
    write_spectrum(spectrum, seed=9)
    with pytest.raises(UnfitError, match="changed since"):
        archive.stage(expected)
    assert archive.unfinished() == []


@pytest.mark.parametrize(
    "name", ["../ADP.2026-11-22T18:00:00.123.fits", "ADP.x.fits", "", "ADP.2026-11-22T18:00:00.123.fits/.."]
)
def test_names_that_are_none_never_reach_a_path(archive: LocalArchive, spectrum: Path, name: str) -> None:
    with pytest.raises(PhoenixError, match="archive name"):
        archive.stage(deposit(spectrum, name))
    with pytest.raises(PhoenixError, match="archive name"):
        archive.discard(name)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    large = tmp_path / "large.fits"
    fits.PrimaryHDU(np.zeros(40_000_000, "u1")).writeto(large, checksum=True)
    expected = deposit(large)
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        written += len(data)

    with large.open("rb") as source:
        tracemalloc.start()
        transfer(source, write, expected)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert written == large.stat().st_size
    assert peak_bytes < 8_000_000


def test_files_of_all_days_are_listed_in_order(archive: LocalArchive, tmp_path: Path) -> None:
    names = [f"ADP.2026-11-{day}T18:00:00.123.fits" for day in (24, 22, 23)]
    for name in names:
        bring(archive, write_spectrum(tmp_path / f"{name[11:14]}.fits"), name)
    assert list(archive.names()) == sorted(names) == visible(tmp_path / "archive")


def test_structure_is_checked_within_bounds_whatever_the_bytes() -> None:
    random = np.random.default_rng(3)
    buffer = io.BytesIO()
    fits.HDUList(
        [fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.arange(50))])]
    ).writeto(buffer, checksum=True)
    good = buffer.getvalue()
    for _ in range(400):
        content = bytearray(good)
        for _ in range(random.integers(1, 4)):
            content[random.integers(len(content))] = random.integers(256)
        if bytes(content) == good:
            continue
        with pytest.raises(UnfitError):
            transfer(
                io.BytesIO(bytes(content)), lambda _: None, Deposit(Path("a.fits"), NAME, "a.fits", "0" * 64)
            )
