from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from builders_ab import science_ab
from phoenix.config.loader import Configuration
from phoenix.errors import AssociationError, PhoenixError, UsageError
from phoenix.model.ab import AssociationBlock, Completeness, Missing, PgiEntry, ProcessStatus, Tree
from phoenix.model.ab_text import Processing
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import BY_HAND, AbRepository, Change
from phoenix.store.database import Database
from phoenix.store.tables import BatchRow

AB = science_ab()
FLAT = science_ab(name="UVES.2019-03-05T10:00:00.000_tpl.ab", task="flat", mcalibs=(), mjd_obs_mod=58547.4)


class Store:
    """An AB store with one open batch."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self.database = database
        self.trees = AbTrees(configuration.folders)
        with database.transaction() as session:
            row = BatchRow(
                release="UVES_R3", key="2019-03", kind="month", state="RUNNING", opened_at=datetime.now(UTC)
            )
            session.add(row)
            session.flush()
            self.batch = row.id

    @contextmanager
    def abs(self) -> Iterator[AbRepository]:
        with self.database.transaction() as session:
            yield AbRepository(session, self.trees)

    def put(self, ab: AssociationBlock) -> Change:
        with self.abs() as abs_:
            return abs_.put(ab, self.batch)

    def path(self, ab: AssociationBlock, tree: Tree = Tree.SOURCE):
        return self.trees.path(ab.release, tree, ab.date, ab.name)


@pytest.fixture
def store(database: Database, configuration: Configuration) -> Store:
    return Store(database, configuration)


def test_what_is_put_comes_back(store: Store) -> None:
    assert store.put(AB) is Change.CREATED
    assert store.put(FLAT) is Change.CREATED
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == AB
        assert abs_.of_batch(store.batch) == [AB, FLAT]
        assert abs_.of_batch(store.batch, task="flat", night="2019-03-04") == [FLAT]
        assert abs_.of_batch(store.batch, night="2019-03-05") == []
        state = abs_.state("UVES_R3", AB.name)
        assert [s.name for s in abs_.of_release("UVES_R3")] == [AB.name, FLAT.name]
    assert state.setting == {"binx": 2, "slicer": "FREE"}
    assert (state.waits_for, state.level, state.tree, state.outcome) == ((FLAT.name,), 1, Tree.SOURCE, None)


def test_the_same_content_changes_nothing_however_far_it_has_come(store: Store) -> None:
    store.put(AB)
    with store.abs() as abs_:
        abs_.advance(replace(AB, pgis=(PgiEntry("set_parameters", "1", "ff"),)), Tree.EDITED)
        abs_.set_outcome("UVES_R3", AB.name, Outcome.OK, product_folder="/products/x")
    written = store.path(AB).stat().st_mtime_ns
    assert store.put(AB) is Change.UNCHANGED
    assert store.put(replace(AB, rules_version="2030-01")) is Change.UNCHANGED
    assert store.path(AB).stat().st_mtime_ns == written
    with store.abs() as abs_:
        state = abs_.state("UVES_R3", AB.name)
        assert abs_.get("UVES_R3", AB.name).pgis[0].name == "set_parameters"
    assert (state.outcome, state.tree, state.product_folder) == (Outcome.OK, Tree.EDITED, "/products/x")


def test_other_content_makes_it_pending_again(store: Store) -> None:
    store.put(AB)
    with store.abs() as abs_:
        abs_.set_outcome("UVES_R3", AB.name, Outcome.OK)
    changed = replace(
        AB,
        completeness=Completeness.INCOMPLETE,
        missing=(Missing("MASTER_FLAT_BLUE", "no flat within 15 d"),),
    )
    assert store.put(changed) is Change.REPLACED
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == changed
        state = abs_.state("UVES_R3", AB.name)
    assert (state.outcome, state.reason, state.tree) == (None, "no flat within 15 d", Tree.SOURCE)


def test_final_text_holds_the_processing_and_the_comments_of_a_person(store: Store) -> None:
    store.put(AB)
    path = store.path(AB)
    path.write_text(path.read_text().replace("RECIPE  ", "# slit tilt matters here\nRECIPE  "))
    with store.abs() as abs_:
        abs_.accept("UVES_R3", AB.name)
        ab = abs_.get("UVES_R3", AB.name)
        done = replace(ab, process_status=ProcessStatus.SUCCESSFUL)
        abs_.advance(
            done, Tree.FINAL, Processing(Outcome.OK, 3.25, products=(("/p/a.fits", "RED_SCI_POINT_BLUE"),))
        )
    text = store.path(AB, Tree.FINAL).read_text()
    assert "# slit tilt matters here\nRECIPE" in text
    assert "TEXEC_AB        3.25\n" in text
    assert "PRODUCT         /p/a.fits RED_SCI_POINT_BLUE\n" in text
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == done


def test_an_edit_by_hand_is_refused_until_it_is_accepted_and_then_stays(store: Store) -> None:
    store.put(AB)
    with store.abs() as abs_:
        abs_.set_outcome("UVES_R3", AB.name, Outcome.FAILED, "no lines found")
    path = store.path(AB)
    path.write_text(path.read_text().replace("reduce.tiltcorr=true", "reduce.tiltcorr=false"))
    for read in ("get", "put"):
        with pytest.raises(AssociationError, match="changed by hand") as caught, store.abs() as abs_:
            abs_.get("UVES_R3", AB.name) if read == "get" else abs_.put(replace(AB, obs_id="2"), store.batch)
        assert caught.value.remedy == f"phoenix ab accept UVES_R3 {AB.name}"
    with store.abs() as abs_:
        document = abs_.accept("UVES_R3", AB.name)
        assert abs_.state("UVES_R3", AB.name).outcome is None
    assert document.ab.parameters == (("reduce.tiltcorr", "false"),)
    assert [pgi.name for pgi in document.ab.pgis] == [BY_HAND]
    assert store.put(AB) is Change.UNCHANGED
    assert store.put(replace(AB, obs_id="2")) is Change.KEPT
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == document.ab
        with pytest.raises(UsageError, match="nothing to accept"):
            abs_.accept("UVES_R3", AB.name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TASK            science", "TASK            flat", "task science: these cannot be edited"),
        ("PARAM ", "PARAM a b ", "PARAM with 3 value"),
    ],
)
def test_an_edit_that_cannot_be_read_is_not_accepted(store: Store, old: str, new: str, message: str) -> None:
    store.put(AB)
    path = store.path(AB)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(AssociationError) as caught, store.abs() as abs_:
        abs_.accept("UVES_R3", AB.name)
    assert message in str(caught.value)


def test_a_rolled_back_transaction_heals_by_putting_again(store: Store) -> None:
    store.put(AB)
    changed = replace(AB, obs_id="2")
    with store.abs() as abs_:
        abs_.put(changed, store.batch)
        abs_._session.rollback()
    assert store.put(changed) is Change.REPLACED
    store.path(AB).unlink()
    assert store.put(changed) is Change.UNCHANGED
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == changed


def test_one_name_for_two_tasks_is_refused(store: Store) -> None:
    store.put(AB)
    with pytest.raises(AssociationError, match="made by task science and by task flat"):
        store.put(replace(AB, task="flat"))


def test_who_can_run_and_who_waits(store: Store) -> None:
    lonely = science_ab(
        name="UVES.2019-03-05T05:00:00.000.ab", mcalibs=(), completeness=Completeness.INCOMPLETE
    )
    aborted = science_ab(
        name="UVES.2019-03-05T06:00:00.000.ab", exclusion="ABORTED_TEMPLATE", exclusion_reason="1 of 3"
    )
    for ab in (AB, FLAT, lonely, aborted):
        store.put(ab)

    def names() -> tuple[list[str], list[str]]:
        with store.abs() as abs_:
            return [s.name for s in abs_.runnable(store.batch)], [s.name for s in abs_.waiting(store.batch)]

    assert names() == ([FLAT.name], [AB.name, lonely.name])
    with store.abs() as abs_:
        abs_.set_outcome("UVES_R3", FLAT.name, Outcome.CAVEATS)
    assert names() == ([AB.name], [lonely.name])
    with store.abs() as abs_:
        abs_.set_outcome("UVES_R3", AB.name, Outcome.OK)
        assert abs_.make_pending("UVES_R3", [AB.name, lonely.name]) == [AB.name]
    assert names() == ([AB.name], [lonely.name])


def test_what_the_rules_no_longer_give_is_withdrawn_and_can_return(store: Store) -> None:
    store.put(AB)
    store.put(FLAT)
    with store.abs() as abs_:
        assert abs_.withdraw(store.batch, "2019-03-04", [FLAT.name]) == [AB.name]
        assert abs_.withdraw(store.batch, "2019-03-04", [FLAT.name]) == []
        assert abs_.state("UVES_R3", AB.name).exclusion == "WITHDRAWN"
    assert "EXCLUDED        WITHDRAWN " in store.path(AB).read_text()
    assert store.put(AB) is Change.REPLACED
    with store.abs() as abs_:
        assert abs_.get("UVES_R3", AB.name) == AB


@pytest.mark.parametrize(
    "hostile",
    [{"name": "../../x.ab"}, {"name": "a/b.ab"}, {"name": "x"}, {"date": ".."}, {"release": "a\nb"}],
)
def test_header_text_cannot_leave_the_store(
    store: Store, hostile: dict[str, str], configuration: Configuration
) -> None:
    with pytest.raises(AssociationError, match="not safe as a file name"):
        store.put(replace(AB, **hostile))
    assert not list(configuration.root.rglob("*.ab"))


def test_reasons_are_kept_beside_the_ab(store: Store) -> None:
    store.trees.save_explanation(AB, {"ab": AB.name})
    assert store.trees.explanation("UVES_R3", AB.date, AB.name) == {"ab": AB.name}
    path = store.path(AB).with_name("UVES.2019-03-05T03:04:05.678.explain.json")
    path.write_text("{")
    with pytest.raises(AssociationError, match="not JSON"):
        store.trees.explanation("UVES_R3", AB.date, AB.name)
    path.unlink()
    with pytest.raises(AssociationError, match="no reasons are kept"):
        store.trees.explanation("UVES_R3", AB.date, AB.name)


def test_unknown_or_damaged_abs_are_named(store: Store) -> None:
    store.put(AB)
    store.path(AB).write_bytes(b"AB_NAME \xff\n")
    with store.abs() as abs_:
        with pytest.raises(AssociationError, match="not UTF-8"):
            abs_.get("UVES_R3", AB.name)
        store.path(AB).unlink()
        with pytest.raises(AssociationError, match="no such AB text"):
            abs_.get("UVES_R3", AB.name)
        with pytest.raises(PhoenixError, match="not known in release"):
            abs_.get("UVES_R3", FLAT.name)
