import errno
import os
from pathlib import Path

import pytest

from phoenix.errors import InfrastructureError
from phoenix.store.files import publish_folder, write_atomically


def test_text_is_written_as_given(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.ab"
    write_atomically(target, "Ångström\r\nline\n")
    assert target.read_bytes() == "Ångström\r\nline\n".encode()
    write_atomically(target, b"\x00\xff")
    assert target.read_bytes() == b"\x00\xff"
    assert [p.name for p in target.parent.iterdir()] == ["a.ab"]


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.ab"
    write_atomically(target, "old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfrastructureError, match=r"a\.ab.*No space left") as caught:
        write_atomically(target, "new")
    assert "disk space" in caught.value.remedy
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.ab"]


def test_a_folder_is_published_whole_and_replaces_the_older_one(tmp_path: Path) -> None:
    final = tmp_path / "products" / "stem"
    for version in ("1", "2"):
        work = tmp_path / f"work{version}"
        (work / "sub").mkdir(parents=True)
        (work / f"{version}.fits").write_text(version)
        (work / "sub" / "log").write_text(version)
        publish_folder(work, final)
        assert not work.exists()
        assert sorted(p.name for p in final.iterdir()) == [f"{version}.fits", "sub"]
    assert [p.name for p in final.parent.iterdir()] == ["stem"]


def test_a_folder_that_cannot_be_moved_leaves_the_older_one(tmp_path: Path) -> None:
    final = tmp_path / "stem"
    final.mkdir()
    (final / "old.fits").write_text("old")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        publish_folder(tmp_path / "not there", final)
    assert (final / "old.fits").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["stem"]
