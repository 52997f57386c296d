"""``phoenix simulate``: honest raw frames with a truth file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from phoenix.cli.context import get_configuration


class Size(StrEnum):
    """Binning of the detectors: small is quick, full is what a telescope writes."""

    SMALL = "small"
    FULL = "full"


def simulate(
    instrument: Annotated[str, typer.Argument(help="e.g. UVES")],
    month: Annotated[str, typer.Option(help="month of the nights, e.g. 2019-03")] = "2019-03",
    out: Annotated[Path | None, typer.Option(help="folder for raw/, static/ and truth.json")] = None,
    nights: Annotated[int, typer.Option(min=1, max=28)] = 5,
    seed: Annotated[int, typer.Option()] = 1,
    size: Annotated[Size, typer.Option()] = Size.SMALL,
    raw: Annotated[
        bool, typer.Option("--raw", help="MUSE: raw frames of one unit as well, in the first night")
    ] = False,
) -> None:
    """Write simulated raw frames, static tables and their truth; the same call gives the same bytes."""
    from phoenix.simulation import simulator
    from phoenix.simulation.plan import SimulationPlan

    plan = SimulationPlan(instrument.upper(), month, nights, seed, size.value, raw)
    folder = out or get_configuration().root
    columns = (
        TextColumn("simulate {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(instrument, total=None)
        simulator(instrument).simulate(
            plan,
            folder,
            lambda done, total, name: bar.update(task, completed=done, total=total, description=name),
        )
    typer.echo(f"simulated {plan.nights} nights of {plan.instrument} in {folder}")
