"""The configuration that comes with the project: complete, in order, and described by its schemas."""

from __future__ import annotations

import json
from datetime import date

import jsonschema
import pytest
import yaml

from builders_uves import project_configuration
from phoenix.config.json_schema import MODELS, schema_text
from phoenix.config.release import AbSource, Mode, Pattern, Release
from phoenix.errors import ConfigError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.batch import BatchKind

CONFIGURATION = project_configuration()
SECTIONS = {"instruments": "instrument", "rules": "rules", "releases": "release", "qc": "qc"}
FILES = [(section, name) for section in SECTIONS for name in CONFIGURATION.names(section)]
INSTRUMENTS = ["giraffe", "hawki", "kmos", "muse", "uves", "xshooter"]
RELEASES = [
    "GIRAF_COSMIC", "GIRAF_M", "GIRAF_R", "GIRAF_STACK", "HAWKI_R", "KMOS_R", "MUSE_DEEP", "MUSE_R",
    "UVESR_2", "UVES_R3", "UVES_STACK", "XSHOOT_R", "XSHOOT_R2", "XSHOOT_TELL",
]  # fmt: skip


def test_every_file_is_right_alone_and_with_the_others() -> None:
    assert CONFIGURATION.check() == []


def test_all_instruments_and_releases_are_there() -> None:
    assert list(CONFIGURATION.names("instruments")) == list(CONFIGURATION.names("rules")) == INSTRUMENTS
    assert list(CONFIGURATION.names("releases")) == RELEASES


@pytest.mark.parametrize("name", MODELS)
def test_json_schemas_are_current(name: str) -> None:
    written = (CONFIGURATION.folder / "schema" / f"{name}.json").read_text(encoding="utf-8")
    assert written == schema_text(name), "write them anew: see phoenix.config.json_schema.write_schemas"


@pytest.mark.parametrize(("section", "name"), FILES, ids="/".join)
def test_the_files_fit_their_json_schemas(section: str, name: str) -> None:
    path = CONFIGURATION.folder / section / f"{name}.yaml"
    schema = json.loads(schema_text(SECTIONS[section]))
    # YAML knows dates and numbers as keys, JSON does not.
    content = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))
    jsonschema.Draft202012Validator(schema).validate(content)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../schema/{SECTIONS[section]}.json"


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_masters_come_from_earlier_tasks_and_somebody_uses_them(instrument: str) -> None:
    rules = CONFIGURATION.rules(instrument)
    names = [task.name for task in rules.tasks]
    used = set()
    for task in rules.tasks:
        for association in (choice for each in task.associate for choice in each.alternatives):
            if association.made_by:
                assert names.index(association.made_by) < names.index(task.name)
                used.add(association.made_by)
            else:
                assert association.static or association.raw, f"{task.name}: who makes {association.master}?"
    used |= {entry.made_by for task in rules.tasks for entry in task.inputs}
    assert used >= {task.name for task in rules.tasks if not task.science}
    assert any(task.science for task in rules.tasks)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_static_tables_the_rules_ask_for_are_classified(instrument: str) -> None:
    rules = CONFIGURATION.rules(instrument)
    known = {c.name for c in rules.classification if c.kind == "static"}
    choices = [choice for task in rules.tasks for each in task.associate for choice in each.alternatives]
    asked = {choice.static.removesuffix("_{arm}") for choice in choices if choice.static}
    assert asked <= known


@pytest.mark.parametrize("release", RELEASES)
def test_releases_hang_together(release: str) -> None:
    stream = CONFIGURATION.release(release)
    instrument = CONFIGURATION.instrument(stream.instrument)
    assert stream.tree == release
    if CONFIGURATION.release(instrument.default_release) is stream:
        assert stream.active
        assert stream.schedule is not None
    assert (stream.batch is BatchKind.RUN) == (stream.mode is Mode.DEEP) == (Pattern.DEEP in stream.pattern)
    if stream.conversion is not None:
        load(stream.instrument, "idp")
        find_converter(stream.conversion.converter)


def test_the_switch_from_stored_to_created_abs_is_a_date() -> None:
    stack, muse = CONFIGURATION.release("UVES_STACK").ab_source, CONFIGURATION.release("MUSE_R").ab_source
    days = date(2015, 6, 30), date(2015, 7, 1), date(2020, 11, 30), date(2020, 12, 1)
    assert [stack.creates(day) for day in days] == [True, False, False, True]
    assert [muse.creates(date(2014, 10, 1)), muse.creates(date(2020, 12, 1))] == [False, True]
    assert AbSource().creates(date(1999, 1, 1))
    assert not CONFIGURATION.release("MUSE_DEEP").ab_source.creates(date(2026, 1, 1))


def test_a_release_without_conversion_says_so_clearly() -> None:
    with pytest.raises(ConfigError) as caught:
        CONFIGURATION.release("UVESR_2").converting()
    assert caught.value.subject == "releases/UVESR_2.yaml, field conversion"
    assert "no converter is written" in caught.value.found
    assert "UVES" in caught.value.remedy


def test_an_uves_release_keeps_its_converter() -> None:
    assert CONFIGURATION.release("UVES_R3").converting().converter == "uves_spectrum"


def test_defaults_of_a_release_are_those_of_the_first_one() -> None:
    least = Release.model_validate(
        {
            "release": "X",
            "instrument": "UVES",
            "title": "x",
            "batch": "month",
            "mode": "IDP",
            "collection": "UVES",
        }
    )
    assert (least.active, least.ended, least.pattern, least.tree) == (True, None, (Pattern.SINGLE,), "X")


@pytest.mark.parametrize(
    ("release", "last"),
    [
        ("UVES_R3", ["response", "science"]),
        ("UVES_STACK", ["science", "stack"]),
        ("GIRAF_R", ["wavelength", "science"]),
        ("GIRAF_STACK", ["science", "stack"]),
        ("GIRAF_M", ["flat", "wavelength"]),
        ("MUSE_R", ["alignment", "combine"]),
        ("MUSE_DEEP", ["deep_alignment", "deep_combine"]),
        ("HAWKI_R", ["science", "tile"]),
        ("KMOS_R", ["science", "combine"]),
    ],
)
def test_a_release_runs_the_tasks_of_its_pattern_and_mode(release: str, last: list[str]) -> None:
    stream = CONFIGURATION.release(release)
    tasks = CONFIGURATION.rules(stream.instrument).tasks_for(stream)
    assert [task.name for task in tasks][-2:] == last
    if stream.mode is Mode.IDP:
        assert all(task.science for task in tasks)
