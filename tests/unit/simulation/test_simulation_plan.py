"""Plans and nights: what a simulated month holds, and when."""

import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.errors import UsageError
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.sky import pointing
from phoenix.simulation.stamps import arcfile, night
from phoenix.simulation.uves.month import nights_of
from phoenix.simulation.uves.settings import BIAS, BLUE_437, FLAT, RED_580, SCIENCE, STANDARD

PLAN = SimulationPlan("UVES", "2019-03", 5, 42, "small")


def templates(plan=PLAN):
    return [template for night_ in nights_of(plan) for template in night_.templates]


@pytest.mark.parametrize(
    ("field", "value"),
    [("month", "2019-13"), ("month", "March"), ("nights", 0), ("nights", 26), ("seed", -1), ("size", "huge")],
)
def test_a_plan_that_cannot_be_simulated_is_refused_by_field(field, value):
    good = {"instrument": "UVES", "month": "2019-03", "nights": 1, "seed": 1, "size": "small"}
    with pytest.raises(UsageError) as caught:
        SimulationPlan(**good | {field: value})
    assert caught.value.subject == field


def test_unknown_instrument_is_refused_and_the_known_ones_named():
    with pytest.raises(UsageError, match="UVES"):
        simulator("HARPS")


def test_the_package_is_light_until_a_simulator_is_asked_for():
    code = "import sys, phoenix.simulation; sys.exit('numpy' in sys.modules or 'astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_five_nights_hold_the_cases_an_association_has_to_master():
    science = [template for template in templates() if template.setup.kind is SCIENCE]
    taken = {(t.setup.setting.name, t.planned, len(t.starts)) for t in science}
    assert {("BLUE437", 1, 1), ("BLUE437", 2, 2), ("BLUE437", 3, 3)} <= taken
    assert {("RED580", 1, 1), ("RED580", 2, 2), ("RED580", 3, 3)} <= taken
    assert [(t.setup.setting.name, t.planned, len(t.starts)) for t in templates() if t.aborted] == [
        ("BLUE437", 3, 2)
    ]
    assert len({template.block.ob_id for template in science}) == len(science)
    assert len({template.block.target.name for template in science}) > 6


def test_one_night_lacks_flats_and_all_others_have_them():
    for night_ in nights_of(PLAN):
        used = {t.setup.setting for t in night_.templates if t.setup.kind is SCIENCE}
        flats = {t.setup.setting for t in night_.templates if t.setup.kind is FLAT}
        missing = {BLUE_437} if night_.date.day == 6 else set()
        assert used - flats == missing


def test_each_setting_of_a_night_has_its_standard_and_biases():
    for night_ in nights_of(PLAN):
        used = {t.setup.setting for t in night_.templates if t.setup.kind is SCIENCE}
        for kind in (STANDARD, BIAS):
            assert {t.setup.setting for t in night_.templates if t.setup.kind is kind} == used


def test_one_night_is_enough_for_both_arms():
    found = {t.setup.setting for t in templates(SimulationPlan("UVES", "2019-03", 1, 1, "small"))}
    assert found == {BLUE_437, RED_580}


@settings(max_examples=25, deadline=None)
@given(
    year=st.integers(2010, 2030),
    month=st.integers(1, 12),
    nights=st.integers(1, 10),
    seed=st.integers(0, 2**31),
)
def test_frames_never_share_a_time_and_stay_in_their_night(year, month, nights, seed):
    last_end = None
    names = []
    for night_ in nights_of(SimulationPlan("UVES", f"{year}-{month:02d}", nights, seed, "full")):
        for exposure in night_.exposures():
            assert night(exposure.start) == night_.date
            assert last_end is None or exposure.start > last_end
            last_end = exposure.start + timedelta(seconds=exposure.template.exptime_s)
            names.append(arcfile("UVES", exposure.start))
            target = exposure.template.block.target
            if target is not None:
                assert pointing(target.ra_deg, target.dec_deg, last_end).airmass < 1.8
    assert len(set(names)) == len(names)


def test_more_nights_leave_the_first_ones_as_they_were():
    assert nights_of(SimulationPlan("UVES", "2019-03", 2, 42, "small")) == nights_of(PLAN)[:2]
