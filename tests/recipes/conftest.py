"""Raw frames real recipes are run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from uves_frames import three_biases


@pytest.fixture(scope="session")
def uves_biases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three simulated bias frames of the blue arm."""
    return three_biases(tmp_path_factory.mktemp("uves"))
