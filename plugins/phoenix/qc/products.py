"""The products of one AB, found by PRO.CATG template, each file read at most once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.model.product import Product

#: Values of each word: ``{"chip": ("BLUE", "REDL", "REDU")}``.
Words = Mapping[str, tuple[str, ...]]
Floats = npt.NDArray[np.float64]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Match:
    """A PRO.CATG that fits a template, with the words it was fitted by.

    Attributes
    ----------
    product
        None when the recipe should have written this product and did not.
    """

    pro_catg: str
    words: Mapping[str, str]
    product: Product | None


def template_pattern(template: str, words: Words) -> re.Pattern[str]:
    """Return the regular expression of a template such as ``RED_{type}_{chip}``.

    Raises
    ------
    QcError
        If the template holds a word without known values.
    """
    parts = []
    for text, word, _, _ in Formatter().parse(template):
        parts.append(re.escape(text))
        if word is None:
            continue
        if word not in words:
            raise QcError(
                f"product {template}",
                f"the word {{{word}}} has no values",
                f"one of {', '.join(f'{{{known}}}' for known in sorted(words)) or '(none)'}",
                "mend the product's name in the QC configuration",
            )
        parts.append(f"(?P<{word}>{'|'.join(map(re.escape, words[word]))})")
    return re.compile("".join(parts))


@dataclass
class Products:
    """Products of an AB, opened when asked for.

    Parameters
    ----------
    products : iterable of Product
        What the recipe wrote.
    words : mapping
        Values of the words templates may hold.
    expected : iterable of str
        PRO.CATG the recipe should have written; a missing one is found, as missing.
    """

    products: Iterable[Product]
    words: Words = field(default_factory=dict)
    expected: Iterable[str] = ()

    def __post_init__(self) -> None:
        self.products = tuple(self.products)
        self._by_catg: dict[str, Product | None] = dict.fromkeys(self.expected)
        self._by_catg |= {product.pro_catg: product for product in self.products}
        self._open: dict[str, fits.HDUList] = {}
        self._kept: dict[str, Any] = {}
        self._others: list[Products] = []

    def matching(self, template: str) -> list[Match]:
        """Return what fits a template, in order of PRO.CATG, missing products included."""
        pattern = template_pattern(template, self.words)
        found = ((catg, pattern.fullmatch(catg)) for catg in sorted(self._by_catg))
        return [Match(catg, match.groupdict(), self._by_catg[catg]) for catg, match in found if match]

    def has(self, pro_catg: str) -> bool:
        """Return whether there is a product of that PRO.CATG."""
        return self._by_catg.get(pro_catg) is not None

    def every(self, pro_catg: str) -> tuple[Product, ...]:
        """Return all products of a PRO.CATG, in the recipe's order: one for each fibre, for instance."""
        return tuple(product for product in self.products if product.pro_catg == pro_catg)

    @property
    def folder(self) -> Path:
        """Folder the products lie in; ``QcError`` if there are none."""
        for product in self.products:
            return Path(product.path).parent
        raise QcError("products", "there are none", "at least one")

    def header(self, pro_catg: str, extension: int = 0) -> fits.Header:
        """Return a header of a product; ``QcError`` if it is not there or cannot be read."""
        return self._hdu(pro_catg, extension).header

    def extensions(self, pro_catg: str) -> tuple[str, ...]:
        """Return the names of the HDUs of a product, the primary first; ``QcError`` if it is not there."""
        self._hdu(pro_catg, 0)
        return tuple(hdu.name for hdu in self._open[pro_catg])

    def image(self, pro_catg: str, extension: int = 0) -> Floats:
        """Return an image or spectrum as float64, as it lies in the file; ``QcError`` if there is none."""
        return np.asarray(self._data(pro_catg, extension), dtype=np.float64)

    def table(self, pro_catg: str, extension: int = 1) -> Any:
        """Return a binary table as a FITS record array; ``QcError`` if there is none."""
        return self._data(pro_catg, extension)

    def once(self, what: str, read: Callable[[], _T]) -> _T:
        """Return what ``read`` gave when it was first asked for: what several measurements look at."""
        if what not in self._kept:
            self._kept[what] = read()
        kept: _T = self._kept[what]
        return kept

    def of_others(self, products: Iterable[Product]) -> Products:
        """Return products of another AB, e.g. those behind a stack; they are closed together with these."""
        self._others.append(Products(products, self.words))
        return self._others[-1]

    def close(self) -> None:
        """Close all files."""
        for other in self._others:
            other.close()
        self._others.clear()
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        self._kept.clear()

    def _data(self, pro_catg: str, extension: int) -> Any:
        data = self._hdu(pro_catg, extension).data
        if data is None:
            raise QcError(
                f"product {pro_catg}", f"extension {extension} holds no data", "an image or a table"
            )
        return data

    def _hdu(self, pro_catg: str, extension: int) -> Any:
        product = self._by_catg.get(pro_catg)
        if product is None:
            raise QcError(f"product {pro_catg}", "is not there", "a product of this recipe")
        try:
            if pro_catg not in self._open:
                self._open[pro_catg] = fits.open(Path(product.path), memmap=False)
            return self._open[pro_catg][extension]
        except (OSError, IndexError) as error:
            raise QcError(
                f"product {product.path}", f"extension {extension} cannot be read: {error}"
            ) from error


def keyword_value(header: fits.Header, keyword: str) -> Any:
    """Return a header value by dotted name, None if absent.

    ``QC.EX.NORD`` is ``HIERARCH ESO QC EX NORD``; a name without dots is looked for as it is, then under ESO.
    """
    hierarch = f"ESO {keyword.replace('.', ' ')}"
    return header.get(hierarch) if "." in keyword or keyword not in header else header[keyword]
