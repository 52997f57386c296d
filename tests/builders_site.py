"""A site of one test alone with simulated raw frames, and what is asked about a batch of it afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml
from astropy.io import fits
from sqlalchemy import func, select

from builders_execution import KEY, RELEASE
from phoenix.chain.run import BatchRun
from phoenix.config.loader import PROJECT, Configuration
from phoenix.execution.container import LABEL_INSTALLATION
from phoenix.execution.publish import VERDICT
from phoenix.headers.reader import read_header
from phoenix.model.report import BatchReport
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, AttemptRow, BatchRow


def configured(folder: Path, root: Path, site: Mapping[str, Any]) -> Configuration:
    """Copy the project's configuration, with parts of phoenix.yaml changed."""
    shutil.copytree(PROJECT / "include" / "config", folder)
    content = yaml.safe_load((folder / "phoenix.yaml").read_text())
    for name, part in site.items():
        content[name] = (content.get(name) or {}) | part
    (folder / "phoenix.yaml").write_text(yaml.safe_dump(content))
    return Configuration(folder, root)


@dataclass
class Site:
    """Frames, configuration and database of one test; batches of it are run as from the command line."""

    database: Database
    configuration: Configuration
    _moments: dict[str, Callable[[], None]] = field(default_factory=dict)

    @classmethod
    def make(
        cls, database: Database, frames: Path, folder: Path, site: Mapping[str, Any] | None = None
    ) -> Site:
        """Set up a site below a folder with frames linked from another one."""
        root = folder / "var"
        for part in ("raw", "static"):
            shutil.copytree(frames / part, root / part, copy_function=os.link)
        return cls(database, configured(folder / "config", root, site or {}))

    def run(self) -> BatchReport:
        return BatchRun(self.database, self.configuration, RELEASE, KEY, "test", self._told).run()

    def when_told(self, words: str, act: Callable[[], None]) -> None:
        """Do something once, when the next run tells these words of its progress."""
        self._moments[words] = act

    def _told(self, line: str) -> None:
        for words in [words for words in self._moments if words in line]:
            self._moments.pop(words)()

    def raws(self, night: str, dpr_type: str) -> list[Path]:
        """Raw frames of a kind, in order of time."""
        found = sorted((self.configuration.folders.raw / night).glob("*.fits"))
        return [path for path in found if read_header(path)["DPR.TYPE"] == dpr_type]

    def abs(self, task: str, night: str | None = None) -> list[AbRow]:
        """ABs of a task that are not excluded, in order of time."""
        query = select(AbRow).where(AbRow.task == task, AbRow.exclusion == "").order_by(AbRow.mjd_obs_mod)
        with self.database.transaction() as session:
            return list(session.scalars(query.where(AbRow.night == night) if night else query))

    def ab_of(self, raw: Path) -> AbRow:
        """The AB of a raw frame that is alone in its AB."""
        with self.database.transaction() as session:
            return session.scalars(select(AbRow).where(AbRow.name == f"{raw.stem}.ab")).one()

    def attempts(self) -> dict[str, int]:
        """AB -> number of attempts that started a container."""
        query = (
            select(AbRow.name, func.count())
            .join(AttemptRow, AttemptRow.ab_id == AbRow.id)
            .where(AttemptRow.container != "")
            .group_by(AbRow.name)
        )
        with self.database.transaction() as session:
            return dict(session.execute(query).all())

    def summary(self) -> dict[str, Any]:
        """What the close-out kept about the batch."""
        with self.database.transaction() as session:
            return dict(session.scalars(select(BatchRow)).one().summary)

    def containers(self) -> list[str]:
        """Names of this site's containers, running or not."""
        client = docker.from_env()
        try:
            label = f"{LABEL_INSTALLATION}={self.configuration.root}"
            return [
                found.name
                for found in client.containers.list(all=True, ignore_removed=True, filters={"label": [label]})
            ]
        finally:
            client.close()

    def assert_nothing_half_written(self) -> None:
        """All that is published is whole: folders of good ABs and files of receipts, nothing else."""
        folders = self.configuration.folders
        with self.database.transaction() as session:
            good = set(session.scalars(select(AbRow.product_folder).where(AbRow.product_folder != "")))
        assert {str(path) for path in (folders.products / RELEASE).glob("*/*")} <= good
        for folder in good:
            assert (Path(folder) / VERDICT).is_file()
        for folder in (folders.conv / RELEASE).glob("*/*"):
            assert (folder / "conversion.json").is_file()
        shown = [folders.products, folders.conv, folders.archive, folders.reports]
        for path in (path for folder in shown for path in folder.rglob("*")):
            if ".incoming" in path.parts:
                assert path.is_dir(), path
            else:
                assert not path.name.startswith("."), path
            if path.suffix == ".fits":
                with fits.open(path, checksum=True) as hdus:
                    hdus.verify("exception")


def truncate(path: Path) -> bytes:
    """Cut a frame in its data, as a broken transfer does; return what it was, to mend it."""
    whole = path.read_bytes()
    path.unlink()  # the file may be linked from the frames of other tests
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return whole


def with_keywords(source: Path, target: Path, keywords: Mapping[str, object]) -> Path:
    """Write a frame anew with other header values; names of the hierarchical ones are dotted."""
    with fits.open(source, do_not_scale_image_data=True) as hdus:
        for name, value in keywords.items():
            card = f"HIERARCH ESO {name.replace('.', ' ')}" if "." in name else name
            hdus[0].header[card] = value
        temporary = target.with_name("new.tmp")
        hdus.writeto(temporary, checksum=True, output_verify="silentfix")
    temporary.replace(target)
    return target
