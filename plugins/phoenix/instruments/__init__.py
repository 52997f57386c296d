"""What the YAML of an instrument cannot say: PGIs, converters and QC measurements, registered by name.

``instruments/<instrument>/<step>.py`` holds the code of one instrument for one step (``pgi``, ``smart``
for groups that keys cannot tell apart, ``qc``, ``idp``). Importing it registers what it offers. A module is
imported only when its step runs, so that drawing a report never pays for the converter.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def load(instrument: str, step: str) -> None:
    """Import what an instrument adds to a step, so that its registrations take effect.

    Does nothing when the instrument needs no code for that step; may be called as often as you like.

    Parameters
    ----------
    instrument : str
        Name as in the configuration, e.g. ``UVES``.
    step : str
        ``pgi``, ``smart``, ``qc`` or ``idp``.
    """
    package = f"{__name__}.{instrument.lower()}"
    # The parent is asked first: find_spec of a child raises when its parent does not exist.
    if find_spec(package) is not None and find_spec(f"{package}.{step}") is not None:
        import_module(f"{package}.{step}")
