"""Converter ``giraffe_spectrum``: one IDP for each fibre on a target, of an exposure or of an OB's stack.

The recipes write spectra in the SDP format; here their headers are completed, and names, ancillary files and
their categories put right. ANCILLARY.MOSSPECTRA.SKY and .CALSIM, QC reports and the text with AB and log
belong to all fibres of an exposure: each is one file that all of them name.
"""

from __future__ import annotations

from phoenix.errors import IdpError
from phoenix.idp.job import ConversionJob, LeftOutError
from phoenix.idp.registry import converter
from phoenix.instruments.giraffe.delivery import Delivery
from phoenix.instruments.giraffe.proc_mode import ProcMode, mode_of
from phoenix.instruments.giraffe.reduced import ReducedExposure, read_reduced
from phoenix.instruments.giraffe.stack_idp import stacked_fibres
from phoenix.model.product import Idp


@converter("giraffe_spectrum")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDPs of an exposure or of a stack, and their ancillary files.

    Raises
    ------
    LeftOutError
        If PROC_MODE is HISTORY and the exposure is in no stack.
    IdpError
        If products or keywords are missing or cannot be right, or PROC_MODE was another before.
    ConfigError
        If the release's configuration is wrong.
    """
    mode = mode_of(job.ab, job.pgis)
    if job.singles:
        return _convert_stack(job, mode)
    if mode is ProcMode.HISTORY:
        raise LeftOutError(
            "PROC_MODE",
            "is HISTORY, and the exposure is in no stack",
            remedy="give the release CURRENT to deliver single exposures",
        )
    exposure = read_reduced(job)
    delivery = Delivery(job)
    _single_idps(delivery, exposure, sorted(exposure.fibres))
    return delivery.files()


def _convert_stack(job: ConversionJob, mode: ProcMode) -> list[Idp]:
    exposures = sorted((read_reduced(single) for single in job.singles), key=lambda one: one.exposure.start)
    if not exposures:
        raise IdpError(job.ab.name, "no exposure of it has products", "exposures that were reduced")
    stacked = stacked_fibres(job, exposures)
    delivery = Delivery(job)
    for one in stacked:
        singles = [delivery.add_single(exposure, one.fps) for exposure in one.exposures]
        shared = [companion for exposure in one.exposures for companion in delivery.companions(exposure)]
        papers = delivery.papers(one.first.exposure.stem(job.prefix, "SOBS"))
        delivery.add_science(one.name(job.prefix), one.encode, one.title, [*singles, *shared, *papers])
    if mode is ProcMode.CURRENT:
        done = {one.fps for one in stacked}
        for exposure in exposures:
            _single_idps(delivery, exposure, sorted(exposure.fibres.keys() - done))
    return delivery.files()


def _single_idps(delivery: Delivery, exposure: ReducedExposure, fibres: list[int]) -> None:
    for fps in fibres:
        single = exposure.single(fps)
        delivery.add_science(single.name, single.encode, single.title, delivery.companions(exposure))
