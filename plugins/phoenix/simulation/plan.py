"""What to simulate: instrument, month, number of nights, seed and frame size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Literal

from phoenix.errors import UsageError

FIRST_NIGHT_OF_MONTH = 4

#: Told once per frame: frames done, frames in all, name of the frame.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SimulationPlan:
    """A simulation, fully: the same plan always gives the same bytes.

    Parameters
    ----------
    instrument : str
        ESO name, for example ``UVES``.
    month : str
        ``YYYY-MM``.
    nights : int
        Consecutive nights, the first is the 4th of the month.
    seed : int
        Seed of all noise.
    size : {'small', 'full'}
        ``full`` has the binning astronomers use, ``small`` a coarser one for quick demonstrations.
    raw : bool
        Raw frames as well, where a simulator writes other files: MUSE, of one unit.
    """

    instrument: str
    month: str
    nights: int
    seed: int
    size: Literal["small", "full"]
    raw: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", self.month):
            raise UsageError("month", f"{self.month!r}", "YYYY-MM", "give a month such as 2019-03")
        if not 1 <= self.nights <= 25:
            raise UsageError(
                "nights", f"{self.nights}", "1 to 25", "choose fewer nights or simulate the next month too"
            )
        if self.seed < 0:
            raise UsageError("seed", f"{self.seed}", "zero or a positive integer", "choose another seed")
        if self.size not in ("small", "full"):
            raise UsageError("size", f"{self.size!r}", "small or full", "choose one of the two sizes")

    def night_dates(self) -> list[date]:
        """Civil dates of the evenings."""
        year, month = (int(part) for part in self.month.split("-"))
        first = date(year, month, FIRST_NIGHT_OF_MONTH)
        return [first + timedelta(days=i) for i in range(self.nights)]

    def require(self, instrument: str, *, raw: bool = False) -> None:
        """See that the plan is one of this instrument.

        Parameters
        ----------
        raw : bool
            Whether its simulator knows raw frames as well.

        Raises
        ------
        UsageError
            If it is another's, or asks for raw frames as well where there are no others.
        """
        if self.raw and not raw:
            raise UsageError(
                "--raw",
                f"frames of {instrument} are raw frames anyhow",
                "it for MUSE, whose months are pixel tables",
                "leave it away",
            )
        if self.instrument.upper() != instrument:
            raise UsageError(
                "instrument", self.instrument, instrument, "take the simulator of that instrument"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
