"""Memory of an AB by the model of its recipe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.config.instrument import Recipe
from phoenix.execution.memory import estimate_gb

COMBINE = Recipe.model_validate(
    {"timeout": "8 h", "memory": {"base_gb": 4, "bytes_per_row": 66, "typical_rows": 346_000_000}}
)


def test_a_constant_does_not_care_for_inputs() -> None:
    assert estimate_gb(Recipe.model_validate({"timeout": "1 h", "memory_gb": 3}), [None] * 9) == 3


def test_twenty_exposures_of_muse_need_half_a_terabyte() -> None:
    assert estimate_gb(COMBINE, [346_000_000] * 20) == pytest.approx(429, abs=1)
    assert estimate_gb(COMBINE, [None] * 20) == estimate_gb(COMBINE, [346_000_000] * 20)


def test_rows_that_are_known_count_in_place_of_typical_ones() -> None:
    assert estimate_gb(COMBINE, [1_000_000, None]) == pytest.approx(4 + 66 * 347_000_000 / 2**30)


def test_each_input_has_its_share() -> None:
    recipe = Recipe.model_validate({"timeout": "1 h", "memory": {"base_gb": 1, "per_input_gb": 0.5}})
    assert estimate_gb(recipe, [0, 0, 0]) == 2.5
    assert recipe.least_gb == 1.5


@given(st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=150))
def test_another_input_never_needs_less(rows: list[int | None]) -> None:
    assert estimate_gb(COMBINE, rows) >= estimate_gb(COMBINE, rows[:-1]) >= 4
