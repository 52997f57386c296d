import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builders_headers import write_frame
from phoenix.cli import frames as command
from phoenix.config.loader import Configuration
from phoenix.store.database import Database


@pytest.fixture
def raw(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "get_database", lambda: database)
    monkeypatch.setattr(command, "get_configuration", lambda: configuration)
    return configuration.folders.raw


def call(*words: str) -> Result:
    return CliRunner().invoke(command.app, list(words), catch_exceptions=False)


def test_scan_list_and_orphans(raw: Path) -> None:
    write_frame(raw / "a.fits")
    write_frame(raw / "b.fits", ARCFILE="UVES.2019-03-05T05:18:00.000.fits", DPR_TYPE="OBJEKT")
    result = call("scan", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {"read": 2, "unchanged": 0, "classified anew": 0, "removed": 0, "problems": [], "notes": []}
    ]
    listed = json.loads(call("list", "--kind", "raw", "--first", "2019-03-04", "--format", "json").stdout)
    assert [(row["frame"], row["class"]) for row in listed] == [
        ("UVES.2019-03-05T04:48:00.123.fits", "SCI_POINT_BLUE"),
        ("UVES.2019-03-05T05:18:00.000.fits", ""),
    ]
    assert json.loads(call("list", "--first", "2019-03-05", "--format", "json").stdout) == []
    result = call("orphans", "--instrument", "uves", "--format", "json")
    assert result.exit_code == 1
    (orphan,) = json.loads(result.stdout)
    assert orphan["why"] == (
        "nearest rule SCI_POINT_BLUE: DPR.TYPE is 'OBJEKT', expected one of 'OBJECT', 'OBJECT,POINT'"
    )


def test_scan_tells_what_cannot_be_used(raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "a.fits").write_bytes(b"[red]nothing[/red]")
    (raw / "b.fits.Z").touch()
    result = call("scan", str(raw))
    assert result.exit_code == 1
    assert f"{raw}/a.fits: begins with b'[red]nothing[/red]' at byte 0" in result.stdout
    assert "1 compressed file(s) passed over" in result.stdout
    (bad,) = json.loads(call("list", "--problems", "--format", "json").stdout)
    assert bad["problem"].startswith("begins with")
    assert "every frame has its class" in call("orphans").stdout


def test_scan_of_a_folder_that_is_not_there_is_wrong_usage(raw: Path) -> None:
    assert call("scan", str(raw / "nowhere")).exit_code == 2
