"""The close of a batch: one digest for a run that is not DONE, whatever its channels do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alert_receivers import free_port, http_receiver, smtp_server
from builders_execution import (
    KEY,
    RELEASE,
    PretendedEngine,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
)
from builders_site import configured
from phoenix.chain.batch import close_batch, open_batch
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.model.batch import BatchState
from phoenix.store.database import Database
from phoenix.store.tables import BatchRow

NAMES = [f"UVES.2019-03-04T{hour}:00:00.000_tpl.ab" for hour in (10, 11, 12)]


def email(port: int) -> dict[str, Any]:
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "sender": "phoenix@example.org",
        "to": ["operators@example.org"],
    }


class Batch:
    """A batch of three bias ABs, none of which ran."""

    def __init__(self, database: Database, folder: Path, alerts: Mapping[str, Any]) -> None:
        self.database = database
        self.configuration: Configuration = configured(
            folder / "config", folder / "var", {"alerts": alerts, "host": {"min_free_disk_gb": 0}}
        )
        raws = [bias_frame(folder / f"UVES.2019-03-04T10:0{n}:00.000.fits") for n in range(3)]
        for name in NAMES:
            store_ab(database, self.configuration, bias_ab(raws, name=name))

    def run(self, *names: str) -> BatchState:
        """Open the batch, run these of its ABs, close it."""
        open_batch(self.database, self.configuration, RELEASE, KEY, "test")
        for name in names:
            run_ab(self.database, self.configuration, RELEASE, name, runner=PretendedEngine(master_bias))
        return close_batch(self.database, self.configuration, RELEASE, KEY, "test").state

    def summary(self) -> dict[str, Any]:
        with self.database.transaction() as session:
            return dict(session.query(BatchRow).one().summary)


def test_one_digest_for_each_run_that_is_not_done_and_none_for_one_that_is(
    database: Database, tmp_path: Path
) -> None:
    with smtp_server() as (inbox, port), http_receiver(200) as receiver:
        batch = Batch(database, tmp_path, {"email": email(port), "webhook": {"url": receiver.url}})
        assert batch.run() is BatchState.PARTIAL
        assert (len(inbox.messages), len(receiver.posted)) == (1, 1), "one for three ABs"
        assert [(entry["channel"], entry["sent"]) for entry in batch.summary()["digest"]] == [
            ("e-mail", True),
            ("webhook", True),
        ]
        assert "digest_sent_at" in batch.summary()
        assert batch.run(NAMES[0]) is BatchState.PARTIAL
        assert (len(inbox.messages), len(receiver.posted)) == (2, 2)
        first, second = (payload for _, payload in receiver.posted)
        assert first["id"] != second["id"], "another run, another digest"
        assert first["outcomes"]["bias"] == {"to do": 3}
        assert second["outcomes"]["bias"] == {"ok": 1, "to do": 2}
        assert batch.run(*NAMES) is BatchState.DONE
        assert (len(inbox.messages), len(receiver.posted)) == (2, 2)
        assert "digest" not in batch.summary()
    report = json.loads(Path(batch.summary()["report"]).read_text())
    assert report["state"] == "DONE"


def test_a_dead_mail_server_does_not_keep_the_webhook_from_being_told(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    port = free_port()
    with http_receiver(200) as receiver:
        batch = Batch(database, tmp_path, {"email": email(port), "webhook": {"url": receiver.url}})
        assert batch.run() is BatchState.PARTIAL
        assert len(receiver.posted) == 1
    mail, post = batch.summary()["digest"]
    assert (mail["channel"], mail["sent"]) == ("e-mail", False)
    assert f"127.0.0.1:{port}" in mail["error"]
    assert (post["channel"], post["sent"]) == ("webhook", True)
    assert batch.run(*NAMES) is BatchState.DONE


def test_a_report_that_cannot_be_written_is_sent_all_the_same(database: Database, tmp_path: Path) -> None:
    with smtp_server() as (inbox, port):
        batch = Batch(database, tmp_path, {"email": email(port)})
        reports = batch.configuration.folders.reports
        reports.parent.mkdir(parents=True, exist_ok=True)
        reports.write_text("a file where a folder should be")
        assert batch.run() is BatchState.PARTIAL
        assert len(inbox.messages) == 1
    assert str(reports) in batch.summary()["report_error"]
