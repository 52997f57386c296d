"""Small datasets in SDP format with their rows in the store, for the tests of archive and ingestion."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from phoenix.store.database import Database
from phoenix.store.tables import AbRow, BatchRow, IdpRow, ScoreRow

RELEASE = "UVES_R3"
KEY = "2019-03"
NIGHT = "2019-03-04"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_spectrum(
    path: Path,
    ancillary: tuple[str, ...] = (),
    pipeline: str = "uves/6.1.8",
    elements: int = 500,
    seed: int = 1,
) -> Path:
    """A science spectrum: one row of vector columns, ASSONi in the primary header, checksums everywhere."""
    rng = np.random.default_rng(seed)
    primary = fits.PrimaryHDU()
    primary.header["PRODCATG"] = "SCIENCE.SPECTRUM"
    primary.header["ORIGFILE"] = path.name
    primary.header["OBJECT"] = "HD 1'2"
    for number, name in enumerate(ancillary, 1):
        primary.header[f"ASSON{number}"] = name
    primary.header["PROV1"] = "UVES.2019-03-04T05:06:07.123.fits"
    primary.header["HIERARCH ESO PRO REC1 PIPE ID"] = pipeline
    primary.header["HIERARCH ESO OBS NAME"] = "it's <b>hostile</b>"
    columns = [
        fits.Column(name, f"{elements}D", array=rng.normal(size=(1, elements)))
        for name in ("WAVE", "FLUX", "ERR")
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    fits.HDUList([primary, table]).writeto(path, checksum=True)
    return path


def write_image(path: Path, seed: int = 2) -> Path:
    """A FITS ancillary file whose data are in the primary HDU."""
    data = np.random.default_rng(seed).normal(size=(40, 50)).astype("f4")
    primary = fits.PrimaryHDU(data)
    primary.header["PRODCATG"] = "ANCILLARY.2DSPECTRUM"
    primary.writeto(path, checksum=True)
    return path


@dataclass
class Shelf:
    """A batch with one AB per dataset and the converted files of each."""

    database: Database
    folder: Path
    key: str = KEY
    made: int = field(default=0, init=False)

    def dataset(self, name: str = "", night: str = NIGHT, pipeline: str = "uves/6.1.8", reds: int = 0) -> int:
        """A spectrum with a FITS and a PNG ancillary file; returns the IDP row of the science product."""
        self.made += 1
        name = name or f"{self.made:04d}"
        origfiles = (f"UV_SFLX_{name}.fits", f"UV_S2D_{name}.fits", f"UV_QC_{name}.png")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_spectrum(self.folder / origfiles[0], origfiles[1:], pipeline)
        write_image(self.folder / origfiles[1])
        (self.folder / origfiles[2]).write_bytes(b"\x89PNG" + name.encode() * 100)
        with self.database.transaction() as session:
            batch = session.query(BatchRow).filter_by(release=RELEASE, key=self.key).one_or_none()
            if batch is None:
                batch = BatchRow(
                    release=RELEASE, key=self.key, kind="month", state="RUNNING", opened_at=datetime.now(UTC)
                )
                session.add(batch)
                session.flush()
            ab = AbRow(
                batch_id=batch.id,
                release=RELEASE,
                name=f"UVES.{name}.ab",
                instrument="UVES",
                night=night,
                task="science",
                recipe="uves_obs_scired",
                raw_type="SCI",
                setting={},
                mjd_obs_mod=58546.2,
                completeness="COMPLETE",
                level=0,
                waits_for=[],
                tree="final",
                text_sha256="",
                source_sha256="",
            )
            session.add(ab)
            session.flush()
            for number in range(reds):
                session.add(
                    ScoreRow(
                        ab_id=ab.id, parameter=f"SNR{number}", value=1.0, verdict=1, threshold_version="1"
                    )
                )
            categories = ("SCIENCE.SPECTRUM", "ANCILLARY.2DSPECTRUM", "ANCILLARY.PREVIEW")
            head_id = None
            for origfile, category in zip(origfiles, categories, strict=True):
                path = self.folder / origfile
                row = IdpRow(
                    ab_id=ab.id,
                    parent_id=head_id,
                    release=RELEASE,
                    origfile=origfile,
                    prodcatg=category,
                    path=str(path),
                    size_bytes=path.stat().st_size,
                    sha256=sha256(path),
                    converted_at=datetime.now(UTC),
                )
                session.add(row)
                session.flush()
                head_id = head_id or row.id
        assert head_id is not None
        return head_id

    def reconvert(self, idp_id: int, seed: int) -> None:
        """Write other content for a file and tell the store, as the converter would."""
        with self.database.transaction() as session:
            row = session.get_one(IdpRow, idp_id)
            path = Path(row.path)
            path.unlink()
            if row.prodcatg == "SCIENCE.SPECTRUM":
                children = session.query(IdpRow).filter_by(parent_id=idp_id).order_by(IdpRow.id)
                write_spectrum(path, tuple(child.origfile for child in children), seed=seed)
            elif path.suffix == ".fits":
                write_image(path, seed)
            else:
                path.write_bytes(f"other {seed}".encode())
            row.sha256, row.size_bytes = sha256(path), path.stat().st_size


def visible(archive: Path) -> list[str]:
    """Names an archive shows."""
    return sorted(path.name for path in archive.glob("[0-9]*/*"))
