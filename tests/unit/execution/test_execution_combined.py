"""The verdict on a step that combines products of several ABs."""

from __future__ import annotations

from pathlib import Path

from builders_ab import stack_ab
from builders_execution import NOW
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerEnd
from phoenix.execution.products import ProductList, WrittenProduct
from phoenix.execution.staging import Input
from phoenix.execution.verdict import Evidence, Judgement, Yardstick, judge
from phoenix.execution.workfolder import DiskRoom
from phoenix.model.ab import ProductInput
from phoenix.model.outcome import Outcome

ONE, TWO, THREE = (f"UVES.2019-03-05T0{hour}:00:00.000.ab" for hour in (1, 2, 3))
RED, FLUX = "RED_SCI_POINT_BLUE", "FLUXCAL_SCI_POINT_BLUE"
STACK = stack_ab(
    inputs=tuple(ProductInput(name, tag, tag == RED) for name in (ONE, TWO, THREE) for tag in (RED, FLUX)),
    expected=(f"STACK_{RED}", f"STACK_{FLUX}"),
)


def judged(given: dict[str, tuple[str, ...]], written: tuple[str, ...]) -> Judgement:
    """Judge a stack of what each AB gave and what the recipe wrote."""
    rules, instrument = Configuration().rules("UVES"), Configuration().instrument("UVES")
    inputs = tuple(
        Input(
            Path(f"/p/{name}/{tag}.fits"), tag, f"{name}_{tag}.fits", raw=False, mandatory=tag == RED, ab=name
        )
        for name, tags in given.items()
        for tag in tags
    )
    products = tuple(WrittenProduct(f"{catg}.fits", catg, {}) for catg in written)
    evidence = Evidence(
        ContainerEnd("c", 0, NOW, NOW),
        [],
        ProductList(products),
        inputs,
        DiskRoom(Path("/work"), 10, 100),
        1,
        60,
    )
    return judge(STACK, evidence, Yardstick(instrument, instrument.recipes[STACK.recipe], rules))


def test_a_stack_of_all_exposures_is_ok_though_its_header_names_no_calibration() -> None:
    given = dict.fromkeys((ONE, TWO, THREE), (RED, FLUX))
    assert judged(given, STACK.expected) == Judgement(Outcome.OK)


def test_an_exposure_that_is_not_there_is_a_caveat() -> None:
    given = dict.fromkeys((ONE, THREE), (RED, FLUX))
    assert judged(given, STACK.expected) == Judgement(
        Outcome.CAVEATS, (f"2 of 3 ABs are combined: {TWO} did not make its products",)
    )


def test_the_stacked_flux_is_not_expected_where_an_exposure_came_without() -> None:
    given = {ONE: (RED, FLUX), TWO: (RED,), THREE: (RED, FLUX)}
    assert judged(given, STACK.expected[:1]) == Judgement(
        Outcome.CAVEATS, (f"optional {FLUX} was not made by AB {TWO}: combined without it",)
    )


def test_a_stack_that_was_not_written_fails() -> None:
    judgement = judged(dict.fromkeys((ONE, TWO, THREE), (RED, FLUX)), STACK.expected[1:])
    assert judgement == Judgement(Outcome.FAILED, (f"expected product STACK_{RED} was not written",))
