"""``phoenix qc``: what could not be made is named, and a misspelt parameter gets a hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders_execution import KEY, RELEASE, bias_ab, store_ab
from phoenix.cli import qc as command
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.model.score import Qc1Value, QcProblem, QcResult
from phoenix.store.database import Database
from phoenix.store.qc import QcRecord, QcRepository
from phoenix.store.tables import AbRow

RESULT = QcResult(
    values=(Qc1Value("bias_level_BLUE", 180.0, "ADU"),),
    problems=(QcProblem("bias_gradient_BLUE", "no instrument module offers it"),),
)


@pytest.fixture(autouse=True)
def measured(
    database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Name of an AB that was measured, but for one parameter."""
    ab = bias_ab([tmp_path / "a.fits"])
    store_ab(database, configuration, ab)
    with database.transaction() as session:
        row = session.query(AbRow).one()
        QcRepository(session).save([QcRecord(row.id, "UVES", "bias", row.mjd_obs_mod, "a", RESULT)])
    monkeypatch.setattr(command, "get_database", lambda: database)
    return ab.name


def test_what_was_not_made_is_named_with_its_reason(measured: str) -> None:
    result = CliRunner().invoke(command.app, ["problems", RELEASE, KEY, "--format", "json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"AB": measured, "of": "bias_gradient_BLUE", "why": "no instrument module offers it"}
    ]


def test_a_misspelt_parameter_gets_a_hint() -> None:
    result = CliRunner().invoke(command.app, ["trend", "UVES", "bias_levle_BLUE"])
    assert isinstance(result.exception, UsageError)
    assert "did you mean bias_level_BLUE?" in result.exception.remedy
