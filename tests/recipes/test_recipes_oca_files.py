"""ESO's own OCA files, as Debian ships them with the pipelines: all are read, and UVES agrees with our rules.

The files are fetched for the test with apt, from an index of its own, and never become part of the project.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_uves import project_configuration
from phoenix.association.oca.compare import compare, instrument_of
from phoenix.association.oca.comparison import Part
from phoenix.association.oca.evaluate import class_of, classify
from phoenix.association.oca.parser import parse, read
from phoenix.association.oca.tokens import OcaError
from phoenix.association.oca.tree import Oca
from phoenix.config.rules import Rules
from phoenix.headers.classify import classify as classify_by_rules
from phoenix.model.frame import Value
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.uves.headers import primary_cards
from phoenix.simulation.uves.month import nights_of

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
pytestmark = [
    pytest.mark.skipif(
        shutil.which("apt-get") is None or not KEYRING.is_file(), reason="needs apt and Debian's keyring"
    ),
]

#: Rules in each file: classification, groups, actions, associations.
COUNTS = {
    "uves/reflex/uves_wkf.oca": (47, 34, 34, 226),
    "uves/reflex/uves_fibre.oca": (17, 10, 10, 91),
    "uves/calib/gasgano/config/uves.oca": (394, 49, 38, 269),
    "muse/reflex/muse_wkf.oca": (50, 12, 12, 115),
    "muse/reflex/contrib_wkf/zap/muse_wkf_zap.oca": (6, 3, 4, 4),
    "muse/calib/gasgano/config/muse.oca": (47, 12, 16, 85),
    "hawki/reflex/hawki.oca": (17, 5, 5, 35),
    "hawki/calib/gasgano/config/hawki.oca": (77, 11, 8, 21),
    "giraf/gasgano/config/giraf.oca": (37, 7, 7, 40),
}
#: ESO's slip: "DET.WIN1.BINYand inputFile..." in a workflow for flats without calibration.
MISPRINTED = "uves/reflex/uves_wkf_onlydflats.oca"


class Apt:
    """apt with index and cache in a folder: neither the machine's sources nor its state matter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        source = f"[signed-by={KEYRING}] http://deb.debian.org/debian bookworm main"
        (folder / "sources.list").write_text(f"deb {source}\ndeb-src {source}\n")

    def get(self, *arguments: str) -> None:
        options = {
            "Dir::Etc::SourceList": self._folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": self._folder / "lists",
            "Dir::State::Status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": 3,
            "APT::Sandbox::User": "root",
        }
        self.run("apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items()), *arguments)

    def run(self, *command: str) -> None:
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"

    def sources(self, package: str, into: Path) -> None:
        """Unpack the OCA files of a source package."""
        self.get("source", "--download-only", package)
        (archive,) = self._folder.glob(f"{package}_*.orig.tar.*")
        with tarfile.open(archive) as members:
            for member in members:
                if member.name.endswith(".oca"):
                    member.name = member.name.partition("/")[2]
                    members.extract(member, into, filter="data")

    def binaries(self, package: str, into: Path) -> None:
        """Unpack the data files of a binary package."""
        self.get("download", package)
        (archive,) = self._folder.glob(f"{package}_*.deb")
        self.run("dpkg-deb", "-x", str(archive), str(self._folder / package))
        (share,) = (self._folder / package / "usr/share/cpl-plugins").iterdir()
        shutil.move(share, into)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files by instrument, those of Reflex and of Gasgano."""
    folder = tmp_path_factory.mktemp("oca")
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    (folder / "apt").mkdir()
    apt = Apt(folder / "apt")
    apt.get("update")
    for instrument in ("uves", "muse", "hawki"):
        apt.sources(f"cpl-plugin-{instrument}", unpacked / instrument)
    # Debian's mirrors do not hold the sources of this one; the binary package has the Gasgano file.
    apt.binaries("cpl-plugin-giraf", unpacked / "giraf")
    yield unpacked
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def reflex(files: Path) -> Oca:
    """ESO's rules of the UVES workflow."""
    return read(files / "uves/reflex/uves_wkf.oca")


@cache
def our_rules() -> Rules:
    return project_configuration().rules("UVES")


def test_these_are_all_files_there_are(files: Path) -> None:
    found = {str(path.relative_to(files)) for path in files.rglob("*.oca")}
    assert found == {*COUNTS, MISPRINTED}


@pytest.mark.parametrize("name", COUNTS)
def test_a_file_of_eso_is_read_whole(files: Path, name: str) -> None:
    oca = read(files / name)
    counts = (len(oca.classifications), len(oca.organisations), len(oca.actions), oca.association_count)
    assert counts == COUNTS[name]

    # The same counted without a parser, on the text without comments.
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", (files / name).read_text(), flags=re.DOTALL)
    patterns = (
        r"\bif\b(?=[^;{]*\bthen\b)",
        r"\bselect\s+execute\b",
        r"^\s*action\s+\w",
        r"\bselect\s+file\b",
    )
    assert counts == tuple(len(re.findall(pattern, text, re.MULTILINE)) for pattern in patterns)
    assert sum(len(action.products) for action in oca.actions) == len(
        re.findall(r"^\s*product\s+\w", text, re.MULTILINE)
    )


def test_two_associations_of_uves_are_only_commented_out(files: Path) -> None:
    text = (files / "uves/reflex/uves_wkf.oca").read_text()
    assert len(re.findall(r"select\s+file", text)) == 228


def test_a_misprint_in_a_file_of_eso_is_found_where_it_is(files: Path) -> None:
    path = files / MISPRINTED
    with pytest.raises(OcaError, match=r"uves_wkf_onlydflats\.oca:1020:129: found 'inputFile\.INS\.MODE'"):
        read(path)
    mended = parse(path.read_text().replace("BINYand", "BINY and"), path.name)
    assert mended.association_count == len(re.findall(r"^\s*select\s+file", path.read_text(), re.MULTILINE))


def test_the_instrument_is_known_from_the_rules_of_reflex(files: Path) -> None:
    names = [name for name in COUNTS if "/reflex/" in name]
    assert {name: instrument_of(read(files / name)).lower() for name in names} == {
        name: name.partition("/")[0] for name in names
    }


@pytest.mark.parametrize("name", COUNTS)
def test_any_file_can_be_held_against_any_rules(files: Path, name: str) -> None:
    comparison = compare(read(files / name), our_rules())
    assert comparison.findings
    assert comparison.unasked == ()


def test_every_step_of_uves_has_its_action_with_the_same_recipe_and_groups(reflex: Oca) -> None:
    comparison = compare(reflex, our_rules())
    ours = {f"{task.name} {raw}" for task in our_rules().tasks for raw in task.raw}
    assert {pair.partition(":")[0] for pair in comparison.pairs} == ours
    told = [(found.part, found.aspect) for found in comparison.findings]
    assert (Part.RECIPE, "recipe") not in told
    assert (Part.GROUP, "group by") not in told


def test_no_calibration_eso_demands_is_left_out_of_ours(reflex: Oca) -> None:
    missing = [
        (found.subject, found.oca)
        for found in compare(reflex, our_rules()).findings
        if found.part is Part.ASSOCIATION and found.aspect == "number" and found.ours == "-"
    ]
    assert {number for _, number in missing} == {"0..1"}, "what ours lack is optional for ESO"


#: Classes of ESO's file this stream makes no ABs of: darks, detector tests, deuterium and dispersion flats.
NOT_PROCESSED = re.compile(r"P?DARK_.*|[DT]FLAT_.*|.*_DETCHAR_.*")


def justified(header: dict[str, Value], theirs: str | None, ours: str | None) -> str | None:
    """Say why our class differs from ESO's; None if nothing justifies it."""
    dpr_type, tech, catg = (str(header.get(f"DPR.{key}", "")) for key in ("TYPE", "TECH", "CATG"))
    if ours is None and theirs is not None and NOT_PROCESSED.fullmatch(theirs):
        return "calibrations the stream does not use"
    if ours is None and "ABSORPTION-CELL" in tech:
        return "spectra through the iodine cell are not taken by this stream"
    if ours is None and theirs is not None and catg == "CALIB" and theirs.startswith("SCI_"):
        return "telluric standards and solar spectra are no science targets"
    if ours is None and dpr_type in {"OBJECT,POINT,POINT", "OBJECT,EXTENDED,EXTENDED"}:
        return "a type with its last word twice, which no rule of ours takes"
    if theirs is None and ours is not None and "MOS" in tech and ours == "SCI_FIBRE":
        return "fibre spectra have a class of their own here, so that leaving them out has a reason"
    if (
        theirs is None
        and ours is not None
        and ours.startswith("SCI_SLICER")
        and tech.startswith("ECHELLE,SLIC")
    ):
        return "slicer spectra of any type are taken; extended ones are left out later, with a reason"
    if theirs is None and ours is not None and ours.startswith("SCI_EXTND"):
        return "extended sources of any technique are named, then left out with a reason"
    if theirs is None and ours is not None and catg == "CALIB" and tech.startswith("ECHELLE,"):
        return "calibrations through slicers and filters are echelle frames too"
    return None


WORDS: dict[str, list[Value]] = {
    "DPR.CATG": ["CALIB", "SCIENCE", "TEST", "ACQUISITION"],
    "DPR.TYPE": [
        *("BIAS", "BIAS,DETCHAR", "DARK", "PARASITIC", "STD", "STD,TELLURIC", "SKY,RADIAL_VELOCITY"),
        *("LAMP,FMTCHK", "LAMP,ORDERDEF", "LAMP,FLAT", "LAMP,DFLAT", "LAMP,TFLAT", "LAMP,WAVE"),
        *("LAMP,FLAT,DETCHAR", "LAMP,WAVE,SimCal", "FLAT,SKY,EXTENDED"),
        *("OBJECT", "OBJECT,POINT", "OBJECT,POINT,POINT", "OBJECT,EXTENDED", "OBJECT,EXTENDED,EXTENDED"),
        *("OBJECT,OzPoz", "OBJECT,SimCal"),
    ],
    "DPR.TECH": [
        *("ECHELLE", "ECHELLE,SLIC#1", "ECHELLE,SLIC#2", "ECHELLE,SLIC#3", "ECHELLE,ABSORPTION-CELL"),
        *("ECHELLE,ABSORPTION-CELL,SLIC#1", "IMAGE", "MOS"),
    ],
    "DET.CHIPS": [1, 2],
    "TPL.ID": ["UVES_blue_tec_ccdflat", "UVES_red_tec_ccdflat", "UVES_red_obs_exp"],
    "TPL.NEXP": [1, 3, 5, 9],
    "INS.SLIT1.NAME": ["FREE", "SLIC#1"],
}


def both_classes(reflex: Oca, header: dict[str, Value]) -> tuple[str | None, str | None]:
    ours = classify_by_rules(header, our_rules())
    return class_of(classify(reflex, header)), None if ours is None else ours.name


@settings(max_examples=1000)
@given(
    header=st.fixed_dictionaries({}, optional={key: st.sampled_from(words) for key, words in WORDS.items()})
)
def test_a_generated_header_gets_eso_s_class_or_a_reason(reflex: Oca, header: dict[str, Value]) -> None:
    header["INSTRUME"] = "UVES"
    theirs, ours = both_classes(reflex, header)
    assert theirs == ours or justified(header, theirs, ours)


def test_every_combination_of_what_decides_gets_eso_s_class_or_a_reason(reflex: Oca) -> None:
    keys = ("DPR.CATG", "DPR.TYPE", "DPR.TECH", "DET.CHIPS", "TPL.ID")
    agreed: Counter[str] = Counter()
    for values in product(*(WORDS[key] for key in keys)):
        header = {"INSTRUME": "UVES", **dict(zip(keys, values, strict=True))}
        theirs, ours = both_classes(reflex, header)
        if theirs == ours and ours is not None:
            agreed[ours] += 1
        assert theirs == ours or justified(header, theirs, ours), (header, theirs, ours)
    assert set(agreed) >= {raw for task in our_rules().tasks for raw in task.raw}


def test_every_simulated_frame_gets_eso_s_class(reflex: Oca) -> None:
    plan = SimulationPlan("UVES", "2019-03", nights=3, seed=1, size="small")
    classes: Counter[str | None] = Counter()
    for night in nights_of(plan):
        for exposure in night.exposures():
            header = {
                keyword.removeprefix("ESO ").replace(" ", "."): value
                for keyword, value, _ in primary_cards(exposure, 2)
            }
            theirs, ours = both_classes(reflex, header)
            assert theirs == ours
            classes[ours] += 1
    assert None not in classes
    assert len(classes) == 14, "seven kinds of frames in two arms"
