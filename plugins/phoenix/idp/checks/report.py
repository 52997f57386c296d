"""How a rule tells what it found."""

from __future__ import annotations

from phoenix.idp.checks.rules import RULES
from phoenix.idp.fitsfile import Hdu
from phoenix.model.product import Finding


def finding(rule: str, where: str | Hdu, message: str) -> Finding:
    """Return a finding; the place is a file or an HDU."""
    if rule not in RULES:
        raise KeyError(rule)
    return Finding(rule, where if isinstance(where, str) else f"HDU {where.index} {where.name}", message)
