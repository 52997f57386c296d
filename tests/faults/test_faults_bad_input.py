"""Bad input and lost resources in the middle of a batch, with real recipes on simulated frames.

Always the same promise: each AB concerned says clearly what is wrong, all others are done, the batch is
PARTIAL, nothing half-written is visible, and once things are mended the next run does only what is missing.
"""

from __future__ import annotations

import gc
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alert_receivers import http_receiver, smtp_server
from builders_site import Site, truncate, with_keywords
from engine_forwarder import Forwarder
from phoenix.execution import docker_engine
from phoenix.headers.reader import read_header
from phoenix.model.batch import BatchState
from uves_frames import blue_nights

pytestmark = pytest.mark.engine

FIRST, SECOND = "2019-03-04", "2019-03-05"


@pytest.fixture(scope="session")
def one_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night with three exposures."""
    folder = tmp_path_factory.mktemp("night")
    blue_nights(folder, [3])
    return folder


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights with three and two exposures."""
    folder = tmp_path_factory.mktemp("nights")
    blue_nights(folder, [3, 2])
    return folder


def later(frame: Path, hours: int) -> dict[str, object]:
    """Keywords of the same frame taken some hours later."""
    header = read_header(frame)
    shift = timedelta(hours=hours)
    start = datetime.fromisoformat(str(header["DATE-OBS"])) + shift
    template = datetime.fromisoformat(str(header["TPL.START"])) + shift
    name = f"UVES.{start.isoformat(timespec='milliseconds')}.fits"
    return {
        "ARCFILE": name,
        "DATE-OBS": start.isoformat(timespec="milliseconds"),
        "MJD-OBS": float(header["MJD-OBS"]) + hours / 24,
        "TPL.START": template.isoformat(timespec="seconds"),
    }


def test_bad_frames(database: Any, two_nights: Path, tmp_path: Path) -> None:
    with smtp_server() as (inbox, port), http_receiver(200) as receiver:
        alerts = {
            "email": {
                "smtp_host": "127.0.0.1",
                "smtp_port": port,
                "sender": "phoenix@example.org",
                "to": ["operators@example.org"],
            },
            "webhook": {"url": receiver.url},
        }
        site = Site.make(database, two_nights, tmp_path, {"alerts": alerts})
        good, cut_before, cut_after = site.raws(FIRST, "OBJECT,POINT")
        waiting, wide = site.raws(SECOND, "OBJECT,POINT")
        orders = site.raws(SECOND, "LAMP,ORDERDEF")[0]
        flats = site.raws(FIRST, "LAMP,FLAT")
        raw = site.configuration.folders.raw / FIRST
        with_keywords(wide, wide, {"INS.SLIT2.WID": 2.0})
        odd = raw / "UVES.2019-03-05T11:30:00.000.fits"
        with_keywords(flats[0], odd, {"DPR.TYPE": "LAMP,DISCO", "ARCFILE": odd.name})
        garbage = raw / "UVES.2019-03-05T11:31:00.000.fits"
        garbage.write_bytes(b"\x00\xff no FITS file at all " * 500)
        mend = {cut_before: truncate(cut_before), flats[2]: truncate(flats[2])}
        # Two frames break after their ABs were made, before their recipes run.
        site.when_told(
            "changed by PGIs", lambda: mend.update({path: truncate(path) for path in (cut_after, orders)})
        )
        partial = site.run()
        assert [(entry["channel"], entry["error"]) for entry in site.summary()["digest"]] == [
            ("e-mail", ""),
            ("webhook", ""),
        ]

        assert partial.state is BatchState.PARTIAL
        assert partial.idps_ingested == 1
        assert site.ab_of(good).outcome == "ok"
        for path, words in {
            cut_before: "bytes",
            flats[2]: "bytes",
            odd: "no rule classifies it",
            garbage: "begins with",
        }.items():
            (told,) = [line for line in partial.problems if line.startswith(str(path))]
            assert words in told, told
        assert len(partial.problems) == 4, partial.problems
        told_abs = {line.name: line for line in partial.troubled}
        unreadable = told_abs[site.ab_of(cut_after).name]
        assert unreadable.outcome == "unprocessable"
        assert str(cut_after) in unreadable.reason
        assert "incomplete" in unreadable.reason
        assert told_abs[site.ab_of(orders).name].outcome == "unprocessable"
        blocked = told_abs[site.ab_of(waiting).name]
        assert blocked.outcome == "blocked"
        assert site.ab_of(orders).name in blocked.reason
        missing = told_abs[site.ab_of(wide).name]
        assert missing.outcome == "unprocessable"
        assert "MASTER_FLAT_BLUE" in missing.reason
        assert "slit_width" in missing.reason
        assert {line.outcome for line in partial.troubled} == {"unprocessable", "blocked"}
        before = site.attempts()
        assert not set(told_abs) & set(before), "no container is started for an AB that cannot run"
        assert set(before.values()) == {1}
        site.assert_nothing_half_written()

        for path, content in mend.items():
            path.write_bytes(content)
        odd.unlink()
        garbage.unlink()
        for flat in site.raws(SECOND, "LAMP,FLAT"):
            changes = later(flat, 1)
            with_keywords(flat, flat.with_name(str(changes["ARCFILE"])), {**changes, "INS.SLIT2.WID": 2.0})
        done = site.run()

        assert done.state is BatchState.DONE, done.text()
        assert done.idps_ingested == 5
        after = site.attempts()
        (flat_ab, *_) = site.abs("flat", FIRST)
        again = {name for name, number in before.items() if after[name] != number}
        # One more flat: its master and what is made with it come anew; nothing else does.
        assert flat_ab.name in again
        assert {row.task for row in site.abs("bias") + site.abs("format_check")} == {"bias", "format_check"}
        assert not again & {row.name for row in site.abs("bias") + site.abs("format_check")}
        assert {after[name] for name in again} == {2}
        assert {after[name] for name in told_abs} == {1}
        site.assert_nothing_half_written()
        assert site.containers() == []
        assert len(inbox.messages) == len(receiver.posted) == 1, "one digest for the run that was not DONE"
        assert cut_after.name in inbox.messages[0].get_body(("plain",)).get_content()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """File systems of given size in kB, in memory; a second call changes the size."""
    mounted: set[Path] = set()

    def sized(name: str, size_kb: int) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        options = f"{'remount,' if folder in mounted else ''}size={size_kb}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        mounted.add(folder)
        return folder

    yield sized
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def used_kb(folder: Path) -> int:
    out = subprocess.run(
        ["df", "--output=used", "-k", str(folder)], capture_output=True, text=True, check=True
    )
    return int(out.stdout.split()[-1])


def test_full_disk(
    database: Any, one_night: Path, tmp_path: Path, small_disk: Callable[[str, int], Path]
) -> None:
    """First where products are published, then where reports, IDPs and archive lie."""
    products, outputs = small_disk("products", 16_000), small_disk("outputs", 50_000)
    with smtp_server() as (inbox, port):
        email = {
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "sender": "phoenix@example.org",
            "to": ["operators@example.org"],
        }
        site = Site.make(
            database,
            one_night,
            tmp_path,
            {
                "folders": {
                    "products": str(products / "products"),
                    "reports": str(outputs / "reports"),
                    "conv": str(outputs / "conv"),
                    "archive": str(outputs / "archive"),
                },
                "host": {"min_free_disk_gb": 0},
                "alerts": {"email": email},
            },
        )
        full = site.run()
        assert full.state is BatchState.PARTIAL, full.text()
        assert full.troubled
        for line in full.troubled:
            assert (line.task, line.outcome) == ("science", "crashed")
            assert "disk full" in line.reason
            assert str(products) in line.reason
        ingested = full.idps_ingested
        assert ingested == 3 - len(full.troubled)
        site.assert_nothing_half_written()
        calibrations = {name: number for name, number in site.attempts().items() if not _is(site, name)}

        small_disk("products", 100_000)
        small_disk("outputs", used_kb(outputs) + 40)
        full = site.run()
        assert full.state is BatchState.PARTIAL, full.text()
        assert full.troubled == ()
        assert full.idps_ingested == ingested
        assert full.problems
        assert all("No space left" in problem for problem in full.problems), full.problems
        site.assert_nothing_half_written()
        assert len(inbox.messages) == 2, "a report that cannot be written is mailed all the same"
        before = site.attempts()
        assert {name: before[name] for name in calibrations} == calibrations

        small_disk("outputs", 100_000)
        done = site.run()
        assert done.state is BatchState.DONE, done.text()
        assert done.idps_ingested == 3
        assert site.attempts() == before
        site.assert_nothing_half_written()
        assert len(inbox.messages) == 2


def _is(site: Site, name: str) -> bool:
    return name in {row.name for row in site.abs("science")}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_engine_stopped_in_the_middle(
    database: Any, one_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine goes away for longer than we wait while the recipe of the second of three exposures runs."""
    monkeypatch.setattr(docker_engine, "PATIENCE_S", 1.0)
    moment = EngineStop()
    with tempfile.TemporaryDirectory(prefix="phx-") as short:
        forwarder = Forwarder(Path(short) / "engine.sock", moment.seen)
        moment.cut = forwarder.cut
        site = Site.make(
            database, one_night, tmp_path, {"engine": {"url": forwarder.url}, "host": {"slots": 1}}
        )
        stopped = site.run()
        assert moment.happened
        assert stopped.state is BatchState.PARTIAL, stopped.text()
        assert stopped.idps_ingested == 1
        assert [line.outcome for line in stopped.troubled] == ["crashed", "crashed"]
        for line in stopped.troubled:
            assert "does not answer" in line.reason
        assert any("does not answer" in problem for problem in stopped.problems)
        site.assert_nothing_half_written()
        before = site.attempts()

        forwarder.mend()
        done = site.run()
        forwarder.cut()
    assert done.state is BatchState.DONE, done.text()
    assert done.idps_ingested == 3
    lost = {line.name for line in stopped.troubled}
    assert {name for name, number in site.attempts().items() if number != before.get(name, 0)} == lost
    assert site.containers() == [], "what ran on while nobody could reach the engine is removed"
    site.assert_nothing_half_written()
    # The client library leaves the sockets it could not connect to the garbage collector.
    gc.collect()


class EngineStop:
    """Chooses the moment: the second science recipe is started and its log is asked for."""

    def __init__(self) -> None:
        self.cut: Callable[[], None] = lambda: None
        self.happened = False
        self._created = 0
        self._started = False

    def seen(self, piece: bytes) -> None:
        self._created += b"/job/input/sof/job.sof" in piece and b"uves_obs_scired" in piece
        if self._started and not self.happened:
            self.happened = True
            self.cut()
        self._started = self._started or (self._created == 2 and b"/start" in piece)
