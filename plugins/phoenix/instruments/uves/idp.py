"""Converter ``uves_spectrum``: single exposures, and stacks of the exposures of an OB."""

from __future__ import annotations

from phoenix.idp.job import ConversionJob
from phoenix.idp.registry import converter
from phoenix.instruments.uves.single_idp import convert_single
from phoenix.instruments.uves.stack_idp import convert_stack
from phoenix.model.product import Idp


@converter("uves_spectrum")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDP of an exposure or of a stack, and its ancillary files.

    Raises
    ------
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    return convert_stack(job) if job.singles else convert_single(job)
