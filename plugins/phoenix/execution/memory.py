"""How much memory a recipe needs for given inputs."""

from __future__ import annotations

from collections.abc import Iterable

from phoenix.config.instrument import Recipe

_BYTES_PER_GB = 2**30


def estimate_gb(recipe: Recipe, rows_of_inputs: Iterable[int | None]) -> float:
    """Return the memory of an AB in GB, by the model of its recipe.

    Parameters
    ----------
    recipe : Recipe
        Its ``memory_gb``, or its ``memory``: base + inputs * per_input + bytes_per_row * rows. Measured for
        MUSE: 66 bytes per row of the pixel tables.
    rows_of_inputs : iterable of int or None
        Rows of each input that counts; None for one that is not there yet, which has ``typical_rows``.
    """
    model = recipe.memory
    if model is None:
        return recipe.memory_gb
    rows = [model.typical_rows if known is None else known for known in rows_of_inputs]
    table_gb = model.bytes_per_row * sum(rows) / _BYTES_PER_GB
    return model.base_gb + model.per_input_gb * len(rows) + table_gb
