"""Schema of ``releases/<RELEASE>.yaml``: one production stream."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import Field

from phoenix.config.base import Strict
from phoenix.model.batch import BatchKind


class Mode(StrEnum):
    """IDP: masters exist. MCALIB: make masters. COMPLETE: masters first, then science. DEEP: across OBs."""

    IDP = "IDP"
    MCALIB = "MCALIB"
    COMPLETE = "COMPLETE"
    DEEP = "DEEP"


class Schedule(Strict):
    """When batches are due; the key of a batch is the period before."""

    cron: str = Field(description="UTC, e.g. 0 6 3 * *: after the calibrations' usual delay")
    start: date
    end: date | None = None


class Pgi(Strict):
    """A plug-in that edits ABs, with its own configuration."""

    name: str
    config: Any = None


class Conversion(Strict):
    """How products become IDPs."""

    converter: str
    config: Any = None


class QcMode(StrEnum):
    """Nightly: reports follow each night. Concentrated: all jobs of the batch together, at the end."""

    NIGHTLY = "nightly"
    CONCENTRATED = "concentrated"


class Ingestion(Strict):
    """The gate to the archive."""

    gate: str = Field(default="automatic", pattern="automatic|manual")
    stop_on_red: bool = False
    tries: int = Field(default=3, ge=1, le=10)


class Release(Strict):
    """A named production stream with its own configuration and AB trees."""

    release: str
    instrument: str
    title: str
    batch: BatchKind
    mode: Mode
    schedule: Schedule | None = None
    pgis: tuple[Pgi, ...] = ()
    qc: QcMode = QcMode.NIGHTLY
    conversion: Conversion
    ingestion: Ingestion = Ingestion()
    collection: str = Field(description="Phase 3 collection the IDPs belong to")
