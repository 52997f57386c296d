"""Headers of KMOS raw frames: shared groups plus INS, OCS and DET of the instrument.

Names and forms of the OCS keywords of the arms are those public scripts read; no real frame was at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

from phoenix.simulation.atmosphere import PRESSURE_HPA
from phoenix.simulation.cards import (
    archive_cards,
    block_cards,
    data_product_cards,
    identity_cards,
    telescope_cards,
    template_cards,
)
from phoenix.simulation.fitsfile import Card
from phoenix.simulation.kmos.field import Allocation
from phoenix.simulation.kmos.settings import ARMS, DARK, DETECTORS, GAIN_E_ADU, GRATING, INSTRUMENT, KmosSetup
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile


def primary_cards(exposure: Exposure[KmosSetup], arms: dict[int, Allocation]) -> list[Card]:
    """All cards of the primary header."""
    template = exposure.template
    kind, block = template.setup.kind, template.block
    dpr_type = kind.dpr_types[exposure.number - 1]
    target = dpr_type if block.target is None else block.target.name
    original = f"KMOS_{kind.name.replace(' ', '_')}_{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, "ESO-VLT-U1", block, target, exposure.start, kind.exptime_s),
        *data_product_cards(kind.catg, dpr_type, kind.tech),
        *block_cards(block, target, template.number),
        *template_cards(kind.template, kind.name, template.start, template.planned, exposure.number),
        *telescope_cards(1, block, exposure.start, kind.exptime_s, PRESSURE_HPA),
        *_instrument_cards(shut=kind is DARK),
        *_arm_cards(arms),
        ("ESO DET ID", "KMOS", "Detector system Id"),
        ("ESO DET CHIPS", DETECTORS, "# of chips in detector array"),
        ("ESO DET NDIT", kind.ndit, "# of sub-integrations"),
        ("ESO DET SEQ1 DIT", kind.dit_s, "[s] Integration time"),
        ("ESO DET READ CURNAME", "Nondest", "Read-out mode name"),
        *archive_cards(arcfile(INSTRUMENT, exposure.start), original),
    ]


def _instrument_cards(*, shut: bool) -> Iterator[Card]:
    yield "ESO INS ID", "KMOS/1.0", "Instrument ID"
    for detector in range(1, DETECTORS + 1):
        yield f"ESO INS GRAT{detector} ID", GRATING, "Grating unique id"
        yield f"ESO INS FILT{detector} ID", "Block" if shut else GRATING, "Filter unique id"


def _arm_cards(arms: dict[int, Allocation]) -> Iterator[Card]:
    if not arms:
        return
    for arm in range(1, ARMS + 1):
        if arm not in arms:
            yield f"ESO OCS ARM{arm} NOTUSED", "Arm not used", "Arm is parked"
            continue
        target = arms[arm].target
        yield f"ESO OCS ARM{arm} NAME", target.name, "Name of the target"
        yield f"ESO OCS ARM{arm} TYPE", arms[arm].look, "O: object, S: sky"
        yield f"ESO OCS ARM{arm} ALPHA", _sexagesimal(target.ra_deg / 15.0), "[HHMMSS.TTT] RA of the target"
        yield f"ESO OCS ARM{arm} DELTA", _sexagesimal(target.dec_deg), "[DDMMSS.TTT] DEC of the target"


def _sexagesimal(value: float) -> float:
    thousandths = round(abs(value) * 3_600_000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    size = hours * 10_000 + minutes * 100 + rest / 1000
    return -size if value < 0 else size


def extension_cards(detector: int) -> list[Card]:
    """Cards of one detector's extension, counted from 1."""
    return [
        ("EXTNAME", f"CHIP{detector}.INT1", "Extension name"),
        ("ESO DET CHIP GAIN", GAIN_E_ADU, "[e-/ADU] Gain"),
        ("ESO DET CHIP INDEX", detector, "Number of the detector"),
    ]
