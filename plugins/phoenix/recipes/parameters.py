"""Parameters a recipe declares, and the values it is run with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phoenix.recipes.failure import CplCode, ReductionError

ParameterValue = bool | int | float | str

_KINDS = {bool: "bool", int: "int", float: "double", str: "string"}
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter a recipe declares; its type is that of its default.

    Attributes
    ----------
    name
        As on the command line, without the dashes.
    choices
        Allowed values; empty when any will do.
    at_least, at_most
        Limits of a number.
    """

    name: str
    default: ParameterValue
    description: str
    choices: tuple[str, ...] = ()
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def kind(self) -> str:
        """``bool``, ``int``, ``double`` or ``string``, as CPL names them."""
        return _KINDS[type(self.default)]

    def parse(self, text: str) -> ParameterValue:
        """Return the value a text stands for.

        Raises
        ------
        ReductionError
            If it is none of this parameter's.
        """
        try:
            value = self._converted(text)
        except ValueError:
            raise self._refusal(text, f"a {self.kind}") from None
        if self.choices and value not in self.choices:
            raise self._refusal(text, f"one of {', '.join(self.choices)}")
        if isinstance(value, (int, float)) and not self.at_least <= value <= self.at_most:
            raise self._refusal(text, f"from {self.at_least:g} to {self.at_most:g}")
        return value

    def _converted(self, text: str) -> ParameterValue:
        if self.kind == "bool":
            if text.lower() not in _BOOLEANS:
                raise ValueError(text)
            return _BOOLEANS[text.lower()]
        if self.kind == "int":
            return int(text)
        return float(text) if self.kind == "double" else text

    def _refusal(self, text: str, expected: str) -> ReductionError:
        return ReductionError(CplCode.COMMAND_LINE, f"parameter {self.name}", f"found {text!r}", expected)

    def as_json(self) -> dict[str, object]:
        """Return what ``--create-config`` writes, in the form of esorex's JSON."""
        entry: dict[str, object] = {
            "name": self.name,
            "value": self.default,
            "valtype": self.kind,
            "partype": "enum" if self.choices else "range" if self._is_limited else "value",
            "display_name": self.name,
            "description": self.description,
        }
        if self.choices:
            entry["valenum"] = list(self.choices)
        if math.isfinite(self.at_least):
            entry["valmin"] = self.at_least
        if math.isfinite(self.at_most):
            entry["valmax"] = self.at_most
        return entry

    @property
    def _is_limited(self) -> bool:
        return math.isfinite(self.at_least) or math.isfinite(self.at_most)


class ParameterValues:
    """The values of a run by name, each asked for in its type."""

    def __init__(self, declared: Sequence[Parameter], given: Mapping[str, str]) -> None:
        """Hold what was given against what is declared.

        Raises
        ------
        ReductionError
            If a parameter is unknown or its value not allowed.
        """
        by_name = {parameter.name: parameter for parameter in declared}
        for name in given:
            if name not in by_name:
                raise ReductionError(
                    CplCode.COMMAND_LINE, f"parameter {name}", "not recognized", ", ".join(by_name) or "none"
                )
        self.declared = tuple(declared)
        self._values = {
            name: parameter.parse(given[name]) if name in given else parameter.default
            for name, parameter in by_name.items()
        }

    def __getitem__(self, name: str) -> ParameterValue:
        return self._values[name]

    def flag(self, name: str) -> bool:
        """Return a parameter of type bool."""
        return bool(self._values[name])

    def whole(self, name: str) -> int:
        """Return a parameter of type int."""
        return int(self._values[name])

    def number(self, name: str) -> float:
        """Return a parameter of type double."""
        return float(self._values[name])

    def text(self, name: str) -> str:
        """Return a parameter of type string."""
        return str(self._values[name])


def as_text(value: ParameterValue) -> str:
    """Return a value as the command line and product headers write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
