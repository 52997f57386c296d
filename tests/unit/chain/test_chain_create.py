from collections.abc import Iterable
from dataclasses import replace

import pytest

from builders_uves import BLUE, Nights, tables
from phoenix.chain.create import create_abs, verify_abs
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError, UsageError
from phoenix.model.ab import Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.frame import Frame, FrameRecord
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository, AbState, Change
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue

NIGHTS = ["2019-03-04", "2019-03-06"]


class Stream:
    """An open month of UVES_R3 with a frame catalogue."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self.database, self.configuration = database, configuration
        self.trees = AbTrees(configuration.folders)
        with database.transaction() as session:
            BatchRepository(session).open("UVES_R3", BatchKey(BatchKind.MONTH, "2019-03"), "test")

    def know(self, frames: Iterable[Frame]) -> None:
        with self.database.transaction() as session:
            FrameCatalogue(session).record(FrameRecord(frame) for frame in frames)

    def forget(self, frames: Iterable[Frame]) -> None:
        with self.database.transaction() as session:
            FrameCatalogue(session).forget([frame.path for frame in frames])

    def create(self, nights: list[str] | None = None):
        return create_abs(self.database, self.configuration, "UVES_R3", "2019-03", nights)

    def verify(self):
        return verify_abs(self.database, self.configuration, "UVES_R3", "2019-03")

    def states(self) -> dict[str, AbState]:
        with self.database.transaction() as session:
            found = AbRepository(session, self.trees).of_release("UVES_R3")
        return {state.name: state for state in found}

    def finish_all(self) -> None:
        for name in self.states():
            with self.database.transaction() as session:
                AbRepository(session, self.trees).set_outcome("UVES_R3", name, Outcome.OK)

    def problems(self) -> list[str]:
        with self.database.transaction() as session:
            return BatchRepository(session).find("UVES_R3", "2019-03").problems


@pytest.fixture
def stream(database: Database, configuration: Configuration) -> Stream:
    return Stream(database, configuration)


def two_nights() -> Nights:
    """The second night has no flats."""
    nights = Nights()
    nights.night(NIGHTS[0])
    nights.night(NIGHTS[1], flats=0, science=2)
    return nights


def test_a_night_is_stored_with_masters_of_its_neighbour(stream: Stream) -> None:
    stream.know(two_nights().frames + tables(BLUE))
    creation = stream.create(nights=[NIGHTS[1]])
    assert {state.night for state in stream.states().values()} == {NIGHTS[1]}
    science = [state for state in stream.states().values() if state.task == "science"]
    assert [state.level for state in science] == [1, 1]
    assert any("2019-03-05T10:02" in name for name in science[0].waits_for)
    assert str(creation) == "7 ABs, 7 created"
    told = stream.trees.explanation("UVES_R3", NIGHTS[1], science[0].name)
    assert [each["result"] for each in told["associations"]] == ["chosen"] * 6


def test_doing_it_again_changes_nothing(stream: Stream) -> None:
    stream.know(two_nights().frames + tables(BLUE))
    first = stream.create()
    assert [night.night for night in first.nights] == NIGHTS
    files = {
        path: path.stat().st_mtime_ns for path in stream.configuration.folders.ab.rglob("*") if path.is_file()
    }
    stream.finish_all()
    again = stream.create()
    assert {change for night in again.nights for change in night.changes.values()} == {Change.UNCHANGED}
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert {state.outcome for state in stream.states().values()} == {Outcome.OK}
    assert stream.verify() == []


def test_a_late_frame_replaces_its_ab_and_what_depends_on_it_runs_again(stream: Stream) -> None:
    nights = two_nights()
    flats = [frame for frame in nights.frames if frame.raw_class == "FLAT_BLUE"]
    late = [flats[-1]]
    stream.know([frame for frame in nights.frames if frame not in late] + tables(BLUE))
    stream.create()
    stream.finish_all()
    stream.know(late)
    assert [(each.what, each.name) for each in stream.verify()][:1] == [
        ("differs", "UVES.2019-03-05T01:00:04.321.ab")
    ]
    assert any("+RAWFILE" in each.diff and late[0].name in each.diff for each in stream.verify())
    creation = stream.create()
    replaced = {n for night in creation.nights for n, c in night.changes.items() if c is Change.REPLACED}
    flat = next(name for name, state in stream.states().items() if state.task == "flat")
    assert flat in replaced
    open_again = {name for name, state in stream.states().items() if state.outcome is None}
    assert open_again == replaced | set(creation.pending_again)
    assert {stream.states()[name].task for name in open_again} == {
        "flat",
        "wavelength",
        "response",
        "science",
    }
    assert stream.verify() == []


def test_an_ab_whose_frames_are_gone_is_withdrawn(stream: Stream) -> None:
    nights = two_nights()
    stream.know(nights.frames + tables(BLUE))
    stream.create()
    gone = [frame for frame in nights.frames if frame.raw_class == "SCI_POINT_BLUE"][:1]
    stream.forget(gone)
    assert [each.what for each in stream.verify()] == ["no longer given"]
    creation = stream.create()
    name = gone[0].name.replace(".fits", ".ab")
    assert creation.nights[0].withdrawn == [name]
    assert stream.states()[name].exclusion == "WITHDRAWN"
    assert stream.verify() == []


def test_one_bad_ab_costs_no_other_and_is_noted_once(stream: Stream) -> None:
    nights = two_nights()
    bad = replace(nights.frames[-1], name="night.fits")
    stream.know([*nights.frames[:-1], bad, *tables(BLUE)])
    for _ in range(2):
        creation = stream.create()
        assert len(creation.errors) == 1
        assert len(creation.nights) == 2
    (problem,) = stream.problems()
    assert "ARCFILE 'night.fits' cannot name an AB" in problem


def test_an_edit_by_hand_stops_no_other_ab_and_is_never_overwritten(stream: Stream) -> None:
    nights = two_nights()
    stream.know(nights.frames + tables(BLUE))
    stream.create()
    name = next(state.name for state in stream.states().values() if state.task == "science")
    path = stream.trees.path("UVES_R3", Tree.SOURCE, NIGHTS[0], name)
    edited = path.read_text().replace("DRS_TYPE        CON", "DRS_TYPE        CPL")
    path.write_text(edited)
    stream.forget([frame for frame in nights.frames if frame.raw_class == "STANDARD_BLUE"])
    (error,) = stream.create().errors
    assert "changed by hand" in str(error)
    assert path.read_text() == edited
    with stream.database.transaction() as session:
        AbRepository(session, stream.trees).accept("UVES_R3", name)
    creation = stream.create()
    assert creation.errors == []
    assert creation.nights[0].changes[name] is Change.KEPT
    assert "kept, edited by hand" in str(creation)
    assert [each.name for each in stream.verify()] == [name]


def test_frames_left_out_and_abs_excluded_are_told(stream: Stream) -> None:
    nights = Nights()
    nights.science(count=1, planned=2)
    nights.template("SCIENCE", "OBJECT,EXTENDED", BLUE)
    stream.know(nights.frames)
    (night,) = stream.create().nights
    assert next(iter(night.excluded.values())).startswith("ABORTED_TEMPLATE: 1 of 2 frames")
    (out,) = stream.trees.left_out("UVES_R3", NIGHTS[0])
    assert (out["code"], out["path"]) == ("EXTENDED", nights.frames[-1].path)
    stream.forget(nights.frames[-1:])
    stream.create()
    assert stream.trees.left_out("UVES_R3", NIGHTS[0]) == []


def test_masters_of_other_months_are_seen_and_their_raws_are_not(stream: Stream) -> None:
    before, inside = Nights().at("2019-02-28", "20:00:00"), Nights().at("2019-03-01", "20:00:00")
    stream.know([*before.bias(), *inside.science()])
    stream.create()
    (state,) = stream.states().values()
    assert "no MASTER_BIAS_BLUE: there is none" in state.reason


@pytest.mark.parametrize(
    ("key", "nights", "message"),
    [
        ("2019-03", ["2019-04-01"], "night 2019-04-01: is not of batch UVES_R3 2019-03"),
        ("2019-04", None, "never processed"),
        ("2019-3", None, "not a month"),
    ],
)
def test_what_cannot_be_asked_for(stream: Stream, key: str, nights: list[str] | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_abs(stream.database, stream.configuration, "UVES_R3", key, nights)


def test_a_full_disk_leaves_no_ab_half_known(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.know(two_nights().frames + tables(BLUE))

    def full(*_: object) -> str:
        raise InfrastructureError("disk", "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(AbTrees, "save_explanation", full)
        with pytest.raises(InfrastructureError):
            stream.create()
    assert stream.states() == {}
    assert stream.create().errors == []
    assert stream.verify() == []
