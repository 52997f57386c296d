"""What a converter gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from phoenix.config.base import Strict
from phoenix.errors import ConfigError, IdpError
from phoenix.model.ab import AssociationBlock
from phoenix.model.product import Product

_Configured = TypeVar("_Configured", bound=Strict)


@dataclass(frozen=True)
class Provenance:
    """What ran, beyond what the AB itself tells.

    Attributes
    ----------
    image_digest
        Content address of the pipeline image.
    pipeline_version
        As the pipeline tells it, e.g. ``uves/6.1.8``.
    code_version
        Version of this project.
    calibrations
        (PRO.CATG, path) of the calibrations the recipe really read: a virtual one of the AB became a file.
    """

    image: str = ""
    image_digest: str = ""
    pipeline_version: str = ""
    code_version: str = ""
    calibrations: tuple[tuple[str, str], ...] = ()


class LeftOutError(IdpError):
    """The release wants no IDP of this AB; nothing failed."""


def _no_bits(_item: str) -> str:
    return ""


@dataclass(frozen=True)
class ConversionJob:
    """One AB with everything its IDPs are made of.

    Attributes
    ----------
    raws
        Raw frames of the AB, in its order.
    reports
        QC report pictures (PNG), the first one the overview.
    readme
        Text for the reader of the IDP: the AB and the log of the recipe.
    prefix
        Two letters IDP names start with, e.g. ``UV``.
    config
        The release's ``conversion.config``; its converter knows what it means.
    folder
        Empty folder the files are written to.
    converted_at
        Moment of the conversion, UTC; becomes DATE.
    singles
        Of a stack: the exposures in it, in order of time, each with its own products, raw frames, QC report
        pictures, scores and text.
    score_bits
        Gives the score bits of a product, by the item it is (for GIRAFFE the FPS with three digits, empty
        for a whole exposure); empty where the instrument has none.
    pgis
        Configuration of the release's PGIs by name.
    """

    ab: AssociationBlock
    products: Sequence[Product]
    raws: Sequence[Path]
    provenance: Provenance
    folder: Path
    converted_at: datetime
    prefix: str
    reports: Sequence[Path] = ()
    readme: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    singles: Sequence[ConversionJob] = ()
    score_bits: Callable[[str], str] = _no_bits
    pgis: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, model: type[_Configured]) -> _Configured:
        """Return the release's configuration in its converter's form; ``ConfigError`` names a wrong field."""
        try:
            return model.model_validate(self.config)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(["conversion", "config", *(str(part) for part in first["loc"])])
            raise ConfigError(
                f"release {self.ab.release}, field {field}",
                f"found {str(first['input'])[:100]}",
                first["msg"],
            ) from error

    def product(self, pro_catg: str) -> Product:
        """Return the product of that PRO.CATG; ``IdpError`` if the recipe wrote none."""
        found = self.find(pro_catg)
        if found is None:
            raise IdpError(
                self.ab.name,
                f"there is no product {pro_catg}",
                "all products of the recipe",
                "run the recipe again and read its log",
            )
        return found

    def all_of(self, pro_catg: str) -> list[Product]:
        """Return the products of that PRO.CATG, in order of their paths."""
        found = (product for product in self.products if product.pro_catg == pro_catg)
        return sorted(found, key=lambda product: product.path)

    def find(self, pro_catg: str) -> Product | None:
        """Return the product of that PRO.CATG, or None."""
        return next((product for product in self.products if product.pro_catg == pro_catg), None)
