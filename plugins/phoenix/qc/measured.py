"""A QC1 value as it was measured, with what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phoenix.config.qc import Parameter
from phoenix.model.score import Qc1Value


@dataclass(frozen=True, slots=True)
class Measured:
    """A QC1 value with the parameter it belongs to, the words of its product, and its order, fibre ..."""

    qc1: Qc1Value
    parameter: Parameter
    words: Mapping[str, str]
    item: str = ""
