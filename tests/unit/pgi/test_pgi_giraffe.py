"""PROC_MODE of GIRAFFE: one flag for the PGI and the converter."""

from __future__ import annotations

import pytest

from phoenix.config.release import Pgi
from phoenix.errors import ConfigError, IdpError
from phoenix.instruments import load
from phoenix.instruments.giraffe.pgi import SINGLE_EXPOSURE_OB
from phoenix.instruments.giraffe.proc_mode import PROC_MODE, ProcMode, mode_of
from phoenix.model.ab import AssociationBlock, ProductInput
from phoenix.model.ab_text import parse, write
from phoenix.pgi.apply import apply_pgis
from products_giraffe import giraffe_ab, release_pgis

load("GIRAFFE", "pgi")

SCIENCE = giraffe_ab({})
STACK = giraffe_ab({}, name="GIRAF.1_stk.ab", raws=(), inputs=(ProductInput("GIRAF.1.ab", "X"),))
BIAS = giraffe_ab({}, dpr_catg="CALIB", task="bias")


def edit(ab: AssociationBlock, mode: str, combined_in: tuple[str, ...] = ()) -> AssociationBlock:
    pgis = [Pgi(name=name, config=config) for name, config in release_pgis(mode).items()]
    return apply_pgis(ab, pgis, "releases/GIRAF_STACK.yaml", combined_in).ab


def test_history_takes_out_what_goes_into_no_stack_and_says_why() -> None:
    edited = edit(SCIENCE, "HISTORY")
    assert edited.exclusion == SINGLE_EXPOSURE_OB
    assert "PROC_MODE is HISTORY" in edited.exclusion_reason
    assert parse(write(edited), "x").ab == edited


@pytest.mark.parametrize(
    ("ab", "mode", "combined_in"),
    [
        (SCIENCE, "HISTORY", ("GIRAF.1_stk.ab",)),
        (STACK, "HISTORY", ()),
        (BIAS, "HISTORY", ()),
        (SCIENCE, "CURRENT", ()),
    ],
    ids=["stacked", "stack", "calibration", "current"],
)
def test_all_else_is_processed(ab: AssociationBlock, mode: str, combined_in: tuple[str, ...]) -> None:
    assert edit(ab, mode, combined_in).exclusion == ""


@pytest.mark.parametrize("mode", list(ProcMode))
def test_pgi_and_converter_cannot_disagree(mode: ProcMode) -> None:
    edited = edit(SCIENCE, mode)
    assert mode_of(edited, release_pgis(mode)) is mode
    other = next(one for one in ProcMode if one is not mode)
    with pytest.raises(IdpError, match=f"the release now says {other}"):
        mode_of(edited, release_pgis(other))
    with pytest.raises(IdpError, match="never edited by"):
        mode_of(SCIENCE, release_pgis(mode))


@pytest.mark.parametrize("config", [None, {}, {"proc_mode": "BOTH"}, {"mode": "HISTORY"}])
def test_a_wrong_flag_names_file_and_field(config: object) -> None:
    with pytest.raises(ConfigError, match=r"releases/GIRAF_STACK\.yaml"):
        apply_pgis(SCIENCE, [Pgi(name=PROC_MODE, config=config)], "releases/GIRAF_STACK.yaml")
