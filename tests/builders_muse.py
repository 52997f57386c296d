"""A run of MUSE as catalogue and database know it: nights by header, exposures processed by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from builders_execution import PretendedEngine, write_fits
from builders_instruments import MUSE, Night
from phoenix.chain.batch import open_batch
from phoenix.chain.create import Creation, create_abs
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerEnd, ContainerJob, OnLine, ShouldStop
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.frame import FrameRecord
from phoenix.model.outcome import Attempt, Outcome
from phoenix.model.product import Product
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository, AbState
from phoenix.store.attempts import AttemptRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue

RUN, DEEP, MUSE_R = "099.A-0023(B)", "MUSE_DEEP", "MUSE_R"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class MuseRun:
    """A site on which the nights of a run are observed and processed up to the cubes of exposures."""

    database: Database
    configuration: Configuration
    nights: list[Night] = field(default_factory=list)

    def night(self, date: str, *blocks: tuple[int, str, int], **keywords: str | float) -> None:
        """Observe OBs (number, target, exposures) in a night, and make its ABs."""
        night = Night("MUSE", MUSE_R, clock=datetime.fromisoformat(f"{date}T14:00:00+00:00"))
        if not self.nights:
            night.static("LINE_CATALOG")
            night.static("GEOMETRY_TABLE")
        night.template(("CALIB", "BIAS", "IFU"), keywords=MUSE, count=5, exptime_s=0.0)
        night.template(("CALIB", "FLAT,LAMP", "IFU"), keywords=MUSE, count=5)
        night.template(("CALIB", "WAVE", "IFU"), keywords=MUSE, count=9)
        for number, target, count in blocks:
            header = {
                **MUSE,
                "OBS.ID": number,
                "OBS.PROG.ID": RUN,
                "OBS.TARG.NAME": target,
                "RA": 53.0 + len(target),
                "DEC": -27.0,
                "INS.DROT.POSANG": 0.0,
                **{name.replace("__", "."): value for name, value in keywords.items()},
            }
            night.template(("SCIENCE", "OBJECT", "IFU"), keywords=header, count=count, exptime_s=900.0)
        self.nights.append(night)
        with self.database.transaction() as session:
            FrameCatalogue(session).record(FrameRecord(frame) for frame in night.frames)
        open_batch(self.database, self.configuration, MUSE_R, date, "test")
        creation = create_abs(self.database, self.configuration, MUSE_R, date)
        assert not creation.errors, creation.errors

    def states(self, release: str, key: str, task: str | None = None) -> list[AbState]:
        """ABs of a batch, in order of time."""
        with self.database.transaction() as session:
            batch = BatchRepository(session).find(release, key)
            return AbRepository(session, AbTrees(self.configuration.folders)).states(batch.id, task)

    def exposures(self) -> list[str]:
        """Names of the ABs that make the cubes of exposures."""
        with self.database.transaction() as session:
            states = AbRepository(session, AbTrees(self.configuration.folders)).of_release(MUSE_R)
        return [state.name for state in states if state.task == "exposure"]

    def process(
        self, names: Iterable[str], rows: int = 1000, outcome: Outcome = Outcome.OK, release: str = MUSE_R
    ) -> None:
        """Leave products of ABs as recipes would, and the record of a run."""
        for name in names:
            with self.database.transaction() as session:
                attempts = AttemptRepository(session)
                ab = AbRepository(session, AbTrees(self.configuration.folders)).get(release, name)
                number = attempts.begin(release, name, "stand-in", datetime.now(UTC))
                attempt = Attempt(number, outcome, NOW, datetime.now(UTC), findings=("as the test wants",))
                if not outcome.succeeded:
                    attempts.end(release, name, attempt)
                    continue
                folder = self.configuration.folders.products_of(ab)
                products = [product(folder / f"{catg}.fits", catg, rows) for catg in ab.expected]
                trees = AbTrees(self.configuration.folders)
                sha256 = trees.save(Tree.FINAL, ab)
                attempts.publish(release, name, attempt, folder, products, sha256)

    def create(self, key: str = RUN, target: str | None = None) -> Creation:
        """Make the ABs of the run."""
        open_batch(self.database, self.configuration, DEEP, key, "test")
        return create_abs(self.database, self.configuration, DEEP, key, target=target)

    def deep(self) -> dict[str, list[AssociationBlock]]:
        """The deep ABs by task."""
        found: dict[str, list[AssociationBlock]] = {}
        with self.database.transaction() as session:
            batch = BatchRepository(session).find(DEEP, RUN)
            for ab in AbRepository(session, AbTrees(self.configuration.folders)).of_batch(batch.id):
                found.setdefault(ab.task, []).append(ab)
        return found


def product(path: Path, catg: str, rows: int) -> Product:
    """A small file that says by NAXIS2 how many rows it has; the data are a table of empty rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = catg
    table = fits.BinTableHDU(np.zeros(rows, dtype=[("data", "u1")]))
    fits.HDUList([primary, table]).writeto(path, checksum=True, overwrite=True)
    return Product(str(path), catg, path.stat().st_size, "0" * 64)


def deep_recipe(job: ContainerJob, on_line: OnLine) -> int:
    """Stands in for muse_exp_align and muse_exp_combine: products with the keywords a run must have."""
    names = {
        "muse_exp_align": {
            "OFFSET_LIST": {
                "QC.EXPALIGN.NOMATCH": 0,
                "QC.EXPALIGN.NMATCH.MIN": 7,
                "QC.EXPALIGN.NDET1": 7,
            }
        },
        "muse_exp_combine": {
            "DATACUBE_FINAL": {"PRO.REC1.CAL1.CATG": "OFFSET_LIST", "QC.EXPCOMB.FWHM.MEDIAN": 0.0},
            "IMAGE_FOV": {"PRO.REC1.CAL1.CATG": "OFFSET_LIST"},
        },
    }
    recipe = next(name for name in names if name in " ".join(job.command))
    for catg, keywords in names[recipe].items():
        write_fits(job.output_folder / f"{catg.lower()}.fits", {"PRO.CATG": catg, **keywords})
    listing = [{"name": f"{catg.lower()}.fits", "category": catg} for catg in names[recipe]]
    (job.output_folder / "products.json").write_text(json.dumps(listing))
    (job.output_folder / "esorex.log").write_text("12:00:00 [ INFO  ] done\n")
    return 0


@dataclass
class MuseEngine(PretendedEngine):
    """An engine whose recipes have the parameters of the combinations of MUSE."""

    recipe: Callable[[ContainerJob, OnLine], int] = deep_recipe

    def follow(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        end = super().follow(job, on_line, should_stop)
        parameters = job.output_folder / "parameters.json"
        if parameters.exists():
            kinds = {"threshold": "double", "bkgfraction": "double", "iterations": "int", "format": "string"}
            listed = [
                {"display_name": name, "valtype": kind, "partype": "value"} for name, kind in kinds.items()
            ]
            parameters.write_text(json.dumps(listed))
        return end
