"""What a recipe says it wrote, and what is really there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phoenix.execution.command import PRODUCTS_LIST
from phoenix.execution.fits_integrity import read_fits_record
from phoenix.model.frame import Value

#: Far above any recipe's list.
_MAX_LIST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WrittenProduct:
    """A product as the recipe lists it, with what one reading of the file told.

    Attributes
    ----------
    name
        File name in the output folder.
    pro_catg
        Category in the recipe's list.
    keywords
        Primary header by dotted keyword.
    extensions
        Headers of the extensions, in their order.
    problem
        Why the file cannot be used; empty when it can.
    """

    name: str
    pro_catg: str
    keywords: Mapping[str, Value] = field(default_factory=dict)
    size_bytes: int = 0
    sha256: str = ""
    problem: str = ""
    extensions: Sequence[Mapping[str, Value]] = ()


@dataclass(frozen=True, slots=True)
class ProductList:
    """The recipe's list; ``problem`` says why there is none."""

    products: tuple[WrittenProduct, ...] = ()
    problem: str = ""


def read_products(output: Path) -> ProductList:
    """Read ``products.json`` and every file it names.

    The list is foreign text: a name that leads out of the output folder, or through a link, is refused.
    """
    listing = output / PRODUCTS_LIST
    try:
        if listing.stat().st_size > _MAX_LIST_BYTES:
            return ProductList(problem=f"{PRODUCTS_LIST} is longer than {_MAX_LIST_BYTES} bytes")
        entries = json.loads(listing.read_text(encoding="utf-8"))
        named = [(str(entry["name"]), str(entry["category"])) for entry in entries]
    except FileNotFoundError:
        return ProductList(problem=f"the recipe wrote no {PRODUCTS_LIST}")
    except (ValueError, TypeError, KeyError) as error:
        return ProductList(problem=f"{PRODUCTS_LIST} cannot be read: {error}")
    return ProductList(tuple(_read(output, name, catg) for name, catg in named))


def _read(output: Path, name: str, pro_catg: str) -> WrittenProduct:
    path = output / Path(name).name
    if path.is_symlink() or not path.is_file():
        return WrittenProduct(path.name, pro_catg, problem="the recipe lists it, the file is not there")
    record = read_fits_record(path)
    problem = record.problem
    if not problem and record.keywords.get("PRO.CATG") != pro_catg:
        problem = f"its header says PRO.CATG {record.keywords.get('PRO.CATG')!r}, the list says {pro_catg!r}"
    return WrittenProduct(
        path.name, pro_catg, record.keywords, record.size_bytes, record.sha256, problem, record.extensions
    )
