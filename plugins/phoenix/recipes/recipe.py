"""What a recipe is: a name, declared inputs and parameters, and a function from frames to products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phoenix.recipes.frames import Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import Parameter, ParameterValues
from phoenix.recipes.product import Product

#: Reads frames, returns products; raises ReductionError when it cannot.
Reduce = Callable[[Frames, ParameterValues, Messages], Sequence[Product]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as the command line knows it.

    Attributes
    ----------
    title
        One line.
    description
        What it does, with the source of its formulae.
    reduce
        The work.
    """

    name: str
    title: str
    description: str
    inputs: tuple[InputClass, ...]
    parameters: tuple[Parameter, ...]
    reduce: Reduce


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A set of recipes under one name and version.

    Attributes
    ----------
    name
        First part of ``PRO REC1 PIPE ID``.
    notice
        Line at the head of every log; for what the reader must not overlook.
    """

    name: str
    version: str
    recipes: tuple[Recipe, ...]
    notice: str = ""

    @property
    def identity(self) -> str:
        """Value of ``PRO REC1 PIPE ID``."""
        return f"{self.name}/{self.version}"
