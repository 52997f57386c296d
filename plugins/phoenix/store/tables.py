"""The tables of our own database. Airflow's database is another one, and never the truth about an AB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Common base; the naming convention lets migrations name every constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSONB, list[str]: JSONB, datetime: DateTime(timezone=True)}  # noqa: RUF012


class FrameRow(Base):
    """Frame catalogue: one row per file, also for files that could not be read (``problem``)."""

    __tablename__ = "frame"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    path: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(8))
    instrument: Mapped[str] = mapped_column(String(16))
    night: Mapped[str] = mapped_column(String(10))
    mjd_obs: Mapped[float]
    exptime_s: Mapped[float]
    raw_class: Mapped[str] = mapped_column(Text)
    tags: Mapped[dict[str, Any]]
    keywords: Mapped[dict[str, Any]]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    rules_version: Mapped[str] = mapped_column(Text)
    problem: Mapped[str] = mapped_column(Text, default="")
    notes: Mapped[list[str]] = mapped_column(default=list)

    __table_args__ = (Index("ix_frame_instrument_kind_night", "instrument", "kind", "night"),)


class BatchRow(Base):
    """One batch of a release; ``owner`` is set while it runs, so that no second run starts."""

    __tablename__ = "batch"

    id: Mapped[int] = mapped_column(primary_key=True)
    release: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8))
    owner: Mapped[str] = mapped_column(Text, default="")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    problems: Mapped[list[str]] = mapped_column(default=list)

    __table_args__ = (UniqueConstraint("release", "key", name="uq_batch_release_key"),)


class AbRow(Base):
    """What pages and queries need of an AB; its full content is the text form in the AB store."""

    __tablename__ = "ab"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batch.id"), index=True)
    release: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    instrument: Mapped[str] = mapped_column(String(16))
    #: The night, or the run in its place.
    night: Mapped[str] = mapped_column(String(32))
    task: Mapped[str] = mapped_column(String(32))
    recipe: Mapped[str] = mapped_column(Text)
    raw_type: Mapped[str] = mapped_column(Text)
    setting: Mapped[dict[str, Any]]
    mjd_obs_mod: Mapped[float]
    obs_id: Mapped[str] = mapped_column(Text, default="")
    obs_prog_id: Mapped[str] = mapped_column(Text, default="")
    completeness: Mapped[str] = mapped_column(String(10))
    level: Mapped[int] = mapped_column(SmallInteger)
    waits_for: Mapped[list[str]]
    exclusion: Mapped[str] = mapped_column(Text, default="")
    #: Why it is excluded or incomplete, or what the last attempt found; one sentence for tables and alerts.
    reason: Mapped[str] = mapped_column(Text, default="")
    tree: Mapped[str] = mapped_column(String(8))
    text_sha256: Mapped[str] = mapped_column(String(64))
    source_sha256: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str | None] = mapped_column(String(16))
    product_folder: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    attempts: Mapped[list[AttemptRow]] = relationship(order_by="AttemptRow.number")
    products: Mapped[list[ProductRow]] = relationship(order_by="ProductRow.id")
    calibrations: Mapped[list[AbCalibrationRow]] = relationship(
        order_by="AbCalibrationRow.id", cascade="all, delete-orphan"
    )

    __table_args__ = (
        UniqueConstraint("release", "name", name="uq_ab_release_name"),
        Index("ix_ab_release_night", "release", "night"),
    )


class AbCalibrationRow(Base):
    """Index of what ABs use, so that one can ask the other way round; the AB's text is the record."""

    __tablename__ = "ab_calibration"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    #: Path of the file, or the AB that makes it: its name, of another release ``<release>/<name>``.
    source: Mapped[str] = mapped_column(Text, index=True)
    #: Last part of the source.
    name: Mapped[str] = mapped_column(Text, index=True)
    tag: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(8))


class BadMasterRow(Base):
    """Calibrations a person declared bad; rows stay when that is undone."""

    __tablename__ = "bad_master"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    #: Release of the AB that makes it; empty for a file, which is bad for all releases.
    release: Mapped[str] = mapped_column(String(32), default="")
    source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    declared_by: Mapped[str] = mapped_column(Text)
    declared_at: Mapped[datetime]
    #: What had been made with it when it was declared.
    selection: Mapped[dict[str, Any]] = mapped_column(default=dict)
    undone_by: Mapped[str | None] = mapped_column(Text)
    undone_at: Mapped[datetime | None]
    undone_reason: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index(
            "uq_bad_master_source",
            "source",
            "release",
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
    )


class AttemptRow(Base):
    """History of executions; rows are only ever added."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    number: Mapped[int]
    outcome: Mapped[str | None] = mapped_column(String(16))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    cpu_s: Mapped[float | None]
    memory_peak_mb: Mapped[float | None]
    image: Mapped[str] = mapped_column(Text, default="")
    image_digest: Mapped[str] = mapped_column(Text, default="")
    pipeline_version: Mapped[str] = mapped_column(Text, default="")
    container: Mapped[str] = mapped_column(Text, default="")
    findings: Mapped[list[str]] = mapped_column(default=list)

    __table_args__ = (UniqueConstraint("ab_id", "number", name="uq_attempt_ab_number"),)


class ProductRow(Base):
    """Published recipe products of an AB's latest good attempt."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    pro_catg: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text, unique=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class Qc1Row(Base):
    """QC1 parameters: one number per row."""

    __tablename__ = "qc1"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    instrument: Mapped[str] = mapped_column(String(16))
    task: Mapped[str] = mapped_column(String(32))
    mjd_obs: Mapped[float]
    parameter: Mapped[str] = mapped_column(Text)
    value: Mapped[float]
    unit: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        UniqueConstraint("ab_id", "parameter", name="uq_qc1_ab_parameter"),
        Index("ix_qc1_trend", "instrument", "parameter", "mjd_obs"),
    )


class ScoreRow(Base):
    """Scores of an AB: 0 green, 1 red, -1 not scored."""

    __tablename__ = "score"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    parameter: Mapped[str] = mapped_column(Text)
    value: Mapped[float]
    verdict: Mapped[int] = mapped_column(SmallInteger)
    low: Mapped[float | None]
    high: Mapped[float | None]
    threshold_version: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("ab_id", "parameter", name="uq_score_ab_parameter"),)


class ReportRow(Base):
    """QC report pictures of an AB."""

    __tablename__ = "report"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    path: Mapped[str] = mapped_column(Text, unique=True)


class QcRunRow(Base):
    """That the QC of an AB was done, of which products, and what did not work."""

    __tablename__ = "qc_run"

    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), primary_key=True)
    #: Checksum over the products that were measured; other products mean that QC must be done again.
    products_sha256: Mapped[str] = mapped_column(String(64))
    measured_at: Mapped[datetime]
    wall_s: Mapped[float]
    #: {subject, reason, trace, scored} of each parameter or picture that could not be made.
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    #: Why there is no QC at all; such an AB is tried again.
    failure: Mapped[str] = mapped_column(Text, default="")


class IdpRow(Base):
    """Converted files: science IDPs and their ancillary files (``parent_id``)."""

    __tablename__ = "idp"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ab_id: Mapped[int] = mapped_column(ForeignKey("ab.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("idp.id"))
    release: Mapped[str] = mapped_column(String(32))
    origfile: Mapped[str] = mapped_column(String(68))
    prodcatg: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text, default="")
    path: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    findings: Mapped[list[str]] = mapped_column(default=list)
    converted_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("release", "origfile", name="uq_idp_release_origfile"),)


class IdpShareRow(Base):
    """Science products that name an ancillary file besides its parent."""

    __tablename__ = "idp_share"

    idp_id: Mapped[int] = mapped_column(ForeignKey("idp.id", ondelete="CASCADE"), primary_key=True)
    head_id: Mapped[int] = mapped_column(
        ForeignKey("idp.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class IngestionRow(Base):
    """The ingestion queue and, once ``received_at`` is set, the receipts; one row per version of an IDP."""

    __tablename__ = "ingestion"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    idp_id: Mapped[int] = mapped_column(ForeignKey("idp.id"), index=True)
    release: Mapped[str] = mapped_column(String(32))
    origfile: Mapped[str] = mapped_column(String(68))
    source_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    arcfile: Mapped[str | None] = mapped_column(String(68), unique=True)
    archive_path: Mapped[str | None] = mapped_column(Text)
    archive_sha256: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(SmallInteger, default=1)
    status: Mapped[str] = mapped_column(String(10), default="incoming")
    #: Why it is held, rejected or failed; empty otherwise.
    error: Mapped[str] = mapped_column(Text, default="")
    #: What a person said when hiding or replacing it.
    remark: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("idp_id", "version", name="uq_ingestion_idp_version"),
        Index("ix_ingestion_release_state", "release", "state"),
    )
