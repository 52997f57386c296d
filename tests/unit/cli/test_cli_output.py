"""Listings: whole lines in a pipe, names never broken on a terminal, nothing cut off, nothing obeyed."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from phoenix.cli import output
from phoenix.cli.output import Format, show

NAME = "UVES.2019-03-04T20:00:36.912_tpl.ab"
REASON = "2 of 3 frames of the template of 2019-03-06T00:36:29 are there, and so it is left out"
ROWS = [
    {"AB": NAME, "level": 0, "outcome": "ok", "reason": "", "remark": None},
    {"AB": NAME.replace("T20", "T21"), "level": 10, "outcome": "excluded", "reason": REASON, "remark": None},
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the listing believe that it is shown on a terminal of 80 columns."""

    def console() -> Console:
        return Console(force_terminal=True, color_system=None, width=80)

    monkeypatch.setattr(output, "Console", console)


def test_in_a_pipe_each_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, Format.TABLE, "ABs")
    title, head, *lines = capsys.readouterr().out.splitlines()
    assert title == "ABs"
    assert head.split() == ["AB", "level", "outcome", "reason", "remark"]
    assert [line.split()[0] for line in lines] == [row["AB"] for row in ROWS]
    assert REASON in lines[1]
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_prose_is_broken_between_words_and_names_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(ROWS, Format.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("UVES")] == [row["AB"] for row in ROWS]
    assert len(lines) > 3
    words = " ".join(line[lines[0].index("reason") : lines[0].index("remark")] for line in lines[1:])
    assert words.split() == REASON.split()


def test_columns_without_any_content_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS[:1], Format.TABLE)
    assert "reason" not in capsys.readouterr().out


def test_a_table_shows_the_columns_asked_for_and_json_all(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, Format.TABLE, columns=("AB", "outcome"))
    assert capsys.readouterr().out.splitlines()[0].split() == ["AB", "outcome"]
    show(ROWS, Format.JSON, columns=("AB", "outcome"))
    assert json.loads(capsys.readouterr().out) == ROWS


@pytest.mark.parametrize("hostile", ["[red]x[/red]", "a\x1b[31mb", "a\nb", "\u202eabc"])
def test_hostile_values_stay_on_their_line_and_are_not_obeyed(
    hostile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show([{"OBJECT": hostile, "n": 1}], Format.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert not {"\x1b", "\u202e"} & set(lines[1])
    assert "[red]x[/red]" in lines[1] or hostile != "[red]x[/red]"
