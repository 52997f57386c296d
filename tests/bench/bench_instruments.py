"""A simulated night of each instrument from raw frames to the archive: recipes, IDPs and the rules they pass.

Run ``python tests/bench/bench_instruments.py [RELEASE ...]`` (default: all below) after `make images`. It
prints tables in Markdown, as ``docs/simulation.md`` has them. CPU seconds and wall-clock time are
medians over the ABs of a recipe, memory is the largest peak.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import func, select
from typer import echo

from phoenix.chain.run import BatchRun
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.database import start_embedded, stop_embedded
from phoenix.idp.checks.rules import RULES
from phoenix.model.report import BatchReport
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.store.database import Database
from phoenix.store.tables import AbRow, AttemptRow, IdpRow, IngestionRow


@dataclass(frozen=True)
class Case:
    """A batch to be simulated and processed."""

    instrument: str
    key: str


CASES = {
    "UVES_R3": Case("UVES", "2019-03"),
    "UVES_STACK": Case("UVES", "2021-03"),
    "GIRAF_STACK": Case("GIRAFFE", "2021-03"),
    "MUSE_R": Case("MUSE", "2021-03-04"),
    "HAWKI_R": Case("HAWKI", "2021-03"),
    "XSHOOT_R2": Case("XSHOOTER", "2021-03"),
}
#: Rules of a file of its kind, beside those of all files.
FAMILY = {
    "SCIENCE.SPECTRUM": "SPC",
    "SCIENCE.CUBE.IFS": "CUB",
    "SCIENCE.IMAGE": "IMG",
    "SCIENCE.MEFIMAGE": "IMG",
    "SCIENCE.SRCTBL": "IMG",
}


def rules_of(category: str) -> int:
    """Number of rules a science product is held against."""
    prefixes = ("FIT", "ALL", "BAT", FAMILY[category])
    return sum(rule.startswith(prefixes) for rule in RULES)


def processed(case: Case, release: str, database: Database, configuration: Configuration) -> BatchReport:
    """Simulate one night and process its batch."""
    plan = SimulationPlan(case.instrument, case.key[:7], 1, 1, "small")
    simulator(case.instrument).simulate(plan, configuration.root, lambda *_: None)
    return BatchRun(database, configuration, release, case.key, "bench", lambda _: None).run()


def recipes(database: Database) -> list[str]:
    """Rows of the table of recipes."""
    query = (
        select(AbRow.recipe, AttemptRow)
        .join(AttemptRow, AttemptRow.ab_id == AbRow.id)
        .where(AttemptRow.ended_at.is_not(None))
        .order_by(AttemptRow.id)
    )
    found: dict[str, list[AttemptRow]] = {}
    with database.transaction() as session:
        for recipe, attempt in session.execute(query):
            found.setdefault(recipe, []).append(attempt)
    rows = ["| recipe | ABs | CPU s | wall s | peak MB |", "|---|---|---|---|---|"]
    for recipe, attempts in found.items():
        cpu_s = median(attempt.cpu_s or 0.0 for attempt in attempts)
        wall_s = median((attempt.ended_at - attempt.started_at).total_seconds() for attempt in attempts)
        peak_mb = max(attempt.memory_peak_mb or 0.0 for attempt in attempts)
        rows.append(f"| `{recipe}` | {len(attempts)} | {cpu_s:.1f} | {wall_s:.1f} | {peak_mb:.0f} |")
    return rows


def products(database: Database) -> list[str]:
    """Rows of the table of IDPs."""
    idps = select(IdpRow.prodcatg, IdpRow.findings).where(IdpRow.parent_id.is_(None))
    received = select(func.count()).where(IngestionRow.received_at.is_not(None))
    with database.transaction() as session:
        science = session.execute(idps).all()
        archived = session.scalar(received)
    rows = ["| science product | IDPs | rules | that pass all | files archived |", "|---|---|---|---|---|"]
    for category, count in Counter(category for category, _ in science).items():
        clean = sum(not findings for each, findings in science if each == category)
        rows.append(f"| {category} | {count} | {rules_of(category)} | {clean} | {archived} |")
    return rows


def measure(release: str, root: Path) -> None:
    """Process a night below a data root of its own and print the tables."""
    case = CASES[release]
    configuration = Configuration(PROJECT / "include" / "config", root=root)
    database = Database(start_embedded(root, durable=False).phoenix_url)
    database.migrate()
    try:
        start = time.monotonic()
        report = processed(case, release, database, configuration)
        spent_s = time.monotonic() - start
        echo(f"\n## {release} {case.key}: {report.state}, {spent_s:.0f} s with simulation\n")
        echo("\n".join([*recipes(database), "", *products(database)]))
    finally:
        database.close()
        stop_embedded(root)


def main() -> None:
    for release in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory(prefix="phx-bench-") as folder:
            measure(release, Path(folder) / "var")


if __name__ == "__main__":
    main()
