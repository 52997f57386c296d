"""PGI ``set_parameters``: recipe parameters by recipe and setting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from phoenix.config.base import Strict
from phoenix.config.conditions import When
from phoenix.errors import ConfigError
from phoenix.headers.conditions import first_failure
from phoenix.model.ab import AssociationBlock
from phoenix.model.frame import Value
from phoenix.pgi.registry import PgiContext, pgi


class ParameterSetting(Strict):
    """Parameters for the ABs of a recipe whose setting fulfils ``when``.

    As everywhere, an alias the setting lacks fulfils no demand for a value (``one_of``, ``at_least`` ...) and
    every ban on one (``none_of``, ``unlike``); see :mod:`phoenix.headers.conditions`.
    """

    recipe: str
    when: When = Field(default={})
    parameters: dict[str, Value]
    reason: str


_SETTINGS = TypeAdapter(tuple[ParameterSetting, ...])


@pgi("set_parameters", version="1")
def set_parameters(ab: AssociationBlock, config: Any, context: PgiContext) -> AssociationBlock:
    """Set recipe parameters; of several settings that apply, later ones win, and so do all over the rules'.

    Raises
    ------
    ConfigError
        If the configuration is not a list of settings; names the field.
    """
    parameters = dict(ab.parameters)
    for entry in _parsed(config, context):
        if entry.recipe == ab.recipe and first_failure(entry.when, ab.setting.get) is None:
            parameters |= {name: _written(value) for name, value in entry.parameters.items()}
    return replace(ab, parameters=tuple(parameters.items()))


def _parsed(config: Any, context: PgiContext) -> tuple[ParameterSetting, ...]:
    try:
        return _SETTINGS.validate_python(config or ())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (context.origin, *first["loc"]))
        raise ConfigError(
            place,
            f"found {first.get('input')!r}"[:200],
            first["msg"],
            "a list of {recipe, when, parameters, reason}; see docs/operators.md, PGIs",
        ) from error


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
