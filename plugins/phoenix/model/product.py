"""What comes out: recipe products, IDPs with their ancillary files, archive receipts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Product:
    """A file a recipe wrote, known by PRO.CATG."""

    path: str
    pro_catg: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Idp:
    """A file in Phase 3 format ready for the archive: a science product or one of its ancillary files.

    Attributes
    ----------
    origfile
        File name by the naming scheme, at most 68 characters.
    prodcatg
        ``SCIENCE.SPECTRUM``, ``ANCILLARY.2DSPECTRUM``, ``ANCILLARY.PREVIEW`` ...
    parent
        ``origfile`` of the science product an ancillary file belongs to; empty for a science product.
    shared_with
        Further science products that name the same ancillary file, e.g. the other fibres of an exposure.
    """

    path: str
    origfile: str
    prodcatg: str
    size_bytes: int
    sha256: str
    parent: str = ""
    title: str = ""
    shared_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule of the IDP format: stable rule id, place, what was found and what is right."""

    rule: str
    where: str
    message: str


class IngestState(StrEnum):
    """Where a file stands in the ingestion queue."""

    #: The gate is closed; a person can open it.
    HELD = "held"
    PENDING = "pending"
    ARCHIVED = "archived"
    #: The file itself is not fit; only a new conversion helps.
    REJECTED = "rejected"
    #: Could not be written after all tries; the file may be fit.
    FAILED = "failed"


class FileStatus(StrEnum):
    """Standing of an archived file among the versions of its product."""

    #: Received, but the rest of its dataset is not; nobody should use it yet.
    INCOMING = "incoming"
    CURRENT = "current"
    #: A newer version has taken its place; the file stays.
    OBSOLETE = "obsolete"
    #: Hidden by a person, with a reason; the file stays.
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The archive's confirmation for one file.

    Attributes
    ----------
    arcfile
        Name in the archive, ``ADP.2026-11-22T18:00:00.123.fits`` (other suffix for non-FITS files).
    version
        Running number among the products of the same origin, from 1.
    remark
        What a person said when hiding or replacing it.
    """

    origfile: str
    arcfile: str
    path: str
    size_bytes: int
    sha256: str
    version: int
    received_at: datetime
    status: FileStatus = FileStatus.CURRENT
    remark: str = ""
