"""The arms of XSHOOTER and where the headers tell their slits."""

from __future__ import annotations

#: Keyword with the name of an arm's slit, e.g. ``0.9x11``: width x length in arcsec.
SLIT_KEYWORDS = {"UVB": "INS.OPTI3.NAME", "VIS": "INS.OPTI4.NAME", "NIR": "INS.OPTI5.NAME"}
