"""The verdict on a recipe run: exit code 0 alone never means success.

Pure: evidence in, outcome and findings out. Each check is one function that gives sentences: how the
container ended, ERROR lines, expected products, their integrity, the calibrations they name, sanity limits.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from phoenix.config.instrument import Instrument, Recipe, Sanity
from phoenix.config.rules import Rules, Split, When
from phoenix.execution.container import ContainerEnd
from phoenix.execution.products import ProductList, WrittenProduct
from phoenix.execution.recipe_log import LogLine, Severity, outside_harmless, summarized
from phoenix.execution.staging import Input
from phoenix.execution.workfolder import DiskRoom
from phoenix.model.ab import AssociationBlock
from phoenix.model.frame import Value
from phoenix.model.outcome import Outcome

#: Exit codes of esorex are CPL's error codes.
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
    126: "the program cannot be run",
    127: "the image has no such program",
    255: "esorex refused the command line",
}
_CALIBRATION = re.compile(r"PRO\.REC\d+\.CAL\d+\.CATG")
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_SPLIT_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about a run.

    Attributes
    ----------
    disk
        Room on the output's file system when the container had ended.
    """

    end: ContainerEnd
    lines: Sequence[LogLine]
    listing: ProductList
    inputs: Sequence[Input]
    disk: DiskRoom
    memory_gb: float
    timeout_s: float


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
    errors = outside_harmless(evidence.lines, Severity.ERROR, yardstick.instrument.harmless)
    ended = _how_it_ended(evidence, errors)
    if ended is not None:
        return ended
    unmade = _unmade(ab, evidence.inputs)
    expected = _possible(ab, unmade, yardstick.rules)
    grave = (
        *(f"ERROR in the log though the exit code is 0: {text}" for text in summarized(errors)),
        *_lacking(expected, evidence.listing),
        *_broken(evidence.listing.products),
        *_calibrations(ab, evidence, yardstick),
        *_insane(ab, evidence.listing.products, yardstick),
    )
    warnings = outside_harmless(evidence.lines, Severity.WARNING, yardstick.instrument.harmless)
    notes = (
        *(f"optional calibration {tag} was not made by its AB: reduced without it" for tag in unmade),
        *(f"WARNING in the log: {text}" for text in summarized(warnings)),
    )
    if grave and evidence.disk.full:
        return Judgement(Outcome.CRASHED, (f"disk full: {evidence.disk}", *grave, *notes))
    if grave:
        return Judgement(Outcome.FAILED, (*grave, *notes))
    return Judgement(Outcome.CAVEATS if notes else Outcome.OK, notes)


def _how_it_ended(evidence: Evidence, errors: Sequence[LogLine]) -> Judgement | None:
    """Judge runs that did not come to their own good end; None when the exit code is 0."""
    end = evidence.end
    said = tuple(f"ERROR in the log: {text}" for text in summarized(errors))
    if end.timed_out:
        return Judgement(
            Outcome.TIMEOUT, (f"not finished after {evidence.timeout_s:g} s, the recipe's limit", *said)
        )
    if end.stopped:
        return Judgement(Outcome.CRASHED, ("stopped on request", *said))
    if end.exit_code is None:
        return Judgement(Outcome.CRASHED, (f"the engine lost the container: {end.lost}", *said))
    if end.oom_killed:
        return Judgement(
            Outcome.OUT_OF_MEMORY, (f"needs more than the {evidence.memory_gb:g} GB it was given", *said)
        )
    if end.exit_code == 0:
        return None
    if evidence.disk.full or any(_NO_SPACE.search(line.text) for line in errors):
        return Judgement(Outcome.CRASHED, (f"disk full: {evidence.disk}", *said))
    name = _signal_name(end.exit_code)
    if name:
        return Judgement(Outcome.CRASHED, (f"the recipe died of {name}", *said))
    meaning = _CPL_ERRORS.get(end.exit_code)
    code = f"exit code {end.exit_code}" + (f" ({meaning})" if meaning else "")
    return Judgement(Outcome.FAILED, (code, *said))


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


def _possible(ab: AssociationBlock, unmade: Iterable[str], rules: Rules) -> list[str]:
    """Return the expected products without those that need a calibration nobody made."""
    dependent = [
        _product_pattern(product.catg, rules.splits)
        for product in rules.task(ab.task).products
        if any(
            _product_pattern(needed, rules.splits).fullmatch(tag)
            for needed in product.needs
            for tag in unmade
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


def _calibrations(ab: AssociationBlock, evidence: Evidence, yardstick: Yardstick) -> Iterator[str]:
    """Hold the calibrations the products name against those of the SOF, in both directions.

    A recipe may leave a calibration aside without a word; the headers of its products then lack it. Only
    expected products count: others may hand on the header of an input (the resampled flat of UVES names the
    bias of its master flat).
    """
    own = [product for product in evidence.listing.products if product.pro_catg in ab.expected]
    unrecorded = [re.compile(entry.pattern) for entry in yardstick.instrument.unrecorded]
    given: dict[str, set[str]] = {}
    for entry in evidence.inputs:
        if not entry.raw:
            given.setdefault(entry.tag, set()).add(entry.fingerprint)
    used: dict[str, set[str]] = {}
    for product in own:
        if not product.problem:
            for tag, fingerprint in _used_calibrations(product.keywords):
                used.setdefault(tag, set()).add(fingerprint)
    if all(product.problem for product in own):
        return
    for tag, fingerprints in given.items():
        if tag not in used:
            if not any(pattern.fullmatch(tag) for pattern in unrecorded):
                yield f"calibration {tag} was given, but no product names it"
        elif not used[tag] <= fingerprints | {""}:
            yield f"calibration {tag} in the products is another one than was given"
    for tag in sorted(used.keys() - given.keys()):
        yield f"calibration {tag} is named by products, but was not given"


def _used_calibrations(keywords: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Give tag and DATAMD5 (or empty) of each calibration a product header names."""
    for key, tag in keywords.items():
        if _CALIBRATION.fullmatch(key):
            yield str(tag), str(keywords.get(f"{key.removesuffix('CATG')}DATAMD5", ""))


def _insane(ab: AssociationBlock, products: Sequence[WrittenProduct], yardstick: Yardstick) -> Iterator[str]:
    """Name products whose headers break the instrument's sanity limits."""
    setting = dict(ab.match_keys)
    for limit in yardstick.recipe.sanity:
        if not _applies(limit.when, setting):
            continue
        pattern = _product_pattern(limit.product, yardstick.rules.splits)
        for product in products:
            if pattern.fullmatch(product.pro_catg) and not product.problem:
                yield from _beyond(limit, product)


def _applies(when: When, setting: Mapping[str, str]) -> bool:
    return all(condition.holds(setting.get(alias)) for alias, condition in when.items())


def _product_pattern(pro_catg: str, splits: Mapping[str, Split]) -> re.Pattern[str]:
    """Return a pattern for a product name; each ``{split}`` word stands for any of its values."""
    pattern = ""
    for part in re.split(r"(\{\w+\})", pro_catg):
        word = _SPLIT_WORD.fullmatch(part)
        if word and word[1] in splits:
            values = [value for values in splits[word[1]].values.values() for value in values]
            pattern += f"(?:{'|'.join(map(re.escape, values))})"
        else:
            pattern += ".+" if word else re.escape(part)
    return re.compile(pattern)


def _beyond(limit: Sanity, product: WrittenProduct) -> Iterator[str]:
    value = product.keywords.get(limit.keyword)
    where = f"{product.pro_catg} has {limit.keyword}"
    expected = " and ".join(
        words
        for bound, words in (
            (limit.at_least, f"at least {limit.at_least}"),
            (limit.at_most, f"at most {limit.at_most}"),
        )
        if bound is not None
    )
    expected = f"expected {expected} {limit.unit}".rstrip() + f" ({limit.reason})"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f"{where} {'missing' if value is None else repr(value)}; {expected}"
    elif not (
        (limit.at_least is None or value >= limit.at_least)
        and (limit.at_most is None or value <= limit.at_most)
    ):
        yield f"{where} = {value:g}; {expected}"
