"""Converters by the names releases use."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from phoenix.errors import ConfigError
from phoenix.idp.job import ConversionJob
from phoenix.model.product import Idp

#: Writes the IDPs of one AB into the job's folder; the science product comes before its ancillary files.
Converter = Callable[[ConversionJob], list[Idp]]

_converters: dict[str, Converter] = {}


def converter(name: str) -> Callable[[Converter], Converter]:
    """Register a converter: ``@converter("uves_spectrum")``."""

    def register(function: Converter) -> Converter:
        if _converters.setdefault(name, function) is not function:
            raise ConfigError(name, "is registered twice", "a name of its own", "rename one of the two")
        return function

    return register


def find_converter(name: str) -> Converter:
    """Return a registered converter; ``ConfigError`` if there is none of that name."""
    if name not in _converters:
        near = difflib.get_close_matches(name, _converters, n=1)
        raise ConfigError(
            f"field conversion.converter, {name!r}",
            "no instrument module offers it",
            f"one of {', '.join(sorted(_converters)) or '(none)'}",
            f"did you mean {near[0]}?" if near else "",
        )
    return _converters[name]
