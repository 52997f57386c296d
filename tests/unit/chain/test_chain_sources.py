import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from builders_sources import HEAD, association, cascade, of_class
from builders_uves import BLUE, Nights, master, tables
from phoenix.chain.create import Creation, create_abs, verify_abs
from phoenix.chain.edit import edit_abs
from phoenix.chain.sources.protocol import SourceName
from phoenix.config.loader import PROJECT, Configuration
from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock, Completeness, McalibStatus, Tree
from phoenix.model.ab_text import Processing
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.frame import Frame, FrameRecord
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository, AbState, Change
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue
from phoenix.store.named_trees import NamedTree

NIGHTS = ["2019-03-04", "2019-03-06"]
RELEASE = """
release: UVES_NEW
instrument: UVES
title: UVES spectra, once more
collection: UVES
batch: month
mode: {mode}
ab_source: {source}
pgis: {pgis}
"""


class Site:
    """A month of UVES_R3, and a release UVES_NEW that takes its ABs from elsewhere."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        shutil.copytree(PROJECT / "include" / "config", folder / "config")
        self.configuration = Configuration(folder / "config", folder / "var")
        self.trees = AbTrees(self.configuration.folders)
        self.associations = self.configuration.folders.associations
        self.associations.mkdir(parents=True)
        self.configure("{stored: [UVES_R3]}")
        with database.transaction() as session:
            for release in ("UVES_R3", "UVES_NEW"):
                BatchRepository(session).open(release, BatchKey(BatchKind.MONTH, "2019-03"), "test")

    def configure(self, source: str, mode: str = "COMPLETE", pgis: str = "[]") -> None:
        path = self.folder / "config" / "releases" / "UVES_NEW.yaml"
        path.unlink(missing_ok=True)
        path.write_text(RELEASE.format(source=source, mode=mode, pgis=pgis))

    def know(self, frames: Iterable[Frame]) -> None:
        with self.database.transaction() as session:
            FrameCatalogue(session).record(FrameRecord(frame) for frame in frames)

    def forget(self, frames: Iterable[Frame]) -> None:
        with self.database.transaction() as session:
            FrameCatalogue(session).forget([frame.path for frame in frames])

    def create(
        self, release: str = "UVES_NEW", nights: list[str] | None = None, **choice: object
    ) -> Creation:
        return create_abs(self.database, self.configuration, release, "2019-03", nights, **choice)  # type: ignore[arg-type]

    def process(self, release: str = "UVES_R3") -> None:
        """Give every AB a final text with an outcome and products."""
        with self.database.transaction() as session:
            abs_ = AbRepository(session, self.trees)
            for state in abs_.of_release(release):
                ab = abs_.get(release, state.name)
                products = tuple((f"/gone/{state.name}/{tag}.fits", tag) for tag in ab.expected)
                abs_.advance(ab, Tree.FINAL, Processing(Outcome.OK, 1.5, "log", "/gone", products=products))
                abs_.set_outcome(release, state.name, Outcome.OK)

    def states(self, release: str = "UVES_NEW") -> dict[str, AbState]:
        with self.database.transaction() as session:
            return {state.name: state for state in AbRepository(session, self.trees).of_release(release)}

    def ab(self, name: str, release: str = "UVES_NEW") -> AssociationBlock:
        with self.database.transaction() as session:
            return AbRepository(session, self.trees).get(release, name)

    def text(self, name: str, tree: Tree = Tree.SOURCE, release: str = "UVES_NEW") -> str:
        return self.path(name, tree, release).read_text()

    def path(self, name: str, tree: Tree = Tree.SOURCE, release: str = "UVES_NEW") -> Path:
        return self.trees.path(release, tree, self.states(release)[name].night, name)

    def science(self, release: str = "UVES_NEW") -> list[str]:
        return sorted(name for name, state in self.states(release).items() if state.task == "science")


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    return Site(database, tmp_path)


@pytest.fixture
def nights() -> Nights:
    made = Nights()
    made.night(NIGHTS[0])
    made.night(NIGHTS[1])
    return made


@pytest.fixture
def stored(site: Site, nights: Nights) -> Site:
    """UVES_R3 has processed the month."""
    site.know(nights.frames + tables(BLUE))
    site.create("UVES_R3")
    site.process()
    return site


def test_a_stored_tree_is_replayed_byte_by_byte(stored: Site) -> None:
    creation = stored.create()
    assert {night.source for night in creation.nights} == {SourceName.STORED}
    assert str(creation) == "2019-03-04: 7 ABs, 7 created (stored); 2019-03-06: 7 ABs, 7 created (stored)"
    assert stored.states().keys() == stored.states("UVES_R3").keys()
    for name in stored.states():
        before = stored.text(name, Tree.SOURCE, "UVES_R3").splitlines()
        after = stored.text(name).splitlines()
        assert [new for old, new in zip(before, after, strict=True) if old != new] == [
            'AB_SOURCE       "stored UVES_R3"',
            "RELEASE         UVES_NEW",
        ]
    assert verify_abs(stored.database, stored.configuration, "UVES_NEW", "2019-03") == []
    again = stored.create()
    assert {change for night in again.nights for change in night.changes.values()} == {Change.UNCHANGED}
    told = stored.trees.explanation("UVES_NEW", NIGHTS[0], stored.science()[0])
    assert told["source"] == "stored UVES_R3"


def test_comments_of_people_stay_and_their_edit_protects_nothing_here(stored: Site) -> None:
    name = stored.science("UVES_R3")[0]
    path = stored.path(name, Tree.FINAL, "UVES_R3")
    path.write_text("# fringes: see the night log\n" + path.read_text() + "X_NOTE kept\n")
    with stored.database.transaction() as session:
        AbRepository(session, stored.trees).accept("UVES_R3", name)
    stored.create()
    text = stored.text(name)
    assert text.startswith("# fringes: see the night log\n")
    assert "X_NOTE kept\n" in text
    assert "OUTCOME" not in text
    assert "# processing" not in text
    assert [pgi.name for pgi in stored.ab(name).pgis] == ["by_hand_in_UVES_R3"]
    stored.configure("{stored: [UVES_R3], created_since: 2019-03-01, stored_since: 2019-02-01}")
    assert stored.create().nights[0].changes[name] is Change.REPLACED


def test_a_month_across_the_switch_takes_both(stored: Site) -> None:
    stored.configure("{stored: [UVES_R3], created_since: 2019-03-06}")
    creation = stored.create()
    assert [night.source for night in creation.nights] == [SourceName.STORED, SourceName.CREATED]
    assert [stored.ab(name).origin for name in stored.science()] == ["stored UVES_R3", "created"]
    assert verify_abs(stored.database, stored.configuration, "UVES_NEW", "2019-03") == []
    assert all(state.completeness is Completeness.COMPLETE for state in stored.states().values())


def test_across_the_switch_nothing_waits_for_an_ab_that_is_in_no_tree(site: Site) -> None:
    nights = Nights()
    nights.night(NIGHTS[0])
    nights.night(NIGHTS[1], flats=0)
    site.know(nights.frames + tables(BLUE))
    site.create("UVES_R3")
    site.process()
    flat = next(name for name, state in site.states("UVES_R3").items() if state.task == "flat")
    site.path(flat, Tree.FINAL, "UVES_R3").unlink()
    site.path(flat, Tree.SOURCE, "UVES_R3").unlink()
    site.configure("{stored: [UVES_R3], created_since: 2019-03-06}")
    site.create()
    ab = site.ab(site.science()[1])
    assert ab.completeness is Completeness.INCOMPLETE
    assert f"{flat}, which makes it, is in no tree" in ab.missing[0].reason
    assert flat not in ab.waits_for


def test_the_first_tree_that_has_an_ab_counts(stored: Site) -> None:
    name, other = stored.science("UVES_R3")
    better = NamedTree(stored.configuration.folders, "UVES_better")
    better.keep(replace(stored.ab(name, "UVES_R3"), parameters=(("reduce.merge", "average"),)))
    stored.configure("{stored: [UVES_better, UVES_R3]}")
    stored.create()
    assert (stored.ab(name).origin, stored.ab(name).parameters) == (
        "stored UVES_better",
        (("reduce.merge", "average"),),
    )
    assert stored.ab(other).origin == "stored UVES_R3"


def test_stacks_are_made_of_stored_abs(site: Site) -> None:
    nights = Nights()
    nights.night(NIGHTS[0], science=3)
    site.know(nights.frames + tables(BLUE))
    site.create("UVES_R3")
    site.process()
    site.configure("{stored: [UVES_R3]}\npattern: [single, stack]")
    assert site.create().errors == []
    (stack,) = (name for name, state in site.states().items() if state.task == "stack")
    assert set(site.ab(stack).waits_for) == set(site.science())
    assert site.ab(stack).origin == "created of stored UVES_R3"
    assert verify_abs(site.database, site.configuration, "UVES_NEW", "2019-03") == []


def test_no_pgi_is_applied_twice_and_a_new_one_is(site: Site, nights: Nights) -> None:
    site.know(nights.frames + tables(BLUE))
    config = "{recipe: uves_obs_scired, parameters: {reduce.merge: optimal}, reason: test}"
    site.configure("{}", pgis=f"[{{name: set_parameters, config: [{config}]}}]")
    site.create()
    edit_abs(site.database, site.configuration, "UVES_NEW", "2019-03")
    name = site.science()[0]
    site.process("UVES_NEW")
    text = (site.folder / "config" / "releases" / "UVES_NEW.yaml").read_text()
    again = text.replace("release: UVES_NEW", "release: UVES_AGAIN").replace("optimal", "average")
    again = again.replace("ab_source: {}", "ab_source: {stored: [UVES_NEW]}")
    (site.folder / "config" / "releases" / "UVES_AGAIN.yaml").write_text(again)
    with site.database.transaction() as session:
        BatchRepository(session).open("UVES_AGAIN", BatchKey(BatchKind.MONTH, "2019-03"), "test")
    site.create("UVES_AGAIN")
    assert [(entry.name, entry.version) for entry in site.ab(name, "UVES_AGAIN").pgis] == [
        ("set_parameters", "1")
    ]
    report = edit_abs(site.database, site.configuration, "UVES_AGAIN", "2019-03")
    assert any(note.startswith(f"{name}: set_parameters was applied before") for note in report.notes)
    assert dict(site.ab(name, "UVES_AGAIN").parameters)["reduce.merge"] == "optimal"
    assert len(site.ab(name, "UVES_AGAIN").pgis) == 1


def with_masters(nights: Nights) -> tuple[list[Frame], Frame, Frame]:
    """Frames without raw biases, a good master bias, and a farther one."""
    mjd = nights.frames[0].mjd_obs
    frames = [frame for frame in nights.frames if frame.raw_class != "BIAS_BLUE"]
    near, far = (master("MASTER_BIAS_BLUE", mjd - dt, BLUE, f"/data/masters/{dt}") for dt in (0.1, 0.4))
    return frames, near, far


def test_a_master_that_is_gone_is_looked_for_again(site: Site, nights: Nights) -> None:
    frames, near, far = with_masters(nights)
    site.know([*frames, near, far, *tables(BLUE)])
    site.create("UVES_R3")
    site.process()
    name = site.science("UVES_R3")[0]
    assert site.ab(name, "UVES_R3").mcalibs[0].source == near.path
    site.forget([near])
    moved = replace(near, path="/data/masters/moved/" + near.name)
    site.know([moved])
    notes = site.create().nights[0].notes
    assert site.ab(name).mcalibs[0].source == moved.path
    assert f"{name}: MASTER_BIAS_BLUE: the file {near.path} is gone; now {moved.path}" in notes
    site.forget([moved])
    site.create()
    assert site.ab(name).mcalibs[0].source == far.path
    site.forget([far])
    site.create()
    ab = site.ab(name)
    assert ab.completeness is Completeness.INCOMPLETE
    assert ab.missing[0].reason == f"the file {near.path} is gone, and none is found in its place"
    site.know([far])
    site.create()
    assert site.ab(name).completeness is Completeness.COMPLETE


def test_without_the_abs_that_make_them_the_products_they_left_are_taken(
    stored: Site, tmp_path: Path
) -> None:
    stored.configure("{stored: [UVES_R3]}", mode="IDP")
    stored.create()
    assert {state.task for state in stored.states().values()} == {"science"}
    name = stored.science()[0]
    assert "and none is found in its place" in stored.ab(name).missing[0].reason
    with stored.database.transaction() as session:
        abs_ = AbRepository(session, stored.trees)
        for state in abs_.of_release("UVES_R3"):
            ab = abs_.get("UVES_R3", state.name)
            folder = tmp_path / "products" / ab.stem
            folder.mkdir(parents=True)
            products = tuple((str(folder / f"{tag}.fits"), tag) for tag in ab.expected)
            for path, _ in products:
                Path(path).touch()
            abs_.advance(ab, Tree.FINAL, Processing(Outcome.OK, products=products))
    stored.create()
    ab = stored.ab(name)
    assert ab.completeness is Completeness.COMPLETE
    assert ab.waits_for == ()
    assert {m.status for m in ab.mcalibs} == {McalibStatus.REAL, McalibStatus.STATIC}


def test_a_garbled_text_and_a_lost_frame_are_named_and_stop_no_other(stored: Site, nights: Nights) -> None:
    stored.create()
    first, second = stored.science()
    path = stored.path(first, Tree.FINAL, "UVES_R3")
    path.write_text(path.read_text().replace("MJD-OBS_MOD", "MJD-OBS_MAD"))
    stored.forget(of_class(nights.frames, "SCI_POINT_BLUE")[1:])
    creation = stored.create()
    one, two = (str(error) for error in creation.errors)
    assert f"{path}: is not the text that was recorded" in one
    assert f"AB {second} of tree UVES_R3: its raw frame /data/raw/" in two
    assert "is not in the catalogue" in two
    assert sum(len(night.changes) for night in creation.nights) == 12
    assert [night.withdrawn for night in creation.nights] == [[], []]
    stored.trees.path("UVES_R3", Tree.FINAL, NIGHTS[0], first).unlink()
    assert len(stored.create().errors) == 2


def test_an_ab_that_does_not_fit_the_release_is_refused(stored: Site) -> None:
    name, other = stored.science("UVES_R3")
    tree = NamedTree(stored.configuration.folders, "COPY")
    tree.keep(replace(stored.ab(name, "UVES_R3"), task="dreaming"))
    tree.keep(replace(stored.ab(other, "UVES_R3"), instrument="MUSE"))
    path = tree.folder / "final" / NIGHTS[1] / "UVES.2019-03-07T09:09:09.999.ab"
    shutil.copy(stored.path(other, Tree.FINAL, "UVES_R3"), path)
    stored.configure("{stored: [COPY, UVES_R3]}")
    found = sorted(str(error) for error in stored.create().errors)
    assert "is of task 'dreaming'; expected one of bias" in found[0]
    assert f"is the text of {other} of {NIGHTS[1]}" in found[2]
    assert "is of MUSE; expected an AB of UVES" in found[1]
    assert stored.science() == []


def test_frames_no_tree_has_are_told_and_a_tree_that_is_not_there(stored: Site, nights: Nights) -> None:
    late = nights.at("2019-03-07", "02:00:00").science()
    stored.know(late)
    creation = stored.create()
    (out,) = stored.trees.left_out("UVES_NEW", NIGHTS[1])
    assert (out["path"], out["code"]) == (late[0].path, "NOT_STORED")
    assert creation.errors == []
    stored.configure("{stored: [UVES_R0]}")
    with pytest.raises(ConfigError, match="found 'UVES_R0', and there is no folder"):
        stored.create()
    stored.configure("{}")
    with pytest.raises(ConfigError, match=r"field ab_source\.stored: found nothing"):
        stored.create(source=SourceName.STORED)


def test_a_raw2raw_cascade_becomes_what_the_rules_make_of_it(site: Site, nights: Nights) -> None:
    site.know(nights.frames + tables(BLUE))
    site.create("UVES_R3")
    for frame in of_class(nights.frames, "SCI_POINT_BLUE"):
        (site.associations / f"{frame.name}.xml").write_text(cascade(nights.frames, frame))
    site.configure("{created_by: calselector}")
    creation = site.create()
    assert creation.errors == []
    assert {night.source for night in creation.nights} == {SourceName.CALSELECTOR}
    assert site.states().keys() == site.states("UVES_R3").keys()
    for name in site.states():
        ours, theirs = site.ab(name), site.ab(name, "UVES_R3")
        assert ours.origin.startswith("calselector UVES.")
        assert ours == replace(theirs, release="UVES_NEW", origin=ours.origin)
    told = site.trees.explanation("UVES_NEW", NIGHTS[0], site.science()[0])
    assert "VIRTUAL" in {c["status"] for a in told["associations"] for c in a["candidates"]}
    again = site.create(nights=[NIGHTS[0]])
    assert {change for night in again.nights for change in night.changes.values()} == {Change.UNCHANGED}
    assert again.nights[0].withdrawn == []
    file = next(site.associations.glob("*.xml"))
    file.write_text(file.read_text()[:-9])
    assert all(not night.withdrawn for night in site.create().nights)
    file.unlink()
    assert sum(len(night.withdrawn) for night in site.create().nights) == 7


def test_raw2master_takes_what_the_archive_chose_however_far(site: Site, nights: Nights) -> None:
    science = of_class(nights.frames, "SCI_POINT_BLUE")[0]
    mjd = science.mjd_obs
    far = [
        master(catg, mjd - 400, BLUE)
        for catg in (
            "MASTER_BIAS_BLUE", "MASTER_FLAT_BLUE", "ORDER_TABLE_BLUE", "LINE_TABLE_BLUE",
            "INSTR_RESPONSE_BLUE", "MASTER_RESPONSE_BLUE",
        )
    ]  # fmt: skip
    near = [
        replace(each, path=each.path + ".near", name=each.name + ".near", mjd_obs=mjd - 1) for each in far
    ]
    site.know([*nights.frames, *far, *near, *tables(BLUE)])
    nested = [association(str(each.keywords["PRO.CATG"]), [each]) for each in far]
    text = HEAD + association("SCIENCE", [science], *nested, complete=False, messages=["Missing <nothing>"])
    (site.associations / "a.xml").write_text(text)
    creation = site.create(source=SourceName.CALSELECTOR)
    (name,) = site.science()
    ab = site.ab(name)
    assert ab.completeness is Completeness.COMPLETE, ab.missing
    reals = [mcalib for mcalib in ab.mcalibs if mcalib.status is McalibStatus.REAL]
    assert {mcalib.source for mcalib in reals} <= {each.path for each in far}
    assert min(mcalib.level for mcalib in reals) > 1
    assert "a.xml: calSelector calls SCIENCE incomplete: Missing <nothing>" in creation.nights[0].notes
    (out,) = creation.nights[1].left_out
    assert (out.code, out.path) == ("NO_ASSOCIATION", of_class(nights.frames, "SCI_POINT_BLUE")[1].path)


def test_what_a_file_names_and_nobody_has(site: Site, nights: Nights) -> None:
    science = of_class(nights.frames, "SCI_POINT_BLUE")[0]
    site.know(nights.frames + tables(BLUE))
    bias = association("BIAS", [("M.UVES.2019-01-01T00:00:00.000", "MASTER_BIAS_BLUE")])
    main = [science, ("UVES.2019-03-05T01:11:11.111", "SCI_POINT_BLUE")]
    (site.associations / "a.xml").write_text(HEAD + association("SCIENCE", main, bias))
    (site.associations / "b.xml").write_text("<!DOCTYPE a><a/>")
    (site.associations / "c.xml").write_text(association("X", [("../../etc/passwd", "SCI")]))
    (site.associations / "d.xml").write_text(association("X", [nights.frames[0]]))
    creation = site.create(source=SourceName.CALSELECTOR)
    found = [str(error) for error in creation.errors]
    assert any(
        "a.xml, line 2: names 'UVES.2019-03-05T01:11:11.111' (SCI_POINT_BLUE)" in text for text in found
    )
    assert len(found) == 3
    assert any("b.xml, line 1: the file declares a document type" in text for text in found)
    assert any("c.xml, line 1: names '../../etc/passwd'" in text for text in found)
    ab = site.ab(site.science()[0])
    assert ab.completeness is Completeness.INCOMPLETE
    assert (
        "; a.xml: M.UVES.2019-01-01T00:00:00.000 (MASTER_BIAS_BLUE) not in the catalogue"
        in ab.missing[0].reason
    )
    with pytest.raises(ConfigError, match="is no folder"):
        site.create(source=SourceName.CALSELECTOR, associations=site.folder / "none")


def test_calibrations_of_the_month_before_are_made_once(site: Site) -> None:
    nights = Nights()
    bias = nights.at("2019-02-28", "20:00:00").bias()
    science = nights.at("2019-03-02", "01:00:00").science()[0]
    site.know(nights.frames)
    text = HEAD + association("SCIENCE", [science], association("BIAS", bias))
    (site.associations / "a.xml").write_text(text)
    creation = site.create(source=SourceName.CALSELECTOR)
    assert [night.night for night in creation.nights] == ["2019-03-01"]
    assert sorted(state.night for state in site.states().values()) == ["2019-02-28", "2019-03-01"]
    assert site.ab(site.science()[0]).waits_for == (bias[0].name.replace(".fits", "_tpl.ab"),)
    with site.database.transaction() as session:
        BatchRepository(session).open("UVES_NEW", BatchKey(BatchKind.MONTH, "2019-02"), "test")
    create_abs(site.database, site.configuration, "UVES_NEW", "2019-02", source=SourceName.CREATED)
    site.create(source=SourceName.CALSELECTOR)
    owner = {state.night: state.batch_id for state in site.states().values()}
    assert owner["2019-02-28"] != owner["2019-03-01"]
