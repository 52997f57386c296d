"""One call that associates frames by the project's UVES rules, changed where a test needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from builders_uves import project_configuration
from phoenix.association.engine import Associations, associate
from phoenix.config.release import Mode
from phoenix.config.rules import Rules
from phoenix.model.frame import Frame

Associate = Callable[..., Associations]


@pytest.fixture(scope="session")
def run() -> Associate:
    """Return the function: frames, and what shall differ in rules and release."""
    configuration = project_configuration()
    instrument = configuration.instrument("UVES")
    project_rules = configuration.rules("UVES")

    def run_(
        frames: Iterable[Frame],
        rules: Rules | None = None,
        mode: str = "COMPLETE",
        release: str = "UVES_R3",
        **changes: Any,
    ) -> Associations:
        frames = list(frames)
        nights = {frame.night for frame in frames if frame.kind == "raw"}
        return associate(
            frames,
            rules or project_rules.model_copy(update=changes),
            configuration.release(release).model_copy(update={"mode": Mode(mode)}),
            instrument,
            nights,
        )

    return run_
