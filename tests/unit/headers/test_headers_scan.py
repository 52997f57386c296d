import os
from pathlib import Path

import pytest

from builders_headers import SCIENCE, header_bytes, write_frame
from phoenix.config.loader import Configuration
from phoenix.headers.listing import list_frames
from phoenix.headers.scan import Classifier, describe, scan
from phoenix.model.frame import FrameKind, FrameRecord

UVES = Classifier(Configuration().rules("UVES"))


def classifier_of(instrument: str) -> Classifier:
    return (
        UVES
        if instrument == "UVES"
        else Classifier(None, f"INSTRUME is {instrument!r}, expected one of UVES")
    )


def scanned(path: Path) -> FrameRecord:
    stat = path.stat()
    (record,) = scan({str(path): (stat.st_size, stat.st_mtime_ns)}, classifier_of)
    return record


def test_good_frame(tmp_path: Path) -> None:
    record = scanned(write_frame(tmp_path / "a.fits"))
    frame = record.frame
    assert (record.problem, record.notes, record.rules_version) == ("", (), UVES.version)
    assert (frame.name, frame.kind, frame.instrument) == (SCIENCE["ARCFILE"], FrameKind.RAW, "UVES")
    assert (frame.raw_class, frame.tags) == ("SCI_POINT_BLUE", {"type": "SCI_POINT"})
    assert (frame.mjd_obs, frame.exptime_s, frame.night) == (58547.2, 1200.0, "2019-03-04")
    assert frame.size_bytes == (tmp_path / "a.fits").stat().st_size
    assert SCIENCE.items() <= frame.keywords.items()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"INSTRUME": "SPECTROX"}, "INSTRUME is 'SPECTROX', expected one of UVES"),
        ({"without": ("INSTRUME",)}, "INSTRUME is '', expected one of UVES"),
        (
            {"without": ("ARCFILE",)},
            "ARCFILE is missing, expected a name such as UVES.2019-03-04T05:06:07.123.fits",
        ),
        (
            {"ARCFILE": "../../UVES.fits"},
            "ARCFILE is '../../UVES.fits', expected a name such as UVES.2019-03-04T05:06:07.123.fits",
        ),
        ({"without": ("MJD-OBS",)}, "MJD-OBS is missing, expected a date from 1990 to 2100"),
        ({"MJD_OBS": 1e300}, "MJD-OBS is 1e+300, expected a date from 1990 to 2100"),
        ({"MJD_OBS": "58547.2"}, "MJD-OBS is '58547.2', expected a date from 1990 to 2100"),
        ({"MJD_OBS": True}, "MJD-OBS is True, expected a date from 1990 to 2100"),
        ({"without": ("EXPTIME",)}, "EXPTIME is missing, expected seconds"),
        ({"EXPTIME": -1.0}, "EXPTIME is -1.0, expected seconds"),
    ],
)
def test_frame_without_identity_or_time_has_a_problem(tmp_path: Path, changes: dict, problem: str) -> None:
    record = scanned(write_frame(tmp_path / "UVES.2019-03-05T04:48:00.123.fits", **changes))
    assert record.problem == problem
    assert record.frame.night == "2019-03-04"


def test_truncated_frame_keeps_its_place_but_no_keywords(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    images = ["BITPIX  = 16", "NAXIS   = 1", "NAXIS1  = 100000"]
    cards = write_frame(tmp_path / "b.fits").read_bytes()[240:].decode().rstrip().removesuffix("END")
    path.write_bytes(
        header_bytes(*images, *[cards[at : at + 80] for at in range(0, len(cards) - 79, 80)]) + b"\0" * 5000
    )
    record = scanned(path)
    assert record.problem == "file has 7,880 bytes, its headers promise 204,480"
    assert (record.frame.night, record.frame.raw_class) == ("2019-03-04", "SCI_POINT_BLUE")
    assert record.frame.keywords == {}


def test_unreadable_file_is_missed_in_the_night_its_name_tells(tmp_path: Path) -> None:
    path = tmp_path / "UVES.2019-03-05T04:48:00.123.fits"
    path.write_bytes(b"not at all")
    record = scanned(path)
    assert record.problem == "begins with b'not at all' at byte 0"
    assert (record.frame.name, record.frame.night, record.frame.instrument) == (path.name, "2019-03-04", "")
    path.write_bytes(header_bytes("BITPIX  = 16", "NAXIS   = -2"))
    assert scanned(path).problem == "card NAXIS: is -2"
    path.unlink()
    (record,) = scan({str(path): (1, 1)}, classifier_of)
    assert record.problem.startswith("cannot be opened")


def test_garbled_card_nobody_needs_is_a_note_and_a_needed_one_a_problem(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "a.fits", INS_TEMP1_VAL=1.5)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"VAL = 1.5", b"VAL = 1?5"))
    record = scanned(path)
    assert (record.problem, record.notes) == ("", ("card 13, INS.TEMP1.VAL: value garbled: '1?5'",))
    path.write_bytes(whole.replace(b"'OBJECT'", b"'OBJECT "))
    record = scanned(path)
    assert record.frame.raw_class == ""
    assert record.notes == ('card 9, DPR.TYPE: value garbled: "\'OBJECT"',)


def test_number_beyond_double_precision_is_not_kept(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "a.fits", INS_TEMP1_VAL=1.5)
    path.write_bytes(path.read_bytes().replace(b"1.5  ", b"1E999"))
    record = scanned(path)
    assert "INS.TEMP1.VAL" not in record.frame.keywords
    assert (record.problem, record.notes) == ("", ("INS.TEMP1.VAL: the number is too large",))


def test_orphan_with_a_problem_tells_both(tmp_path: Path) -> None:
    record = scanned(write_frame(tmp_path / "a.fits", without=("EXPTIME",), DPR_TYPE="OBJEKT"))
    assert record.problem == (
        "EXPTIME is missing, expected seconds; no rule classifies it, nearest rule SCI_POINT_BLUE: "
        "DPR.TYPE is 'OBJEKT', expected one of 'OBJECT', 'OBJECT,POINT'"
    )


def test_static_table_needs_no_time_and_is_named_by_its_file(tmp_path: Path) -> None:
    path = write_frame(
        tmp_path / "lines.fits", without=("MJD-OBS", "EXPTIME", "ARCFILE"), PRO_CATG="LINE_REFER_TABLE"
    )
    path.write_bytes(path.read_bytes().replace(b"ESO DPR CATG", b"ESO ANY CATG"))
    record = scanned(path)
    assert (record.problem, record.frame.kind, record.frame.name) == ("", FrameKind.STATIC, "lines.fits")
    assert record.frame.raw_class == "LINE_REFER_TABLE"


def test_describing_again_needs_no_file_and_gives_the_same(tmp_path: Path) -> None:
    path = write_frame(tmp_path / "a.fits")
    record = scanned(path)
    path.unlink()
    assert describe(record, classifier_of) == record


def test_long_instrument_name_fits_the_catalogue(tmp_path: Path) -> None:
    assert len(scanned(write_frame(tmp_path / "a.fits", INSTRUME="X" * 60)).frame.instrument) == 16


def names(folder: Path, *folders: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in list_frames(folders or [folder]).files]


def test_listing_finds_frames_below_and_passes_over_the_rest(tmp_path: Path) -> None:
    for name in (
        "b/2.fits",
        "a/1.hdr",
        "a/.hidden.fits",
        "a/.part/x.fits",
        "a/x.txt",
        "a/z.fits.Z",
        "a/y.fits.gz",
        "C.FITS",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dangling.fits").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == ["C.FITS", "a/1.hdr", "b/2.fits"]
    assert names(tmp_path, tmp_path / "b", tmp_path) == ["C.FITS", "a/1.hdr", "b/2.fits"]
    assert list_frames([tmp_path]).notes == [
        f"{tmp_path}/a: 2 compressed file(s) passed over; uncompress them to use them"
    ]


def test_what_lies_below_an_unreadable_folder_has_not_vanished(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    listing = list_frames([tmp_path / "here", tmp_path / "gone"])
    assert listing.unread == {str(tmp_path / "gone"): "No such file or directory"}
    known = [
        f"{tmp_path}/here/a.fits",
        f"{tmp_path}/here/x/b.fits",
        f"{tmp_path}/gone/c.fits",
        "/other/d.fits",
    ]
    assert listing.vanished(known) == known[:2]
