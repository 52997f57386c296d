"""What recipes of MUSE and HAWK-I do wrong with exit code 0: log lines and headers as they wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders_verdict import judged, task_ab, written
from phoenix.config.loader import Configuration
from phoenix.execution.products import WrittenProduct
from phoenix.execution.staging import Input
from phoenix.model.ab import ProductInput
from phoenix.model.outcome import Outcome

COMBINE = task_ab(
    "MUSE",
    "combine",
    expected=("DATACUBE_FINAL",),
    inputs=(ProductInput("a.ab", "PIXTABLE_REDUCED"), ProductInput("b.ab", "PIXTABLE_REDUCED")),
)
TABLES = [
    Input(
        Path(f"/made/{ab}/p.fits"),
        "PIXTABLE_REDUCED",
        f"{ab}_p.fits",
        raw=False,
        mandatory=True,
        ab=f"{ab}.ab",
    )
    for ab in "ab"
]
#: As muse_scipost writes them: the FWHM is in the cube and its image, not in the pixel table.
SINGLE = [
    written("IMAGE_FOV", {"QC.SCIPOST.FWHM.MEDIAN": fwhm}, [{"EXTNAME": "DATA"}])
    for fwhm in (0.8329653, 0.8403166, 0.8358252, 0.8355531)
]


def cube(fwhm: float) -> WrittenProduct:
    keywords = {
        "PRO.REC1.ID": "muse_scipost",
        "PRO.REC2.ID": "muse_exp_combine",
        "QC.EXPCOMB.FWHM.MEDIAN": fwhm,
    }
    return written("DATACUBE_FINAL", keywords)


@pytest.mark.parametrize(
    ("fwhm", "outcome"),
    [
        (0.8357, Outcome.OK),  # aligned
        (0.964, Outcome.FAILED),  # muse_exp_align locked on noise, wrong by up to 2 arcsec
        (1.0557, Outcome.FAILED),  # without any offsets
    ],
)
def test_exposures_that_do_not_lie_on_each_other(fwhm: float, outcome: Outcome) -> None:
    verdict = judged(COMBINE, inputs=TABLES, products=[cube(fwhm)], companions=SINGLE)
    assert verdict.outcome is outcome
    if outcome is Outcome.FAILED:
        assert verdict.findings[0].startswith(
            f"DATACUBE_FINAL has QC.EXPCOMB.FWHM.MEDIAN = {fwhm:g}; expected at most 1.1 times 0.835689, "
            "QC.SCIPOST.FWHM.MEDIAN of IMAGE_FOV arcsec (1.00 when"
        )


@pytest.mark.parametrize(
    ("fwhm", "companions", "words"),
    [
        (0.0, SINGLE, "not measured"),
        (0.9, [], "not checked for want of QC.SCIPOST.FWHM.MEDIAN of IMAGE_FOV"),
        (0.9, [written("IMAGE_FOV", {"QC.SCIPOST.FWHM.MEDIAN": 0.0})], "not checked for want of"),
    ],
)
def test_an_alignment_that_nobody_could_check_is_a_caveat(
    fwhm: float, companions: list[WrittenProduct], words: str
) -> None:
    """Fields of fewer than three sources: the recipe writes 0."""
    verdict = judged(COMBINE, inputs=TABLES, products=[cube(fwhm)], companions=companions)
    assert verdict.outcome is Outcome.CAVEATS
    assert words in verdict.findings[0]


def test_an_offset_list_that_is_ignored() -> None:
    log = (
        "21:10:20 [WARNING] muse_exp_combine: [tid=000] Input OFFSET_LIST has unexpected format, "
        "proceeding without offset and flux scales!"
    )
    verdict = judged(COMBINE, inputs=TABLES, products=[cube(0.8357)], companions=SINGLE, log=log)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings[0].endswith("(exposures are combined without being aligned)")


def test_calibrations_of_the_recipe_before_are_not_those_of_this_one() -> None:
    inherited = {"PRO.REC1.CAL1.CATG": "STD_RESPONSE", "PRO.REC2.CAL1.CATG": "SKY_LINES"}
    product = cube(0.8357)
    verdict = judged(
        COMBINE,
        inputs=TABLES,
        products=[WrittenProduct(product.name, product.pro_catg, {**product.keywords, **inherited})],
        companions=SINGLE,
    )
    assert verdict.findings == ("calibration SKY_LINES is named by products, but was not given",)


@pytest.mark.parametrize(
    ("unmatched", "matches", "sources", "outcome"),
    [
        (0, 11, 11, Outcome.OK),
        (0, 3, 5, Outcome.OK),  # two stars, and what it takes to make five sources
        (0, 12, 29, Outcome.FAILED),  # wrong by 3.8 arcsec, found with the recipe's own defaults
        (1, 11, 11, Outcome.FAILED),
    ],
)
def test_an_alignment_that_locked_on_noise(
    unmatched: int, matches: int, sources: int, outcome: Outcome
) -> None:
    ab = task_ab("MUSE", "alignment", expected=("OFFSET_LIST",))
    keywords = {"NOMATCH": unmatched, "NMATCH.MIN": matches, "NDET1": sources}
    offsets = written("OFFSET_LIST", {f"QC.EXPALIGN.{name}": value for name, value in keywords.items()})
    assert judged(ab, [offsets]).outcome is outcome


def test_a_slice_whose_trace_is_lost() -> None:
    """Slices at the edge of the detector: no trace, exit code 0."""
    ab = task_ab("MUSE", "flat", expected=("MASTER_FLAT",))
    log = "21:10:20 [WARNING] muse_flat: [tid=003] slice  7 of IFU 10: tracing polynomials missing!"
    verdict = judged(ab, [written("MASTER_FLAT")], log=log)
    assert verdict.outcome is Outcome.FAILED
    assert "slice  7 of IFU 10" in verdict.findings[0]


def test_units_of_muse_make_one_master() -> None:
    """A calibration is one file to the ABs that take it; unmerged, the recipes write one for each unit."""
    recipes = Configuration().instrument("MUSE").recipes
    for name in ("muse_bias", "muse_flat", "muse_wavecal"):
        assert recipes[name].parameters["merge"] is True


CHIPS = ("CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1")
PAWPRINT = task_ab("HAWKI", "science", expected=("JITTERED_IMAGE_SCI",))


def stack(chips: tuple[str, ...] = CHIPS, **last: float) -> WrittenProduct:
    good = {"QC.WCS_SCALE": 0.10594, "QC.WCS_RMS": 0.0235, "QC.MAGNZPT": 186}
    headers = [{"EXTNAME": chip, **good} for chip in chips]
    headers[-1] |= {key.replace("__", "."): value for key, value in last.items()}
    return written("JITTERED_IMAGE_SCI", extensions=headers)


def test_a_good_pawprint_with_its_noise_is_ok() -> None:
    log = (
        "[WARNING] esorex: Unable to open directory /usr/lib/cpl/plugins\n"
        "[WARNING] hawki_science_process:   Product header contains deprecated keyword 'RADECSYS'!"
    )
    assert judged(PAWPRINT, [stack()], log=log).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"QC__WCS_SCALE": 0.21},
            "JITTERED_IMAGE_SCI[CHIP3.INT1] has QC.WCS_SCALE = 0.21; expected at least 0.1055",
        ),
        (
            {"QC__WCS_RMS": 1.4},
            "JITTERED_IMAGE_SCI[CHIP3.INT1] has QC.WCS_RMS = 1.4; expected at most 0.2 arcsec",
        ),
        ({"QC__MAGNZPT": 0}, "JITTERED_IMAGE_SCI[CHIP3.INT1] has QC.MAGNZPT = 0; expected at least 3"),
    ],
)
def test_a_pawprint_with_one_bad_detector(changes: dict[str, float], words: str) -> None:
    """A lost astrometric fit, and no photometry: exit code 0, all products there."""
    verdict = judged(PAWPRINT, [stack(**changes)])
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings[0].startswith(words)


def test_a_pawprint_that_lacks_a_detector() -> None:
    findings = judged(PAWPRINT, [stack(CHIPS[:3])]).findings
    assert findings[0].startswith("JITTERED_IMAGE_SCI has 3 extensions; expected 4")


def test_a_pawprint_without_astrometric_stars() -> None:
    log = "[WARNING] hawki_science_process:   Standards RA/DEC table has no rows"
    verdict = judged(PAWPRINT, [stack()], log=log)
    assert verdict.outcome is Outcome.FAILED
    assert "the WCS is as the header had it" in verdict.findings[0]


@pytest.mark.parametrize(
    "line",
    [
        "Cannot save product exp_1.fits",  # no DET DIT: 18 products, some damaged
        "Unable to match photometry table to filter",  # no INS FILT1 NAME
        "Unable to get header EXPTIME or ESO TEL AIRM START info",
    ],
)
def test_errors_hawki_goes_on_after(line: str) -> None:
    log = "\n".join([f"[ ERROR ] hawki_science_process: {line}"] * 4)
    verdict = judged(PAWPRINT, [stack()], log=log)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings[0] == f"ERROR in the log though the exit code is 0: {line} (4 times)"
