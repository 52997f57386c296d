"""The doctor: each thing that can be wrong is found, with the command that mends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.deployment.doctor import Finding, Status, as_text, examine
from phoenix.deployment.installation import Installation


def findings(tmp_path: Path, site: str) -> dict[str, Finding]:
    """Return the worst finding of each subject for a site's YAML."""
    (tmp_path / "phoenix.yaml").write_text(site)
    order = [Status.OK, Status.WARN, Status.FAIL]
    found = examine(Installation(tmp_path / "var", tmp_path))
    return {
        finding.subject: finding for finding in sorted(found, key=lambda finding: order.index(finding.status))
    }


SILENT = "engine: {url: 'unix:///nonexistent.sock'}\n"


def test_a_bare_site_is_told_to_come_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOENIX_DATABASE_URL", raising=False)
    found = findings(tmp_path, f"site: test\n{SILENT}")
    assert found["configuration"].status is found["clock"].status is found["disk"].status is Status.OK
    assert (found["engine"].status, found["engine"].remedy) == (Status.FAIL, "make engine")
    assert (found["database"].status, found["database"].remedy) == (Status.WARN, "make up")
    assert (found["airflow"].status, found["airflow"].remedy) == (Status.WARN, "make up")


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    found = findings(tmp_path, "site: test\nengines: {}\n")
    assert found["configuration"].status is Status.FAIL
    assert "engines" in found["configuration"].found


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    found = findings(tmp_path, f"site: test\nhost: {{min_free_disk_gb: 1.0e+9}}\n{SILENT}")
    assert found["disk"].status is Status.FAIL
    assert "PHOENIX_ROOT" in found["disk"].remedy


def test_a_database_server_that_does_not_answer_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_DATABASE_URL", "postgresql+psycopg://u@127.0.0.1:1/phoenix")
    assert findings(tmp_path, f"site: test\n{SILENT}")["database"].status is Status.FAIL


def test_a_mapped_folder_must_exist(tmp_path: Path) -> None:
    engine = "engine: {url: 'tcp://127.0.0.1:1', path_map: {/nonexistent: /data}}\n"
    assert findings(tmp_path, f"site: test\n{engine}")["path mapping"].status is Status.FAIL


def test_the_text_holds_subject_and_remedy() -> None:
    text = as_text([Finding("disk", Status.FAIL, "full", "make room")])
    assert "disk" in text
    assert "-> make room" in text


def test_the_command_gives_json_and_an_exit_code(tmp_path: Path) -> None:
    (tmp_path / "phoenix.yaml").write_text(f"site: test\n{SILENT}")
    environment = os.environ | {"PHOENIX_ROOT": str(tmp_path / "var"), "PHOENIX_CONFIG": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "phoenix.deployment", "doctor", "--format", "json"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 1
    rows = json.loads(result.stdout)
    assert {"subject": "engine", "status": "fail"}.items() <= next(
        r for r in rows if r["subject"] == "engine"
    ).items()
