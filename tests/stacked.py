"""Stacks for tests, made by our own recipe from products of single exposures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from astropy.io import fits

from phoenix.model.product import Product
from phoenix.recipes.contract import run
from phoenix.recipes.registry import PIPELINE


def combine(products: Iterable[Product], folder: Path) -> list[Product]:
    """Run phoenix_spectrum_combine on products and return what it wrote into a folder."""
    folder.mkdir(parents=True)
    sof = folder / "stack.sof"
    sof.write_text("".join(f"{product.path} {product.pro_catg}\n" for product in products))
    assert run(PIPELINE, [f"--output-dir={folder}", "phoenix_spectrum_combine", str(sof)]) == 0
    return [
        Product(str(path), fits.getheader(path)["ESO PRO CATG"], path.stat().st_size, "")
        for path in sorted(folder.glob("*.fits"))
    ]
