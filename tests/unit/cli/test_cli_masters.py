"""``phoenix masters`` and ``phoenix ab run/reset``: what operators read, and the exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builders_execution import KEY, NIGHT, RELEASE, PretendedEngine, ab_row, bias_ab, bias_frame, master_bias
from phoenix.chain import execute
from phoenix.cli import ab, ab_process, masters
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.execution.container import ContainerJob, OnLine
from phoenix.model.ab import Mcalib, McalibStatus
from phoenix.model.batch import BatchKey, BatchKind, BatchState
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database

BIAS, FLAT = "UVES.bias.ab", "UVES.flat.ab"
TABLE = "/static/ext.fits"
Call = Callable[..., Result]


@pytest.fixture
def call(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The commands on two ABs, a flat that waits for a bias; both are done."""
    for command in (masters, ab, ab_process):
        monkeypatch.setattr(command, "get_database", lambda: database)
        monkeypatch.setattr(command, "get_configuration", lambda: configuration)
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{number}.fits") for number in range(3)]
    calibs = (
        Mcalib(McalibStatus.VIRTUAL, BIAS, "MASTER_BIAS_BLUE"),
        Mcalib(McalibStatus.STATIC, TABLE, "EXTCOEFF_TABLE"),
    )
    with database.transaction() as session:
        batches = BatchRepository(session)
        batch = batches.open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
        batches.close(RELEASE, KEY, BatchState.DONE, {})
        abs_ = AbRepository(session, AbTrees(configuration.folders))
        for made in (bias_ab(raws, name=BIAS), bias_ab(raws, name=FLAT, mcalibs=calibs)):
            abs_.put(made, batch.id)
            abs_.set_outcome(RELEASE, made.name, Outcome.OK)

    def call_(app: object, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), catch_exceptions=False)  # type: ignore[arg-type]

    return call_


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ABs a pretended engine is asked to run."""
    ran: list[str] = []

    def recipe(job: ContainerJob, on_line: OnLine) -> int:
        ran.append(job.ab)
        return master_bias(job, on_line)

    run_ab = execute.run_ab

    def pretended(*args: object, **options: object) -> object:
        return run_ab(*args, **options | {"runner": PretendedEngine(recipe)})  # type: ignore[arg-type]

    monkeypatch.setattr(execute, "run_ab", pretended)
    monkeypatch.setattr("phoenix.chain.retries.run_ab", pretended)
    return ran


def as_json(result: Result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_used_by(call: Call) -> None:
    text = call(masters.app, "used-by", BIAS).stdout
    assert FLAT in text
    assert "MASTER_BIAS_BLUE" in text
    (batch,) = as_json(call(masters.app, "used-by", BIAS, "--format", "json"))["batches"]
    assert (batch["release"], batch["batch"], [each["name"] for each in batch["abs"]]) == (
        RELEASE,
        KEY,
        [FLAT],
    )
    assert "no AB uses it" in call(masters.app, "used-by", FLAT).stdout
    assert "no AB uses it" in call(masters.app, "used-by", BIAS, "OTHER_CATEGORY").stdout


def test_an_unreadable_text_is_a_finding(
    call: Call, database: Database, configuration: Configuration
) -> None:
    for text in configuration.folders.ab.rglob(FLAT):
        text.write_text(text.read_text() + "# by hand\n")
    result = call(masters.app, "index")
    assert (result.exit_code, result.stdout) == (1, "2 ABs, 1 could not be read\n")
    assert "changed by hand" in result.stderr
    assert call(masters.app, "used-by", BIAS).exit_code == 0, "the index still knows what was recorded"


def test_bad_with_its_selection_list_and_undo(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "campaign" / "selection.json"
    result = call(masters.app, "bad", TABLE, "--reason", "wrong airmass", "--selection", str(file))
    assert result.exit_code == 0
    assert "declared bad by " in result.stdout
    assert f"associate again: phoenix ab create {RELEASE} '{KEY}'" in result.stdout
    assert [each["name"] for each in json.loads(file.read_text())["batches"][0]["abs"]] == [FLAT]
    (line,) = as_json(call(masters.app, "list", "--bad", "--format", "json"))
    assert (line["master"], line["release"], line["reason"], line["ABs then"]) == (
        TABLE,
        "all",
        "wrong airmass",
        1,
    )
    assert line["selection"] == json.loads(file.read_text())
    assert "declared bad by" in call(masters.app, "used-by", TABLE).stdout
    assert "no longer bad" in call(masters.app, "bad", TABLE, "--undo", "--reason", "a typo").stdout
    assert call(masters.app, "list", "--bad").stdout == "no master is declared bad\n"
    assert ": a typo" in call(masters.app, "list", "--bad", "--history").stdout


def test_the_selection_goes_to_standard_output_as_json(call: Call) -> None:
    result = call(masters.app, "bad", BIAS, "--reason", "light leak", "--format", "json")
    assert as_json(result)["reason"] == "light leak"
    listed = as_json(call(masters.app, "list", "--format", "json"))
    assert [(row["master"], row["ABs"], row["bad"]) for row in listed] == [
        (TABLE, 1, ""),
        (f"{BIAS} of {RELEASE}", 1, "bad"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bad", TABLE], "no reason is given"),
        (["bad", TABLE, "--undo", "--since", "2019-03-04"], "one of them"),
        (["list", "--history"], "--bad --history"),
    ],
)
def test_wrong_usage(call: Call, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(masters.app, *words)


def test_the_list_of_abs_shows_what_makes_bad_masters(call: Call) -> None:
    call(masters.app, "bad", BIAS, "--reason", "light leak")
    listed = as_json(call(ab.app, "list", RELEASE, "--format", "json"))
    assert {row["AB"]: row["master"].rpartition(": ")[2] for row in listed} == {BIAS: "light leak", FLAT: ""}


def test_a_dry_run_changes_nothing(call: Call, database: Database, jobs: list[str]) -> None:
    result = call(ab_process.app, "run", RELEASE, BIAS, "--cascade", "--dry-run")
    assert "2 ABs, at least 0.0 min on 2 slots, and 2 ABs whose recipe never ran well" in result.stdout
    rows = as_json(call(ab_process.app, "run", RELEASE, BIAS, "--cascade", "--dry-run", "--format", "json"))
    assert [(row["AB"], row["after"]) for row in rows] == [(BIAS, []), (FLAT, [BIAS])]
    assert as_json(call(ab_process.app, "run", RELEASE, BIAS, "--dry-run", "--format", "json")) == []
    call(ab_process.app, "reset", RELEASE, BIAS, "--cascade", "--dry-run")
    assert jobs == []
    assert {ab_row(database, name).outcome for name in (BIAS, FLAT)} == {"ok"}


def test_an_ab_again_and_a_reminder_of_what_depends_on_it(call: Call, jobs: list[str]) -> None:
    result = call(ab_process.app, "run", RELEASE, BIAS, "--again", "--quiet")
    assert (result.exit_code, jobs) == (0, [BIAS])
    assert (
        f"1 ABs were made with what stood there before; run them too: phoenix ab run {RELEASE}"
        in result.stderr
    )


def test_an_ab_with_all_that_depends_on_it(call: Call, jobs: list[str]) -> None:
    result = call(ab_process.app, "run", RELEASE, BIAS, "--cascade", "--format", "json")
    assert result.exit_code == 1, "the static table of the flat is not there"
    assert [(row["AB"], row["outcome"]) for row in json.loads(result.stdout)] == [
        (BIAS, "ok"),
        (FLAT, "unprocessable"),
    ]
    assert "1 of 2: bias UVES.bias.ab ok" in result.stderr
    assert f"QC, IDPs and ingestion follow: phoenix batch run {RELEASE} '{KEY}'" in result.stderr


def test_reset(call: Call, database: Database) -> None:
    result = call(ab_process.app, "reset", RELEASE, BIAS, "--cascade")
    assert "2 were done or had failed, and are to do again" in result.stdout
    assert f"phoenix batch run {RELEASE} '{KEY}'" in result.stdout
    assert {ab_row(database, name).outcome for name in (BIAS, FLAT)} == {None}
