"""What is planned for a task of the cascade: which ABs, in which memory class, in how many lots."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders_execution import (
    KEY,
    NIGHT,
    NOW,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
    write_fits,
)
from phoenix.chain.execute import run_ab
from phoenix.chain.lots import lots
from phoenix.chain.plan import unsettled
from phoenix.chain.resources import can_grow, memory_gb
from phoenix.config.loader import PROJECT, Configuration
from phoenix.execution.container import ContainerJob, OnLine
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder of this test alone."""
    folder = tmp_path / "config"
    shutil.copytree(PROJECT / "include" / "config", folder)
    return folder


def set_recipe(folder: Path, **content: object) -> None:
    """Change what the configuration says about the recipe of master biases."""
    file = folder / "instruments" / "uves.yaml"
    instrument: dict[str, Any] = yaml.safe_load(file.read_text())
    instrument["recipes"]["uves_cal_mbias"] = {"timeout": "10 min", **content}
    file.write_text(yaml.safe_dump(instrument))


def set_host(folder: Path, **content: object) -> None:
    file = folder / "phoenix.yaml"
    file.write_text(yaml.safe_dump({"site": "test", "host": {"min_free_disk_gb": 0, **content}}))


def biases(database: Database, configuration: Configuration, count: int) -> list[AssociationBlock]:
    """ABs of the same three raws, in order of time."""
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    made = []
    for number in range(count):
        time = 58546.4 + number / 1000
        ab = bias_ab(raws, name=f"UVES.2019-03-04T10:00:{number:02}.000_tpl.ab", mjd_obs_mod=time)
        store_ab(database, configuration, ab)
        made.append(ab)
    return made


def ran(database: Database, ab: AssociationBlock, outcome: Outcome, wall_s: float = 1.0) -> None:
    """Record an attempt as if it had been made."""
    with database.transaction() as session:
        attempts = AttemptRepository(session)
        number = attempts.begin(RELEASE, ab.name, "image", NOW)
        attempts.end(RELEASE, ab.name, Attempt(number, outcome, NOW, NOW + timedelta(seconds=wall_s)))


def planned(
    database: Database, configuration: Configuration, memory_class: str = "small", most: int = 1024
) -> list[list[str]]:
    found = lots(database, configuration, RELEASE, KEY, "bias", memory_class, most)
    return [lot.names for lot in found]


def test_without_knowledge_each_ab_is_a_lot(database: Database, folder: Path, tmp_path: Path) -> None:
    set_recipe(folder, memory_gb=1)
    configuration = Configuration(folder, tmp_path / "var")
    names = [ab.name for ab in biases(database, configuration, 3)]
    assert planned(database, configuration) == [[name] for name in names]
    assert planned(database, configuration, most=2) == [names[:2], names[2:]]


def test_short_recipes_share_lots_by_configuration_then_by_experience(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    set_recipe(folder, memory_gb=1, typical="1 s")
    configuration = Configuration(folder, tmp_path / "var")
    first, *rest = biases(database, configuration, 9)
    assert [len(lot) for lot in planned(database, configuration)] == [5, 4]
    ran(database, first, Outcome.CAVEATS, wall_s=45)
    assert planned(database, configuration) == [[ab.name] for ab in rest]


def test_experience_is_that_of_the_setting(database: Database, folder: Path, tmp_path: Path) -> None:
    set_recipe(folder, memory_gb=1, typical="1 s")
    configuration = Configuration(folder, tmp_path / "var")
    other = bias_ab([], name="UVES.2019-03-04T09:00:00.000_tpl.ab", match_keys=(("chips", "2"),))
    store_ab(database, configuration, other)
    ran(database, other, Outcome.OK, wall_s=45)
    biases(database, configuration, 4)
    assert [len(lot) for lot in planned(database, configuration)] == [2, 2]


def test_out_of_memory_is_planned_again_for_the_next_class(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    set_recipe(folder, memory_gb=2)
    configuration = Configuration(folder, tmp_path / "var")
    first, second = biases(database, configuration, 2)
    assert planned(database, configuration, "medium") == []
    ran(database, first, Outcome.OUT_OF_MEMORY)
    assert not can_grow(database, configuration, RELEASE, first.name, within_gb=2)
    assert can_grow(database, configuration, RELEASE, first.name, within_gb=4)
    assert planned(database, configuration, "small") == [[second.name]]
    assert planned(database, configuration, "medium") == [[first.name]]
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, first.name, runner=engine, within_gb=4)
    assert attempt.outcome is Outcome.OK, attempt.findings
    assert engine.jobs[0].memory_gb == 4


def test_memory_follows_the_rows_of_inputs(database: Database, folder: Path, tmp_path: Path) -> None:
    set_recipe(
        folder, memory={"base_gb": 1, "bytes_per_row": 2**30 / 150, "typical_rows": 10, "of": "BIAS_.*"}
    )
    configuration = Configuration(folder, tmp_path / "var")
    (ab,) = biases(database, configuration, 1)  # three raws of 20 rows
    assert memory_gb(configuration, ab, {}) == pytest.approx(1.4)
    assert planned(database, configuration, "small") == [[ab.name]]
    raw = Path(ab.raws[0].path)
    write_fits(raw, {"DPR.CATG": "CALIB", "DPR.TYPE": "BIAS", "DET.CHIPS": 1}, shape=(300, 3))
    assert memory_gb(configuration, ab, {}) == pytest.approx(1 + 340 / 150)
    assert planned(database, configuration, "medium") == [[ab.name]]
    raw.unlink()
    assert memory_gb(configuration, ab, {}) == pytest.approx(1 + 50 / 150)


def test_what_no_host_holds_is_refused_with_the_figure(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    set_recipe(folder, memory_gb=96)
    set_host(folder, slots=2, memory_gb=64)
    configuration = Configuration(folder, tmp_path / "var")
    (ab,) = biases(database, configuration, 1)
    assert planned(database, configuration, "large") == [[ab.name]]
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert (attempt.outcome, engine.jobs) == (Outcome.UNPROCESSABLE, [])
    assert ab_row(database, ab.name).reason == "needs 96 GB, the largest host gives 64 GB"


def test_memory_of_all_that_runs_stays_within_the_host(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    """Six recipes of 3 GB begun at once on 8 cores with 8 GB: two at a time."""
    set_recipe(folder, memory_gb=3)
    set_host(folder, slots=8, memory_gb=8)
    configuration = Configuration(folder, tmp_path / "var")
    guard, running, most = threading.Lock(), 0, 0

    def recipe(job: ContainerJob, on_line: OnLine) -> int:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.05)
        with guard:
            running -= 1
        return master_bias(job, on_line)

    def run(ab: AssociationBlock) -> None:
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(recipe))

    threads = [threading.Thread(target=run, args=(ab,)) for ab in biases(database, configuration, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert planned(database, configuration, "medium") == []
    assert 1 <= most <= 2


def test_another_try_leaves_alone_what_ended_for_good(
    database: Database, configuration: Configuration
) -> None:
    ok, failed, crashed, old, new = biases(database, configuration, 5)
    ran(database, old, Outcome.FAILED)
    since = NOW + timedelta(seconds=5)
    for ab, outcome in ((ok, Outcome.OK), (failed, Outcome.FAILED), (crashed, Outcome.CRASHED)):
        with database.transaction() as session:
            attempts = AttemptRepository(session)
            number = attempts.begin(RELEASE, ab.name, "image", since)
            attempts.end(RELEASE, ab.name, Attempt(number, outcome, since, since))
    names = [ab.name for ab in (ok, failed, crashed, old, new)]
    assert unsettled(database, RELEASE, names, since) == [crashed.name, old.name, new.name]
