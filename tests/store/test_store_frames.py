from dataclasses import replace

from phoenix.model.frame import Frame, FrameKind, FrameRecord
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue, FrameProblem

NIGHT = 58546.5  # 2019-03-04 12:00, when the night 2019-03-04 begins


def record(path: str, **changes: object) -> FrameRecord:
    frame = Frame(
        path=path,
        name=path.rpartition("/")[2],
        kind=FrameKind.RAW,
        instrument="UVES",
        mjd_obs=NIGHT + 0.5,
        exptime_s=10.0,
        keywords={"DPR.TYPE": "BIAS", "DET.CHIPS": 2, "INS.LAMP1.ST": True, "INS.GRAT1.WLEN": 437.25},
        size_bytes=2**40,
        mtime_ns=1_551_700_000_123_456_789,
        raw_class="BIAS_RED",
        tags={"type": "x"},
    )
    of_frame = {name: value for name, value in changes.items() if name in Frame.__slots__}
    of_record = {name: value for name, value in changes.items() if name not in Frame.__slots__}
    return replace(FrameRecord(replace(frame, **of_frame), "v1"), **of_record)


def test_frames_come_back_as_they_went_in(database: Database) -> None:
    with database.transaction() as session:
        assert FrameCatalogue(session).record([record("/a/1.fits")]) == 1
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        assert catalogue.frames("UVES") == [record("/a/1.fits").frame]
        assert catalogue.known() == {"/a/1.fits": (2**40, 1_551_700_000_123_456_789)}


def test_a_path_is_recorded_once(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record([record("/a/1.fits"), record("/a/2.fits")])
        catalogue.record([record("/a/1.fits", raw_class="OTHER", problem="cut", notes=("n",))])
        assert [frame.path for frame in catalogue.frames("UVES")] == ["/a/2.fits"]
        assert catalogue.problems() == [FrameProblem("/a/1.fits", "2019-03-04", "cut", ("n",))]
        catalogue.record([record("/a/1.fits")])
        assert catalogue.problems(notes=True) == []


def test_order_and_choice_of_frames(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record(
            [
                record("/z/1.fits", mjd_obs=NIGHT + 0.9),
                record("/a/b.fits", mjd_obs=NIGHT + 0.1),
                record("/a/B.fits", mjd_obs=NIGHT + 0.1),
                record("/a/next.fits", mjd_obs=NIGHT + 1.1),
                record("/m/master.fits", kind=FrameKind.MASTER, mjd_obs=NIGHT - 10),
                record("/s/static.fits", kind=FrameKind.STATIC, mjd_obs=0.0),
                record("/x/1.fits", instrument="MUSE"),
                record("/a/bad.fits", problem="cut"),
            ]
        )

        def found(**choice: object) -> list[str]:
            return [frame.path for frame in catalogue.frames("UVES", **choice)]

        whole = ["/s/static.fits", "/m/master.fits", "/a/B.fits", "/a/b.fits", "/z/1.fits", "/a/next.fits"]
        assert found() == whole
        assert found(kinds=[FrameKind.RAW], nights=("2019-03-04", "2019-03-04")) == whole[2:5]
        assert found(nights=("2019-03-05", "2019-03-31")) == ["/s/static.fits", "/a/next.fits"]
        assert found(mjd=(NIGHT - 10, NIGHT + 0.1)) == whole[:4]
        assert [frame.path for frame in catalogue.frames("MUSE")] == ["/x/1.fits"]


def test_orphans_are_whole_frames_without_a_class(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record(
            [
                record("/a/orphan.fits", raw_class=""),
                record("/a/cut.fits", raw_class="", problem="cut"),
                record("/a/muse.fits", raw_class="", instrument="MUSE"),
                record("/a/good.fits"),
            ]
        )
        assert [frame.path for frame in catalogue.orphans("UVES")] == ["/a/orphan.fits"]
        assert [frame.path for frame in catalogue.orphans()] == ["/a/muse.fits", "/a/orphan.fits"]


def test_first_of_two_files_with_one_arcfile_is_used_until_it_goes(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record(record(f"/{folder}/1.fits") for folder in "cab")
        catalogue.record(record(f"/{folder}/m.fits", kind=FrameKind.MASTER) for folder in "ab")
        for _ in range(2):
            catalogue.mark_duplicates()
            problem = "the same frame as /a/1.fits, which is the one used; remove one of them"
            assert [(bad.path, bad.problem) for bad in catalogue.problems()] == [
                ("/b/1.fits", problem),
                ("/c/1.fits", problem),
            ]
        assert catalogue.forget(["/a/1.fits", "/c/1.fits"]) == 2
        catalogue.mark_duplicates()
        assert catalogue.problems() == []
        assert len(catalogue.frames("UVES")) == 3


def test_a_broken_file_does_not_stand_in_for_its_twin(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record([record("/a/1.fits", problem="cut"), record("/b/1.fits")])
        catalogue.mark_duplicates()
        assert [frame.path for frame in catalogue.frames("UVES")] == ["/b/1.fits"]


def test_outdated_frames_are_those_other_rules_classified(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record(
            [
                record("/a/1.fits", notes=("n",)),
                record("/a/2.fits", rules_version="v2"),
                record("/a/cut.fits", keywords={}),
            ]
        )
        assert catalogue.outdated({"MUSE": "v2"}) == []
        (found,) = catalogue.outdated({"UVES": "v2", "MUSE": "v9"})
        assert (found.frame, found.notes) == (record("/a/1.fits").frame, ("n",))


def test_problems_of_some_nights(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        catalogue.record(
            [
                record("/a/1.fits", problem="cut"),
                record("/a/2.fits", problem="cut", mjd_obs=NIGHT + 3),
                record("/a/3.fits", problem="cut", mjd_obs=0.0),
                record("/a/4.fits", notes=("a card",)),
            ]
        )
        assert [bad.path for bad in catalogue.problems(("2019-03-04", "2019-03-04"))] == ["/a/1.fits"]
        assert [bad.path for bad in catalogue.problems(("2019-03-04", "2019-03-04"), notes=True)] == [
            "/a/1.fits",
            "/a/4.fits",
        ]
        assert len(catalogue.problems()) == 3


def test_thousands_of_frames(database: Database) -> None:
    with database.transaction() as session:
        catalogue = FrameCatalogue(session)
        assert catalogue.record(record(f"/a/{number:05}.fits") for number in range(2500)) == 2500
        assert len(catalogue.known()) == 2500
        assert catalogue.forget(f"/a/{number:05}.fits" for number in range(2400)) == 2400
        assert len(catalogue.frames("UVES")) == 100
