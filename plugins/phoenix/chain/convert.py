"""Conversion of a night's science products to IDPs, each checked before anybody may ingest it.

A stack takes the exposures in it along: their files are made with it, in one folder, and are part of its
dataset. An exposure whose stack has no products becomes an IDP of its own, and the report says why.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from phoenix.archive.fitsverify import fitsverify
from phoenix.chain.convert_source import CONVERTIBLE, Source, has_products, job_of, read_source
from phoenix.config.loader import Configuration
from phoenix.config.release import Release
from phoenix.errors import InfrastructureError, PhoenixError
from phoenix.headers.reader import read_header
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import LeftOutError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.product import Idp
from phoenix.store.abs import waiting_for
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.files import publish_folder
from phoenix.store.idps import IdpRepository
from phoenix.store.tables import AbRow

#: Beside the IDPs of an AB: what they were made of, so that nothing is converted twice.
MANIFEST = "conversion.json"
#: fitsverify is a process of its own: one waits while another works.
_CHECKERS = 4


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
        if any(has_products(stack) for stack in missed):
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
    tasks = configuration.rules(release.instrument).delivering
    with database.transaction() as session:
        batch = BatchRepository(session).find(release.release, key)
        query = select(AbRow).where(
            AbRow.batch_id == batch.id,
            AbRow.task.in_(tasks),
            AbRow.exclusion == "",
            AbRow.outcome.in_(CONVERTIBLE),
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


def _fate(stack: AbRow) -> str:
    reason = f": {stack.reason}" if stack.reason else ""
    return f"its stack {stack.name} is {stack.outcome or 'not made'}{reason}"


def _convert(
    database: Database, configuration: Configuration, release: Release, row: AbRow
) -> tuple[str, ...] | None:
    """Convert one AB; return what its checks found, None if there was nothing to do."""
    with database.transaction() as session:
        source = read_source(session, configuration, row)
        known = {idp.origfile: idp.sha256 for idp in IdpRepository(session).of_ab(row.id)}
    final = configuration.folders.conv_of(source.ab)
    fingerprint = source.fingerprint(release)
    if _is_done(final, fingerprint, known):
        return None
    converted_at = datetime.now(UTC)
    with _fresh_folder(final) as folder:
        job = job_of(configuration, release, source, folder, converted_at)
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


def _withdraw_singles(database: Database, configuration: Configuration, source: Source) -> None:
    """Forget what exposures were before their stack was there; what waits for the archive stays."""
    for single in source.singles:
        # A deep stack takes nothing away from the release its exposures are of.
        if single.row.release == source.row.release:
            with database.transaction() as session:
                left = IdpRepository(session).withdraw(session.get_one(AbRow, single.row.id))
            if not left:
                shutil.rmtree(configuration.folders.conv_of(single.ab), ignore_errors=True)


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
