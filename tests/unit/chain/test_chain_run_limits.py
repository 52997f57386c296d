"""How many recipes the command line runs at once."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders_execution import KEY, NOW, RELEASE, bias_ab, store_ab
from phoenix.chain import run as chain_run
from phoenix.chain.batch import close_batch
from phoenix.chain.run import BatchRun, Step
from phoenix.config.loader import PROJECT, Configuration
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.database import Database


@pytest.mark.parametrize(
    ("drs_type", "host", "expected"),
    [("CON", {}, 3), ("CPL", {}, 1), ("INT", {}, 1), ("INT", {"streams": 2}, 2), ("CON", {"streams": 2}, 2)],
)
def test_types_of_processing_hold_without_airflow(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drs_type: str,
    host: dict[str, int],
    expected: int,
) -> None:
    folder = Path(shutil.copytree(PROJECT / "include" / "config", tmp_path / "config"))
    _change(folder / "instruments" / "uves.yaml", drs_type=drs_type)
    _change(folder / "releases" / f"{RELEASE}.yaml", host=host)
    _change(folder / "phoenix.yaml", host={"slots": 3, "memory_gb": 64, "min_free_disk_gb": 0})
    configuration = Configuration(folder, tmp_path / "var")
    for number in range(6):
        store_ab(database, configuration, bias_ab([], name=f"UVES.2019-03-04T10:00:0{number}.000_tpl.ab"))
    close_batch(database, configuration, RELEASE, KEY, "")
    guard, running, most = threading.Lock(), 0, 0
    together = threading.Barrier(expected)

    def stand_in(*_: object) -> Attempt:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        together.wait(30)  # as many as expected do run beside each other
        with guard:
            running -= 1
        return Attempt(1, Outcome.OK, NOW, NOW)

    monkeypatch.setattr(chain_run, "run_with_retries", stand_in)
    said: list[str] = []
    BatchRun(database, configuration, RELEASE, KEY, "test", said.append).run([Step.RUN_RECIPES])
    assert sum("ok" in line for line in said) == 6, said
    assert most == expected


def _change(file: Path, **content: Any) -> None:
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **content}))
