"""Raw frames real recipes are run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from uves_frames import three_biases
from xshooter_night import XshooterNight, xshooter_night


@pytest.fixture(scope="session")
def uves_biases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three simulated bias frames of the blue arm."""
    return three_biases(tmp_path_factory.mktemp("uves"))


@pytest.fixture(scope="session")
def reduced_xshooter(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[XshooterNight]:
    """A simulated XSHOOTER night whose recipes all ran: the chain runs once for all tests of it."""
    with xshooter_night(postgres, tmp_path_factory.mktemp("xshooter")) as night:
        yield night
