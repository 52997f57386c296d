"""Headers limits are relative to: of inputs, and of what the ABs that made them wrote beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from phoenix.config.instrument import Sanity
from phoenix.errors import HeaderError
from phoenix.execution.products import WrittenProduct
from phoenix.execution.staging import Input, Producer
from phoenix.headers.reader import read_headers


def read_companions(
    limits: Iterable[Sanity], inputs: Iterable[Input], producers: Mapping[str, Producer]
) -> tuple[WrittenProduct, ...]:
    """Return the headers that ``relative_to: made_with`` of the limits asks for; usually none.

    A file that cannot be read is told as its problem: the limit is then not checked, and says so.
    """
    wanted = {limit.relative_to.made_with for limit in limits if limit.relative_to is not None} - {""}
    if not wanted:
        return ()
    taken = {entry.path for entry in inputs}
    found = {entry.path: entry.tag for entry in inputs}
    for producer in producers.values():
        paths = {Path(product.path): product.pro_catg for product in producer.products}
        if not taken.isdisjoint(paths):
            found |= paths
    return tuple(_read(path, catg) for path, catg in found.items() if catg in wanted)


def _read(path: Path, pro_catg: str) -> WrittenProduct:
    try:
        primary, *extensions = read_headers(path)
    except HeaderError as error:
        return WrittenProduct(path.name, pro_catg, problem=error.found)
    return WrittenProduct(path.name, pro_catg, primary, extensions=extensions)
