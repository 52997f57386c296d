"""Raw frames of one unit in a night: biases and lamp flats of the day, an exposure, and the tables they need.

The recipes muse_bias, muse_flat and muse_scibasic reduce them with ``--nifu=10``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from astropy.io import fits

from phoenix.simulation.atmosphere import PRESSURE_HPA
from phoenix.simulation.cards import (
    archive_cards,
    block_cards,
    data_product_cards,
    identity_cards,
    telescope_cards,
    template_cards,
)
from phoenix.simulation.detector import frame_generator
from phoenix.simulation.fitsfile import Card, header, image_hdu, write_fits
from phoenix.simulation.muse.field import field_at
from phoenix.simulation.muse.headers import TEMPLATE_ID, instrument_cards, table_cards
from phoenix.simulation.muse.settings import INSTRUMENT, READOUT, TELESCOPE, UNIT_TELESCOPE
from phoenix.simulation.muse.statics import VALID_FROM, VALID_FROM_MJD
from phoenix.simulation.muse.unit import electrons, geometry, read_out, unit_cards, wavelengths
from phoenix.simulation.schedule import Clock, Exposure, Night, ObservationBlock, Template
from phoenix.simulation.stamps import arcfile, lst_deg, mjd, second_stamp

CALIBRATION_RUN, RUN = "60.A-9100(A)", "099.C-0805(A)"
EXPTIME_S = {"BIAS": 0.0, "FLAT,LAMP": 1.0, "OBJECT": 600.0}
#: Seconds from the beginning of a frame to that of the next, beyond its exposure time.
BETWEEN_S = 60.0


@dataclass(frozen=True)
class UnitSetup:
    """What kind of frame a template gives."""

    dpr_type: str
    catg: str
    template_id: str
    name: str


BIAS = UnitSetup("BIAS", "CALIB", "MUSE_wfm_cal_bias", "Bias")
FLAT = UnitSetup("FLAT,LAMP", "CALIB", "MUSE_wfm_cal_flat", "Lamp flat")
OBJECT = UnitSetup("OBJECT", "SCIENCE", TEMPLATE_ID, "Generic offsets")


def unit_night(evening: date, seed: int) -> Night[UnitSetup]:
    """Return three biases and three flats before a night, and an exposure after the night's other OBs."""
    # Of its own: the night's pixel tables are the same with and without these frames.
    draw = random.Random(f"MUSE unit {seed} {evening.isoformat()}")  # noqa: S311 - a clock, not a secret
    clock = Clock(datetime.combine(evening, time(20), UTC), draw)
    first_id = 200_000_000 + evening.toordinal() * 100
    templates = []
    for number, setup in enumerate((BIAS, FLAT), start=1):
        block = ObservationBlock(first_id + number, "Calibration", CALIBRATION_RUN, clock.step(60.0), 1)
        templates.append(_template(setup, block, clock, exposures=3))
    clock.now = datetime.combine(evening + timedelta(days=1), time(5), UTC)
    target = field_at(round(lst_deg(clock.now) / 15.0), band=8)
    block = ObservationBlock(first_id + 3, f"{target.name}_unit", RUN, clock.step(60.0), 1, target)
    templates.append(_template(OBJECT, block, clock, exposures=1))
    return Night(evening, tuple(templates))


def write_unit_frame(exposure: Exposure[UnitSetup], path: Path, seed: int) -> None:
    """Write a raw frame: a primary header, and the detector of the one unit."""
    setup = exposure.template.setup
    rng = frame_generator(seed, arcfile(INSTRUMENT, exposure.start))
    counts = read_out(electrons(setup.dpr_type), rng)
    hdus = [image_hdu(None, _primary_cards(exposure)), image_hdu(counts, unit_cards(), extension=True)]
    write_fits(path, hdus, second_stamp(exposure.start))


def geometry_files() -> Iterator[tuple[str, list[fits.PrimaryHDU]]]:
    """File name and HDUs of the static table the exposure needs."""
    cards = table_cards("GEOMETRY_TABLE", VALID_FROM, VALID_FROM_MJD)
    yield "GEOMETRY_TABLE.fits", [fits.PrimaryHDU(header=header(cards)), geometry()]


def wavelength_files(night: Night[UnitSetup]) -> Iterator[tuple[str, list[fits.PrimaryHDU]]]:
    """File name and HDUs of the night's wavelength calibration, a master nobody measured."""
    start = night.templates[0].start
    cards: list[Card] = [
        *table_cards("WAVECAL_TABLE", second_stamp(start), mjd(start)),
        ("ESO DET READ CURNAME", READOUT, "Used readout mode name"),
    ]
    primary = fits.PrimaryHDU(header=header(cards))
    yield f"WAVECAL_TABLE_{night.date.isoformat()}.fits", [primary, wavelengths()]


def _template(setup: UnitSetup, block: ObservationBlock, clock: Clock, exposures: int) -> Template[UnitSetup]:
    exptime_s = EXPTIME_S[setup.dpr_type]
    start = clock.step(BETWEEN_S)
    starts = tuple(clock.step(BETWEEN_S + exptime_s) for _ in range(exposures))
    return Template(setup, block, 1, start, exptime_s, exposures, starts)


def _primary_cards(exposure: Exposure[UnitSetup]) -> list[Card]:
    template = exposure.template
    setup, block, start = template.setup, template.block, exposure.start
    target = setup.dpr_type if block.target is None else block.target.name
    lamp = setup is FLAT
    original = f"MUSE_WFM_{setup.dpr_type.split(',')[0]}{start:%j}_{start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, TELESCOPE, block, target, start, template.exptime_s),
        *data_product_cards(setup.catg, setup.dpr_type, "IFU"),
        *block_cards(block, target, template.number),
        *template_cards(setup.template_id, setup.name, template.start, template.planned, exposure.number),
        *telescope_cards(UNIT_TELESCOPE, block, start, template.exptime_s, PRESSURE_HPA),
        *instrument_cards(0.0),
        *((f"ESO INS LAMP{n} ST", lamp and n == 1, "Lamp is on") for n in range(1, 7)),
        *((f"ESO INS SHUT{n} ST", lamp and n == 1, "Shutter is open") for n in range(1, 7)),
        ("ESO INS LAMP1 NAME", "CU-LAMP-ILLUM", "Lamp name"),
        *archive_cards(arcfile(INSTRUMENT, start), original),
    ]
