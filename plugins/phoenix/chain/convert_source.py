"""What an AB is converted from: products, reports, scores, provenance; its own and those of its exposures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.config.loader import Configuration
from phoenix.config.qc import Parameter
from phoenix.config.release import Release
from phoenix.errors import IdpError
from phoenix.execution.publish import VERDICT
from phoenix.idp.job import ConversionJob, Provenance
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.ab_text import AbDocument, content_sha256
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product
from phoenix.model.score import Score
from phoenix.qc.bits import bit_string, score_bits
from phoenix.store.ab_trees import AbTrees
from phoenix.store.qc import QcRepository
from phoenix.store.tables import AbRow, AttemptRow, ReportRow

#: Outcomes of ABs that have products to convert.
CONVERTIBLE = [Outcome.OK.value, Outcome.CAVEATS.value]
#: A log longer than this is cut in the middle before it goes into the README.
_MAX_LOG_CHARACTERS = 400_000


@dataclass(frozen=True)
class Source:
    """An AB to convert, with all the store knows of it."""

    row: AbRow
    document: AbDocument
    products: tuple[Product, ...]
    reports: tuple[Path, ...]
    provenance: Provenance
    parameters: tuple[Parameter, ...]
    scores: tuple[Score, ...]
    singles: tuple[Source, ...] = ()

    @property
    def ab(self) -> AssociationBlock:
        """The AB."""
        return self.document.ab

    @property
    def raws(self) -> list[Path]:
        """Raw frames it goes back to."""
        return [
            *(Path(raw.path) for raw in self.ab.raws),
            *(raw for single in self.singles for raw in single.raws),
        ]

    def bits(self, item: str) -> str:
        """Score bits of a product."""
        return bit_string(score_bits(self.parameters, self.scores, item))

    def fingerprint(self, release: Release) -> str:
        """Hash of everything the IDPs depend on."""
        parts = [
            content_sha256(self.ab),
            *(f"{product.pro_catg} {product.sha256}" for product in self.products),
            *(hashlib.sha256(report.read_bytes()).hexdigest() for report in self.reports),
            repr(self.provenance),
            *(f"{score.parameter} {score.verdict.value}" for score in self.scores if self._counts(score)),
            *(single.fingerprint(release) for single in self.singles),
            release.converting().model_dump_json(),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _counts(self, score: Score) -> bool:
        """Whether a score is one of the bits; the others are not in the IDP."""
        bits = (parameter.name for parameter in self.parameters if parameter.bit is not None)
        return any(score.parameter.startswith(name.split("{", 1)[0]) for name in bits)


def has_products(row: AbRow) -> bool:
    """Whether a recipe has written what can be converted."""
    return row.outcome in CONVERTIBLE


def _read(session: Session, configuration: Configuration, row: AbRow) -> Source:
    row = session.get_one(AbRow, row.id)
    attempt = session.scalar(
        select(AttemptRow)
        .where(AttemptRow.ab_id == row.id, AttemptRow.outcome.in_(CONVERTIBLE))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
    if attempt is None:
        raise IdpError(row.name, "has no attempt that succeeded", "products", f"phoenix ab run {row.release}")
    reports = session.scalars(select(ReportRow.path).where(ReportRow.ab_id == row.id).order_by(ReportRow.id))
    trees = AbTrees(configuration.folders)
    qc = QcRepository(session).of_ab(row.release, row.name)
    return Source(
        row=row,
        document=trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256),
        products=tuple(
            Product(product.path, product.pro_catg, product.size_bytes, product.sha256)
            for product in row.products
        ),
        reports=tuple(path for path in map(Path, reports) if path.suffix == ".png" and path.is_file()),
        provenance=Provenance(
            attempt.image,
            attempt.image_digest,
            attempt.pipeline_version,
            version("phoenix-airflow"),
            _calibrations(Path(row.product_folder)),
        ),
        parameters=_qc_parameters(configuration, row),
        scores=qc.scores if qc is not None else (),
    )


def _qc_parameters(configuration: Configuration, row: AbRow) -> tuple[Parameter, ...]:
    if row.instrument.lower() not in configuration.names("qc"):
        return ()
    task = configuration.qc(row.instrument).tasks.get(row.task)
    return task.parameters if task is not None else ()


def _calibrations(product_folder: Path) -> tuple[tuple[str, str], ...]:
    """(PRO.CATG, path) of the inputs the recipe read, from the record beside its products."""
    record = product_folder / VERDICT
    try:
        inputs = json.loads(record.read_bytes())["inputs"]
        return tuple((str(entry["tag"]), str(entry["path"])) for entry in inputs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdpError(
            str(record),
            f"the record of the run cannot be read: {error}",
            "the record that is written beside the products",
            "run the AB again",
        ) from error


def _row_of(session: Session, release: str, name: str) -> AbRow:
    """Return an AB by its name, or by ``<release>/<name>`` where it is of another release."""
    other, _, name = name.rpartition("/")
    release = other or release
    row = session.scalar(select(AbRow).where(AbRow.release == release, AbRow.name == name))
    if row is None:
        raise IdpError(name, "is not known", "the ABs a stack is made of", f"phoenix ab list {release}")
    return row


def job_of(
    configuration: Configuration, release: Release, source: Source, folder: Path, converted_at: datetime
) -> ConversionJob:
    """Return what the converter gets."""
    return ConversionJob(
        ab=source.ab,
        products=source.products,
        raws=[Path(raw.path) for raw in source.ab.raws],
        provenance=source.provenance,
        folder=folder,
        converted_at=converted_at,
        prefix=configuration.instrument(release.instrument).prefix,
        reports=source.reports,
        readme=_readme(source),
        config=release.converting().config or {},
        singles=[job_of(configuration, release, single, folder, converted_at) for single in source.singles],
        score_bits=source.bits,
        pgis={pgi.name: pgi.config for pgi in release.pgis},
    )


def read_source(session: Session, configuration: Configuration, row: AbRow) -> Source:
    """Return an AB with those its products are made of, down to raw frames.

    Raises
    ------
    IdpError
        If an AB, its attempt or the record of its run is missing.
    """
    source = _read(session, configuration, row)
    singles = [_row_of(session, row.release, name) for name in source.ab.input_abs]
    used = [read_source(session, configuration, single) for single in singles if has_products(single)]
    return replace(source, singles=tuple(used))


def _readme(source: Source) -> str:
    """Text that goes with the IDP: the AB, and what the recipe said."""
    parts = [source.document.render().rstrip()]
    if source.row.product_folder:
        for log in sorted(Path(source.row.product_folder).glob("*.log")):
            text = log.read_text(encoding="utf-8", errors="replace")
            if len(text) > _MAX_LOG_CHARACTERS:
                half = _MAX_LOG_CHARACTERS // 2
                text = f"{text[:half]}\n[... cut ...]\n{text[-half:]}"
            parts.append(f"# {log.name}\n{text.rstrip()}")
    return "\n\n".join(parts) + "\n"
