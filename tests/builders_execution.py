"""Things the execution of ABs is tested with: small FITS files, ABs that run, an engine that is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerEnd, ContainerJob, FoundContainer, OnLine, ShouldStop
from phoenix.model.ab import AssociationBlock, RawFile
from phoenix.store.ab_trees import AbTrees
from phoenix.store.database import Database
from phoenix.store.masters import index_calibrations
from phoenix.store.tables import AbRow, BatchRow

RELEASE, KEY, NIGHT = "UVES_R3", "2019-03", "2019-03-04"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def write_fits(path: Path, keywords: Mapping[str, object], shape: tuple[int, int] = (20, 30)) -> Path:
    """Write a small image with right checksums; keywords are dotted."""
    hdu = fits.PrimaryHDU(np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape))
    for name, value in keywords.items():
        hdu.header[name if "." not in name else f"HIERARCH ESO {name.replace('.', ' ')}"] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu.writeto(path, checksum=True, overwrite=True)
    return path


def bias_frame(path: Path) -> Path:
    """Write a file the rules take for a bias of the blue arm; no recipe would reduce it."""
    return write_fits(path, {"DPR.CATG": "CALIB", "DPR.TYPE": "BIAS", "DET.CHIPS": 1})


def bias_ab(raws: list[Path], **changes: object) -> AssociationBlock:
    """A master bias AB of these raws."""
    content: dict[str, object] = {
        "name": "UVES.2019-03-04T10:00:00.000_tpl.ab",
        "release": RELEASE,
        "instrument": "UVES",
        "date": NIGHT,
        "task": "bias",
        "recipe": "uves_cal_mbias",
        "raw_type": "BIAS_BLUE",
        "dpr_catg": "CALIB",
        "batch_id": "CALIB_2019-03-04",
        "mjd_obs": 58546.4,
        "mjd_obs_mod": 58546.4,
        "raws": tuple(RawFile(str(path), "BIAS_BLUE") for path in raws),
        "expected": ("MASTER_BIAS_BLUE",),
        "match_keys": (("chips", "1"), ("binx", "4"), ("biny", "4")),
    }
    return AssociationBlock(**(content | changes))  # type: ignore[arg-type]


def store_ab(database: Database, configuration: Configuration, ab: AssociationBlock) -> None:
    """Put an AB into the source tree and our database, as its creation does."""
    sha256 = AbTrees(configuration.folders).create(ab)
    with database.transaction() as session:
        batch = session.query(BatchRow).filter_by(release=ab.release, key=KEY).one_or_none()
        if batch is None:
            batch = BatchRow(release=ab.release, key=KEY, kind="month", state="RUNNING", opened_at=NOW)
            session.add(batch)
            session.flush()
        row = AbRow(
            batch_id=batch.id,
            release=ab.release,
            name=ab.name,
            instrument=ab.instrument,
            night=ab.date,
            task=ab.task,
            recipe=ab.recipe,
            raw_type=ab.raw_type,
            setting=dict(ab.match_keys),
            mjd_obs_mod=ab.mjd_obs_mod,
            completeness=ab.completeness,
            level=ab.level,
            waits_for=list(ab.waits_for),
            exclusion=ab.exclusion,
            reason=ab.exclusion_reason,
            tree="source",
            text_sha256=sha256,
            source_sha256=sha256,
        )
        session.add(row)
        index_calibrations(row, ab)


def ab_row(database: Database, name: str) -> AbRow:
    """The row of an AB as it is now."""
    with database.transaction() as session:
        return session.query(AbRow).filter_by(name=name).one()


@dataclass
class PretendedEngine:
    """Stands in for a container engine: a Python function in place of the recipe.

    It answers the question for recipe parameters as esorex does; everything else is up to ``recipe``.
    """

    recipe: Callable[[ContainerJob, OnLine], int]
    jobs: list[ContainerJob] = field(default_factory=list)
    end: dict[str, object] = field(default_factory=dict)
    left: FoundContainer | None = None

    def image_id(self, image: str) -> str:
        return f"sha256:{image}"

    def run(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        self.start(job)
        return self.follow(job, on_line, should_stop)

    def start(self, job: ContainerJob) -> None:
        if "--man-page" not in " ".join(job.command):
            self.jobs.append(job)

    def find(self, job: ContainerJob) -> FoundContainer | None:
        return self.left

    def differing_folder(self, job: ContainerJob, found: FoundContainer) -> str:
        return ""

    def follow(self, job: ContainerJob, on_line: OnLine, should_stop: ShouldStop) -> ContainerEnd:
        started = datetime.now(UTC)
        if "--man-page" in " ".join(job.command):
            on_line("  uves_cal_mbias -- version 6.1.8")
            parameter = {
                "display_name": "stack_method",
                "valtype": "string",
                "partype": "enum",
                "valenum": ["median", "mean"],
            }
            (job.output_folder / "parameters.json").write_text(json.dumps([parameter]))
            code: int | None = 0
        else:
            code = self.recipe(job, on_line)
        content: dict[str, object] = {
            "name": job.name_in("test"),
            "exit_code": code,
            "started_at": started,
            "ended_at": datetime.now(UTC),
        }
        return ContainerEnd(**(content | (self.end if self.jobs else {})))  # type: ignore[arg-type]

    def discard(self, release: str, ab: str, attempt: int) -> None:
        self.left = None

    def stop(self, release: str, ab: str) -> int:
        return 0


def master_bias(job: ContainerJob, on_line: OnLine) -> int:
    """A recipe that does what the AB expects of it."""
    write_fits(
        job.output_folder / "masterbias_blue.fits",
        {"PRO.CATG": "MASTER_BIAS_BLUE", "PRO.REC1.RAW1.CATG": "BIAS_BLUE"},
    )
    listing = [{"name": "masterbias_blue.fits", "category": "MASTER_BIAS_BLUE"}]
    (job.output_folder / "products.json").write_text(json.dumps(listing))
    (job.output_folder / "esorex.log").write_text("12:00:00 [ INFO  ] done\n")
    (job.output_folder / "scratch.fits").write_bytes(b"not a product")
    on_line("[ INFO  ] MBias: done")
    return 0
