"""Mistakes people make in YAML: each is told with file, field, what was found and what to do."""
# ruff: noqa: E501 (one mistake in a line)

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builders_uves import project_configuration
from phoenix.config.loader import Configuration
from phoenix.errors import ConfigError

RULES, INSTRUMENT, RELEASE, QC, SITE = (
    "rules/giraffe", "instruments/giraffe", "releases/UVES_R3", "qc/uves", "phoenix",
)  # fmt: skip
HAWKI = "instruments/hawki"

#: (file, what stands there, the mistake, the field told, a word of the message or remedy)
MISTAKES = [
    # wrong types and missing units
    (RULES, "min_raw: 2 #", "min_raw: two #", "tasks.0.min_raw", "integer"),
    (RULES, "min_raw: 2 #", "min_raw: 0 #", "tasks.0.min_raw", "greater than or equal to 1"),
    (RULES, "min_raw: 3", "min_raw: [3]", "tasks.1.min_raw", "integer"),
    (RULES, "science: true", "science: perhaps", "tasks.3.science", "boolean"),
    (RULES, "within: 1 d}", "within: 1}", "tasks.1.associate.0.levels.0.within", "number with a unit"),
    (RULES, "within: 1 d}", "within: 1 day}", "tasks.1.associate.0.levels.0.within", "number with a unit"),
    (RULES, "within: 1 d}", "within: -1 d}", "tasks.1.associate.0.levels.0.within", "number with a unit"),
    (RULES, "within: 4 d}", "within: 40 d}", "tasks.1.associate.0", "reach farther"),
    (RULES, "{level: 1, within: 4 d}", "{level: 0, within: 4 d}", "tasks.1.associate.0", "higher"),
    (RULES, "raw: [BIAS]", "raw: BIAS", "tasks.0.raw", "tuple"),
    (RULES, "group_by: [ARCFILE] # the recipe takes", "group_by: ARCFILE # the recipe takes", "tasks.2.group_by", "tuple"),
    (RULES, 'version: "2026-11"', "version: 2026", "version", "string"),
    (RULES, "splits:\n", "breakpoints: now\nsplits:\n", "breakpoints", "tuple"),
    # unknown and missing fields
    (RULES, "min_raw: 2 #", "min_raws: 2 #", "tasks.0.min_raws", "did you mean min_raw"),
    (RULES, "preselection:", "pre_selection:", "pre_selection", "did you mean preselection"),
    (RULES, "    recipe: gimasterbias\n", "", "tasks.0.recipe", "add recipe"),
    (RULES, "tasks:\n", "task:\n", "task", "did you mean tasks"),
    (RULES, "{static: LINE_CATALOG}", "{statik: LINE_CATALOG}", "tasks.2.associate.4.statik", "did you mean static"),
    (RULES, "{class: DARK, when:", "{klass: DARK, when:", "classification.1.klass", "did you mean class"),
    # names that lead nowhere
    (RULES, "made_by: flat\n", "made_by: flats\n", "tasks.2.associate.1.made_by", "did you mean flat"),
    (RULES, "        made_by: bias\n", "        made_by: science\n", "tasks.1.associate.0.made_by", "earlier task"),
    (RULES, "        made_by: bias\n", "        made_by: flat\n", "tasks.1.associate.0.made_by", "earlier task"),
    (RULES, "master: MASTER_BIAS\n", "master: MASTER_DARK\n", "tasks.1.associate.0.master", "a product of task bias"),
    (RULES, "raw: [FIBER_FLAT]", "raw: [FIBRE_FLAT]", "tasks.1.raw", "did you mean FIBER_FLAT"),
    (RULES, "match: [grating]", "match: [gratings]", "tasks.1.associate.1.match", "did you mean grating"),
    (RULES, "setting: [slit, setup]", "setting: [slit, set up]", "tasks.2.setting", "did you mean setup"),
    (RULES, "event: tpl\n    min_raw: 3", "where: {setups: X}\n    min_raw: 3", "tasks.1.where", "did you mean setup"),
    (RULES, "{DPR.CATG: CALIB, DPR.TYPE: {like: \"%DARK%\"}", "{dpr.catg: CALIB, DPR.TYPE: {like: \"%DARK%\"}",
     "classification.1.when", "alias or a header keyword"),
    (RULES, 'master: "{traces}"', 'master: "{tracs}"', "tasks.2.associate.1.master", "a product of task flat"),
    (RULES, "[MASTER_BIAS, BAD_PIXEL_MAP]", '[MASTER_BIAS, "BAD_{map}"]', "tasks.0.products.1", "{map}"),
    (RULES, "  - name: flat\n", "  - name: bias\n", "tasks.1.name", "a name of its own"),
    (RULES, "  - code: ARGUS_MODE\n", "  - code: ARGUS_MODE\n    tasks: [scienc]\n", "preselection.0.tasks", "science"),
    # contradictions
    (RULES, "{static: LINE_CATALOG}", "{static: LINE_CATALOG, made_by: flat}", "tasks.2.associate.4", "static"),
    (RULES, "{static: LINE_CATALOG}", "{match: [setup]}", "tasks.2.associate.4", "either master or static"),
    (RULES, "{static: LINE_CATALOG}", "{master: FF_PSFFIT}", "tasks.2.associate.4", "levels"),
    (RULES, "{static: LINE_CATALOG}", "{static: LINE_CATALOG, maximum: 0}", "tasks.2.associate.4.maximum", "minimum: 0 as well"),
    (RULES, "{static: LINE_CATALOG}", "{static: LINE_CATALOG, between: [53300, 2004-10-14]}", "tasks.2.associate.4.between",
     "rising order"),
    (RULES, "{static: LINE_CATALOG}", "{static: LINE_CATALOG, try_between: [20041014]}", "tasks.2.associate.4.try_between.0",
     "an MJD, 53292, or a date"),
    (RULES, "{static: LINE_CATALOG}", "{static: LINE_CATALOG, between: [2004-13-14]}", "tasks.2.associate.4.between.0",
     "an MJD, 53292, or a date"),
    (RULES, "{static: LINE_CATALOG}", "{any_of: [{static: LINE_CATALOG}]}", "tasks.2.associate.4.any_of", "two alternatives"),
    (RULES, "{static: LINE_CATALOG}", "{any_of: [{static: A}, {static: B}], match: [setup]}", "tasks.2.associate.4.match",
     "inside the alternatives"),
    (RULES, "{static: LINE_CATALOG}", "{any_of: [{static: A}, {static: B, minimum: 0}]}", "tasks.2.associate.4.any_of.1",
     "stands beside any_of"),
    (RULES, "{static: LINE_CATALOG}", "{any_of: [{static: A}, {static: B, match: [setups]}]}",
     "tasks.2.associate.4.any_of.1.match", "did you mean setup"),
    (RULES, "{static: LINE_CATALOG}", "{raw: BIASS, levels: [{level: 0, within: 1 d}]}", "tasks.2.associate.4.raw",
     "did you mean BIAS"),
    (RULES, "{static: LINE_CATALOG}", "{raw: BIAS}", "tasks.2.associate.4", "needs levels"),
    (RULES, "splits:\n", "breakpoints: [{mjd: 53292, classes: [BIASS]}]\nsplits:\n", "breakpoints.0.classes", "did you mean BIAS"),
    (RULES, "splits:\n", "breakpoints: [53000, {mjd: 53292, when: {setups: x}}]\nsplits:\n", "breakpoints.1.when",
     "did you mean setup"),
    (RULES, "splits:\n", "breakpoints: [{mjd: 53292, calibrations: [MASTER_BIASS]}]\nsplits:\n", "breakpoints.0.calibrations",
     "did you mean MASTER_BIAS"),
    (RULES, "splits:\n", "breakpoints: [soon]\nsplits:\n", "breakpoints.0.mjd", "an MJD, 53292, or a date"),
    (RULES, "raw: [BIAS]\n", "raw: [BIAS]\n    together: [{DARK: 1}]\n", "tasks.0.together.0.DARK", "one of raw"),
    (RULES, "raw: [BIAS]\n", "raw: [BIAS]\n    together: [{BIAS: 0}]\n", "tasks.0.together.0", "first class"),
    (RULES, "raw: [BIAS]\n", "raw: [BIAS]\n    together: [{BIAS: {minimum: 3, maximum: 2}}]\n",
     "tasks.0.together.0.BIAS.maximum", "at least the minimum"),
    (RULES, "DPR.TYPE: {like: \"%DARK%\"}", "DPR.TYPE: {}", "classification.1.when.DPR.TYPE", "empty condition"),
    (RULES, "kind: static", "kind: statical", "classification.15.kind", "'raw', 'master' or 'static'"),
    # second steps
    (RULES, "made_by: science} #", "made_by: scienc} #", "tasks.4.inputs.0.made_by", "did you mean science"),
    (RULES, "made_by: science} #", "made_by: stack} #", "tasks.4.inputs.0.made_by", "earlier task"),
    (RULES, "made_by: science} #", "made_by: bias} #", "tasks.4.inputs.0.product", "a product of task bias"),
    (RULES, "{product: SCIENCE_RBNSPEC_IDP,", "{product: SCIENCE_RBNSPECTRUM,", "tasks.4.inputs.0.product",
     "did you mean SCIENCE_RBNSPECTRA"),
    (RULES, "made_by: science} #", "made_by: science, required: false} #", "tasks.4.inputs", "an input that is required"),
    (RULES, "phoenix_spectrum_combine\n    science: true", "phoenix_spectrum_combine", "tasks.4.inputs.0.made_by",
     "science: false"),
    (RULES, "generate-SDP-format: true}", "generate-SDP-format: true}\n    pattern: single", "tasks.4.inputs.0.made_by",
     "the pattern of stack"),
    (RULES, "    pattern: stack\n", "    pattern: stacks\n", "tasks.4.pattern", "'single', 'stack' or 'deep'"),
    (RULES, "    event: stk\n", "", "tasks.4.event", "a tag that tells its ABs"),
    (RULES, "    event: stk\n", "    event: stk\n    complete_template: true\n", "tasks.4.complete_template", "raw frames"),
    (RULES, "similar: {exptime:", "similar: {exptimes:", "tasks.4.similar", "did you mean exptime"),
    (RULES, "{relative: 0.2}", "{relative: 0.2, absolute: 5}", "tasks.4.similar.exptime", "either relative or absolute"),
    (RULES, "{relative: 0.2}", "{relative: -0.2}", "tasks.4.similar.exptime.relative", "greater than or equal to 0"),
    (RULES, "    raw: [BIAS]\n", "", "tasks.0", "either raw or inputs"),
    (RULES, "    pattern: stack\n", "    raw: [SCIENCE]\n", "tasks.4", "either raw or inputs"),
    # YAML itself
    (RULES, "instrument: GIRAFFE\n", "instrument: GIRAFFE\ninstrument: GIRAFFE\n", "", "given twice"),
    (RULES, "    event: tpl\n", "    event: tpl\n    event: tpl2\n", "", "given twice"),
    (RULES, "aliases:\n", "aliases\n", "", "not valid YAML"),
    (RULES, "made_by: bias\n", "made_by: *bios\n", "", "undefined alias"),
    (RULES, "aliases:\n", "\taliases:\n", "", "not valid YAML"),
    # instruments
    (INSTRUMENT, "Unable to open directory .*/cpl/plugins", "Unable to open (directory", "harmless.0.pattern",
     "not a regular expression"),
    (INSTRUMENT, "prefix: GI", "prefix: Giraffe", "prefix", "pattern"),
    (INSTRUMENT, "drs_type: CON", "drs_type: CONDOR", "drs_type", "'CPL', 'CON' or 'INT'"),
    (INSTRUMENT, "timeout: 20 min", "timeout: 20", "recipes.gimasterflat.timeout", "number with a unit"),
    (HAWKI, "hawki_detector_noise: {memory_gb: 1, timeout: 10 min}", "hawki_detector_noise: {memory_gb: 1}",
     "recipes.hawki_detector_noise.timeout", "add timeout"),
    (HAWKI, "hawki_detector_noise: {memory_gb: 1,", "hawki_detector_noise: {memory_gb: -1,",
     "recipes.hawki_detector_noise.memory_gb", "greater than 0"),
    # releases
    (RELEASE, "mode: COMPLETE", "mode: COMPLET", "mode", "'COMPLETE'"),
    (RELEASE, "batch: month", "batch: week", "batch", "'night', 'month' or 'run'"),
    (RELEASE, "batch: month", "batch: night", "schedule.cron", "0 18 * * *: once a day"),
    (RELEASE, "0 6 3 * *", "0 6 * * *", "schedule.cron", "0 6 3 * *: once a month"),
    (RELEASE, "0 6 3 * *", "0 6 31 * *", "schedule.cron", "a day that each month has"),
    (RELEASE, "start: 2026-12-01", "start: 2026-13-01", "schedule.start", "month value"),
    (RELEASE, "gate: automatic", "gate: open", "ingestion.gate", "pattern"),
    (RELEASE, "tries: 3", "tries: 0", "ingestion.tries", "greater than or equal to 1"),
    (RELEASE, "batch: month", "batch: month\nended: 2020-01-01", "ended", "active: false"),
    (RELEASE, "batch: month", "batch: month\nactive: false", "schedule.end", "a last day"),
    (RELEASE, "batch: month", "batch: month\nab_source: {created_since: 2020-12-01}", "ab_source.stored", "stored trees"),
    (RELEASE, "batch: month",
     "batch: month\nab_source: {stored: [A], stored_since: 2021-01-01, created_since: 2020-12-01}",
     "ab_source.created_since", "after 2021-01-01"),
    (RELEASE, "batch: month", "batch: month\npattern: []", "pattern", "at least 1 item"),
    (RELEASE, "batch: month", "batch: month\npattern: [tile]", "pattern.0", "'single', 'stack' or 'deep'"),
    (RELEASE, "memory_gb: 128", "memory: 128", "host.memory", "did you mean memory_gb"),
    (RELEASE, "collection: UVES\n", "", "collection", "add collection"),
    # QC and site
    (QC, "version:", "versions:", "versions", "did you mean version"),
    (SITE, "slots: 2", "slots: none", "host.slots", "integer"),
    (SITE, "slots: 2", "slot: 2", "host.slot", "did you mean slots"),
    (SITE, "memory_gb: 4", "memory_gb: 4 GB", "host.memory_gb", "number"),
]  # fmt: skip

#: Names that lead nowhere in another file: (file, what stands there, the mistake, the field told, a word)
BETWEEN = [
    (RULES, "recipe: gimasterbias", "recipe: gimasterbais", "tasks.0.recipe", "did you mean gimasterbias"),
    (RULES, "instrument: GIRAFFE", "instrument: GIRAFE", "instrument", "'GIRAFFE'"),
    (
        INSTRUMENT,
        "default_release: GIRAF_STACK",
        "default_release: GIRAF_STAK",
        "default_release",
        "GIRAF_STACK?",
    ),
    (
        INSTRUMENT,
        "default_release: GIRAF_STACK",
        "default_release: UVES_R3",
        "default_release",
        "a release of GIRAFFE",
    ),
    (RELEASE, "instrument: UVES", "instrument: UVS", "instrument", "did you mean UVES"),
    (RELEASE, "release: UVES_R3", "release: UVES_R4", "release", "as the file is called"),
    (QC, "  science:", "  sciense:", "tasks", "did you mean science"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project's configuration to break."""
    return Path(shutil.copytree(project_configuration().folder, tmp_path / "config"))


def spoil(folder: Path, file: str, right: str, mistake: str) -> Path:
    """Put a mistake in place of what stands first in a file."""
    path = folder / f"{file}.yaml"
    text = path.read_text(encoding="utf-8")
    assert right in text, f"{file}.yaml does not hold {right!r}"
    path.write_text(text.replace(right, mistake, 1), encoding="utf-8")
    return path


def read(configuration: Configuration, file: str) -> object:
    section, _, name = file.partition("/")
    if section == "phoenix":
        return configuration.site
    one = {
        "rules": configuration.rules, "instruments": configuration.instrument, "releases": configuration.release,
        "qc": configuration.qc,
    }  # fmt: skip
    return one[section](name)


@pytest.mark.parametrize(
    ("file", "right", "mistake", "field", "word"),
    MISTAKES,
    ids=[f"{row[3]}-{row[2][:30]!r}" for row in MISTAKES],
)
def test_a_mistake_is_told_with_file_field_and_remedy(
    folder: Path, file: str, right: str, mistake: str, field: str, word: str
) -> None:
    path = spoil(folder, file, right, mistake)
    configuration = Configuration(folder)
    with pytest.raises(ConfigError) as caught:
        read(configuration, file)
    error = caught.value
    assert error.subject == (f"{path}, field {field}" if field else str(path))
    assert word in str(error)
    assert error.found
    assert error.expected
    assert error.remedy
    # The others are read as if nothing had happened.
    assert error.subject in {other.subject for other in configuration.check()}
    others = [f"{s}/{n}" for s in ("rules", "instruments", "releases", "qc") for n in configuration.names(s)]
    for other in others:
        if other != file:
            read(configuration, other)


@pytest.mark.parametrize(
    ("file", "right", "mistake", "field", "word"), BETWEEN, ids=[f"{row[0]}-{row[2]}" for row in BETWEEN]
)
def test_names_that_lead_nowhere_in_another_file_are_told(
    folder: Path, file: str, right: str, mistake: str, field: str, word: str
) -> None:
    spoil(folder, file, right, mistake)
    errors = Configuration(folder).check()
    told = {error.subject: error for error in errors}[f"{file}.yaml, field {field}"]
    assert word in str(told)
    assert told.remedy


def test_several_mistakes_in_a_file_are_counted(folder: Path) -> None:
    spoil(folder, RULES, "min_raw: 2 #", "min_raw: two #")
    spoil(folder, RULES, "min_raw: 3", "min_raw: three")
    with pytest.raises(ConfigError, match=r"1 more error\(s\) in this file"):
        Configuration(folder).rules("GIRAFFE")


@pytest.mark.parametrize("content", ["", "- a list\n", "only text\n", "\x00", "42\n"])
def test_files_that_hold_no_mapping_are_refused(folder: Path, content: str) -> None:
    path = folder / "rules" / "giraffe.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Configuration(folder).rules("GIRAFFE")
    assert caught.value.subject == str(path)
    assert caught.value.remedy


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "rules" / "giraffe.yaml").write_bytes(b"title: \xff\xfe")
    with pytest.raises(ConfigError, match="not valid YAML"):
        Configuration(folder).rules("GIRAFFE")


def test_a_name_without_a_file_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        project_configuration().release("UVES_R33")
    assert caught.value.remedy == "did you mean UVES_R3?"
