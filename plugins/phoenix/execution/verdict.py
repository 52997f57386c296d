"""The verdict on a recipe run: exit code 0 alone never means success.

Pure: evidence in, outcome and findings out. Each check is one function that gives sentences: how the
container ended, what the log says, expected products, their integrity, the calibrations they name
(`recorded`), limits on their headers (`sanity`).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from phoenix.config.instrument import Instrument, Recipe
from phoenix.config.rules import Rules
from phoenix.execution.container import ContainerEnd
from phoenix.execution.products import ProductList, WrittenProduct
from phoenix.execution.recipe_log import (
    LogLine,
    Severity,
    grave_lines,
    outside_harmless,
    summarized,
    telling,
)
from phoenix.execution.recorded import wrong_calibrations
from phoenix.execution.sanity import Written, beyond_limits, product_pattern
from phoenix.execution.staging import Input
from phoenix.execution.usage import Usage
from phoenix.execution.workfolder import DiskRoom
from phoenix.model.ab import AssociationBlock, ProductInput
from phoenix.model.outcome import Outcome

#: Exit codes of UVES and of esorex are CPL's error codes.
_CPL_ERRORS = {
    1: "unspecified error",
    5: "file read or write error",
    6: "bad file format",
    7: "file already open",
    8: "file cannot be created",
    9: "file not found",
    10: "data not found",
    11: "access beyond boundaries",
    12: "null input data",
    13: "input data do not match",
    14: "illegal input",
    15: "illegal output",
    16: "unsupported mode",
    17: "singular matrix",
    18: "division by zero",
    19: "type mismatch",
    20: "invalid type",
    22: "no world coordinate system",
}
_ESOREX_ERRORS = {
    126: "the program cannot be run",
    127: "the image has no such program",
    250: "esorex refused the recipe's configuration",
    255: "esorex refused the command line",
}
_STATUS = re.compile(r"Execution of recipe .* failed, status = (-?\d+)")
#: SIGKILL, as shells tell it.
_KILLED = 128 + signal.SIGKILL
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about a run.

    Attributes
    ----------
    disk
        Room on the output's file system when the container had ended.
    usage
        What the container noted of itself.
    companions
        Files that went into the run, or lie beside those, which limits are relative to.
    """

    end: ContainerEnd
    lines: Sequence[LogLine]
    listing: ProductList
    inputs: Sequence[Input]
    disk: DiskRoom
    memory_gb: float
    timeout_s: float
    usage: Usage = field(default_factory=Usage)
    companions: Sequence[WrittenProduct] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Outcome with findings, the gravest first."""

    outcome: Outcome
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a run is held against.

    Attributes
    ----------
    rules
        Tell the words in braces of product names, and which products need which calibration.
    """

    instrument: Instrument
    recipe: Recipe
    rules: Rules


def judge(ab: AssociationBlock, evidence: Evidence, yardstick: Yardstick) -> Judgement:
    """Tell how a run ended.

    Parameters
    ----------
    ab : AssociationBlock
        Names the expected products and the calibrations.
    """
    instrument, rules = yardstick.instrument, yardstick.rules
    errors = outside_harmless(evidence.lines, Severity.ERROR, instrument.harmless)
    ended = _how_it_ended(evidence, ab.recipe, errors)
    if ended is not None:
        return ended
    products = evidence.listing.products
    unmade = _unmade(ab, evidence.inputs)
    lacking = _unmade_inputs(ab, evidence.inputs)
    expected = _possible(ab, (*unmade, *(entry.tag for entry in lacking)), rules)
    limits = list(
        beyond_limits(
            yardstick.recipe.sanity,
            Written(products, evidence.companions, ab.setting, rules.splits),
        )
    )
    named = wrong_calibrations(
        ab.recipe,
        [product for product in products if product.pro_catg in ab.expected],
        evidence.inputs,
        instrument.unrecorded,
        {entry.tag for entry in ab.inputs},
    )
    ruinous = grave_lines(evidence.lines, instrument.grave)
    grave = (
        *(
            f"ERROR in the log though the exit code is 0: {text}"
            for text in summarized(telling(errors) or errors)
        ),
        *dict.fromkeys(f"WARNING in the log: {line.text} ({reason})" for line, reason in ruinous),
        *_lacking(expected, evidence.listing),
        *_broken(products),
        *named,
        *(finding.text for finding in limits if finding.grave),
    )
    warnings = outside_harmless(evidence.lines, Severity.WARNING, instrument.harmless)
    told = [line for line, _ in ruinous]
    notes = (
        *_left_out(ab, evidence.inputs),
        *(f"optional {entry.tag} was not made by AB {entry.ab}: combined without it" for entry in lacking),
        *(f"optional calibration {tag} was not made by its AB: reduced without it" for tag in unmade),
        *(finding.text for finding in limits if not finding.grave),
        *(
            f"WARNING in the log: {text}"
            for text in summarized([line for line in warnings if line not in told])
        ),
    )
    if grave and evidence.disk.full:
        return Judgement(Outcome.CRASHED, (f"disk full: {evidence.disk}", *grave, *notes))
    if grave:
        return Judgement(Outcome.FAILED, (*grave, *notes))
    return Judgement(Outcome.CAVEATS if notes else Outcome.OK, notes)


def _how_it_ended(evidence: Evidence, recipe: str, errors: Sequence[LogLine]) -> Judgement | None:
    """Judge runs that did not come to their own good end; None when the exit code is 0."""
    words = telling(errors) or [line for line in evidence.lines if line.severity is Severity.INFO] or errors
    said = tuple(f"{recipe} says: {text}" for text in summarized(words))
    outcome, finding = _end(evidence, errors)
    if outcome is None:
        return None
    # The recipe's own words lead where it is the recipe that failed, and follow where it was cut short.
    if outcome is Outcome.FAILED:
        return Judgement(outcome, (*said[:1], finding, *said[1:]))
    return Judgement(outcome, (finding, *said))


def _end(evidence: Evidence, errors: Sequence[LogLine]) -> tuple[Outcome | None, str]:
    end = evidence.end
    if end.timed_out:
        return Outcome.TIMEOUT, f"not finished after {evidence.timeout_s:g} s, the recipe's limit"
    if end.stopped:
        return Outcome.CRASHED, "stopped on request"
    if end.exit_code is None:
        return Outcome.CRASHED, f"the engine lost the container: {end.lost}"
    # Engines overlook the kernel's killing of a process that is not the container's first.
    killed = end.exit_code == _KILLED and evidence.usage.oom_kills > 0
    if end.oom_killed or killed:
        return Outcome.OUT_OF_MEMORY, f"needs more than the {evidence.memory_gb:g} GB it was given"
    if end.exit_code == 0:
        return None, ""
    if evidence.disk.full or any(_NO_SPACE.search(line.text) for line in errors):
        return Outcome.CRASHED, f"disk full: {evidence.disk}"
    name = _signal_name(end.exit_code)
    if name:
        return Outcome.CRASHED, f"the recipe died of {name}"
    return Outcome.FAILED, _exit_code(end.exit_code, errors)


def _exit_code(code: int, errors: Sequence[LogLine]) -> str:
    """Return an exit code in words: a recipe's own status, or what esorex means by it."""
    status = next((match[1] for line in errors if (match := _STATUS.search(line.text))), None)
    if status is not None and int(status) % 256 == code and code not in _CPL_ERRORS:
        return f"exit code {code} (the recipe returned {status})"
    meaning = _CPL_ERRORS.get(code) or _ESOREX_ERRORS.get(code)
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")


def _signal_name(exit_code: int) -> str:
    """Return the signal an exit code above 128 stands for; empty if it stands for none."""
    try:
        return signal.Signals(exit_code - 128).name if exit_code > 128 else ""
    except ValueError:
        return ""


def _unmade(ab: AssociationBlock, inputs: Iterable[Input]) -> tuple[str, ...]:
    """Return the tags of optional calibrations that another AB should have made and did not."""
    given = {entry.tag for entry in inputs}
    return tuple(calib.tag for calib in ab.mcalibs if not calib.mandatory and calib.tag not in given)


def _left_out(ab: AssociationBlock, inputs: Iterable[Input]) -> Iterator[str]:
    """Name the ABs whose products should have been combined and are not there."""
    there = {entry.ab for entry in inputs}
    without = [name for name in ab.input_abs if name not in there]
    for name in without:
        count = f"{len(ab.input_abs) - len(without)} of {len(ab.input_abs)} ABs are combined"
        yield f"{count}: {name} did not make its products"


def _unmade_inputs(ab: AssociationBlock, inputs: Iterable[Input]) -> tuple[ProductInput, ...]:
    """Return the optional inputs that ABs whose other products are there did not make."""
    given = {(entry.ab, entry.tag) for entry in inputs}
    there = {name for name, _ in given}
    return tuple(entry for entry in ab.inputs if entry.ab in there and (entry.ab, entry.tag) not in given)


def _possible(ab: AssociationBlock, unmade: Iterable[str], rules: Rules) -> list[str]:
    """Return the expected products without those that need a calibration nobody made."""
    dependent = [
        product_pattern(product.catg, rules.splits)
        for product in rules.task(ab.task).products
        if any(
            product_pattern(needed, rules.splits).fullmatch(tag) for needed in product.needs for tag in unmade
        )
    ]
    return [catg for catg in ab.expected if not any(pattern.fullmatch(catg) for pattern in dependent)]


def _lacking(expected: Iterable[str], listing: ProductList) -> Iterator[str]:
    """Name expected products that were not written."""
    if listing.problem:
        yield listing.problem
        return
    written = {product.pro_catg for product in listing.products}
    for pro_catg in expected:
        if pro_catg not in written:
            yield f"expected product {pro_catg} was not written"
    if not listing.products:
        yield "the recipe wrote no product"


def _broken(products: Iterable[WrittenProduct]) -> Iterator[str]:
    """Name products that cannot be used."""
    for product in products:
        if product.problem:
            yield f"product {product.name} ({product.pro_catg}): {product.problem}"
