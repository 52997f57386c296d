"""The keys of an AB's text form: what they are called, what they hold, in which order they are written."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Outcome

#: Version of the text form, written as TOOL_VERSION.
FORM = "phoenix-ab/1"
#: Stands for all keys that mean nothing to us.
EXTRA = ""
#: How MCALIB says whether the recipe may start without it.
NEED = {True: "MANDATORY", False: "OPTIONAL"}


@dataclass(frozen=True, slots=True)
class Processing:
    """What processing added to the text: how it ended, how long it took, what it wrote.

    Attributes
    ----------
    texec_s
        Execution time of the recipe in seconds.
    pipeline, image
        Pipeline identity as its products tell it, and the image's digest.
    products
        (path, PRO.CATG) of each product.
    failures
        What the verdict found, one sentence each.
    """

    outcome: Outcome
    texec_s: float = 0.0
    log_name: str = ""
    prod_path: str = ""
    pipeline: str = ""
    image: str = ""
    products: tuple[tuple[str, str], ...] = ()
    failures: tuple[str, ...] = ()


#: Keys that stand once, with the attribute they hold, in the order they are written.
HEAD = {
    "CONFIG_VERSION": "rules_version",
    "AB_SOURCE": "origin",
    "RELEASE": "release",
    "INSTRUMENT": "instrument",
    "DATE": "date",
    "DPR_CATG": "dpr_catg",
    "RAW_TYPE": "raw_type",
    "TASK": "task",
    "RECIPE": "recipe",
    "DRS_TYPE": "drs_type",
    "BATCH_ID": "batch_id",
    "AB_NAME": "name",
    "AB_EVENT": "event",
    "COMPLETENESS": "completeness",
    "PROCESS_STATUS": "process_status",
    "OBS_PROG_ID": "obs_prog_id",
    "OBS_MODE": "obs_mode",
    "OBS_ID": "obs_id",
    "MJD-OBS": "mjd_obs",
    "MJD-OBS_MOD": "mjd_obs_mod",
}
#: The same for what processing adds.
TAIL = {
    "OUTCOME": "outcome",
    "TEXEC_AB": "texec_s",
    "LOG_NAME": "log_name",
    "PROD_PATH": "prod_path",
    "PIPELINE": "pipeline",
    "IMAGE": "image",
}
#: Keys that follow from others.
DERIVED = ("TOOL_VERSION", "PROD_ROOT_NAME", "WAITFOR")
#: Keys that may stand any number of times.
LISTS = ("RAW_MATCH_KEY", "RAWFILE", "INPUT", "MCALIB", "PARAM", "EXPECT", "MISSING", "PGI")
#: Comment above the first line of a key.
HEADINGS = {
    "RAW_MATCH_KEY": "setting",
    "RAWFILE": "raw frames: path, tag",
    "INPUT": "products of other ABs: AB, PRO.CATG, level of that AB, need",
    "MCALIB": "calibrations: status, path or AB, PRO.CATG, days from the group, level, need",
    "WAITFOR": "ABs that must have run first",
    "PARAM": "recipe parameters",
    "EXPECT": "products the recipe must write",
    "PGI": "PGIs that edited this AB: name, version, configuration",
    "OUTCOME": "processing",
}
#: All keys that mean something; lines with other keys are the AB's extras.
KNOWN = frozenset((*HEAD, *TAIL, *DERIVED, *LISTS, "EXCLUDED", "MIN_INPUTS", "PRODUCT", "FAILURE"))
#: Attributes that need no line, with the value they then have.
DEFAULTS: dict[str, Any] = {
    f.name: f.default
    for cls in (AssociationBlock, Processing)
    for f in fields(cls)
    if f.default is not MISSING
}
