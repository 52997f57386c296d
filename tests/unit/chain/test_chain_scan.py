import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders_headers import SCIENCE, write_frame
from phoenix.chain.scan import scan_into_catalogue
from phoenix.config.loader import PROJECT, Configuration
from phoenix.model.frame import Frame
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue


@pytest.fixture
def raw(configuration: Configuration) -> Path:
    """The site's folder of raw frames, with two good ones of a night."""
    folder = configuration.folders.raw / "2019-03-04"
    write_frame(folder / "a.fits")
    write_frame(folder / "b.fits", ARCFILE="UVES.2019-03-05T05:18:00.000.fits", MJD_OBS=58547.22)
    return folder


def frames(database: Database) -> dict[str, Frame]:
    with database.transaction() as session:
        return {Path(frame.path).name: frame for frame in FrameCatalogue(session).frames("UVES")}


def test_second_scan_reads_only_what_is_new_or_changed(
    database: Database, configuration: Configuration, raw: Path
) -> None:
    report = scan_into_catalogue(database, configuration)
    assert (report.read, report.unchanged, report.removed, report.problems) == (2, 0, 0, ())
    assert str(report) == "2 files read, 0 unchanged, 0 removed, 0 with problems"
    write_frame(raw / "b.fits", ARCFILE="UVES.2019-03-05T05:18:00.000.fits", MJD_OBS=58547.22, EXPTIME=1.0)
    write_frame(raw / "c.fits", ARCFILE="UVES.2019-03-05T05:48:00.000.fits", MJD_OBS=58547.24)
    (raw / "a.fits").unlink()
    steps: list[tuple[int, int]] = []
    report = scan_into_catalogue(database, configuration, progress=lambda *step: steps.append(step))
    assert (report.read, report.unchanged, report.removed) == (2, 0, 1)
    assert steps == [(1, 2), (2, 2)]
    assert {name: frame.exptime_s for name, frame in frames(database).items()} == {
        "b.fits": 1.0,
        "c.fits": 1200.0,
    }
    report = scan_into_catalogue(database, configuration)
    assert (report.read, report.unchanged, report.removed) == (0, 2, 0)


def test_bad_files_are_named_until_they_are_mended_and_spoil_no_others(
    database: Database, configuration: Configuration, raw: Path
) -> None:
    (raw / "cut.fits").write_bytes((raw / "a.fits").read_bytes()[:500])
    write_frame(raw / "odd.fits", INSTRUME="SPECTROX")
    shutil.copy(raw / "a.fits", raw / "copy.fits")
    for _ in range(2):
        report = scan_into_catalogue(database, configuration)
        assert report.problems == (
            f"{raw}/copy.fits: the same frame as {raw}/a.fits, which is the one used; remove one of them",
            f"{raw}/cut.fits: no END card in the first 500 bytes, which is 6 cards",
            f"{raw}/odd.fits: INSTRUME is 'SPECTROX', expected one of "
            + ", ".join(sorted(name.upper() for name in configuration.names("rules"))),
        )
        assert set(frames(database)) == {"a.fits", "b.fits"}
    write_frame(raw / "cut.fits", ARCFILE="UVES.2019-03-05T05:48:00.000.fits")
    (raw / "a.fits").unlink()
    (raw / "odd.fits").unlink()
    assert scan_into_catalogue(database, configuration).problems == ()
    assert set(frames(database)) == {"copy.fits", "b.fits", "cut.fits"}


def test_scans_at_the_same_time_wait_for_each_other(
    database: Database, configuration: Configuration, raw: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: scan_into_catalogue(database, configuration), range(3)))
    assert sorted(report.read for report in reports) == [0, 0, 2]
    assert set(frames(database)) == {"a.fits", "b.fits"}


def test_vanished_site_folder_forgets_nothing(
    database: Database, configuration: Configuration, raw: Path
) -> None:
    scan_into_catalogue(database, configuration)
    configuration.folders.raw.rename(configuration.root / "unmounted")
    assert scan_into_catalogue(database, configuration).removed == 0
    report = scan_into_catalogue(database, configuration, [configuration.folders.raw])
    assert report.problems == (
        f"{configuration.folders.raw}: the folder cannot be read: No such file or directory",
    )
    assert set(frames(database)) == {"a.fits", "b.fits"}


def edited(tmp_path: Path, text: str, new: str) -> Configuration:
    """The project's configuration with a change in the rules of UVES."""
    folder = tmp_path / f"config-{len(list(tmp_path.glob('config-*')))}"
    shutil.copytree(PROJECT / "include" / "config", folder)
    rules = folder / "rules" / "uves.yaml"
    assert text in rules.read_text()
    rules.write_text(rules.read_text().replace(text, new))
    return Configuration(folder=folder, root=tmp_path / "var")


def test_changed_rules_classify_anew_without_reading_a_file(
    database: Database, configuration: Configuration, raw: Path, tmp_path: Path
) -> None:
    scan_into_catalogue(database, configuration)
    for path in raw.iterdir():
        content = bytes(path.stat().st_size)
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(content)  # of the same size and time, so that reading it would be noticed
        os.utime(path, ns=times)
    renamed = edited(tmp_path, "SCI_POINT_BLUE", "SCI_DOT_BLUE")
    report = scan_into_catalogue(database, renamed)
    assert (report.read, report.reclassified, report.problems) == (0, 2, ())
    assert {frame.raw_class for frame in frames(database).values()} == {"SCI_DOT_BLUE"}
    assert frames(database)["a.fits"].keywords["DPR.TYPE"] == SCIENCE["DPR.TYPE"]
    assert scan_into_catalogue(database, renamed).reclassified == 0


def test_broken_rules_are_told_and_leave_earlier_classes_alone(
    database: Database, configuration: Configuration, raw: Path, tmp_path: Path
) -> None:
    scan_into_catalogue(database, configuration)
    write_frame(raw / "new.fits", ARCFILE="UVES.2019-03-05T05:48:00.000.fits")
    broken = edited(tmp_path, "classification:", "clasification:")
    (problem,) = scan_into_catalogue(database, broken).problems
    assert problem.startswith(f"{raw}/new.fits: the rules of UVES cannot be used: ")
    assert "uves.yaml" in problem
    assert set(frames(database)) == {"a.fits", "b.fits"}
    report = scan_into_catalogue(database, configuration)
    assert (report.read, report.reclassified, report.problems) == (0, 1, ())
    assert set(frames(database)) == {"a.fits", "b.fits", "new.fits"}
