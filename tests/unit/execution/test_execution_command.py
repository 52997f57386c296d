from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from phoenix.errors import RecipeError
from phoenix.execution.command import RecipeParameter, checked_parameters, recipe_command
from phoenix.execution.recipe_log import LogLine, Severity, parse_line, summarized
from phoenix.execution.sof import SofLine, sof_text

KNOWN = (
    RecipeParameter("reduce.tiltcorr", "bool"),
    RecipeParameter("reduce.extract.method", "string", ("average", "optimal")),
    RecipeParameter("reduce.extract.kappa", "double", at_least=-1, at_most=100),
    RecipeParameter("reduce.backsub.npoints", "int", at_least=0),
    RecipeParameter("plotter", "string"),
)


def test_values_are_written_as_the_recipe_reads_them() -> None:
    given = {"reduce.tiltcorr": True, "reduce.extract.kappa": 2.5, "reduce.extract.method": "optimal"}
    assert checked_parameters("uves_obs_scired", given, KNOWN) == {
        "reduce.tiltcorr": "true",
        "reduce.extract.kappa": "2.5",
        "reduce.extract.method": "optimal",
    }


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        checked_parameters("uves_obs_scired", {"reduce.tiltcor": True}, KNOWN)
    assert caught.value.subject == "parameter reduce.tiltcor of uves_obs_scired"
    assert caught.value.remedy == "did you mean reduce.tiltcorr?"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("reduce.tiltcorr", "maybe", "true or false"),
        ("reduce.extract.method", "best", "one of average, optimal"),
        ("reduce.extract.kappa", 101, "a number from -1 to 100"),
        ("reduce.extract.kappa", "nan", "a number from -1 to 100"),
        ("reduce.backsub.npoints", 1.5, "a whole number"),
        ("plotter", "a\nb", "text without control characters"),
    ],
)
def test_a_value_the_recipe_does_not_allow(name: str, value: object, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        checked_parameters("uves_obs_scired", {name: value}, KNOWN)  # type: ignore[dict-item]
    assert caught.value.expected == expected


def test_foreign_text_is_an_argument_never_shell() -> None:
    hostile = "$(touch /tmp/x); `id` 'q'"
    command = recipe_command("uves_obs_scired", PurePosixPath("/job/input/sof/job.sof"), {"plotter": hostile})
    assert f"--plotter={hostile}" in command
    assert hostile not in command[2]
    assert command[-1] == "/job/input/sof/job.sof"


def test_sof_lines() -> None:
    assert (
        sof_text([SofLine(PurePosixPath("/job/input/a.fits"), "BIAS_BLUE")])
        == "/job/input/a.fits BIAS_BLUE\n"
    )


@pytest.mark.parametrize(
    ("path", "tag"),
    [("/a b.fits", "T"), ("/a.fits", "T U"), ("/a\n.fits", "T"), ("/a.fits", ""), ("/ä.fits", "T")],
)
def test_what_would_split_a_sof_line_is_refused(path: str, tag: str) -> None:
    with pytest.raises(RecipeError, match="cannot stand in a SOF"):
        sof_text([SofLine(PurePosixPath(path), tag)])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[WARNING] SciRed:   no sky", LogLine(Severity.WARNING, "SciRed", "no sky")),
        ("[ ERROR ] esorex: Init failed...", LogLine(Severity.ERROR, "esorex", "Init failed...")),
        ("[ INFO  ] uves_end: [tid=000] done", LogLine(Severity.INFO, "uves_end", "done")),
        ("  LAMBDA:", None),
        ("", None),
        ("\udcff[nonsense", None),
    ],
)
def test_log_lines(line: str, expected: LogLine | None) -> None:
    assert parse_line(line) == expected


def test_many_kinds_of_message_are_cut_and_counted() -> None:
    lines = [LogLine(Severity.ERROR, "r", f"kind {'x' * n} at {n}") for n in range(7)]
    assert summarized(lines, at_most=5)[-1] == "2 more kinds of message, see the log"
