"""Time of association against the barest join of the same frames, in one run, and its growth up to 20 years.

Run ``python tests/bench/bench_association.py``. A month has 1,000 UVES science exposures of 40 settings and
5,000 masters of 5 types. The join is the least that finds the same calibrations: for each type a dict from
the values of the match keys to times in order, and bisect; no conditions, levels, ABs or reasons. Ours gives
whole ABs, and with them what is needed to tell the reason for every candidate. Twenty years take some 7 GB.
"""

from __future__ import annotations

import gc
import math
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import product

from typer import echo

from phoenix.association.engine import Associations, associate
from phoenix.association.explain import explanation
from phoenix.config.loader import PROJECT, Configuration
from phoenix.config.release import Mode
from phoenix.headers.classify import classify
from phoenix.model.frame import Frame, FrameKind, Value

SCIENCE_A_MONTH, MASTERS_A_MONTH = 1000, 5000
MONTHS = (1, 3, 12, 60, 240)
#: How many times as long as the join a month may take.
LIMIT = 5.0
FIRST_MJD = 57000.5
FIRST_STAMP = datetime(2015, 1, 1)  # noqa: DTZ001 (a name, not a moment)
SETUP = ("DET.CHIPS", "DET.WIN1.BINX", "DET.WIN1.BINY")
GEOMETRY = (*SETUP, "INS.MODE", "INS.GRAT1.WLEN")
#: PRO.CATG -> keywords that must be equal and how far away it may be, days; as the rules of UVES have it.
TYPES = {
    "MASTER_BIAS_BLUE": ((*SETUP, "DET.READ.SPEED"), 15.0),
    "ORDER_TABLE_BLUE": (GEOMETRY, 15.0),
    "LINE_TABLE_BLUE": (GEOMETRY, 15.0),
    "MASTER_FLAT_BLUE": ((*GEOMETRY, "DET.READ.SPEED", "INS.SLIT2.WID"), 15.0),
    "INSTR_RESPONSE_FINE_BLUE": (("DET.CHIPS", "INS.GRAT1.WLEN"), 15.0),
}
SETTINGS = list(product((1, 2), ("50kHz", "225kHz"), (346.0, 390.0, 437.0, 564.0, 600.0), (0.6, 1.0)))

CONFIGURATION = Configuration(PROJECT / "include" / "config")
RULES, INSTRUMENT = CONFIGURATION.rules("UVES"), CONFIGURATION.instrument("UVES")
RELEASE = CONFIGURATION.release("UVES_R3").model_copy(update={"mode": Mode.IDP})


def frames_of(months: int) -> list[Frame]:
    """Headers as UVES writes them, in order of time as the catalogue gives them; some 37 keywords each."""
    rng = random.Random(months)
    days = 30.0 * months
    moments = [(days * rng.random(), "") for _ in range(SCIENCE_A_MONTH * months)]
    moments += [
        (days * rng.random(), tuple(TYPES)[number % len(TYPES)]) for number in range(MASTERS_A_MONTH * months)
    ]
    made = []
    for number, (day, catg) in enumerate(sorted(moments)):
        name = f"{catg}_{number}.fits"
        kind, own = FrameKind.MASTER, {"PRO.CATG": catg}
        if not catg:
            name = f"UVES.{(FIRST_STAMP + timedelta(seconds=number)).isoformat()}.000.fits"
            kind, own = FrameKind.RAW, {"DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT,POINT"}
        made.append(frame(name, kind, FIRST_MJD + day, rng, own))
    return made


def frame(name: str, kind: FrameKind, mjd: float, rng: random.Random, own: Mapping[str, Value]) -> Frame:
    binning, speed, wlen, slit = rng.choice(SETTINGS)
    keywords: dict[str, Value] = {f"INS.TEMP{number}.VAL": 0.1 * number for number in range(25)}
    keywords |= {
        "DET.CHIPS": 1,
        "DET.WIN1.BINX": binning,
        "DET.WIN1.BINY": binning,
        "DET.READ.SPEED": f"{speed},{binning}x{binning},high",
        "INS.MODE": "BLUE",
        "INS.GRAT1.WLEN": wlen,
        "INS.SLIT2.WID": slit,
        "DPR.TECH": "ECHELLE",
        "TPL.ID": "UVES_dic2_obs_exp",
        "TPL.START": f"2015-01-01T00:00:00.{rng.randrange(1_000_000):06}",
        "TPL.NEXP": 1,
        "TPL.EXPNO": 1,
        "OBS.ID": 1000,
        "OBS.PROG.ID": "60.A-9999(S)",
        **own,
    }
    exptime_s = 600.0 if kind is FrameKind.RAW else 0.0
    path = f"/data/{kind.value}/{name}"
    found = classify(keywords, RULES)
    if found is None:
        raise SystemExit(f"{name}: no class")
    return Frame(path, name, kind, "UVES", mjd, exptime_s, keywords, raw_class=found.name, tags=found.tags)


def join(frames: list[Frame]) -> dict[str, dict[str, str]]:
    """Science exposure -> PRO.CATG -> path of the nearest master that matches."""
    tables: dict[str, dict[tuple[Value, ...], list[tuple[float, str]]]] = {catg: {} for catg in TYPES}
    science = []
    for each in frames:
        if each.kind is FrameKind.MASTER:
            catg = str(each.keywords["PRO.CATG"])
            key = tuple([each.keywords[name] for name in TYPES[catg][0]])
            tables[catg].setdefault(key, []).append((each.mjd_obs + each.exptime_s / 172800, each.path))
        else:
            science.append(each)
    for by_key in tables.values():
        for shelf in by_key.values():
            shelf.sort()
    found = {}
    for each in science:
        mjd = each.mjd_obs + each.exptime_s / 172800
        mine = found[each.path] = {}
        for catg, (names, reach) in TYPES.items():
            shelf = tables[catg].get(tuple([each.keywords[name] for name in names]))
            if shelf:
                right = bisect_left(shelf, (mjd,))
                near = shelf[max(0, right - 1) : right + 1]
                nearest = min(near, key=lambda entry: abs(entry[0] - mjd))
                if abs(nearest[0] - mjd) <= reach:
                    mine[catg] = nearest[1]
    return found


def ours(frames: list[Frame], nights: set[str]) -> Associations:
    """The ABs with what tells the reason for every candidate."""
    return associate(frames, RULES, RELEASE, INSTRUMENT, nights)


def told(result: Associations) -> int:
    """Number of associations told in full, as they are stored beside each AB."""
    return sum(
        len(explanation(block.ab, block.group, block.traces, RULES)["associations"])
        for block in result.blocks
    )


def seconds(work: Callable[[], object], passes: int) -> float:
    """CPU time of the best pass, the garbage collector at work as always."""
    best = math.inf
    for _ in range(passes):
        gc.collect()
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def check_same(result: Associations, joined: dict[str, dict[str, str]]) -> None:
    """Stop unless both found the same calibrations."""
    if result.errors or result.left_out or len(result.blocks) != len(joined):
        raise SystemExit(f"{len(result.blocks)} ABs of {len(joined)} exposures, {len(result.errors)} errors")
    for block in result.blocks:
        if {calib.tag: calib.source for calib in block.ab.mcalibs} != joined[block.ab.raws[0].path]:
            raise SystemExit(f"{block.ab.name}: other calibrations than the join's")


def main() -> None:
    echo(
        f"{'months':>7} {'frames':>8} {'join s':>8} {'ours s':>8} {'ratio':>6} {'us/AB':>6}"
        f" {'of n log n':>11}"
    )
    first = 0.0
    for months in MONTHS:
        frames = frames_of(months)
        nights = {each.night for each in frames}
        check_same(ours(frames, nights), join(frames))
        passes = 30 if months == 1 else 3
        bare = seconds(lambda frames=frames: join(frames), passes)  # type: ignore[misc]
        full = seconds(lambda frames=frames, nights=nights: ours(frames, nights), passes)  # type: ignore[misc]
        growth = full / (len(frames) * math.log(len(frames)))
        first = first or growth
        per_ab = full / (SCIENCE_A_MONTH * months) * 1e6
        echo(
            f"{months:7} {len(frames):8} {bare:8.3f} {full:8.3f} {full / bare:6.2f} {per_ab:6.0f} "
            f"{growth / first:11.2f}"
        )
        if months == 1:
            result = ours(frames, nights)
            start = time.process_time()
            count = told(result)
            spent = (time.process_time() - start) / len(result.blocks) * 1e3
            echo(f"        ({count} associations told in full: {spent:.2f} ms per AB, when it is stored)")
            verdict = "within" if full / bare <= LIMIT else "BEYOND"
            echo(f"        (a month: {full / bare:.2f} times the bare join, {verdict} the aim of {LIMIT})")


if __name__ == "__main__":
    main()
