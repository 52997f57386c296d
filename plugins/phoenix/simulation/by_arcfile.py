"""Truths of exposures, found by the name of their frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from phoenix.errors import UsageError


class _Exposure(Protocol):
    @property
    def arcfile(self) -> str: ...


_Truth = TypeVar("_Truth", bound=_Exposure)


def exposure_called(arcfile: str, exposures: Iterable[_Truth]) -> _Truth:
    """Return the truth of the frame called `arcfile`.

    Raises
    ------
    UsageError
        If it is not a science frame of this simulation.
    """
    found = next((exposure for exposure in exposures if exposure.arcfile == arcfile), None)
    if found is None:
        raise UsageError(
            arcfile, "not a science frame of this simulation", "an ARCFILE of truth.json", "check the folder"
        )
    return found
