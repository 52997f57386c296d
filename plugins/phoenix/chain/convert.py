"""Conversion of a night's science products to IDPs, each checked before anybody may ingest it.

A stack takes the exposures in it along: their files are made with it, in one folder, and are part of its
dataset. An exposure whose stack has no products becomes an IDP of its own, and the report says why.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.archive.fitsverify import fitsverify
from phoenix.config.loader import Configuration
from phoenix.config.qc import Parameter
from phoenix.config.release import Release
from phoenix.errors import IdpError, InfrastructureError, PhoenixError
from phoenix.execution.publish import VERDICT
from phoenix.headers.reader import read_header
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import ConversionJob, LeftOutError, Provenance
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.ab_text import AbDocument, content_sha256
from phoenix.model.outcome import Outcome
from phoenix.model.product import Idp, Product
from phoenix.model.score import Score
from phoenix.qc.bits import bit_string, score_bits
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import waiting_for
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.files import publish_folder
from phoenix.store.idps import IdpRepository
from phoenix.store.qc import QcRepository
from phoenix.store.tables import AbRow, AttemptRow, ReportRow

#: Beside the IDPs of an AB: what they were made of, so that nothing is converted twice.
MANIFEST = "conversion.json"
_CONVERTIBLE = [Outcome.OK.value, Outcome.CAVEATS.value]
#: fitsverify is a process of its own: one waits while another works.
_CHECKERS = 4
#: A log longer than this is cut in the middle before it goes into the README.
_MAX_LOG_CHARACTERS = 400_000


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What a conversion came to, in ABs.

    Attributes
    ----------
    flagged
        Files that break a rule, with the first rule they break; kept, never ingested.
    failures
        One message for each AB that could not be converted.
    unstacked
        Exposures that should be in a stack and are not, with what became of the stack.
    left_out
        ABs the release wants no IDP of, and why.
    """

    converted: int = 0
    unchanged: int = 0
    flagged: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    unstacked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all ABs gave IDPs without findings, stacked where they should be."""
        return not self.flagged and not self.failures and not self.unstacked

    def __str__(self) -> str:
        counts = (
            f"{self.converted} ABs converted, {self.unchanged} unchanged, "
            f"{len(self.flagged)} files with findings, {len(self.failures)} ABs failed"
        )
        return "\n".join([counts, *self.flagged, *self.failures, *self.unstacked, *self.left_out])


@dataclass(frozen=True)
class _Source:
    """An AB to convert, with all the store knows of it."""

    row: AbRow
    document: AbDocument
    products: tuple[Product, ...]
    reports: tuple[Path, ...]
    provenance: Provenance
    parameters: tuple[Parameter, ...]
    scores: tuple[Score, ...]
    singles: tuple[_Source, ...] = ()

    @property
    def ab(self) -> AssociationBlock:
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


def convert_idps(
    database: Database, configuration: Configuration, release: str, key: str, night: str | None = None
) -> ConvertReport:
    """Convert the science ABs of a batch, or of one night of it, that have usable products.

    An AB whose IDPs were made of the same products is left alone. One AB's failure does not stop the others;
    it is noted as a problem of the batch.

    Raises
    ------
    ConfigError
        If the release has no conversion, or no such converter exists.
    InfrastructureError
        If disk, database or fitsverify are not there.
    """
    stream = configuration.release(release)
    load(stream.instrument, "idp")
    find_converter(stream.converting().converter)
    rows = _science_abs(database, configuration, stream, key, night)
    stacks = _stacks_of(database, configuration, stream, rows)
    report = ConvertReport()
    for row in rows:
        missed = stacks.get(row.name, [])
        if any(_has_products(stack) for stack in missed):
            continue  # goes with its stack
        told = (f"{row.name}: an IDP of its own, for {_fate(stack)}" for stack in missed)
        try:
            flagged = _convert(database, configuration, stream, row)
        except InfrastructureError:
            raise
        except LeftOutError as error:
            report = replace(report, left_out=(*report.left_out, f"{row.name}: {error}"))
            continue
        except PhoenixError as error:
            report = replace(report, failures=(*report.failures, f"{row.name}: {error}"))
            continue
        report = replace(report, unstacked=(*report.unstacked, *told))
        if flagged is None:
            report = replace(report, unchanged=report.unchanged + 1)
        else:
            report = replace(report, converted=report.converted + 1, flagged=(*report.flagged, *flagged))
    if not report.clean:
        with database.transaction() as session:
            BatchRepository(session).note_problems(
                release, key, [*report.flagged, *report.failures, *report.unstacked]
            )
    return report


def _science_abs(
    database: Database, configuration: Configuration, release: Release, key: str, night: str | None
) -> list[AbRow]:
    tasks = [task.name for task in configuration.rules(release.instrument).tasks if task.science]
    with database.transaction() as session:
        batch = BatchRepository(session).find(release.release, key)
        query = select(AbRow).where(
            AbRow.batch_id == batch.id,
            AbRow.task.in_(tasks),
            AbRow.exclusion == "",
            AbRow.outcome.in_(_CONVERTIBLE),
        )
        query = query.where(AbRow.night == night) if night else query
        return list(session.scalars(query.order_by(AbRow.mjd_obs_mod, AbRow.name)))


def _stacks_of(
    database: Database, configuration: Configuration, release: Release, rows: Sequence[AbRow]
) -> dict[str, list[AbRow]]:
    """Return the ABs each exposure is to be combined in; those that were taken out do not count.

    What is only on the way to a combination of the same exposures, as an alignment is, does not count either.
    """
    rules = configuration.rules(release.instrument)
    second_steps = {task.name for task in rules.tasks if task.inputs and task.science}
    found: dict[str, list[AbRow]] = {}
    with database.transaction() as session:
        for stack in waiting_for(session, release.release, [row.name for row in rows]):
            if stack.task in second_steps and not stack.exclusion:
                for name in stack.waits_for:
                    found.setdefault(name, []).append(stack)
    return {
        name: [stack for stack in stacks if not any(stack.name in other.waits_for for other in stacks)]
        for name, stacks in found.items()
    }


def _has_products(row: AbRow) -> bool:
    return row.outcome in _CONVERTIBLE


def _fate(stack: AbRow) -> str:
    reason = f": {stack.reason}" if stack.reason else ""
    return f"its stack {stack.name} is {stack.outcome or 'not made'}{reason}"


def _convert(
    database: Database, configuration: Configuration, release: Release, row: AbRow
) -> tuple[str, ...] | None:
    """Convert one AB; return what its checks found, None if there was nothing to do."""
    with database.transaction() as session:
        source = _with_singles(session, configuration, row)
        known = {idp.origfile: idp.sha256 for idp in IdpRepository(session).of_ab(row.id)}
    final = configuration.folders.conv_of(source.ab)
    fingerprint = source.fingerprint(release)
    if _is_done(final, fingerprint, known):
        return None
    converted_at = datetime.now(UTC)
    with _fresh_folder(final) as folder:
        job = _job(configuration, release, source, folder, converted_at)
        idps = find_converter(release.converting().converter)(job)
        findings = _check(idps, source.raws)
        manifest = {"fingerprint": fingerprint, "files": {idp.origfile: idp.sha256 for idp in idps}}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        publish_folder(folder, final)
    published = [replace(idp, path=str(final / idp.origfile)) for idp in idps]
    with database.transaction() as session:
        IdpRepository(session).save(session.get_one(AbRow, row.id), published, findings, converted_at)
    _withdraw_singles(database, configuration, source)
    return tuple(f"{name}: {told[0]} ({len(told)} findings)" for name, told in findings.items())


def _withdraw_singles(database: Database, configuration: Configuration, source: _Source) -> None:
    """Forget what exposures were before their stack was there; what waits for the archive stays."""
    for single in source.singles:
        # A deep stack takes nothing away from the release its exposures are of.
        if single.row.release == source.row.release:
            with database.transaction() as session:
                left = IdpRepository(session).withdraw(session.get_one(AbRow, single.row.id))
            if not left:
                shutil.rmtree(configuration.folders.conv_of(single.ab), ignore_errors=True)


def _job(
    configuration: Configuration, release: Release, source: _Source, folder: Path, converted_at: datetime
) -> ConversionJob:
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
        singles=[_job(configuration, release, single, folder, converted_at) for single in source.singles],
        score_bits=source.bits,
        pgis={pgi.name: pgi.config for pgi in release.pgis},
    )


def _with_singles(session: Session, configuration: Configuration, row: AbRow) -> _Source:
    """Return an AB with those its products are made of, down to raw frames."""
    source = _source(session, configuration, row)
    singles = [_row_of(session, row.release, name) for name in source.ab.input_abs]
    used = [_with_singles(session, configuration, single) for single in singles if _has_products(single)]
    return replace(source, singles=tuple(used))


def _row_of(session: Session, release: str, name: str) -> AbRow:
    """Return an AB by its name, or by ``<release>/<name>`` where it is of another release."""
    other, _, name = name.rpartition("/")
    release = other or release
    row = session.scalar(select(AbRow).where(AbRow.release == release, AbRow.name == name))
    if row is None:
        raise IdpError(name, "is not known", "the ABs a stack is made of", f"phoenix ab list {release}")
    return row


def _source(session: Session, configuration: Configuration, row: AbRow) -> _Source:
    row = session.get_one(AbRow, row.id)
    attempt = session.scalar(
        select(AttemptRow)
        .where(AttemptRow.ab_id == row.id, AttemptRow.outcome.in_(_CONVERTIBLE))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
    if attempt is None:
        raise IdpError(row.name, "has no attempt that succeeded", "products", f"phoenix ab run {row.release}")
    reports = session.scalars(select(ReportRow.path).where(ReportRow.ab_id == row.id).order_by(ReportRow.id))
    trees = AbTrees(configuration.folders)
    qc = QcRepository(session).of_ab(row.release, row.name)
    return _Source(
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


def _is_done(final: Path, fingerprint: str, known: dict[str, str]) -> bool:
    """Whether these IDPs are there, made of the same things, and recorded."""
    try:
        manifest = json.loads((final / MANIFEST).read_bytes())
        files = manifest["files"]
        return bool(
            manifest["fingerprint"] == fingerprint
            and all(known.get(name) == sha256 for name, sha256 in files.items())
            and all((final / name).is_file() for name in files)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _fresh_folder(final: Path) -> Iterator[Path]:
    """Give an empty folder beside the final one; it is gone at the end unless it was published."""
    folder = final.with_name(f".{final.name[:80]}.{uuid.uuid4().hex}.tmp")
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise InfrastructureError(
            str(folder),
            f"cannot be written: {error.strerror or error}",
            remedy="free disk space or mend the permissions, then run again; `phoenix doctor` tells more",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(idps: Sequence[Idp], raws: Sequence[Path]) -> dict[str, list[str]]:
    """Return the findings of each file that has any; those of the whole delivery count for its product."""
    paths = [Path(idp.path) for idp in idps]
    with ThreadPoolExecutor(_CHECKERS, thread_name_prefix="check") as pool:
        found = pool.map(lambda path: check_file(path, fitsverify), paths)
        told = {idp.origfile: findings for idp, findings in zip(idps, found, strict=True)}
    sources = {str(read_header(raw, ["ARCFILE"]).get("ARCFILE", raw.name)): raw for raw in raws}
    head = next(idp.origfile for idp in idps if not idp.parent)
    for of_delivery in check_batch(paths, sources):
        told[of_delivery.where if of_delivery.where in told else head].append(of_delivery)
    return {
        name: [f"{found.rule} {found.where}: {found.message}" for found in findings]
        for name, findings in told.items()
        if findings
    }


def _readme(source: _Source) -> str:
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
