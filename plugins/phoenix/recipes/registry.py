"""The recipes this project offers: a new one is written in a module of its own and listed here."""

from __future__ import annotations

from phoenix.recipes import VERSION
from phoenix.recipes.recipe import Pipeline
from phoenix.recipes.spectrum_combine import SPECTRUM_COMBINE
from phoenix.recipes.verify_inputs import VERIFY_INPUTS

PIPELINE = Pipeline("phoenix", VERSION, (SPECTRUM_COMBINE, VERIFY_INPUTS))
