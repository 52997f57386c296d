"""PGI ``muse_sky``: how the sky is subtracted, by whether an exposure has a sky of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock
from phoenix.pgi.registry import PgiContext, pgi

RECIPE, METHOD = "muse_scipost", "skymethod"
#: What an exposure of blank sky told, and what the model of its lines needs besides.
TOLD, PROFILE = ("SKY_CONTINUUM", "SKY_LINES"), "LSF_PROFILE"


@pgi("muse_sky", version="1")
def sky(ab: AssociationBlock, config: Any, context: PgiContext) -> AssociationBlock:
    """Take the sky from the exposure of its own that was associated; without one leave it to the rules.

    With the model the recipe subtracts the continuum as it was told and fits the lines anew, whose fluxes
    change within minutes. It cannot do without what the sky told, which becomes mandatory: an exposure whose
    sky fails is blocked. Any other method ignores LSF_PROFILE in silence, so it is taken out.

    Raises
    ------
    ConfigError
        If there is a configuration: it has none.
    """
    if config:
        raise ConfigError(context.origin, f"found {config!r}"[:200], "no config: muse_sky has none")
    if ab.recipe != RECIPE:
        return ab
    if not any(entry.tag in TOLD for entry in ab.mcalibs):
        return replace(ab, mcalibs=tuple(entry for entry in ab.mcalibs if entry.tag != PROFILE))
    needed = {*TOLD, PROFILE}
    return replace(
        ab,
        mcalibs=tuple(
            replace(entry, mandatory=entry.mandatory or entry.tag in needed) for entry in ab.mcalibs
        ),
        parameters=tuple({**dict(ab.parameters), METHOD: "model"}.items()),
    )
