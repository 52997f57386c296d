"""PGI of MUSE: the method of the sky follows from what was associated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix.config.loader import Configuration
from phoenix.config.release import Pgi
from phoenix.errors import ConfigError
from phoenix.instruments import load
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus, RawFile
from phoenix.pgi.apply import apply_pgis

load("MUSE", "pgi")

STATIC, VIRTUAL = McalibStatus.STATIC, McalibStatus.VIRTUAL
RESPONSE = Mcalib(STATIC, "/static/r.fits", "STD_RESPONSE", mandatory=False)
PROFILE = Mcalib(STATIC, "/static/l.fits", "LSF_PROFILE", mandatory=False)
TOLD = tuple(Mcalib(VIRTUAL, "MUSE.1_sky.ab", tag, mandatory=False) for tag in ("SKY_CONTINUUM", "SKY_LINES"))
EXPOSURE = AssociationBlock(
    "MUSE.2_post.ab", "MUSE_R", "MUSE", "2021-03-04", "exposure_stored", "muse_scipost", "PIXTABLE_OBJECT",
    "SCIENCE", "SCIENCE_2021-03-04", 59278.1, 59278.1, (RawFile("/raw/t.fits", "PIXTABLE_OBJECT"),),
    parameters=(("skymethod", "simple"), ("save", "cube,individual")),
)  # fmt: skip


def edited(ab: AssociationBlock) -> AssociationBlock:
    """An AB after the PGIs MUSE_R has."""
    return apply_pgis(ab, Configuration().release("MUSE_R").pgis, "releases/MUSE_R.yaml").ab


def test_an_exposure_with_a_sky_takes_the_model_and_cannot_do_without_what_it_needs() -> None:
    ab = edited(replace(EXPOSURE, mcalibs=(RESPONSE, *TOLD, PROFILE)))
    assert ab.parameters == (("skymethod", "model"), ("save", "cube,individual"))
    assert [(entry.tag, entry.mandatory) for entry in ab.mcalibs] == [
        ("STD_RESPONSE", False), ("SKY_CONTINUUM", True), ("SKY_LINES", True), ("LSF_PROFILE", True),
    ]  # fmt: skip


def test_an_exposure_without_one_gets_nothing_its_method_would_ignore() -> None:
    ab = edited(replace(EXPOSURE, mcalibs=(RESPONSE, PROFILE)))
    assert (ab.parameters, ab.mcalibs) == (EXPOSURE.parameters, (RESPONSE,))


def test_a_sky_keeps_its_line_profile() -> None:
    sky = replace(EXPOSURE, task="sky_stored", recipe="muse_create_sky", mcalibs=(RESPONSE, PROFILE))
    assert edited(sky).mcalibs == sky.mcalibs


def test_a_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match="has none"):
        apply_pgis(EXPOSURE, [Pgi(name="muse_sky", config={"method": "model"})], "releases/MUSE_R.yaml")
