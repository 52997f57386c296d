"""PGI ``giraffe_proc_mode``: which OBs are processed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from phoenix.instruments.giraffe.proc_mode import PROC_MODE, ProcMode, parse
from phoenix.model.ab import AssociationBlock
from phoenix.pgi.registry import PgiContext, pgi

#: Exclusion of an AB whose OB has no other exposure to be stacked with.
SINGLE_EXPOSURE_OB = "SINGLE_EXPOSURE_OB"
_SCIENCE = "SCIENCE"


@pgi(PROC_MODE, version="1")
def proc_mode(ab: AssociationBlock, config: Any, context: PgiContext) -> AssociationBlock:
    """Take science ABs that go into no stack out, when PROC_MODE is HISTORY.

    Raises
    ------
    ConfigError
        If the configuration has no such flag.
    """
    mode = parse(config, context.origin)
    single = ab.dpr_catg == _SCIENCE and not ab.inputs and not context.combined_in
    if mode is ProcMode.CURRENT or not single or ab.exclusion:
        return ab
    reason = "PROC_MODE is HISTORY: single exposures are in the archive already"
    return replace(ab, exclusion=SINGLE_EXPOSURE_OB, exclusion_reason=reason)
