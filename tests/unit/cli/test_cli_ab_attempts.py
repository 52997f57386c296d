from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders_execution import NOW, RELEASE, bias_ab, store_ab
from phoenix.cli import ab_process as command
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database

CRASHED = Attempt(1, Outcome.CRASHED, NOW, NOW, findings=("disk full", "and more"))


def test_attempts_are_listed_with_their_reasons(
    database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "get_database", lambda: database)
    ab = bias_ab([Path("/a.fits")])
    store_ab(database, configuration, ab)
    with database.transaction() as session:
        attempts = AttemptRepository(session)
        for attempt in (CRASHED, replace(CRASHED, number=2, outcome=Outcome.OK, findings=())):
            attempts.begin(RELEASE, ab.name, "phoenix-uves", NOW)
            attempts.end(RELEASE, ab.name, attempt)
    call = ["attempts", RELEASE, ab.name, "--format", "json"]
    result = CliRunner().invoke(command.app, call, catch_exceptions=False)
    rows = json.loads(result.stdout)
    assert [(row["attempt"], row["outcome"], row["findings"]) for row in rows] == [
        (1, "crashed", "disk full; and more"),
        (2, "ok", ""),
    ]
    with pytest.raises(UsageError, match="has none of that name"):
        CliRunner().invoke(command.app, ["attempts", RELEASE, "no.ab"], catch_exceptions=False)
