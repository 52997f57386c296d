from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from builders_execution import bias_ab, bias_frame, write_fits
from phoenix.errors import InfrastructureError
from phoenix.execution.staging import Input, Producer, Refusal, check_inputs, resolve, stage
from phoenix.execution.workfolder import WorkFolder, place, require_room
from phoenix.model.ab import AssociationBlock, Completeness, Mcalib, McalibStatus, Missing, ProductInput
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product

FLAT_AB = "UVES.2019-03-04T11:00:00.000_tpl.ab"
ME = (os.getuid(), os.getgid())


def virtual(tag: str = "MASTER_FLAT_BLUE", mandatory: bool = True) -> Mcalib:
    return Mcalib(McalibStatus.VIRTUAL, FLAT_AB, tag, mandatory=mandatory)


def producer(outcome: Outcome | None, *catgs: str) -> dict[str, Producer]:
    products = tuple(Product(f"/products/{catg.lower()}.fits", catg, 1, "0") for catg in catgs)
    return {FLAT_AB: Producer(FLAT_AB, outcome, products)}


def classify(header: object) -> str:
    return "BIAS_BLUE" if header.get("DPR.TYPE") == "BIAS" else ""  # type: ignore[attr-defined]


def test_a_virtual_calibration_is_a_product_of_its_ab() -> None:
    ab = bias_ab([Path("/raw/a.fits")], mcalibs=(virtual(),))
    inputs = resolve(ab, producer(Outcome.CAVEATS, "MASTER_FLAT_BLUE"))
    assert not isinstance(inputs, Refusal)
    assert inputs[1].path == Path("/products/master_flat_blue.fits")
    assert inputs[1].name == "UVES.2019-03-04T11:00:00.000_tpl_master_flat_blue.fits"


@pytest.mark.parametrize(
    ("producers", "words"),
    [
        ({}, "which does not exist"),
        (producer(None), "which has not run"),
        (producer(Outcome.FAILED, "MASTER_FLAT_BLUE"), "which ended as failed"),
        (producer(Outcome.OK, "BKG_FLAT_BLUE"), "which published no such product"),
    ],
)
def test_an_ab_waits_for_its_producer(producers: dict[str, Producer], words: str) -> None:
    refusal = resolve(bias_ab([Path("/raw/a.fits")], mcalibs=(virtual(),)), producers)
    assert isinstance(refusal, Refusal)
    assert refusal.outcome is Outcome.BLOCKED
    assert refusal.findings == (f"MASTER_FLAT_BLUE should come from AB {FLAT_AB}, {words}",)


def test_an_optional_calibration_that_was_not_made_is_left_out() -> None:
    ab = bias_ab([Path("/raw/a.fits")], mcalibs=(virtual(mandatory=False),))
    inputs = resolve(ab, producer(Outcome.FAILED))
    assert not isinstance(inputs, Refusal)
    assert [entry.name for entry in inputs] == ["a.fits"]


def test_an_incomplete_ab_does_not_start_and_says_why() -> None:
    ab = bias_ab(
        [Path("/raw/a.fits")],
        completeness=Completeness.INCOMPLETE,
        missing=(Missing("MASTER_BIAS_BLUE", "no bias within 15 d"),),
    )
    assert resolve(ab, {}) == Refusal(
        Outcome.UNPROCESSABLE, ("mandatory calibration MASTER_BIAS_BLUE is missing: no bias within 15 d",)
    )


def test_good_inputs_get_their_fingerprints(tmp_path: Path) -> None:
    raw = bias_frame(tmp_path / "raw.fits")
    master = write_fits(tmp_path / "m.fits", {"PRO.CATG": "MASTER_X", "DATAMD5": "ab" * 16})
    ab = bias_ab([raw], mcalibs=(Mcalib(McalibStatus.REAL, str(master), "MASTER_X"),))
    inputs = resolve(ab, {})
    assert not isinstance(inputs, Refusal)
    checked = check_inputs(inputs, classify)
    assert not isinstance(checked, Refusal)
    assert [entry.fingerprint for entry in checked] == ["", "ab" * 16]


def test_every_bad_input_is_named_with_its_problem(tmp_path: Path) -> None:
    cut = bias_frame(tmp_path / "cut.fits")
    cut.write_bytes(cut.read_bytes()[:-2880])
    empty = tmp_path / "empty.fits"
    empty.touch()
    other = write_fits(tmp_path / "other.fits", {"DPR.TYPE": "LAMP,FLAT"})
    paths = [cut, empty, other, tmp_path / "gone.fits", tmp_path]
    inputs = [Input(path, "BIAS_BLUE", path.name, raw=True, mandatory=True) for path in paths]
    wrong = write_fits(tmp_path / "wrong.fits", {"PRO.CATG": "MASTER_FLAT_BLUE"})
    inputs.append(Input(wrong, "MASTER_BIAS_BLUE", "wrong.fits", raw=False, mandatory=False))
    refusal = check_inputs(inputs, classify)
    assert isinstance(refusal, Refusal)
    assert refusal.outcome is Outcome.UNPROCESSABLE
    told = dict(finding.split(": ", 1) for finding in refusal.findings)
    assert told[str(cut)].startswith("incomplete: file has")
    assert str(empty) in told
    assert told[str(other)] == "has no class by the rules, the AB says BIAS_BLUE"
    assert told[str(tmp_path / "gone.fits")] == "the file does not exist"
    assert told[str(tmp_path)] == "is not a file"
    assert told[str(wrong)] == "has PRO.CATG MASTER_FLAT_BLUE, the AB says MASTER_BIAS_BLUE"


def test_files_of_equal_names_stay_apart(tmp_path: Path) -> None:
    paths = [bias_frame(tmp_path / folder / "raw.fits") for folder in ("a", "b")]
    inputs = resolve(bias_ab(paths), {})
    assert not isinstance(inputs, Refusal)
    work = WorkFolder(tmp_path / "work")
    work.create(ME)
    sof = stage(inputs, work, ME)
    lines = (work.path / sof.relative_to("/job")).read_text().splitlines()
    assert lines == ["/job/input/raw.fits BIAS_BLUE", "/job/input/2/raw.fits BIAS_BLUE"]
    assert (work.input / "raw.fits").samefile(paths[0])
    assert (work.input / "2" / "raw.fits").samefile(paths[1])


def test_what_the_recipe_may_not_read_is_copied_readable(tmp_path: Path) -> None:
    private = bias_frame(tmp_path / "private.fits")
    private.chmod(0o600)
    place(private, tmp_path / "in" / "private.fits", (private.stat().st_uid + 1, private.stat().st_gid + 1))
    copy = tmp_path / "in" / "private.fits"
    assert not copy.samefile(private)
    assert copy.stat().st_mode & 0o777 == 0o444
    assert copy.read_bytes() == private.read_bytes()


def test_a_symbolic_link_is_staged_as_the_file_it_points_to(tmp_path: Path) -> None:
    raw = bias_frame(tmp_path / "raw.fits")
    link = tmp_path / "link.fits"
    link.symlink_to(raw)
    place(link, tmp_path / "in" / "link.fits", ME)
    assert not (tmp_path / "in" / "link.fits").is_symlink()
    assert (tmp_path / "in" / "link.fits").samefile(raw)


def test_too_little_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="too little disk") as caught:
        require_room(tmp_path / "not" / "yet" / "there", at_least_gb=1e9)
    assert "min_free_disk_gb" in caught.value.expected


EXPOSURES = tuple(f"UVES.2019-03-05T0{hour}:00:00.000.ab" for hour in (1, 2, 3))


def stacked(*optional: str) -> AssociationBlock:
    inputs = [
        ProductInput(name, tag, mandatory=tag not in optional)
        for name in EXPOSURES
        for tag in ("RED_SCI_POINT_BLUE", *optional)
    ]
    return bias_ab([], inputs=tuple(inputs), min_inputs=2)


def exposures(*ends: Outcome | None, catg: str = "RED_SCI_POINT_BLUE") -> dict[str, Producer]:
    product = "/products/{}/red_science_blue.fits"
    return {
        name: Producer(name, end, (Product(product.format(name), catg, 1, "0"),))
        for name, end in zip(EXPOSURES, ends, strict=False)
    }


def test_a_stack_gets_the_products_of_its_exposures_under_names_of_their_own() -> None:
    inputs = resolve(stacked(), exposures(Outcome.OK, Outcome.CAVEATS, Outcome.OK))
    assert not isinstance(inputs, Refusal)
    assert [(entry.ab, entry.path.parent.name, entry.raw) for entry in inputs] == [
        (name, name, False) for name in EXPOSURES
    ]
    assert inputs[0].name == "UVES.2019-03-05T01:00:00.000_red_science_blue.fits"


def test_all_products_of_a_category_are_taken_in_order() -> None:
    tables = [Product(f"/p/PIXTABLE_{n:02}.fits", "RED_SCI_POINT_BLUE", 1, "0") for n in (1, 2, 3)]
    producers = exposures(*[Outcome.OK] * 3)
    producers[EXPOSURES[0]] = Producer(EXPOSURES[0], Outcome.OK, tuple(tables))
    inputs = resolve(stacked(), producers)
    assert not isinstance(inputs, Refusal)
    assert [entry.path.name for entry in inputs[:3]] == [f"PIXTABLE_0{n}.fits" for n in (1, 2, 3)]
    assert len({entry.name for entry in inputs}) == len(inputs) == 5


@pytest.mark.parametrize("end", [Outcome.FAILED, Outcome.BLOCKED, Outcome.OUT_OF_MEMORY])
def test_a_stack_is_made_of_the_exposures_that_succeeded(end: Outcome) -> None:
    inputs = resolve(stacked(), exposures(Outcome.OK, end, Outcome.OK))
    assert not isinstance(inputs, Refusal)
    assert [entry.ab for entry in inputs] == [EXPOSURES[0], EXPOSURES[2]]


def test_a_stack_of_too_few_exposures_is_blocked_and_names_them() -> None:
    assert resolve(stacked(), exposures(Outcome.OK, Outcome.FAILED, Outcome.TIMEOUT)) == Refusal(
        Outcome.BLOCKED,
        (
            "1 of 3 ABs are there to combine, at least 2 are needed",
            f"RED_SCI_POINT_BLUE should come from AB {EXPOSURES[1]}, which ended as failed",
            f"RED_SCI_POINT_BLUE should come from AB {EXPOSURES[2]}, which ended as timeout",
        ),
    )


def test_a_stack_waits_for_an_exposure_that_has_not_run() -> None:
    for producers in (exposures(Outcome.OK, Outcome.OK, None), exposures(Outcome.OK, Outcome.OK)):
        refusal = resolve(stacked(), producers)
        assert isinstance(refusal, Refusal)
        assert refusal.outcome is Outcome.BLOCKED
        assert EXPOSURES[2] in refusal.findings[0]


def test_an_exposure_without_its_mandatory_product_is_left_out_and_an_optional_one_is_not() -> None:
    producers = exposures(Outcome.OK, Outcome.OK) | {
        EXPOSURES[2]: Producer(EXPOSURES[2], Outcome.OK, (Product("/p/f.fits", "FLUXCAL_X", 1, "0"),))
    }
    inputs = resolve(stacked("FLUXCAL_X"), producers)
    assert not isinstance(inputs, Refusal)
    assert [entry.ab for entry in inputs] == list(EXPOSURES[:2])


def test_a_product_of_another_category_than_the_ab_says_is_refused(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "red.fits", {"PRO.CATG": "WCALIB_SCI_POINT_BLUE"})
    wrong = Input(path, "RED_SCI_POINT_BLUE", "red.fits", raw=False, mandatory=True, ab=EXPOSURES[0])
    refusal = check_inputs([wrong], classify)
    assert isinstance(refusal, Refusal)
    assert "has PRO.CATG WCALIB_SCI_POINT_BLUE, the AB says RED_SCI_POINT_BLUE" in refusal.findings[0]
    right = check_inputs([replace(wrong, tag="WCALIB_SCI_POINT_BLUE")], classify)
    assert [(entry.ab, entry.tag) for entry in right] == [(EXPOSURES[0], "WCALIB_SCI_POINT_BLUE")]
