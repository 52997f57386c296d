"""What a recipe run used and made, by the record beside its products: the way to calibrations and inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phoenix.errors import QcError
from phoenix.model.product import Product

#: The record of a run, beside its products.
RUN_RECORD = "verdict.json"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of a recipe.

    Attributes
    ----------
    inputs
        (tag, path) of each file it read, in the order of its SOF.
    """

    folder: Path
    inputs: tuple[tuple[str, Path], ...]
    products: tuple[Product, ...]

    def inputs_of(self, tag: str) -> tuple[Path, ...]:
        """Return the inputs of a tag; ``QcError`` if the run had none."""
        found = tuple(path for its_tag, path in self.inputs if its_tag == tag)
        if not found:
            raise QcError(str(self.folder / RUN_RECORD), f"names no input {tag}", "the inputs of the recipe")
        return found


def read_run_record(folder: Path) -> RunRecord:
    """Read the record in a product folder.

    Raises
    ------
    QcError
        If it is not there or not a record.
    """
    path = folder / RUN_RECORD
    try:
        record: Any = json.loads(path.read_bytes())
        return RunRecord(
            folder,
            tuple((str(entry["tag"]), Path(entry["path"])) for entry in record["inputs"]),
            tuple(
                Product(
                    str(folder / Path(entry["name"]).name),
                    str(entry["pro_catg"]),
                    int(entry["size_bytes"]),
                    str(entry["sha256"]),
                )
                for entry in record["products"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QcError(
            str(path), f"cannot be read: {error}", "the record of the run that made these products"
        ) from error
