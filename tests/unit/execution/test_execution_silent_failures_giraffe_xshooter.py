"""What recipes of GIRAFFE and XSHOOTER do wrong with exit code 0, and failures they tell in odd ways."""

from __future__ import annotations

import pytest

from builders_verdict import calibration, judged, task_ab, written
from phoenix.model.outcome import Outcome

FIBRES = task_ab("GIRAFFE", "science", expected=("SCIENCE_RBNSPECTRA", "SCIENCE_RBNSPEC_IDP"))
ARC = task_ab("GIRAFFE", "wavelength", expected=("DISPERSION_SOLUTION", "LINE_DATA"))
SOLUTION = task_ab("XSHOOTER", "wavelength", expected=("WAVE_TAB_2D_VIS",), match_keys=(("arm", "VIS"),))
STARE = task_ab(
    "XSHOOTER",
    "science_stare",
    expected=("SCI_SLIT_MERGE1D_VIS", "SCI_SLIT_FLUX_MERGE1D_VIS"),
    match_keys=(("arm", "VIS"),),
)


def test_giraffe_without_the_bias_it_was_given() -> None:
    """The recipe takes the prescan instead: exit code 0, all products."""
    inputs = [calibration("MASTER_BIAS"), calibration("FF_LOCWIDTH")]
    products = [written(catg, calibrations=["FF_LOCWIDTH"]) for catg in FIBRES.expected]
    verdict = judged(FIBRES, products, inputs=inputs)
    assert verdict.findings == ("calibration MASTER_BIAS was given, but no product names it",)


def test_giraffe_without_spectra_of_single_fibres() -> None:
    """Without generate-SDP-format: 7 products, no IDP."""
    verdict = judged(FIBRES, [written("SCIENCE_RBNSPECTRA")])
    assert verdict.findings == ("expected product SCIENCE_RBNSPEC_IDP was not written",)


def test_what_giraffe_always_warns_of_is_harmless() -> None:
    log = (
        "[WARNING] giscience: No reference line mask present in frame set.\n"
        "[WARNING] giscience: Missing dark value property (ESO PRO DARK VALUE), will be set to 0.!"
    )
    assert judged(FIBRES, [written(catg) for catg in FIBRES.expected], log=log).outcome is Outcome.OK


def test_giraffe_tells_why_it_gives_up_as_information() -> None:
    log = (
        "[ INFO  ] giscience: No master localization (centroid position) present in frame set. Aborting ...\n"
        "[ ERROR ] giscience: No error(s) to dump\n"
        "[ ERROR ] esorex: Execution of recipe 'giscience' failed, status = 1\n"
        "[WARNING] esorex: Writing of output sof omitted due to previous errors"
    )
    assert judged(FIBRES, exit_code=1, log=log).findings == (
        "giscience says: No master localization (centroid position) present in frame set. Aborting ...",
        "exit code 1 (unspecified error)",
    )


@pytest.mark.parametrize(
    ("rms", "accepted", "scatter", "words"),
    [
        (0.02, 912, 0.003, ""),
        (0.02, 846, 0.003, ""),
        (1.64, 912, 0.003, "DISPERSION_SOLUTION has PRO.WSOL.RMS = 1.64; expected at most 0.1 pixel"),
        (
            0.02,
            164,
            0.003,
            "LINE_DATA has PRO.WSOL.LINE.NACCEPT = 164; expected at least 0.8 times 912, QC.RESOL.NTOTAL",
        ),
        (
            0.02,
            912,
            0.039,
            "LINE_DATA has QC.RESOL.RMS = 0.039; expected at most 0.3 times 0.065, QC.RESOL.MEAN",
        ),
    ],
    ids=["right", "many saturated lines", "no lamp", "lines lost", "noise taken for lines"],
)
def test_a_lost_wavelength_solution_of_giraffe(rms: float, accepted: int, scatter: float, words: str) -> None:
    """Figures of real runs on arcs without lamp, too faint or too bright: all ended with exit code 0."""
    lines = {"PRO.WSOL.LINE.NACCEPT": accepted, "QC.RESOL.NTOTAL": 912}
    products = [
        written("DISPERSION_SOLUTION", {"PRO.WSOL.RMS": rms}),
        written("LINE_DATA", lines | {"QC.RESOL.RMS": scatter, "QC.RESOL.MEAN": 0.065}),
    ]
    verdict = judged(ARC, products)
    assert verdict.outcome is (Outcome.FAILED if words else Outcome.OK)
    assert not words or verdict.findings[0].startswith(words)


@pytest.mark.parametrize(("noise", "outcome"), [(1.34, Outcome.OK), (9.14, Outcome.FAILED)])
def test_a_flat_among_biases_of_giraffe(noise: float, outcome: Outcome) -> None:
    written_bias = written("MASTER_BIAS", {"QC.OUT1.RON.RAW": 3.02, "QC.OUT1.RON.MASTER": noise})
    assert judged(task_ab("GIRAFFE", "bias", expected=("MASTER_BIAS",)), [written_bias]).outcome is outcome


@pytest.mark.parametrize(("saturated", "outcome"), [(0, Outcome.OK), (224892, Outcome.FAILED)])
def test_saturated_flats_of_giraffe(saturated: int, outcome: Outcome) -> None:
    flat = task_ab("GIRAFFE", "flat", expected=("MASTER_FIBER_FLAT",))
    product = written("MASTER_FIBER_FLAT", {"QC.OUT1.NSAT.RAW": saturated})
    assert judged(flat, [product]).outcome is outcome


def test_xshooter_without_flux_calibration() -> None:
    """Without EXPTIME or response: exit code 0 and a spectrum in counts."""
    verdict = judged(STARE, [written("SCI_SLIT_MERGE1D_VIS")])
    assert verdict.findings == ("expected product SCI_SLIT_FLUX_MERGE1D_VIS was not written",)


def test_xshooter_leaves_temporary_files_that_are_no_products() -> None:
    """After it was killed for want of memory, BIAS_PRE_*.fits lie about; the recipe lists none."""
    verdict = judged(
        task_ab("XSHOOTER", "bias", expected=("MASTER_BIAS_VIS",)), exit_code=137, oom_killed=True
    )
    assert verdict.outcome is Outcome.OUT_OF_MEMORY


def test_a_product_of_the_wrong_arm() -> None:
    """UVB frames tagged VIS make a MASTER_BIAS_VIS; the classes of the frames tell before the start."""
    ab = task_ab("XSHOOTER", "bias", expected=("MASTER_BIAS_UVB",))
    assert judged(ab, [written("MASTER_BIAS_VIS")]).findings == (
        "expected product MASTER_BIAS_UVB was not written",
    )


@pytest.mark.parametrize(
    ("x_px", "y_px", "words"),
    [
        (0.01, 0.01, ""),
        (3.03, 3.20, "WAVE_RESID_TAB_LINES_VIS has QC.POLY.RESX_RMS = 3.03; expected at most 0.5 pixel"),
        (3.99, 1.28, "WAVE_RESID_TAB_LINES_VIS has QC.POLY.RESX_RMS = 3.99; expected at most 0.5 pixel"),
        (0.08, 1.36, "WAVE_RESID_TAB_LINES_VIS has QC.POLY.RESY_RMS = 1.36; expected at most 0.5 pixel"),
    ],
    ids=["right", "turned upside down", "shifted along the slit", "shifted along the spectrum"],
)
def test_a_lost_solution_of_xshooter(x_px: float, y_px: float, words: str) -> None:
    """Figures of real runs on arcs turned and shifted: all ended with exit code 0."""
    residuals = {"QC.POLY.RESX_RMS": x_px, "QC.POLY.RESY_RMS": y_px}
    verdict = judged(SOLUTION, [written("WAVE_TAB_2D_VIS"), written("WAVE_RESID_TAB_LINES_VIS", residuals)])
    assert verdict.outcome is (Outcome.FAILED if words else Outcome.OK)
    assert not words or verdict.findings[0].startswith(words)


def test_limits_of_polynomials_say_nothing_of_the_physical_model() -> None:
    """With a model the recipe writes its residuals under other names, and no WAVE_TAB_2D."""
    model = task_ab("XSHOOTER", "wavelength", expected=("XSH_MOD_CFG_OPT_2D_VIS",))
    products = [written("XSH_MOD_CFG_OPT_2D_VIS"), written("WAVE_RESID_TAB_LINES_VIS")]
    assert judged(model, products).outcome is Outcome.OK


@pytest.mark.parametrize(("found", "outcome"), [(15, Outcome.OK), (14, Outcome.FAILED)])
def test_orders_of_xshooter_taken_for_their_neighbours(found: int, outcome: Outcome) -> None:
    orders = task_ab("XSHOOTER", "order_position", expected=("ORDER_TAB_CENTR_VIS",))
    counts = {"QC.ORD.ORDERPOS.NDET": found, "QC.ORD.ORDERPOS.NPRED": 15}
    assert judged(orders, [written("ORDER_TAB_CENTR_VIS", counts)]).outcome is outcome


@pytest.mark.parametrize(("snr", "outcome"), [(269.0, Outcome.OK), (-111.6, Outcome.FAILED)])
def test_a_negative_spectrum_of_a_nod_of_xshooter(snr: float, outcome: Outcome) -> None:
    """The cumulative offsets have the wrong sign: exit code 0, all products."""
    nod = task_ab("XSHOOTER", "science_nod", expected=("SCI_SLIT_FLUX_IDP_VIS",))
    assert judged(nod, [written("SCI_SLIT_FLUX_IDP_VIS", {"QC.FLUX.SN": snr})]).outcome is outcome
