"""A step that combines products of other ABs, with a pretended engine: from producers to verdict."""

from __future__ import annotations

from builders_execution import (
    NIGHT,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
)
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock, ProductInput, Tree
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.database import Database

NAMES = tuple(f"UVES.2019-03-04T1{hour}:00:00.000_tpl.ab" for hour in range(3))


def night(database: Database, configuration: Configuration) -> AssociationBlock:
    """Three ABs of three frames each, and one that combines their products if there are at least two."""
    for name in NAMES:
        folder = configuration.folders.raw / NIGHT / name
        raws = [bias_frame(folder / f"{number}.fits") for number in range(3)]
        store_ab(database, configuration, bias_ab(raws, name=name))
    combined = bias_ab(
        [],
        name="UVES.2019-03-04T10:00:00.000_stk.ab",
        inputs=tuple(ProductInput(name, "MASTER_BIAS_BLUE") for name in NAMES),
        min_inputs=2,
    )
    store_ab(database, configuration, combined)
    return combined


def run(database: Database, configuration: Configuration, name: str, exit_code: int = 0):
    engine = PretendedEngine(master_bias if not exit_code else lambda *_: exit_code)
    return run_ab(database, configuration, RELEASE, name, runner=engine), engine


def test_a_combination_of_those_that_succeeded_is_a_caveat_that_names_the_other(
    database: Database, configuration: Configuration
) -> None:
    combined = night(database, configuration)
    for name, exit_code in zip(NAMES, (0, 1, 0), strict=True):
        run(database, configuration, name, exit_code)
    seen: list[str] = []

    def recipe(job, on_line) -> int:
        sof = next(job.input_folder.rglob("job.sof")).read_text().splitlines()
        seen.extend(line.rsplit("/", 1)[1] for line in sof)
        return master_bias(job, on_line)

    attempt = run_ab(database, configuration, RELEASE, combined.name, runner=PretendedEngine(recipe))
    assert attempt.outcome is Outcome.CAVEATS
    assert attempt.findings == (f"2 of 3 ABs are combined: {NAMES[1]} did not make its products",)
    assert seen == [
        f"{name.removesuffix('.ab')}_masterbias_blue.fits MASTER_BIAS_BLUE" for name in (NAMES[0], NAMES[2])
    ]
    row = ab_row(database, combined.name)
    final = AbTrees(configuration.folders).load(RELEASE, Tree.FINAL, NIGHT, combined.name, row.text_sha256)
    assert (row.waits_for, final.ab.inputs) == (list(NAMES), combined.inputs)


def test_a_combination_of_too_few_is_blocked_and_starts_nothing(
    database: Database, configuration: Configuration
) -> None:
    combined = night(database, configuration)
    for name, exit_code in zip(NAMES, (1, 1, 0), strict=True):
        run(database, configuration, name, exit_code)
    attempt, engine = run(database, configuration, combined.name)
    assert (attempt.outcome, engine.jobs) == (Outcome.BLOCKED, [])
    assert attempt.findings[0] == "1 of 3 ABs are there to combine, at least 2 are needed"


def test_an_ab_that_succeeds_late_goes_into_the_combination_after_all(
    database: Database, configuration: Configuration
) -> None:
    combined = night(database, configuration)
    for name, exit_code in zip(NAMES, (0, 1, 0), strict=True):
        run(database, configuration, name, exit_code)
    assert run(database, configuration, combined.name)[0].outcome is Outcome.CAVEATS
    run(database, configuration, NAMES[1])
    assert ab_row(database, combined.name).outcome is None, "to be done again"
    attempt, _ = run(database, configuration, combined.name)
    assert (attempt.number, attempt.outcome) == (2, Outcome.OK)


def test_a_combination_waits_for_an_ab_that_has_not_run(
    database: Database, configuration: Configuration
) -> None:
    combined = night(database, configuration)
    for name in NAMES[:2]:
        run(database, configuration, name)
    assert run(database, configuration, combined.name)[0].outcome is Outcome.BLOCKED
    run(database, configuration, NAMES[2])
    assert run(database, configuration, combined.name)[0].outcome is Outcome.OK
