from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_ab import science_ab
from phoenix.config.release import Pgi
from phoenix.errors import AssociationError, ConfigError
from phoenix.model.ab import AssociationBlock
from phoenix.model.ab_text import parse, write
from phoenix.pgi.apply import apply_pgis, config_sha256, diff
from phoenix.pgi.parameters import set_parameters
from phoenix.pgi.registry import PgiContext, find_pgi, pgi

ORIGIN = "releases/UVES_R3.yaml"
AB = science_ab(parameters=(("reduce.tiltcorr", "false"),), match_keys=(("wlen", "437.0"), ("binx", "2")))


def setting(recipe: str = "uves_obs_scired", **content: object) -> dict[str, object]:
    return {"recipe": recipe, "reason": "test", "parameters": {"reduce.tiltcorr": True}, **content}


def applied(*settings: object, ab: AssociationBlock = AB) -> AssociationBlock:
    return apply_pgis(ab, [Pgi(name="set_parameters", config=list(settings))], ORIGIN).ab


def test_parameters_are_set_and_entered_in_the_ledger() -> None:
    edited = apply_pgis(AB, [Pgi(name="set_parameters", config=[setting()])], ORIGIN)
    assert edited.applied == ("set_parameters",)
    assert edited.ab.parameters == (("reduce.tiltcorr", "true"),)
    (entry,) = edited.ab.pgis
    assert (entry.name, entry.version) == ("set_parameters", "1")
    assert entry.config_sha256 == config_sha256([setting()])
    assert parse(write(edited.ab), "x").ab == edited.ab


def test_never_twice() -> None:
    pgis = [Pgi(name="set_parameters", config=[setting()])]
    once = apply_pgis(AB, pgis, ORIGIN).ab
    again = apply_pgis(once, pgis, ORIGIN)
    assert again.ab == once
    assert again.applied == ()
    assert again.skipped == (f"{AB.name}: set_parameters was applied before",)


def test_a_changed_configuration_is_not_applied_over_the_old_one() -> None:
    once = applied(setting())
    other = apply_pgis(once, [Pgi(name="set_parameters", config=[setting(reason="new")])], ORIGIN)
    assert other.ab == once
    assert "create the AB anew" in other.skipped[0]


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"wlen": 437}, True),
        ({"wlen": [390, 437]}, True),
        ({"wlen": {"at_least": 500}}, False),
        ({"wlen": 437, "binx": 1}, False),
        ({"slicer": {"present": False}}, True),
        ({"slicer": "FREE"}, False),
        ({"slicer": {"none_of": ["FREE"]}}, True),
        ({"slicer": {"unlike": "FREE%"}}, True),
        ({"slicer": {"at_most": 1}}, False),
    ],
)
def test_by_setting(when: dict[str, object], holds: bool) -> None:
    assert (applied(setting(when=when)).parameters == (("reduce.tiltcorr", "true"),)) == holds


def test_other_recipes_are_left_alone_but_the_ledger_says_it_was_looked_at() -> None:
    edited = applied(setting(recipe="uves_cal_mflat"))
    assert edited.parameters == AB.parameters
    assert len(edited.pgis) == 1


def test_later_settings_win() -> None:
    edited = applied(setting(), setting(parameters={"reduce.tiltcorr": False, "reduce.extract.kappa": 3.5}))
    assert dict(edited.parameters) == {"reduce.tiltcorr": "false", "reduce.extract.kappa": "3.5"}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ([setting(), {"recipe": "r", "parameters": {}}], "pgis.0.config.1.reason"),
        ([setting(recipes="r")], "pgis.0.config.0.recipes"),
        ([setting(parameters={"a": [1]})], "pgis.0.config.0.parameters.a"),
        ([setting(when={"wlen": {}})], "pgis.0.config.0.when.wlen"),
        ("text", "pgis.0.config"),
    ],
)
def test_wrong_configuration_names_file_and_field(config: object, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_pgis(AB, [Pgi(name="set_parameters", config=config)], ORIGIN)
    assert caught.value.subject.startswith(f"{ORIGIN}, field {field}")


def test_an_unknown_pgi_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        find_pgi("set_parameter", f"{ORIGIN}, field pgis.0.name")
    assert caught.value.remedy == "did you mean set_parameters?"


def test_a_pgi_must_leave_the_identity_alone() -> None:
    @pgi("test_rename", version="1")
    def rename(ab: AssociationBlock, config: object, context: PgiContext) -> AssociationBlock:
        return replace(ab, name="other.ab")

    with pytest.raises(AssociationError, match="PGI test_rename changed its name"):
        apply_pgis(AB, [Pgi(name="test_rename")], ORIGIN)


def test_two_pgis_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        pgi("set_parameters", version="2")(lambda ab, config, context: ab)
    assert find_pgi("set_parameters", ORIGIN).edit is set_parameters


def test_the_diff_shows_the_text_form() -> None:
    lines = diff(AB, applied(setting())).splitlines()
    assert "-PARAM           reduce.tiltcorr=false" in lines
    assert "+PARAM           reduce.tiltcorr=true" in lines
    assert diff(AB, AB) == ""


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "recipe": st.sampled_from(["uves_obs_scired", "uves_cal_mflat"]),
                "parameters": st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans()),
                "reason": st.just("r"),
            }
        )
    )
)
def test_applying_any_configuration_twice_changes_nothing_more(config: list[object]) -> None:
    pgis = [Pgi(name="set_parameters", config=config)]
    once = apply_pgis(AB, pgis, ORIGIN).ab
    assert apply_pgis(once, pgis, ORIGIN).ab == once
