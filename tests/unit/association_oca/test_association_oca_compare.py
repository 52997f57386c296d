"""An OCA file held against our rules: each kind of difference is found, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from phoenix.association.oca.compare import compare, instrument_of
from phoenix.association.oca.comparison import Comparison, Part
from phoenix.association.oca.parser import parse
from phoenix.association.oca.tokens import OcaError
from phoenix.cli import rules as command
from phoenix.config.instrument import Instrument
from phoenix.config.rules import Rules

#: OCA and YAML that say the same.
OCA = """
if DPR.CATG == "CALIB" and DPR.TYPE == "BIAS" and DET.CHIPS == 1 and INSTRUME == "UVES" then
{ RAW.TYPE = "BIAS_B"; REFLEX.CATG = "BIAS_BLUE"; }
if DPR.CATG == "SCIENCE" and (DPR.TYPE == "OBJECT" or DPR.TYPE == "OBJECT,POINT") and INSTRUME == "UVES" then
{ RAW.TYPE = "SCI_B"; REFLEX.CATG = "SCI_BLUE"; }
if PRO.CATG == "EXTCOEFF_TABLE" and INSTRUME == "UVES" then { REFLEX.CATG = "EXTCOEFF_TABLE"; }

minRet = 3;
select execute(BIAS) from inputFiles where RAW.TYPE == "BIAS_B"
  group by DET.WIN1.BINX, TPL.START as (TPL_A,tpl);
select execute(SCI) from inputFiles where RAW.TYPE == "SCI_B" group by ARCFILE;

action BIAS { recipe uves_cal_mbias; }
action SCI
{
  minRet = 1; maxRet = 1;
  select file as MASTER_BIAS_BLUE_WKF from calibFiles where PRO.CATG == "MASTER_BIAS_BLUE_WKF"
    and inputFile.DET.WIN1.BINX == DET.WIN1.BINX and inputFile.INS.GRAT1.WLEN == INS.GRAT1.WLEN
    and inputFile.INSTRUME == INSTRUME
    and (OBS.ID == inputFile.OBS.ID or MJD-OBS < inputFile.MJD-OBS or MJD-OBS >= inputFile.MJD-OBS);
  minRet = 0; maxRet = 1;
  select file as EXTCOEFF_TABLE from calibFiles where PRO.CATG == "EXTCOEFF_TABLE" and PRO.TASK == "SCI";
  minRet = 0; maxRet = 0;
  select file as DARK from calibFiles where PRO.CATG == "MASTER_DARK";
  recipe uves_obs_scired { "--reduce.tiltcorr=true --debug"; }
}
"""
RULES = """
instrument: UVES
version: "1"
aliases:
  binx: [DET.WIN1.BINX]
  wlen: [INS.GRAT1.WLEN, INS.GRAT2.WLEN]
  template: [TPL.START]
splits:
  chip: {key: DET.CHIPS, values: {1: [BLUE], 2: [REDL, REDU]}}
classification:
  - {class: BIAS_BLUE, when: {DPR.CATG: CALIB, DPR.TYPE: BIAS, DET.CHIPS: 1}}
  - {class: SCI_BLUE, when: {DPR.CATG: SCIENCE, DPR.TYPE: [OBJECT, "OBJECT,POINT"]}}
  - {class: EXTCOEFF_TABLE, kind: static, when: {PRO.CATG: EXTCOEFF_TABLE}}
  - {class: MASTER, kind: master, when: {PRO.CATG: {present: true}}}
tasks:
  - name: bias
    title: Master bias
    recipe: uves_cal_mbias
    raw: [BIAS_BLUE]
    group_by: [template, binx]
    min_raw: 3
    products: [MASTER_BIAS_BLUE]
  - name: science
    title: Science
    recipe: uves_obs_scired
    raw: [SCI_BLUE]
    group_by: [ARCFILE]
    associate:
      - {master: MASTER_BIAS_BLUE, made_by: bias, match: [binx, wlen], levels: [{level: 0, within: 1 d}]}
      - {static: EXTCOEFF_TABLE, minimum: 0, when: {PRO.TASK: SCI}}
    parameters: {reduce.tiltcorr: true, debug: true}
    products: [RED_SCI]
"""


def rules(*changes: tuple[str, str]) -> Rules:
    text = RULES
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return Rules.model_validate(yaml.safe_load(text))


def compared(old: str = "", new: str = "", *changes: tuple[str, str]) -> Comparison:
    assert old in OCA
    return compare(parse(OCA.replace(old, new) if old else OCA, "uves.oca"), rules(*changes))


def told(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    return [(f.part.value, f.subject, f.aspect, f.oca, f.ours) for f in comparison.findings]


def test_rules_that_say_the_same_give_no_finding() -> None:
    comparison = compared()
    assert comparison.findings == ()
    assert comparison.pairs == ("bias BIAS_BLUE: BIAS", "science SCI_BLUE: SCI")
    assert (comparison.classifications, comparison.organisations) == (3, 2)
    assert (comparison.actions, comparison.associations) == (2, 3)
    assert comparison.unasked == ()


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            'DPR.TYPE == "OBJECT,POINT"',
            'DPR.TYPE == "OBJECT,POINT" or DPR.TYPE == "OBJECT,SLIT"',
            (
                "class",
                "SCI_BLUE",
                'DPR.CATG="SCIENCE" DPR.TYPE="OBJECT,SLIT"',
                "SCI_BLUE",
                "none: DPR.TYPE is 'OBJECT,SLIT', expected one of 'OBJECT', 'OBJECT,POINT'",
            ),
        ),
        (
            'DPR.TYPE == "BIAS" and',
            'DPR.TYPE == "BIAS" and DPR.TECH like "%IMAGE%" and',
            (
                "class",
                "BIAS_BLUE",
                'DPR.CATG="CALIB" DPR.TYPE="BIAS" DET.CHIPS=1',
                'none: asks DPR.TECH like "%IMAGE%"',
                "BIAS_BLUE",
            ),
        ),
        ("minRet = 3", "minRet = 5", ("group", "bias BIAS_BLUE", "least frames", "5", "3")),
        (
            "group by DET.WIN1.BINX",
            "group by DET.READ.SPEED",
            ("group", "bias BIAS_BLUE", "group by", "DET.READ.SPEED", "binx"),
        ),
        (
            "and inputFile.INS.GRAT1.WLEN == INS.GRAT1.WLEN",
            "and inputFile.INS.MODE == INS.MODE",
            ("association", "science SCI_BLUE: MASTER_BIAS_BLUE", "match", "INS.MODE", "wlen"),
        ),
        (
            "minRet = 1; maxRet = 1",
            "minRet = 0; maxRet = 1",
            ("association", "science SCI_BLUE: MASTER_BIAS_BLUE", "number", "0..1", "1..1"),
        ),
        (
            "minRet = 1; maxRet = 1",
            "minRet = 1",
            ("association", "science SCI_BLUE: MASTER_BIAS_BLUE", "number", "1..any", "1..1"),
        ),
        (
            ' and PRO.TASK == "SCI"',
            "",
            ("association", "science SCI_BLUE: EXTCOEFF_TABLE", "condition", "-", 'PRO.TASK == "SCI"'),
        ),
        (
            "minRet = 0; maxRet = 0",
            "minRet = 0; maxRet = 1",
            ("association", "science SCI_BLUE: MASTER_DARK", "number", "0..1", "-"),
        ),
        (
            "recipe uves_cal_mbias",
            "recipe uves_cal_mkmaster",
            ("recipe", "bias BIAS_BLUE", "recipe", "uves_cal_mkmaster", "uves_cal_mbias"),
        ),
        (
            "tiltcorr=true --debug",
            "tiltcorr=false",
            (
                "recipe",
                "science SCI_BLUE",
                "parameters",
                "reduce.tiltcorr=false",
                "debug=true, reduce.tiltcorr=true",
            ),
        ),
    ],
)
def test_each_change_in_the_file_is_the_only_finding(
    old: str, new: str, finding: tuple[str, str, str, str, str]
) -> None:
    assert told(compared(old, new)) == [finding]


def test_a_key_with_alternatives_is_told_as_such_unless_we_match_it() -> None:
    old, new = (
        "inputFile.INS.GRAT1.WLEN == INS.GRAT1.WLEN",
        "(inputFile.INS.SLIT2.WID == INS.SLIT2.WID or inputFile.MJD-OBS < 52275.0)",
    )
    text = "inputFile.INS.SLIT2.WID == INS.SLIT2.WID or inputFile.MJD-OBS < 52275.0"
    subject = "science SCI_BLUE: MASTER_BIAS_BLUE"
    assert told(compared(old, new)) == [
        ("association", subject, "match", "INS.SLIT2.WID (with alternatives)", "wlen"),
        ("association", subject, "condition", text, "-"),
    ]
    assert told(compared(old, new, ("match: [binx, wlen]", "match: [binx, INS.SLIT2.WID]"))) == [
        ("association", subject, "condition", text, "-"),
    ]


def test_what_only_one_side_processes_is_told() -> None:
    findings = told(
        compared(
            "action BIAS",
            """
            if DPR.TYPE == "DARK" and INSTRUME == "UVES" then { RAW.TYPE = "DARK"; REFLEX.CATG = "DARK"; }
            select execute(DARK) from inputFiles where RAW.TYPE == "DARK" group by ARCFILE;
            action DARK { recipe uves_cal_mdark; }
            action BIAS""",
            ("raw: [SCI_BLUE]", "raw: [SCI_BLUE, FIBRE]"),
            ("classification:", "classification:\n  - {class: FIBRE, when: {DPR.TECH: {like: '%MOS%'}}}"),
        )
    )
    assert findings == [
        ("class", "DARK", 'DPR.TYPE="DARK"', "DARK", "none"),
        ("class", "FIBRE", 'DPR.TECH="MOS"', "none", "FIBRE"),
        ("group", "DARK", "task", "uves_cal_mdark", "-"),
        ("group", "science FIBRE", "task", "-", "uves_obs_scired"),
    ]


def test_masters_of_both_chips_that_differ_alike_are_one_finding() -> None:
    oca = OCA.replace("MASTER_BIAS_BLUE_WKF", "MASTER_BIAS_REDL_WKF").replace(
        "DET.CHIPS == 1", "DET.CHIPS == 2"
    )
    oca = oca.replace('DPR.CATG == "SCIENCE"', 'DPR.CATG == "SCIENCE" and DET.CHIPS == 2')
    first = oca.index("  minRet = 1; maxRet = 1;")
    second = oca.index("  minRet = 0; maxRet = 1;")
    both = oca[first:second] + oca[first:second].replace("REDL", "REDU")
    oca = oca[:first] + both.replace("minRet = 1", "minRet = 0") + oca[second:]
    ours = rules(
        ("DET.CHIPS: 1", "DET.CHIPS: 2"),
        ("SCIENCE, ", "SCIENCE, DET.CHIPS: 2, "),
        ("{master: MASTER_BIAS_BLUE", '{master: "MASTER_BIAS_{chip}"'),
    )
    assert told(compare(parse(oca), ours)) == [
        ("association", "science SCI_BLUE: MASTER_BIAS_REDL, MASTER_BIAS_REDU", "number", "0..1", "1..1")
    ]


def test_gasgano_s_marks_mean_template_and_frame() -> None:
    oca = OCA.replace('RAW.TYPE == "BIAS_B"', 'SIG.TEMPLATE == 1 and LF.RAW.TYPE == "BIAS_B"')
    oca = oca.replace("group by DET.WIN1.BINX, TPL.START as (TPL_A,tpl)", "group by DET.WIN1.BINX")
    oca = oca.replace('RAW.TYPE == "SCI_B" group by ARCFILE', 'SIG.FRAME == 1 and RAW.TYPE == "SCI_B"')
    assert compare(parse(oca), rules()).findings == ()


def test_the_instrument_s_parameters_count_for_the_recipe() -> None:
    instrument = Instrument.model_validate(
        {
            "instrument": "UVES",
            "title": "t",
            "telescope": "ESO-VLT-U2",
            "prefix": "UV",
            "default_release": "UVES_R3",
            "pipeline": {"image": "phoenix-uves", "identity": "uves/"},
            "recipes": {"uves_cal_mbias": {"timeout": "1 min", "parameters": {"clean_traps": False}}},
        }
    )
    (finding,) = compare(parse(OCA), rules(), instrument).findings
    assert (finding.part, finding.aspect, finding.oca) == (Part.RECIPE, "parameters", "-")
    assert finding.ours == "clean_traps=false"


def test_the_instrument_is_what_the_rules_ask_for_most() -> None:
    assert instrument_of(parse(OCA)) == "UVES"
    assert instrument_of(parse('if INSTRUME like "%HAWKI%" then { A = 1; }')) == "HAWKI"
    with pytest.raises(OcaError, match="give --instrument"):
        instrument_of(parse("if A == 1 then { A = 1; }"))


def test_a_rule_no_header_can_be_made_for_is_named() -> None:
    comparison = compared(
        'PRO.CATG == "EXTCOEFF_TABLE" and INS', 'PRO.CATG == "EXTCOEFF_TABLE" and A == 1 and A == 2 and INS'
    )
    assert comparison.unasked == ("uves.oca:6:1",)


def test_the_command_tells_differences_as_table_and_json(tmp_path: Path) -> None:
    file = tmp_path / "uves.oca"
    file.write_text(OCA)
    runner = CliRunner()

    table = runner.invoke(command.app, ["import", str(file)], env={"COLUMNS": "200"})
    assert table.exit_code == 1
    assert "uves.oca: 3 classification rules, 2 groups, 2 actions, 3 associations" in table.output
    assert "SCI_BLUE" in table.output

    result = runner.invoke(command.app, ["import", str(file), "--instrument", "UVES", "--format", "json"])
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert (document["instrument"], document["associations"]) == ("UVES", 3)
    assert {finding["part"] for finding in document["findings"]} >= {"class", "group"}


def test_the_command_refuses_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "uves.oca"
    file.write_text("if A == 1 then")
    result = CliRunner().invoke(command.app, ["import", str(file)])
    assert isinstance(result.exception, OcaError)
    assert result.exception.subject == "uves.oca:1:11"
