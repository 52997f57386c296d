"""Reverse questions about calibrations, and what association makes of one that was declared bad."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from builders_execution import RELEASE
from builders_uves import BLUE, RED, Nights, master, tables
from phoenix.chain.create import create_abs
from phoenix.chain.masters import declare_bad, index_abs, selection, undo_bad, used_by
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.model.ab import AssociationBlock, Completeness, McalibStatus, ProductInput, Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.frame import Frame, FrameRecord
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.bad_masters import BadMasterRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue
from phoenix.store.masters import UNREAD, Master
from phoenix.store.tables import AbCalibrationRow, AbRow, IdpRow, IngestionRow, ProductRow

KEY = "2019-03"
FLAT, LATER_FLAT = "UVES.2019-03-05T10:02:02.963_tpl.ab", "UVES.2019-03-07T10:02:02.963_tpl.ab"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Stream:
    """A month of UVES_R3."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self.database, self.configuration = database, configuration
        with database.transaction() as session:
            BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")

    def know(self, frames: Iterable[Frame]) -> Stream:
        with self.database.transaction() as session:
            FrameCatalogue(session).record(FrameRecord(frame) for frame in frames)
        return self

    def create(self) -> Stream:
        assert create_abs(self.database, self.configuration, RELEASE, KEY).errors == []
        return self

    def used_by(self, words: str, tag: str | None = None, since: str | None = None):
        return used_by(self.database, self.configuration, words, tag, since=since)

    def users(self, words: str, tag: str | None = None, since: str | None = None) -> list[str]:
        return [user.task for user in self.used_by(words, tag, since).users]

    def bad(self, words: str, reason: str = "saturated lamp", since: str | None = None):
        return declare_bad(self.database, self.configuration, words, reason, "anna", since=since)

    def abs(self, task: str) -> list[AssociationBlock]:
        with self.database.transaction() as session:
            abs_ = AbRepository(session, AbTrees(self.configuration.folders))
            batch = BatchRepository(session).find(RELEASE, KEY)
            return abs_.of_batch(batch.id, task)

    def row(self, name: str) -> AbRow:
        with self.database.transaction() as session:
            return session.query(AbRow).filter_by(name=name).one()


@pytest.fixture
def stream(database: Database, configuration: Configuration) -> Stream:
    """ABs of two nights, both with flats."""
    nights = Nights()
    nights.night("2019-03-04")
    nights.night("2019-03-06")
    return Stream(database, configuration).know(nights.frames + tables(BLUE)).create()


def flat_of(ab: AssociationBlock) -> str:
    return next(calib.source for calib in ab.mcalibs if calib.tag == "MASTER_FLAT_BLUE")


def test_an_ab_is_asked_what_came_of_its_master(stream: Stream) -> None:
    used = stream.used_by(FLAT)
    assert used.masters == (Master(FLAT, RELEASE),)
    assert [user.task for user in used.users] == ["wavelength", "response", "science"]
    assert {user.night for user in used.users} == {"2019-03-04"}
    assert used.users[-1].tags == ("MASTER_FLAT_BLUE",)
    assert stream.used_by(FLAT.removesuffix(".ab")).users == used.users
    assert stream.users(FLAT, since="2019-03-05") == []


def test_what_is_made_with_it_counts_too_and_says_so(stream: Stream) -> None:
    (order,) = (ab for ab in stream.abs("order_position") if ab.date == "2019-03-04")
    users = stream.used_by(order.name).users
    assert [user.task for user in users] == ["flat", "wavelength", "response", "science"]
    line_table = next(user for user in users if user.task == "wavelength")
    only_as = stream.used_by(line_table.name, "LINE_TABLE_BLUE").users
    assert [user.task for user in only_as] == ["response", "science"]
    assert stream.used_by(line_table.name, "NO_SUCH_CATEGORY").users == ()
    (format_check,) = (ab for ab in stream.abs("format_check") if ab.date == "2019-03-04")
    tags = {user.task: user.tags for user in stream.used_by(format_check.name).users}
    assert tags["order_position"] == ("ORDER_GUESS_TAB_BLUE",)
    assert tags["science"] == ()


def test_files_are_asked_by_path_and_by_name(stream: Stream) -> None:
    table = next(frame for frame in tables(BLUE) if frame.keywords["PRO.CATG"] == "EXTCOEFF_TABLE")
    by_path, by_name = stream.used_by(table.path), stream.used_by(table.name)
    assert by_path.masters == by_name.masters == (Master(table.path),)
    assert by_path.users == by_name.users
    assert [user.task for user in by_path.users if user.tags] == [
        "response",
        "response",
        "science",
        "science",
    ]
    stream.know([replace(table, path="/elsewhere/unused.fits", name="unused.fits")])
    assert stream.users("unused.fits") == []
    with pytest.raises(UsageError, match="no AB uses it"):
        stream.used_by("nobody_knows.fits")


def test_idps_with_their_versions(stream: Stream) -> None:
    science = stream.used_by(FLAT).users[-1]
    with stream.database.transaction() as session:
        for name, catg in (("spectrum.fits", "SCIENCE.SPECTRUM"), ("preview.fits", "ANCILLARY.PREVIEW")):
            session.add(
                IdpRow(
                    ab_id=science.ab_id,
                    release=RELEASE,
                    origfile=name,
                    prodcatg=catg,
                    path=f"/conv/{name}",
                    size_bytes=1,
                    sha256="0",
                    converted_at=NOW,
                )
            )
        session.flush()
        spectrum = session.query(IdpRow).filter_by(origfile="spectrum.fits").one()
        for version, (state, status, arcfile) in enumerate(
            [("archived", "obsolete", "ADP.1.fits"), ("held", "incoming", None)], 1
        ):
            session.add(
                IngestionRow(
                    idp_id=spectrum.id,
                    release=RELEASE,
                    origfile=spectrum.origfile,
                    source_sha256="0",
                    state=state,
                    status=status,
                    arcfile=arcfile,
                    version=version,
                )
            )
    found = [(idp.origfile, idp.arcfile, idp.version, idp.standing)
             for idp in stream.used_by(FLAT).idps[science.ab_id]]  # fmt: skip
    assert sorted(found) == [
        ("preview.fits", "", 0, "converted"),
        ("spectrum.fits", "", 2, "held"),
        ("spectrum.fits", "ADP.1.fits", 1, "obsolete"),
    ]


def test_a_product_stands_for_its_ab_and_is_known_as_a_file_of_another_release(stream: Stream) -> None:
    product = "/products/masterflat_blue.fits"
    with stream.database.transaction() as session:
        session.add(
            ProductRow(
                ab_id=stream.row(FLAT).id,
                pro_catg="MASTER_FLAT_BLUE",
                path=product,
                size_bytes=1,
                sha256="0",
            )
        )
    assert stream.used_by(product).masters == (Master(FLAT, RELEASE),)
    assert stream.used_by("masterflat_blue.fits").masters == (Master(FLAT, RELEASE),)
    (science,) = (ab for ab in stream.abs("science") if ab.date == "2019-03-04")
    calibs = [calib for calib in science.mcalibs if calib.tag != "MASTER_FLAT_BLUE"]
    real = replace(science.mcalibs[0], status=McalibStatus.REAL, source=product, tag="MASTER_FLAT_BLUE")
    with stream.database.transaction() as session:
        batch = BatchRepository(session).open("UVES_STACK", BatchKey(BatchKind.MONTH, KEY), "test")
        other = replace(science, release="UVES_STACK", mcalibs=(*calibs, real))
        AbRepository(session, AbTrees(stream.configuration.folders)).put(other, batch.id)
    assert [user.release for user in stream.used_by(FLAT).users].count("UVES_STACK") == 1
    stream.bad(product)
    with stream.database.transaction() as session:
        reasons = BadMasterRepository(session).reasons("UVES_STACK")
    assert set(reasons) == {product}


def test_the_index_follows_the_text_that_counts(stream: Stream) -> None:
    (science,) = (ab for ab in stream.abs("science") if ab.date == "2019-03-04")
    edited = replace(science, mcalibs=tuple(c for c in science.mcalibs if c.tag != "MASTER_FLAT_BLUE"))
    with stream.database.transaction() as session:
        AbRepository(session, AbTrees(stream.configuration.folders)).advance(edited, Tree.EDITED)
    assert "science" not in [user.task for user in stream.used_by(FLAT).users if user.tags]


def test_what_a_second_step_combines_counts_as_used(stream: Stream) -> None:
    first, second = stream.abs("science")
    inputs = tuple(ProductInput(ab.name, "RED_SCI_POINT_BLUE") for ab in (first, second))
    stack = replace(first, name="UVES.stack.ab", task="stack", raws=(), mcalibs=(), inputs=inputs)
    with stream.database.transaction() as session:
        batch = BatchRepository(session).find(RELEASE, KEY)
        AbRepository(session, AbTrees(stream.configuration.folders)).put(stack, batch.id)
    (user,) = stream.used_by(second.name, "RED_SCI_POINT_BLUE").users
    assert (user.name, user.tags) == ("UVES.stack.ab", ("RED_SCI_POINT_BLUE",))
    assert stream.users(FLAT) == ["wavelength", "response", "science", "stack"]


def test_abs_from_before_the_index_are_read_when_somebody_asks(stream: Stream) -> None:
    before = stream.used_by(FLAT)
    names = [user.name for user in before.users]
    with stream.database.transaction() as session:
        ids = [user.ab_id for user in before.users]
        session.execute(delete(AbCalibrationRow).where(AbCalibrationRow.ab_id.in_(ids)))
        session.add_all(
            AbCalibrationRow(ab_id=ab_id, source="", name="", tag="", status=UNREAD) for ab_id in ids
        )
    text = AbTrees(stream.configuration.folders).path(RELEASE, Tree.SOURCE, "2019-03-04", names[-1])
    whole = text.read_text()
    text.write_text(whole + "# edited\n")
    used = stream.used_by(FLAT)
    assert [user.name for user in used.users] == names[:-1]
    assert ["changed by hand" in str(error) for error in used.unread] == [True]
    text.write_text(whole)
    assert stream.used_by(FLAT) == before


def test_the_index_can_be_made_anew(stream: Stream) -> None:
    before = stream.used_by(FLAT)
    with stream.database.transaction() as session:
        session.execute(update(AbCalibrationRow).values(source="nonsense"))
    assert stream.users(FLAT) == []
    number, problems = index_abs(stream.database, stream.configuration)
    assert (number, problems) == (14, [])
    assert stream.used_by(FLAT) == before


def test_a_bad_master_gives_way_to_another_and_comes_back(stream: Stream) -> None:
    for ab in [*stream.abs("flat"), *stream.abs("science")]:
        with stream.database.transaction() as session:
            AbRepository(session, AbTrees(stream.configuration.folders)).set_outcome(
                RELEASE, ab.name, Outcome.OK
            )
    first, second = stream.abs("science")
    assert (flat_of(first), flat_of(second)) == (FLAT, LATER_FLAT)
    used = stream.bad(FLAT)
    stream.create()
    first, second = stream.abs("science")
    assert (flat_of(first), flat_of(second)) == (LATER_FLAT, LATER_FLAT)
    assert first.level > second.level
    assert stream.row(first.name).outcome is None
    assert stream.row(second.name).outcome == "ok"
    told = AbTrees(stream.configuration.folders).explanation(RELEASE, first.date, first.name)
    (rejected,) = (
        candidate
        for association in told["associations"]
        for candidate in association["candidates"]
        if candidate["name"] == FLAT and "FLAT" in association["catg"]
    )
    assert rejected["failed_on"] == "defect"
    assert f"would match but is itself declared bad by anna on {datetime.now(UTC):%Y-}" in rejected["reason"]
    assert rejected["reason"].endswith(": saturated lamp")
    assert stream.used_by(FLAT).users == ()
    assert [batch["abs"][-1]["name"] for batch in used.bad[0].selection["batches"]] == [first.name]
    undo_bad(stream.database, FLAT, "ben", "it was the shutter")
    stream.create()
    assert [flat_of(ab) for ab in stream.abs("science")] == [FLAT, LATER_FLAT]


def test_without_another_one_the_ab_is_incomplete_and_says_why(
    database: Database, configuration: Configuration
) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    stream = Stream(database, configuration).know(nights.frames + tables(BLUE)).create()
    stream.bad(FLAT)
    stream.create()
    (science,) = stream.abs("science")
    assert science.completeness is Completeness.INCOMPLETE
    assert (
        f"the nearest, {FLAT}, would match but is itself declared bad by anna"
        in stream.row(science.name).reason
    )


def test_a_bad_file_spoils_the_set_it_belongs_to(database: Database, configuration: Configuration) -> None:
    nights = Nights()
    nights.at("2019-03-04", "20:00:00").science(setting=RED)
    mjd = nights.frames[0].mjd_obs
    biases = [
        master(f"MASTER_BIAS_{chip}", mjd - days, RED, f"/masters/{days}")
        for days in (1, 2)
        for chip in ("REDL", "REDU")
    ]
    near_l, near_u, far_l, far_u = (frame.path for frame in biases)
    same_name = replace(biases[0], path=f"/copies/{biases[0].name}", mjd_obs=mjd - 9)
    stream = Stream(database, configuration).know([*nights.frames, *biases, same_name]).create()

    def used() -> list[str]:
        (ab,) = stream.abs("science")
        return sorted(calib.source for calib in ab.mcalibs)

    assert used() == [near_l, near_u]
    with pytest.raises(UsageError, match=f"can be any of 2: {same_name.path}, {near_l}"):
        stream.bad(same_name.name)
    stream.bad(near_l)
    stream.create()
    assert used() == [far_l, far_u]
    undo_bad(stream.database, same_name.name, "anna")
    stream.create()
    assert used() == [near_l, near_u]


def test_declarations_are_kept_and_refused_when_they_make_no_sense(stream: Stream) -> None:
    stream.bad(FLAT, "first")
    with pytest.raises(UsageError, match=r"is declared bad by anna on .*: first"):
        stream.bad(FLAT, "second")
    with pytest.raises(UsageError, match="no reason is given"):
        stream.bad(LATER_FLAT, " ")
    undo_bad(stream.database, FLAT, "ben", "a mistake")
    with pytest.raises(UsageError, match="is not declared bad"):
        undo_bad(stream.database, FLAT, "ben")
    stream.bad(FLAT, "third")
    with stream.database.transaction() as session:
        declared = BadMasterRepository(session)
        assert [each.reason for each in declared.all()] == ["third"]
        history = [(each.reason, each.undone_by, each.undone_reason) for each in declared.all(history=True)]
    assert history == [("first", "ben", "a mistake"), ("third", "", "")]


def test_the_selection_names_what_a_campaign_has_to_make_again(stream: Stream) -> None:
    (first, _) = stream.abs("science")
    with stream.database.transaction() as session:
        product = ProductRow(
            ab_id=stream.row(first.name).id, pro_catg="X", path="/p/x.fits", size_bytes=1, sha256=""
        )
        session.add(product)
    chosen = selection(stream.used_by(FLAT), "saturated")
    (batch,) = chosen["batches"]
    assert (batch["release"], batch["batch"], chosen["reason"]) == (RELEASE, KEY, "saturated")
    names = [ab["name"] for ab in batch["abs"]]
    assert names == [user.name for user in stream.used_by(FLAT).users]
    assert (
        batch["abs"][-1] | {"old_products": ["/p/x.fits"], "used_as": ["MASTER_FLAT_BLUE"]}
        == batch["abs"][-1]
    )
    assert selection(stream.used_by(FLAT, since="2019-03-05"))["batches"] == []
