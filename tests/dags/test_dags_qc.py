"""What the operator makes of a shard of QC jobs: it tells how far it is, it stops, it counts."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_library import import_airflow
from phoenix.chain.qc import QcReport
from phoenix.errors import InfrastructureError
from phoenix.store.qc_progress import QcProgress

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, int]]:
    """Run the operator over three ABs, with something else in place of the QC itself."""
    import phoenix.chain.qc
    from phoenix.orchestration import qc_operator

    def run(reports: Callable[..., QcReport], during: Callable[[Any], None] = lambda _: None) -> Any:
        batch = SimpleNamespace(database=None, configuration=None, key="2019-03")
        monkeypatch.setattr(qc_operator, "running_batch", lambda _: batch)
        monkeypatch.setattr(phoenix.chain.qc, "qc_reports", reports)
        kind: Any = qc_operator.QcConcentrationOperator
        operator = kind(task_id="concentrate_qc", release="UVES_R3", shard=["a", "b", "c"])
        during(operator)
        context = {"ti": SimpleNamespace(map_index=1)}
        return kind.execute.__wrapped__(operator, context)

    return run


def test_a_shard_is_run_and_counted(run: Callable[..., dict[str, int]]) -> None:
    asked: dict[str, Any] = {}

    def reports(*where: object, **how: Any) -> QcReport:
        asked.update(how, where=where)
        return QcReport(measured=2, unchanged=1, reds=("b: snr",), failures=("c: QC failed: why",))

    assert run(reports) == {"measured": 2, "unchanged": 1, "reds": 1, "failed": 1}
    assert asked["where"] == (None, None, "UVES_R3", "2019-03")
    assert (asked["names"], asked["part"]) == (["a", "b", "c"], "shard_2")


def test_a_thousand_jobs_are_told_now_and_then(
    run: Callable[..., dict[str, int]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from phoenix.orchestration import qc_operator

    clock = [0.0]
    monkeypatch.setattr(qc_operator, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def reports(*_: object, progress: Callable[[QcProgress], None], **__: Any) -> QcReport:
        for done in range(1, 1001):
            clock[0] += 0.125
            progress(QcProgress("shard_2", done, 1000, 0, "a", 125 - clock[0], NOW, NOW))
        return QcReport(measured=1000)

    with caplog.at_level(logging.INFO, "phoenix"):
        run(reports)
    told = [record.getMessage() for record in caplog.records if "QC jobs done" in record.getMessage()]
    assert len(told) == 4
    assert told[0].startswith("240 of 1000 QC jobs done, about 2 min left")


def test_a_kill_stops_it(run: Callable[..., dict[str, int]]) -> None:
    def reports(*_: object, should_stop: Callable[[], bool], **__: Any) -> QcReport:
        if should_stop():
            raise InfrastructureError("QC of UVES_R3 2019-03", "stopped")
        return QcReport()

    from airflow.sdk.exceptions import AirflowException

    assert run(reports)["failed"] == 0
    with pytest.raises(AirflowException, match="stopped"):
        run(reports, during=lambda operator: operator.on_kill())


def test_it_ends_when_its_worker_is_gone(
    run: Callable[..., dict[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from phoenix.orchestration import qc_operator

    parents = iter([100, 1])
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(
        qc_operator,
        "os",
        SimpleNamespace(
            getppid=lambda: next(parents), getpid=os.getpid, kill=lambda *what: killed.append(what)
        ),
    )

    def reports(*_: object, should_stop: Callable[[], bool], **__: Any) -> QcReport:
        should_stop()
        return QcReport()

    run(reports)
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_a_batch_that_was_not_prepared_has_no_qc() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration.steps import plan_qc

    with pytest.raises(AirflowFailException, match="preparation failed"):
        plan_qc.function("UVES_R3", None)
