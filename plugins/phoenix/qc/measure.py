"""Measures the QC1 parameters of an AB; what cannot be measured is told, and the others go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from phoenix.config.qc import ITEM, Parameter
from phoenix.errors import PhoenixError, QcError
from phoenix.model.score import Qc1Value, QcProblem
from phoenix.qc.measured import Measured
from phoenix.qc.products import Match, keyword_value
from phoenix.qc.registry import Source, find_measurement


def measure_all(
    source: Source, parameters: Iterable[Parameter]
) -> tuple[tuple[Measured, ...], tuple[QcProblem, ...]]:
    """Measure all parameters of an AB.

    Parameters
    ----------
    source : Source
        The AB with its products.
    parameters : iterable of Parameter
        From the QC configuration of the AB's task.

    Returns
    -------
    measured : tuple of Measured
        In the order of the parameters; all values are finite numbers.
    problems : tuple of QcProblem
        One for each parameter, product and item that gave no number.
    """
    measured: dict[str, Measured] = {}
    problems: list[QcProblem] = []
    for parameter in parameters:
        found: list[QcProblem] = []
        for match in _matches(source, parameter, found):
            try:
                for one in _measure_one(source, parameter, match):
                    if reason := _refusal(one, measured):
                        found.append(QcProblem(one.qc1.parameter, reason))
                    else:
                        measured[one.qc1.parameter] = one
            except MemoryError:  # the limit of the job, not a matter of one parameter
                raise
            except Exception as error:
                found.append(problem_of(parameter.name.format_map({ITEM: "*", **match.words}), error))
        problems += [replace(problem, scored=bool(parameter.thresholds)) for problem in found]
    return tuple(measured.values()), tuple(problems)


def _refusal(one: Measured, measured: Mapping[str, Measured]) -> str:
    """Return why a value cannot be kept; empty when it can."""
    if one.qc1.parameter in measured:
        return "a second product gives this parameter; put a {word} of the product into its name"
    return "" if math.isfinite(one.qc1.value) else f"the value is {one.qc1.value}"


def problem_of(subject: str, error: BaseException) -> QcProblem:
    """Turn an exception into a problem; an unforeseen one keeps its traceback."""
    if isinstance(error, PhoenixError):
        return QcProblem(subject, f"{error.subject}: {error.found}")
    import traceback

    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return QcProblem(subject, reason, "".join(traceback.format_exception(error)))


def _matches(source: Source, parameter: Parameter, problems: list[QcProblem]) -> list[Match]:
    """Return the products the parameter is measured on; one empty match if it is of the AB as a whole."""
    if parameter.product is None:
        return [Match("", {}, None)]
    try:
        found = source.products.matching(parameter.product)
    except QcError as error:
        problems.append(problem_of(parameter.name, error))
        return []
    if not found and not parameter.optional:
        problems.append(QcProblem(parameter.name, f"there is no product {parameter.product}"))
    return found


def _measure_one(source: Source, parameter: Parameter, match: Match) -> Iterator[Measured]:
    if match.pro_catg and match.product is None:
        raise QcError(match.pro_catg, "the recipe did not write this product")
    if parameter.measure is None:
        values: Mapping[str, float] = {"": _from_header(source, parameter, match.pro_catg)}
    else:
        result = find_measurement(parameter.measure)(
            replace(source, pro_catg=match.pro_catg, words=match.words)
        )
        if result is None:
            return
        values = result if isinstance(result, Mapping) else {"": result}
    for item, value in values.items():
        name = parameter.name.format_map({ITEM: item, **match.words})
        yield Measured(Qc1Value(name, float(value), parameter.unit), parameter, match.words, item)


def _from_header(source: Source, parameter: Parameter, pro_catg: str) -> float:
    header = source.products.header(pro_catg)
    for keyword in parameter.keyword:
        value = keyword_value(header, keyword)
        if value is None:
            continue
        if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
            raise QcError(f"{pro_catg} {keyword}", f"holds {value!r}", "a number")
        return float(value)
    raise QcError(f"{pro_catg} {' or '.join(parameter.keyword)}", "the keyword is not in the header")
