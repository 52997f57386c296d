"""ABs for tests: one plausible, and hypothesis strategies for any."""

from __future__ import annotations

from hypothesis import strategies as st

from phoenix.model.ab import (
    AssociationBlock,
    Completeness,
    Mcalib,
    McalibStatus,
    Missing,
    PgiEntry,
    ProcessStatus,
    ProductInput,
    RawFile,
)
from phoenix.model.ab_text import Processing
from phoenix.model.outcome import Outcome


def science_ab(**changes: object) -> AssociationBlock:
    """A UVES science AB that waits for a flat."""
    content: dict[str, object] = {
        "name": "UVES.2019-03-05T03:04:05.678.ab",
        "release": "UVES_R3",
        "instrument": "UVES",
        "date": "2019-03-04",
        "task": "science",
        "recipe": "uves_obs_scired",
        "raw_type": "SCI_POINT_BLUE",
        "dpr_catg": "SCIENCE",
        "batch_id": "SCIENCE_2019-03-04",
        "mjd_obs": 58547.12784349,
        "mjd_obs_mod": 58547.13131571,
        "raws": (RawFile("/data/raw/UVES.2019-03-05T03:04:05.678.fits", "SCI_POINT_BLUE"),),
        "mcalibs": (
            Mcalib(McalibStatus.REAL, "/data/masters/bias.fits", "MASTER_BIAS_BLUE", -0.512, 0),
            Mcalib(McalibStatus.VIRTUAL, "UVES.2019-03-05T10:00:00.000_tpl.ab", "MASTER_FLAT_BLUE", 0.3, 1),
            Mcalib(McalibStatus.STATIC, "/data/static/ext.fits", "EXTCOEFF_TABLE", mandatory=False),
        ),
        "parameters": (("reduce.tiltcorr", "true"),),
        "expected": ("RED_SCI_POINT_BLUE",),
        "match_keys": (("binx", "2"), ("slicer", "FREE")),
        "obs_id": "200123",
        "rules_version": "2026-11",
    }
    return AssociationBlock(**(content | changes))  # type: ignore[arg-type]


def stack_ab(**changes: object) -> AssociationBlock:
    """The stack of two exposures, the second of which has no flux."""
    content: dict[str, object] = {
        "name": "UVES.2019-03-05T03:04:05.678_stk.ab",
        "task": "stack",
        "recipe": "phoenix_spectrum_combine",
        "event": "stk",
        "raws": (),
        "mcalibs": (),
        "parameters": (),
        "expected": ("STACK_RED_SCI_POINT_BLUE",),
        "inputs": (
            ProductInput("UVES.2019-03-05T03:04:05.678.ab", "RED_SCI_POINT_BLUE"),
            ProductInput("UVES.2019-03-05T03:04:05.678.ab", "FLUXCAL_SCI_POINT_BLUE", mandatory=False),
            ProductInput("UVES.2019-03-05T03:15:05.678.ab", "RED_SCI_POINT_BLUE", level=1),
        ),
        "min_inputs": 2,
    }
    return science_ab(**(content | changes))


#: Any text at all, hostile characters preferred, and plain words.
TEXTS = (
    st.text(st.sampled_from("ab \t\n\r\v\"'#\\=\x00\x85\u2028é𝔘"))
    | st.text()
    | st.from_regex(r"[A-Z.]{1,9}", fullmatch=True)
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = TEXTS.filter(lambda text: "=" not in text)
EXTRAS = st.builds(
    "X_{} {}".format,
    st.from_regex(r"[A-Z0-9_]{0,5}", fullmatch=True),
    st.sampled_from(["", "a # b", '"q q" 1']),
)
MCALIBS = st.builds(
    Mcalib, st.sampled_from(McalibStatus), TEXTS, TEXTS, NUMBERS, st.integers(-3, 9), st.booleans()
)


INPUTS = st.builds(ProductInput, TEXTS, TEXTS, st.booleans(), st.integers(-3, 9))


def tuples(elements: st.SearchStrategy) -> st.SearchStrategy:
    """Up to four of them."""
    return st.lists(elements, max_size=4).map(tuple)


ABS = st.builds(
    AssociationBlock,
    name=TEXTS, release=TEXTS, instrument=TEXTS, date=TEXTS, task=TEXTS, recipe=TEXTS, raw_type=TEXTS,
    dpr_catg=TEXTS, batch_id=TEXTS, mjd_obs=NUMBERS, mjd_obs_mod=NUMBERS, drs_type=TEXTS, event=TEXTS,
    raws=tuples(st.builds(RawFile, TEXTS, TEXTS)), mcalibs=tuples(MCALIBS), expected=tuples(TEXTS),
    parameters=tuples(st.tuples(NAMES, TEXTS)), match_keys=tuples(st.tuples(NAMES, TEXTS)),
    completeness=st.sampled_from(Completeness), process_status=st.sampled_from(ProcessStatus),
    obs_prog_id=TEXTS, obs_id=TEXTS, obs_mode=TEXTS, missing=tuples(st.builds(Missing, TEXTS, TEXTS)),
    exclusion=TEXTS, exclusion_reason=TEXTS, pgis=tuples(st.builds(PgiEntry, TEXTS, TEXTS, TEXTS)),
    rules_version=TEXTS, origin=TEXTS, extras=tuples(EXTRAS),
    inputs=tuples(INPUTS), min_inputs=st.integers(0, 9),
)  # fmt: skip

PROCESSINGS = st.none() | st.builds(
    Processing, st.sampled_from(Outcome), NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS,
    tuples(st.tuples(TEXTS, TEXTS)), tuples(TEXTS),
)  # fmt: skip
