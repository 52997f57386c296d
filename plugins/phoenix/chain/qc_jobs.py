"""Which ABs of a batch need QC, how long that will take, and the jobs that do it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from phoenix.config.loader import Configuration
from phoenix.config.rules import Rules
from phoenix.errors import PhoenixError
from phoenix.model.ab import Tree
from phoenix.model.lot import Job
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product
from phoenix.qc.jobs import QcJob
from phoenix.qc.shards import expected_seconds
from phoenix.store.ab_trees import AbTrees
from phoenix.store.batches import BatchRepository
from phoenix.store.qc import QcRepository, products_sha256
from phoenix.store.tables import AbRow

#: These have products worth measuring.
_GOOD = [Outcome.OK.value, Outcome.CAVEATS.value]


@dataclass(frozen=True, slots=True)
class ToDo:
    """An AB without QC of its products."""

    row: AbRow
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class NumberedJob:
    """A job and the number of its AB's row."""

    ab_id: int
    job: QcJob


def to_do(
    session: Session,
    configuration: Configuration,
    release: str,
    key: str,
    night: str | None = None,
    names: Collection[str] | None = None,
    *,
    again: bool = False,
) -> tuple[list[ToDo], int]:
    """Return the ABs whose products have no QC, and how many need none."""
    found, unchanged = [], 0
    tasks = configuration.qc(configuration.release(release).instrument).tasks
    rows = _rows(session, release, key, night, names)
    done = {} if again else QcRepository(session).done(row.id for row in rows)
    for row in rows:
        products = tuple(Product(p.path, p.pro_catg, p.size_bytes, p.sha256) for p in row.products)
        if row.id in done and _still_holds(*done[row.id], products):
            unchanged += 1
        elif row.task in tasks:
            found.append(ToDo(row, products))
    return found, unchanged


def expected(session: Session, instrument: str, abs_: Iterable[ToDo]) -> list[Job]:
    """Return ABs with the time their QC will take, for those who plan."""
    rates = QcRepository(session).seconds_per_mb(instrument)
    return [
        Job(
            one.row.name,
            expected_seconds(
                sum(product.size_bytes for product in one.products) / 1e6, rates.get(one.row.task)
            ),
        )
        for one in abs_
    ]


def jobs_of(
    configuration: Configuration, instrument: str, abs_: Iterable[ToDo]
) -> tuple[dict[str, NumberedJob], list[str]]:
    """Return the jobs by name of their AB, and one message for each AB that cannot be a job."""
    qc, words = configuration.qc(instrument), words_of_rules(configuration.rules(instrument))
    trees = AbTrees(configuration.folders)
    found: dict[str, NumberedJob] = {}
    refused = []
    for one in abs_:
        row = one.row
        try:
            ab = trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256).ab
        except PhoenixError as error:
            refused.append(f"{row.name}: {error}")
            continue
        folder = str(configuration.folders.report_of(ab))
        job = QcJob(ab, one.products, qc.tasks[row.task], qc.version, words, folder)
        found[row.name] = NumberedJob(row.id, job)
    return found, refused


def _rows(
    session: Session, release: str, key: str, night: str | None, names: Collection[str] | None
) -> list[AbRow]:
    batch = BatchRepository(session).find(release, key)
    query = select(AbRow).where(AbRow.batch_id == batch.id, AbRow.exclusion == "", AbRow.outcome.in_(_GOOD))
    query = query.where(AbRow.night == night) if night else query
    query = query if names is None else query.where(AbRow.name.in_(names))
    ordered = query.options(selectinload(AbRow.products)).order_by(AbRow.mjd_obs_mod, AbRow.name)
    return list(session.scalars(ordered))


def _still_holds(sha256: str, reports: Iterable[str], products: tuple[Product, ...]) -> bool:
    """Whether a QC is of these products and its pictures are still there."""
    return sha256 == products_sha256(products) and all(Path(path).is_file() for path in reports)


def words_of_rules(rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return what each ``{word}`` of a product name can be: values of splits and of classification tags."""
    words = {
        name: list(dict.fromkeys(value for values in split.values.values() for value in values))
        for name, split in rules.splits.items()
    }
    for classification in rules.classification:
        for name, value in classification.tags.items():
            if value not in words.setdefault(name, []):
                words[name].append(value)
    return {name: tuple(values) for name, values in words.items()}
