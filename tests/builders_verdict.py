"""Evidence of recipe runs, as the recipes of each instrument leave it, for tests of the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from builders_ab import science_ab
from builders_execution import NOW
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerEnd
from phoenix.execution.products import ProductList, WrittenProduct
from phoenix.execution.recipe_log import KeptLines
from phoenix.execution.staging import Input
from phoenix.execution.usage import Usage
from phoenix.execution.verdict import Evidence, Judgement, Yardstick, judge
from phoenix.execution.workfolder import DiskRoom
from phoenix.model.ab import AssociationBlock
from phoenix.model.frame import Value

Headers = Sequence[Mapping[str, Value]]


def task_ab(instrument: str, task: str, **changes: object) -> AssociationBlock:
    """An AB of a task of the project's rules, without raws and calibrations."""
    rules = Configuration().rules(instrument).task(task)
    content: dict[str, object] = {
        "instrument": instrument,
        "task": task,
        "recipe": rules.recipe,
        "raws": (),
        "mcalibs": (),
        "match_keys": (),
        "expected": (),
    }
    return science_ab(**(content | changes))


def calibration(tag: str, fingerprint: str = "") -> Input:
    """A calibration of the SOF."""
    name = f"{tag.lower()}.fits"
    return Input(Path("/cal") / name, tag, name, raw=False, mandatory=True, fingerprint=fingerprint)


def written(
    pro_catg: str,
    keywords: Mapping[str, Value] | None = None,
    extensions: Headers = (),
    calibrations: Sequence[str] = (),
    problem: str = "",
) -> WrittenProduct:
    """A product whose header names calibrations."""
    named = {f"PRO.REC1.CAL{number}.CATG": tag for number, tag in enumerate(calibrations, start=1)}
    return WrittenProduct(
        f"{pro_catg.lower()}.fits",
        pro_catg,
        {**named, **(keywords or {})},
        problem=problem,
        extensions=extensions,
    )


def judged(
    ab: AssociationBlock,
    products: Sequence[WrittenProduct] = (),
    *,
    exit_code: int | None = 0,
    log: str = "",
    inputs: Sequence[Input] = (),
    companions: Sequence[WrittenProduct] = (),
    usage: Usage | None = None,
    **end: object,
) -> Judgement:
    """The verdict on a run of an AB, with the project's configuration of its instrument."""
    configuration = Configuration()
    instrument = configuration.instrument(ab.instrument)
    kept = KeptLines()
    for line in log.splitlines():
        kept.take(line)
    evidence = Evidence(
        ContainerEnd("c", exit_code, NOW, NOW, **end),  # type: ignore[arg-type]
        kept.lines,
        ProductList(tuple(products)),
        inputs,
        DiskRoom(Path("/work"), 10.0, 100.0),
        memory_gb=2.0,
        timeout_s=600.0,
        usage=usage or Usage(),
        companions=companions,
    )
    yardstick = Yardstick(instrument, instrument.recipes[ab.recipe], configuration.rules(ab.instrument))
    return judge(ab, evidence, yardstick)
