"""Limits on product headers: what a recipe gets wrong with exit code 0 shows in its QC keywords."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeGuard

from phoenix.config.instrument import ALL, ANY, PRIMARY, Reference, Sanity
from phoenix.config.rules import Split
from phoenix.execution.products import WrittenProduct
from phoenix.headers.conditions import first_failure
from phoenix.model.frame import Value

_SPLIT_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about a product; one that is not grave is for a scientist to read."""

    text: str
    grave: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """What limits are held against.

    Attributes
    ----------
    products
        Of this run.
    companions
        Files that went into the run, or lie beside those: limits may be relative to them.
    setting
        Match keys of the AB.
    """

    products: Sequence[WrittenProduct]
    companions: Sequence[WrittenProduct]
    setting: Mapping[str, Value]
    splits: Mapping[str, Split]

    def named(self, pro_catg: str) -> Iterator[WrittenProduct]:
        """Give the usable products of a PRO.CATG, which may hold {split} words."""
        pattern = product_pattern(pro_catg, self.splits)
        for product in self.products:
            if pattern.fullmatch(product.pro_catg) and not product.problem:
                yield product


@dataclass(frozen=True, slots=True)
class _Place:
    """A header and its name in findings, e.g. ``EXP_VAR[CHIP1.INT1]``."""

    name: str
    keywords: Mapping[str, Value]


def product_pattern(pro_catg: str, splits: Mapping[str, Split]) -> re.Pattern[str]:
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


def beyond_limits(limits: Iterable[Sanity], written: Written) -> Iterator[Finding]:
    """Name headers that break limits, and limits that could not be checked."""
    for limit in limits:
        beside = not limit.only_with or any(written.named(limit.only_with))
        if beside and first_failure(limit.when, written.setting.get) is None:
            for product in written.named(limit.product):
                yield from _beyond(limit, product, written)


def _beyond(limit: Sanity, product: WrittenProduct, written: Written) -> Iterator[Finding]:
    places = _places(product, limit.ext, limit.keyword)
    if limit.extensions is not None and len(places) < limit.extensions:
        yield Finding(
            f"{product.pro_catg} has {len(places)} extensions; expected {limit.extensions} ({limit.reason})"
        )
    elif not places:
        yield Finding(f"{product.pro_catg} has no extension {limit.ext}; expected {_expected(limit)}")
    for place in places:
        value = place.keywords.get(limit.keyword)
        where = f"{place.name} has {limit.keyword}"
        if not _is_number(value):
            said = "missing" if value is None else repr(value)
            yield Finding(f"{where} {said}; expected {_expected(limit)}")
        elif value == limit.unmeasured:
            yield Finding(f"{where} = {value:g}, not measured, so it was not checked: {limit.reason}", False)
        elif limit.relative_to is None:
            yield from _outside(limit, f"{where} = {value:g}", value, 1.0, "")
        else:
            reference = _reference(limit.relative_to, limit.unmeasured, place, written)
            source = _source(limit.relative_to)
            if reference is None:
                text = f"{where} = {value:g}, not checked for want of {source}: {limit.reason}"
                yield Finding(text, False)
            else:
                beside = f"of {reference:g}, {source}"
                yield from _outside(limit, f"{where} = {value:g}", value, reference, beside)


def _outside(limit: Sanity, where: str, value: float, unit: float, beside: str) -> Iterator[Finding]:
    """Give the finding of a value outside its limits, which are told in multiples of ``unit``."""
    # A NaN is inside of nothing.
    low = limit.at_least is None or value >= limit.at_least * unit
    high = limit.at_most is None or value <= limit.at_most * unit
    if not (low and high):
        yield Finding(f"{where}; expected {_expected(limit, beside)}")


def _expected(limit: Sanity, beside: str = "") -> str:
    bounds = (("at least", limit.at_least), ("at most", limit.at_most))
    said = " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)
    if limit.relative_to is not None:
        said += f" times {beside or _source(limit.relative_to)}".replace("times of", "times")
    return f"{said} {limit.unit}".rstrip() + f" ({limit.reason})"


def _source(reference: Reference) -> str:
    catg = reference.product or reference.made_with
    return f"{reference.keyword} of {catg}" if catg else reference.keyword


def _reference(
    reference: Reference, unmeasured: float | None, place: _Place, written: Written
) -> float | None:
    """Return the median a limit is relative to; None when no header tells a measured value."""
    if reference.product:
        files: Iterable[WrittenProduct] = written.named(reference.product)
    else:
        files = (file for file in written.companions if file.pro_catg == reference.made_with)
    places = [found for file in files for found in _places(file, reference.ext, reference.keyword)]
    if not (reference.product or reference.made_with):
        places = [place]
    told = (found.keywords.get(reference.keyword) for found in places)
    values = [value for value in told if _is_number(value) and value != unmeasured]
    return median(values) if values else None


def _places(product: WrittenProduct, ext: str, keyword: str) -> list[_Place]:
    """Return the headers a limit is about."""
    extensions = [
        _Place(f"{product.pro_catg}[{header.get('EXTNAME', number)}]", header)
        for number, header in enumerate(product.extensions, start=1)
    ]
    primary = _Place(product.pro_catg, product.keywords)
    if ext == PRIMARY:
        return [primary]
    if ext == ALL:
        return extensions or [primary]
    if ext == ANY:
        return [place for place in (primary, *extensions) if keyword in place.keywords] or [primary]
    return [place for place in extensions if place.keywords.get("EXTNAME") == ext]


def _is_number(value: Value | None) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isinf(value)
