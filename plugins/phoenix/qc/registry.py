"""Measurements and reports of the instruments' modules, registered by the names the configuration uses."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock
from phoenix.qc.products import Products
from phoenix.qc.scorecard import Scorecard


@dataclass(frozen=True, slots=True)
class Source:
    """What a measurement looks at.

    Attributes
    ----------
    pro_catg
        The product it was asked about; empty for a measurement of the AB as a whole.
    words
        How that product fits its template, e.g. ``{"chip": "REDL"}``.
    """

    ab: AssociationBlock
    products: Products
    pro_catg: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    def sibling(self, template: str) -> str:
        """Return the PRO.CATG of another product of the same words."""
        return template.format(**self.words)


class Picture(Protocol):
    """A small value that knows how to draw itself; the same value always gives the same file."""

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        ...


#: One number, several keyed by order, fibre ..., or None when the parameter does not apply to this AB.
Result = float | Mapping[str, float] | None
Measurement = Callable[[Source], Result]
#: Yields (kind, picture); the kind becomes part of the file name.
Report = Callable[[Source, Scorecard], Iterator[tuple[str, Picture]]]

_Registered = TypeVar("_Registered", Measurement, Report)

_measurements: dict[str, Measurement] = {}
_reports: dict[str, Report] = {}


def measurement(name: str) -> Callable[[Measurement], Measurement]:
    """Register a measurement: ``@measurement("uves.snr")``."""
    return _registrar(_measurements, name)


def report(name: str) -> Callable[[Report], Report]:
    """Register a report: ``@report("uves.science")``."""
    return _registrar(_reports, name)


def find_measurement(name: str) -> Measurement:
    """Return a registered measurement; ``ConfigError`` if there is none of that name."""
    return _find(_measurements, "measure", name)


def find_report(name: str) -> Report:
    """Return a registered report; ``ConfigError`` if there is none of that name."""
    return _find(_reports, "report", name)


def _registrar(table: dict[str, _Registered], name: str) -> Callable[[_Registered], _Registered]:
    def register(function: _Registered) -> _Registered:
        if table.setdefault(name, function) is not function:
            raise ConfigError(name, "is registered twice", "a name of its own", "rename one of the two")
        return function

    return register


def _find(table: Mapping[str, _Registered], kind: str, name: str) -> _Registered:
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        raise ConfigError(
            f"{kind} {name!r} of the QC configuration",
            "no instrument module offers it",
            f"one of {', '.join(sorted(table)) or '(none)'}",
            f"did you mean {near[0]}?" if near else "",
        )
    return table[name]
