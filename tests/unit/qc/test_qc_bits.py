"""Score bits: order, digits, items, and what the configuration refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phoenix.config.qc import Parameter, TaskQc, Threshold
from phoenix.model.score import Score, Verdict
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.score import score_value


def parameter(bit: int, name: str = "") -> Parameter:
    limits = [{"low": 0, "high": 1, "origin": "test"}]
    name = name or f"p{bit}"
    return Parameter.model_validate(
        {"name": name, "description": "d", "measure": "m", "bit": bit, "thresholds": limits}
    )


def score(name: str, verdict: Verdict) -> Score:
    return Score(name, 0.5, verdict, 0.0, 1.0, "1")


@given(st.permutations(range(9)), st.lists(st.sampled_from(Verdict), min_size=9, max_size=9))
def test_bits_stand_in_the_order_of_their_numbers(order: list[int], verdicts: list[Verdict]) -> None:
    scores = [score(f"p{number}", verdicts[number]) for number in reversed(order)]
    digits = bit_string(score_bits([parameter(number) for number in order], scores))
    assert digits == "".join({0: "0", 1: "1", -1: "-"}[verdict] for verdict in verdicts)


def test_a_missing_score_holds_its_place() -> None:
    scores = [score("p0", Verdict.RED), score("p2", Verdict.GREEN)]
    assert bit_string(score_bits([parameter(n) for n in range(3)], scores)) == "1-0"


def test_numbers_need_not_begin_at_0() -> None:
    scores = [score("p1", Verdict.RED), score("p2", Verdict.GREEN)]
    assert bit_string(score_bits([parameter(2), parameter(1)], scores)) == "10"


def test_a_bit_of_an_item_is_that_of_its_fibre() -> None:
    parameters = [parameter(0), parameter(1, "glow_{item}")]
    scores = [score("p0", Verdict.GREEN), score("glow_007", Verdict.RED), score("glow_008", Verdict.GREEN)]
    assert bit_string(score_bits(parameters, scores, "007")) == "01"
    assert bit_string(score_bits(parameters, scores, "008")) == "00"
    assert bit_string(score_bits(parameters, scores)) == "0-"


def test_a_word_that_is_not_given_is_the_only_one_the_scores_know() -> None:
    of_arm = Parameter.model_validate(
        parameter(0, "p").model_dump() | {"name": "p_{arm}", "product": "P_{arm}"}
    )
    assert bit_string(score_bits([of_arm], [score("p_VIS", Verdict.RED)])) == "1"
    both = [score("p_VIS", Verdict.RED), score("p_UVB", Verdict.GREEN)]
    assert bit_string(score_bits([of_arm], both)) == "-"
    assert bit_string(score_bits([of_arm], both, arm="UVB")) == "0"


def test_a_bit_tells_what_it_rests_on() -> None:
    (bit,) = score_bits([parameter(3, "glow_{item}")], [score("glow_007", Verdict.RED)], "007")
    assert (bit.number, bit.parameter, bit.meaning) == (3, "glow_007", "d")
    assert bit.score is not None
    assert (bit.score.value, bit.score.low, bit.score.high) == (0.5, 0.0, 1.0)


def test_without_bits_there_is_no_text() -> None:
    assert bit_string(score_bits([], [])) == ""


def test_two_parameters_cannot_be_one_bit() -> None:
    with pytest.raises(ValidationError, match="bit 3 is given twice"):
        TaskQc(parameters=(parameter(3, "a"), parameter(3, "b")))


def test_a_bit_needs_a_threshold() -> None:
    with pytest.raises(ValidationError, match="a bit needs thresholds"):
        Parameter.model_validate({"name": "a", "description": "d", "measure": "m", "bit": 1})


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"low": 10}, (10, 11), (9.999,)),
        ({"above": 10}, (10.001,), (10, 9)),
        ({"high": 10}, (10, 9), (10.001,)),
        ({"below": 10}, (9.999,), (10, 11)),
        ({"low": -1.5, "high": 1.5}, (-1.5, 1.5), (-1.51, 1.51)),
    ],
)
def test_limits_hold_their_own_value_or_not(
    limits: dict[str, float], good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    threshold = Threshold.model_validate({**limits, "origin": "test"})
    verdicts = {
        value: score_value("p", value, threshold, "1").verdict for value in (*good, *bad, float("nan"))
    }
    assert all(verdicts[value] is Verdict.GREEN for value in good)
    assert all(verdict is Verdict.RED for value, verdict in verdicts.items() if value not in good)


@pytest.mark.parametrize("both", [{"low": 1, "above": 1}, {"high": 1, "below": 1}])
def test_a_limit_is_given_once(both: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="not both"):
        Threshold.model_validate({**both, "origin": "test"})
