"""The scripts of the set-up: the lock's check, and pip's settings for uv."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from phoenix.config.loader import PROJECT


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", PROJECT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PYPROJECT = """
[project]
dependencies = ["astropy>=8.0", "psycopg[binary]>=3.2"]
[dependency-groups]
dev = ["pytest>=8"]
"""
LOCK = """# a remark with https://example.org
astropy==8.0.2 \\
    --hash=sha256:00
    # via phoenix
psycopg[binary]==3.3.9 \\
    --hash=sha256:01 \\
    --hash=sha256:02
pytest==9.2.0 ; python_version >= '3.11' \\
    --hash=sha256:03
"""


def test_a_right_lock_has_no_findings() -> None:
    assert load("check_lock").findings(PYPROJECT, LOCK.replace("https://example.org", "nothing")) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("nothing", "https://example.org", "an index"),
        ("astropy==8.0.2", "astropy==7.0", "astropy>=8.0 is locked to 7.0"),
        ("astropy==8.0.2", "astropy>=8.0.2", "not a pinned version"),
        ("pytest==9.2.0", "pytestx==9.2.0", "pytest>=8 is not locked"),
        (" \\\n    --hash=sha256:03", "", "pytest has no hash"),
        ("# a remark", "--index-url somewhere\n# a remark", "an index"),
    ],
)
def test_what_is_wrong_with_a_lock_is_told(old: str, new: str, finding: str) -> None:
    lock = LOCK.replace("https://example.org", "nothing")
    assert old in lock
    found = load("check_lock").findings(PYPROJECT, lock.replace(old, new, 1))
    assert any(finding in line for line in found), found


def test_the_projects_own_lock_is_right() -> None:
    findings = load("check_lock").findings(
        (PROJECT / "pyproject.toml").read_text(), (PROJECT / "requirements.lock").read_text()
    )
    assert findings == []


def test_pips_index_is_used_for_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\nextra-index-url = file:///a file:///b\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    for name in [name for name in os.environ if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "https://two.example/simple")
    module = load("uv")
    options = module.translate(module.pip_settings())
    assert options[options.index("--default-index") + 1] == "https://two.example/simple"
    assert [options[i + 1] for i, option in enumerate(options) if option == "--index"] == [
        "file:///a",
        "file:///b",
    ]


def test_settings_for_uv_itself_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = load("uv")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in module.UV_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = module.uv_is_configured()
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://one.example/simple")
    assert module.uv_is_configured()
    assert before is Path("/etc/uv/uv.toml").exists()


def test_help_explains_every_target_of_the_readme() -> None:
    said = subprocess.run(["make", "-C", PROJECT, "help"], capture_output=True, text=True, check=True).stdout
    daily = ["help", "setup", "demo", "up", "down", "test", "test-fast", "lint"]
    targets = [*daily, "bench", "images", "doctor", "clean"]
    assert all(f"{target} " in said for target in targets)
