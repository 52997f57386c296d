import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builders_uves import BLUE, Nights, tables
from phoenix.cli import ab as command
from phoenix.cli.explained import explained
from phoenix.config.loader import Configuration
from phoenix.errors import AssociationError, UsageError
from phoenix.model.ab import Tree
from phoenix.model.frame import FrameRecord
from phoenix.store.ab_trees import AbTrees
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.frames import FrameCatalogue

SCIENCE = "UVES.2019-03-05T01:00:04.321.ab"
Call = Callable[..., Result]


@pytest.fixture
def call(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command on a catalogue of two nights, the second without flats."""
    monkeypatch.setattr(command, "get_database", lambda: database)
    monkeypatch.setattr(command, "get_configuration", lambda: configuration)
    nights = Nights()
    nights.night("2019-03-04")
    nights.night("2019-03-06", flats=0)
    nights.template("SCIENCE", "OBJECT,EXTENDED", BLUE)
    with database.transaction() as session:
        FrameCatalogue(session).record(FrameRecord(frame) for frame in nights.frames + tables(BLUE))

    def call_(*words: str) -> Result:
        return CliRunner().invoke(command.app, list(words), catch_exceptions=False)

    return call_


def as_json(result: Result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_create_and_list(call: Call, database: Database) -> None:
    rows = as_json(call("create", "UVES_R3", "2019-03", "--format", "json"))
    assert [(row["night"], row["ABs"], row["created"], row["frames left out"]) for row in rows] == [
        ("2019-03-04", 7, 7, 0),
        ("2019-03-06", 6, 6, 1),
    ]
    with database.transaction() as session:
        row = BatchRepository(session).find("UVES_R3", "2019-03")
        assert (row.state, row.owner) == ("PARTIAL", "")
    listed = as_json(call("list", "UVES_R3", "2019-03", "--task", "science", "--format", "json"))
    assert [(row["AB"], row["outcome"], row["level"]) for row in listed] == [
        (SCIENCE, "to do", 0),
        ("UVES.2019-03-07T01:00:04.321.ab", "to do", 1),
    ]
    assert len(as_json(call("list", "UVES_R3", "--night", "2019-03-06", "--format", "json"))) == 6
    (out,) = as_json(call("left-out", "UVES_R3", "2019-03", "--format", "json"))
    assert (out["night"], out["code"]) == ("2019-03-06", "EXTENDED")
    assert "science" in call("list", "UVES_R3").stdout
    assert as_json(call("create", "UVES_R3", "2019-03", "--format", "json"))[0]["unchanged"] == 7


def test_one_night_only(call: Call) -> None:
    (row,) = as_json(call("create", "UVES_R3", "2019-03", "--night", "2019-03-06", "--format", "json"))
    assert row["night"] == "2019-03-06"
    with pytest.raises(UsageError, match="is not of batch"):
        call("create", "UVES_R3", "2019-03", "--night", "2019-04-06")


def test_show_and_explain(call: Call) -> None:
    call("create", "UVES_R3", "2019-03")
    text = call("show", "UVES_R3", SCIENCE).stdout
    assert "\nRAWFILE         /data/raw/UVES.2019-03-05T01:00:04.321.fits SCI_POINT_BLUE\n" in text
    shown = as_json(call("show", "UVES_R3", SCIENCE, "--tree", "source", "--format", "json"))
    assert (shown["text"], shown["tree"]) == (text, "source")
    words = call("explain", "UVES_R3", "UVES.2019-03-07T01:00:04.321.ab").stdout
    assert "MASTER_FLAT_{chip}  CHOSEN  (mandatory, from task flat)" in words
    assert "level 0 within 1 d; level 1 within 4 d; level 2 within 15 d; match chips=1, binx=2" in words
    assert "+ UVES.2019-03-05T10:02:02.963_tpl.ab VIRTUAL -1.6" in words
    content = as_json(call("explain", "UVES_R3", SCIENCE, "--format", "json"))
    assert content["ab"] == SCIENCE
    assert explained(content) == call("explain", "UVES_R3", SCIENCE).stdout.rstrip("\n")


def test_an_explanation_is_shortened_and_obeys_no_header(call: Call) -> None:
    call("create", "UVES_R3", "2019-03")
    content = as_json(call("explain", "UVES_R3", SCIENCE, "--format", "json"))
    content["grouped_by"] = {"TPL.START": "\x1b[31mred\nline"}
    bias = content["associations"][0]
    bias["candidates"] = bias["candidates"] * 6
    short, long = explained(content), explained(content, every=True)
    assert "\x1b" not in short
    assert "TPL.START=\\x1b[31mred\\nline" in short
    assert "... and 4 more, farther away" in short
    assert "more, farther" not in long


def test_verify_and_accept(call: Call, configuration: Configuration) -> None:
    call("create", "UVES_R3", "2019-03")
    assert as_json(call("verify", "UVES_R3", "2019-03", "--format", "json")) == []
    path = AbTrees(configuration.folders).path("UVES_R3", Tree.SOURCE, "2019-03-04", SCIENCE)
    path.write_text(path.read_text() + "PARAM reduce.tiltcorr=false\nPARAN a=b\n")
    result = call("accept", "UVES_R3", SCIENCE)
    assert f"phoenix ab run UVES_R3 {SCIENCE}" in result.stdout
    assert "PARAN means nothing to PHOENIX" in result.stdout
    assert "PGI             by_hand 1 " in call("show", "UVES_R3", SCIENCE).stdout
    with pytest.raises(UsageError, match="nothing to accept"):
        call("accept", "UVES_R3", SCIENCE)
    path.write_text("nonsense\n")
    with pytest.raises(AssociationError, match="there is no"):
        call("accept", "UVES_R3", SCIENCE)


def test_differences_are_findings(call: Call, database: Database) -> None:
    call("create", "UVES_R3", "2019-03", "--night", "2019-03-04")
    result = call("verify", "UVES_R3", "2019-03", "--format", "json")
    assert result.exit_code == 1
    assert {row["what"] for row in json.loads(result.stdout)} == {"not stored"}


def test_history_of_an_ab_and_its_tree(call: Call, configuration: Configuration) -> None:
    call("create", "UVES_R3", "2019-03")
    path = AbTrees(configuration.folders).path("UVES_R3", Tree.SOURCE, "2019-03-04", SCIENCE)
    before = path.read_text()
    assert as_json(call("history", "UVES_R3", SCIENCE, "--format", "json")) == []
    path.write_text(before + "PARAM reduce.tiltcorr=false\n")
    call("accept", "UVES_R3", SCIENCE)
    (old,) = as_json(call("history", "UVES_R3", SCIENCE, "--format", "json"))
    assert old["tree"] == "source"
    assert Path(old["text"]).read_text() == before + "PARAM reduce.tiltcorr=false\n"
    assert as_json(call("tree", "UVES_R3", "--format", "json"))[0] == {"night": "2019-03-04", "ABs": 7}
    assert "all are well" in call("tree", "UVES_R3", "--verify").stdout
    path.write_text("nonsense")
    damaged = call("tree", "UVES_R3", "--verify", "--format", "json")
    assert (damaged.exit_code, len(json.loads(damaged.stdout))) == (1, 1)
    with pytest.raises(UsageError, match="there is no folder"):
        call("tree", "MUSE_smart")
    with pytest.raises(UsageError, match="is no name of a tree"):
        call("tree", "../etc")


def test_create_from_another_source(call: Call, configuration: Configuration, tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text("<votable/>")
    result = call("create", "UVES_R3", "2019-03", "--associations", str(tmp_path))
    assert result.exit_code == 1
    assert "bad.xml, line 1: element votable is the first one" in result.stderr
    assert "calselector" in result.stdout
    with pytest.raises(UsageError, match="only calselector reads them"):
        call("create", "UVES_R3", "2019-03", "--from", "created", "--associations", str(tmp_path))
    assert call("create", "UVES_R3", "2019-03", "--from", "magic").exit_code == 2
    call("create", "UVES_R3", "2019-03", "--from", "created")
    assert "source: created" in call("explain", "UVES_R3", SCIENCE).stdout
