"""The calibrations products name in their headers, held against those the recipe was given."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from phoenix.config.instrument import Unrecorded
from phoenix.execution.products import WrittenProduct
from phoenix.execution.staging import Input
from phoenix.model.frame import Value

_CALIBRATION = re.compile(r"CAL\d+\.CATG")
_RECIPE = re.compile(r"PRO\.REC(\d+)\.ID")


def wrong_calibrations(
    recipe: str,
    products: Sequence[WrittenProduct],
    inputs: Sequence[Input],
    unrecorded: Iterable[Unrecorded],
    combined: Collection[str] = (),
) -> Iterator[str]:
    """Name calibrations that were given and not used, used and not given, or others than those given.

    A recipe may leave a calibration aside without a word; the headers of its products then lack it.

    Parameters
    ----------
    recipe
        The one that ran: products of MUSE keep the records of the recipes before it.
    products
        Those the AB expects: others may hand on the header of an input (the resampled flat of UVES names the
        bias of its master flat).
    inputs
        All files of the SOF.
    unrecorded
        Calibrations recipes use without naming them.
    combined
        Tags of products of other ABs that stand for raw frames: some recipes count them as such, others not.
    """
    if all(product.problem for product in products):
        return
    given: dict[str, set[str]] = {}
    for entry in inputs:
        if not entry.raw:
            given.setdefault(entry.tag, set()).add(entry.fingerprint)
    used: dict[str, set[str]] = {}
    for product in products:
        if not product.problem:
            for tag, fingerprint in _named(recipe, product.keywords):
                used.setdefault(tag, set()).add(fingerprint)
    patterns = [re.compile(entry.pattern) for entry in unrecorded]
    for tag, fingerprints in given.items():
        if tag not in used:
            if tag not in combined and not any(pattern.fullmatch(tag) for pattern in patterns):
                yield f"calibration {tag} was given, but no product names it"
        # A file without DATAMD5 gives nothing to compare: some recipes work the sum out themselves.
        elif "" not in fingerprints and not used[tag] <= fingerprints | {""}:
            yield f"calibration {tag} in the products is another one than was given"
    for tag in sorted(used.keys() - {entry.tag for entry in inputs}):
        yield f"calibration {tag} is named by products, but was not given"


def _named(recipe: str, keywords: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Give tag and DATAMD5 (or empty) of each calibration a product header says this recipe took."""
    records = [
        int(match[1])
        for key, name in keywords.items()
        if name == recipe and (match := _RECIPE.fullmatch(key)) is not None
    ]
    record = f"PRO.REC{max(records, default=1)}."
    for key, tag in keywords.items():
        if key.startswith(record) and _CALIBRATION.fullmatch(key.removeprefix(record)):
            yield str(tag), str(keywords.get(f"{key.removesuffix('CATG')}DATAMD5", ""))
