"""The QC of a batch killed at random moments; what goes on afterwards ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, func, select

import phoenix.chain.qc as chain
from builders_qc import KEY, RELEASE, publish_abs
from phoenix.config.loader import Configuration
from phoenix.store.database import Database
from phoenix.store.qc import QcRepository
from phoenix.store.tables import Qc1Row, QcRunRow, ReportRow, ScoreRow
from quick_qc import draw, import_nothing

ABS = 24
SEQUENCES, KILLS = 5, 4
#: What marks the processes of this test.
MARK = "PHOENIX_QC_FAULTS"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> str:
    """Jobs of 20 ms, saved as often; return the mark of the processes that run them."""
    monkeypatch.setattr(chain, "run_job", draw)
    monkeypatch.setattr(chain, "load", import_nothing)
    monkeypatch.setattr(chain, "_UNSAVED_S", 0.05)
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    return mark


def state(database: Database, configuration: Configuration, names: list[str]) -> dict[str, Any]:
    """Return all that QC left behind: rows by AB, and files with their content."""
    with database.transaction() as session:
        repository = QcRepository(session)
        found: dict[str, Any] = {}
        for name in names:
            result = repository.of_ab(RELEASE, name)
            found[name] = result and replace(result, wall_s=0.0)
    root = configuration.folders.reports / RELEASE
    pages = root / f"qc_{KEY}"
    files = (path for path in root.rglob("*") if path.is_file() and path.parent != pages)
    return found | {str(path.relative_to(root)): path.read_bytes() for path in files}


def wipe(database: Database, configuration: Configuration) -> None:
    with database.transaction() as session:
        for table in (Qc1Row, ScoreRow, ReportRow, QcRunRow):
            session.execute(delete(table))
    shutil.rmtree(configuration.folders.reports)


def pictures(configuration: Configuration) -> int:
    return sum(1 for _ in configuration.folders.reports.rglob("*.png"))


def saved(database: Database) -> int:
    with database.transaction() as session:
        count = select(func.count()).select_from(QcRunRow).where(QcRunRow.failure == "")
        return session.scalar(count) or 0


def processes(mark: str) -> set[int]:
    """Return the processes that carry the mark and live; not this one, which set it for others."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found


def start(database: Database, configuration: Configuration) -> int:
    """Run the QC of the batch in a process of its own."""
    url = database.engine.url.render_as_string(hide_password=False)
    pid = os.fork()
    if pid == 0:
        try:
            chain.qc_reports(Database(url), configuration, RELEASE, KEY)
        finally:
            os._exit(0)
    return pid


def kill_at(pid: int, configuration: Configuration, pictures_made: int, moment_s: float) -> bool:
    """Kill a run when it has made so many pictures, and a moment later; False if it was over before."""
    while pictures(configuration) < pictures_made:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    time.sleep(moment_s)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def left_within(mark: str, seconds: float) -> set[int]:
    until = time.monotonic() + seconds
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.01)
    return left


@pytest.fixture
def names(database: Database, configuration: Configuration) -> Iterator[list[str]]:
    return publish_abs(database, configuration, ABS)


def test_qc_killed_twenty_times_ends_as_if_undisturbed(
    database: Database, configuration: Configuration, names: list[str], quick: str
) -> None:
    undisturbed = chain.qc_reports(database, configuration, RELEASE, KEY)
    expected = state(database, configuration, names)
    assert undisturbed.measured + len(undisturbed.failures) == ABS
    assert undisturbed.failures
    assert len([name for name in expected if name.endswith(".png")]) == 2 * ABS
    random = Random(20)
    killed = survived = 0
    for _ in range(SEQUENCES):
        wipe(database, configuration)
        for number in range(KILLS):
            pid = start(database, configuration)
            # The first before or as the workers start, the others further and further on.
            pictures_made = random.randrange(number * 2 * ABS // KILLS + 1)
            moment_s = random.uniform(0.0, 0.02 if pictures_made else 0.5)
            killed += kill_at(pid, configuration, pictures_made, moment_s)
            assert not left_within(quick, 10.0), "a worker outlived the operator"
        before = saved(database)
        survived += before
        last = chain.qc_reports(database, configuration, RELEASE, KEY)
        assert last.unchanged == before
        assert last.measured + last.unchanged == undisturbed.measured
        assert state(database, configuration, names) == expected
    assert killed == SEQUENCES * KILLS
    assert survived, "no kill left anything to resume from"
