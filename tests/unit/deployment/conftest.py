"""What the tests of deployment share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, which pytest closes to the user PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="phoenix-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
