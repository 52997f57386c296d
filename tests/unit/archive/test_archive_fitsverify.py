from pathlib import Path

import pytest

from archive_files import write_spectrum
from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import InfrastructureError


def stand_in(tmp_path: Path, script: str) -> str:
    """A program in fitsverify's place that misbehaves."""
    program = tmp_path / "fitsverify"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_a_good_file_has_no_findings(tmp_path: Path) -> None:
    assert fitsverify(write_spectrum(tmp_path / "a.fits")) == []


@pytest.mark.parametrize("name", ["-l", "-h", "a b.fits", "$HOME;ls.fits", "UV_2019-03-04T05:06:07.fits"])
def test_file_names_are_data(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    assert fitsverify(write_spectrum(folder / "x.fits").rename(folder / name)) == []
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_warnings_and_errors_are_told(tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "a.fits")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"HD 1''2", b"HD 1''3"))
    findings = fitsverify(path)
    assert findings[0] == "fitsverify: 1 warnings, 0 errors"
    assert "checksum" in findings[1].lower()
    path.write_bytes(content[:-100])
    assert "errors" in fitsverify(path)[0]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("kill -SEGV $$", "died of signal 11"),
        ("exec cat /dev/zero", "died of signal 25"),
        ("echo '**** Verification found 0 warning(s) and 0 error(s). ****'; echo more", "no verdict"),
        ("echo '**** Verification found 0 warning(s) and 0 error(s). ****'; exit 1", "0 warnings, 0 errors"),
        ("exit 0", "no verdict"),
        ("python3 -c 'x = bytearray(3 << 30)' 2>/dev/null", "exit code 1"),
    ],
    ids=["crash", "endless output", "forged verdict", "bad exit", "silent", "memory"],
)
def test_whatever_the_tool_does_a_file_without_a_good_verdict_is_not_fit(
    tmp_path: Path, script: str, told: str
) -> None:
    path = write_spectrum(tmp_path / "a.fits")
    findings = fitsverify(path, stand_in(tmp_path, script))
    assert told in findings[0]


def test_a_tool_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix.archive.fitsverify._LEAST_TIME_S", 1)
    path = write_spectrum(tmp_path / "a.fits")
    assert fitsverify(path, stand_in(tmp_path, "exec sleep 60")) == ["fitsverify did not end within 1 s"]


def test_without_the_tool_nothing_is_called_good(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="not installed"):
        fitsverify(write_spectrum(tmp_path / "a.fits"), "no-such-fitsverify")
