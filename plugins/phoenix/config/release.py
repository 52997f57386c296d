"""Schema of ``releases/<RELEASE>.yaml``: one production stream."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from phoenix.config.base import Strict, wrong
from phoenix.errors import ConfigError
from phoenix.model.batch import BatchKind


class Mode(StrEnum):
    """IDP: masters exist. MCALIB: make masters. COMPLETE: masters first, then science. DEEP: across OBs."""

    IDP = "IDP"
    MCALIB = "MCALIB"
    COMPLETE = "COMPLETE"
    DEEP = "DEEP"


#: minute hour day-of-month month day-of-week, as Airflow reads them.
_CRON = {
    BatchKind.NIGHT: re.compile(r"\d{1,2} \d{1,2} \* \* \*"),
    BatchKind.MONTH: re.compile(r"\d{1,2} \d{1,2} ([1-9]|1\d|2[0-8]) \* \*"),
}
_CRON_EXAMPLE = {
    BatchKind.NIGHT: "0 18 * * *: once a day",
    BatchKind.MONTH: "0 6 3 * *: once a month, on a day that each month has",
}


class Schedule(Strict):
    """When batches are due; the key of a batch is the period before."""

    cron: str = Field(
        description="UTC, once for each batch, after the calibrations' usual delay: 0 18 * * * for nights, "
        "0 6 3 * * for months"
    )
    start: date
    end: date | None = None


class Pattern(StrEnum):
    """What becomes an IDP: each exposure, the stack of an OB, the stack of all OBs of a target."""

    SINGLE = "single"
    STACK = "stack"
    DEEP = "deep"


class Maker(StrEnum):
    """Who decides what belongs together in ABs that are made: our rules, or the archive's calSelector."""

    RULES = "rules"
    CALSELECTOR = "calselector"


class AbSource(Strict):
    """Where the ABs of a night come from: a stored tree, or made anew.

    Without ``stored`` all are made; with ``stored`` alone none is; with both, those of nights from
    ``created_since`` on are made. Nights before ``stored_since`` are in no tree, theirs are made too.
    """

    stored: tuple[str, ...] = Field(default=(), description="trees, named by the release that filled them")
    stored_since: date | None = Field(default=None, description="first night in the stored trees")
    created_since: date | None = Field(default=None, description="first night whose ABs are made")
    made_of: str | None = Field(
        default=None, description="mode DEEP: the release whose processed ABs its ABs are made of"
    )
    quiet_days: int = Field(
        default=30,
        ge=1,
        description="mode DEEP: a run is complete when its newest raw frame is older than this",
    )
    created_by: Maker = Field(
        default=Maker.RULES, description="who makes them; calselector: from files in the folder associations"
    )

    @model_validator(mode="after")
    def _has_an_order(self) -> AbSource:
        if not self.stored:
            for field in ("stored_since", "created_since"):
                if getattr(self, field) is not None:
                    raise wrong("stored", None, f"the stored trees that {field} speaks of")
        if self.stored_since and self.created_since and self.stored_since >= self.created_since:
            raise wrong("created_since", str(self.created_since), f"a night after {self.stored_since}")
        return self

    def creates(self, night: date) -> bool:
        """Whether the ABs of a night are made, not taken from a stored tree."""
        if not self.stored or (self.stored_since is not None and night < self.stored_since):
            return True
        return self.created_since is not None and night >= self.created_since


class Host(Strict):
    """What a stream asks of the machine its recipes run on."""

    queue: str = Field(default="default", description="workers that serve it, one queue per class of host")
    memory_gb: float | None = Field(default=None, gt=0, description="of the host, for its largest AB")
    streams: int | None = Field(default=None, ge=1, description="ABs at the same time, where memory decides")


class Pgi(Strict):
    """A plug-in that edits ABs, with its own configuration."""

    name: str
    config: Any = None


class Regrouping(Strict):
    """A function of the instrument that divides groups of second steps where keys cannot tell them apart."""

    name: str
    tasks: tuple[str, ...] = Field(min_length=1, description="second steps whose groups it divides")
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
    active: bool = Field(default=True, description="an ended stream runs only as backfill or reprocessing")
    ended: date | None = Field(default=None, description="last day of production, where it is known")
    pattern: tuple[Pattern, ...] = Field(default=(Pattern.SINGLE,), min_length=1)
    batch: BatchKind
    mode: Mode
    schedule: Schedule | None = None
    ab_source: AbSource = AbSource()
    intermediate_trees: tuple[str, ...] = Field(default=(), description="between source and final tree")
    final_tree: str | None = Field(
        default=None,
        description="where processed ABs are stored; default: the tree of the release's own name",
    )
    host: Host = Host()
    announces_to: tuple[str, ...] = Field(
        default=(), description="releases of mode DEEP that start when a run of this one is complete"
    )
    regrouping: Regrouping | None = None
    pgis: tuple[Pgi, ...] = ()
    qc: QcMode = QcMode.NIGHTLY
    conversion: Conversion | None = Field(default=None, description="none yet: products cannot become IDPs")
    ingestion: Ingestion = Ingestion()
    collection: str = Field(description="Phase 3 collection the IDPs belong to")
    dag: str | None = Field(
        default=None,
        pattern=r"^phoenix_[a-z0-9_]+$",
        description="its DAG in Airflow, where an instrument has several; default: phoenix_<instrument>",
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> Release:
        if self.active and self.ended is not None:
            raise wrong("ended", str(self.ended), "no such date for an active stream, or active: false")
        deep = self.mode is Mode.DEEP
        if deep != (self.batch is BatchKind.RUN):
            raise wrong("batch", self.batch.value, "run for mode DEEP, night or month for the others")
        if deep != (self.ab_source.made_of is not None):
            expected = "the release its ABs are made of" if deep else "nothing: only mode DEEP has it"
            raise wrong("ab_source.made_of", self.ab_source.made_of, expected)
        if deep and self.schedule is not None:
            raise wrong("schedule", self.schedule.cron, "none: runs become complete when they do")
        if self.schedule is not None and not _CRON[self.batch].fullmatch(self.schedule.cron):
            # With another tick, nights or months would be left out without a word, or come twice.
            raise wrong("schedule.cron", self.schedule.cron, _CRON_EXAMPLE[self.batch])
        if not self.active and self.schedule is not None and self.schedule.end is None:
            raise wrong("schedule.end", None, "a last day, for the stream has ended; or no schedule")
        return self

    @property
    def dag_id(self) -> str:
        """Name of its DAG."""
        return self.dag or f"phoenix_{self.instrument.lower()}"

    @property
    def tree(self) -> str:
        """Name of the tree processed ABs are stored in."""
        return self.final_tree or self.release

    def converting(self) -> Conversion:
        """Return how products become IDPs.

        Raises
        ------
        ConfigError
            If the release has no conversion yet.
        """
        if self.conversion is None:
            raise ConfigError(
                f"releases/{self.release}.yaml, field conversion",
                "there is none: no converter is written for this stream yet",
                "a converter that makes IDPs of its products",
                f"run the batch up to its QC reports, or write a converter for {self.instrument} and name it",
            )
        return self.conversion
