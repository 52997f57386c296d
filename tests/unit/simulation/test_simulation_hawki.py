"""One simulated HAWK-I night on disk: frames, headers, light, statics, truth, and what a second call does."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.simulation import simulator
from phoenix.simulation.hawki.field import Field, stars_of
from phoenix.simulation.hawki.geometry import pixel_to_sky, sky_to_pixel
from phoenix.simulation.hawki.settings import CHIPS, EXTENSIONS
from phoenix.simulation.plan import SimulationPlan

PLAN = SimulationPlan("HAWKI", "2021-03", 1, 7, "small")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hawki")
    simulator("HAWKI").simulate(PLAN, out, lambda *_: None)
    return out


@pytest.fixture(scope="module")
def frames(month: Path) -> list[Path]:
    return sorted(month.glob("raw/*/*.fits"))


def of_type(frames: list[Path], dpr_type: str) -> list[Path]:
    return [path for path in frames if fits.getval(path, "ESO DPR TYPE") == dpr_type]


def test_a_night_holds_every_class_of_frame(frames: list[Path]) -> None:
    counts = Counter((fits.getval(path, "ESO DPR TYPE"), fits.getval(path, "ESO DET DIT")) for path in frames)
    assert counts == {("DARK", 10.0): 5, ("DARK", 2.0): 3, ("FLAT", 2.0): 2, ("OBJECT", 10.0): 6}


def test_frames_are_laid_out_as_eso_writes_them(frames: list[Path]) -> None:
    for path in frames:
        with fits.open(path, checksum=True) as hdus:
            assert [hdu.name for hdu in hdus[1:]] == list(EXTENSIONS)
            assert all(hdu.data.dtype == np.dtype(">i4") and hdu.data.shape == (512, 512) for hdu in hdus[1:])
            assert hdus[0].header["PHX SIMULATED"] is True
            assert hdus[0].header["ARCFILE"] == path.name
            assert ("CRVAL1" in hdus[1].header) == (hdus[0].header["ESO DPR CATG"] == "SCIENCE")


def test_darks_have_the_read_noise_and_flats_the_gain_that_went_in(frames: list[Path], month: Path) -> None:
    truth = json.loads((month / "truth.json").read_text())
    short = [path for path in of_type(frames, "DARK") if fits.getval(path, "ESO DET NDIT") == 1]
    one, two = (fits.getdata(path, 1).astype(float) for path in short[:2])
    quiet = np.median(one) + 200
    keep = (one < quiet) & (two < quiet)
    noise = np.std((one - two)[keep]) / np.sqrt(2)
    # Dark current adds 0.8 electrons, whole numbers 0.3 ADU.
    assert noise == pytest.approx(truth["read_noise_adu"], rel=0.03)
    one, two = (fits.getdata(path, 1).astype(float) for path in of_type(frames, "FLAT"))
    level = np.mean(one[keep]) - 20
    variance = np.var((one - two)[keep]) / 2 - noise**2
    assert level / variance == pytest.approx(truth["gain_e_adu"], rel=0.02)


def test_stars_stand_where_the_truth_says_and_as_bright(frames: list[Path], month: Path) -> None:
    truth = json.loads((month / "truth.json").read_text())
    (block,) = truth["blocks"]
    field = Field(int(block["field"].rsplit("-", 1)[1]))
    stars = stars_of(field, "small")
    x_px, y_px = sky_to_pixel(0, field.moved(*block["offsets_px"][1]), stars.ra_deg, stars.dec_deg)
    inside = (x_px > 30) & (x_px < 480) & (y_px > 30) & (y_px < 480)
    brightest = np.flatnonzero(inside)[np.argmin(stars.mag[inside])]
    image = fits.getdata(of_type(frames, "OBJECT")[1], 1).astype(float)
    with fits.open(month / "masters" / "MASTER_TWILIGHT_FLAT.fits") as hdus:
        image = (image - 25) / hdus[1].data
    column, row = round(x_px[brightest]) - 1, round(y_px[brightest]) - 1
    box = image[row - 12 : row + 13, column - 12 : column + 13]
    light = box - np.median(image)
    across = np.arange(-12, 13)
    centre = column + 1 + (light.sum(axis=0) * across).sum() / light.sum()
    assert centre == pytest.approx(x_px[brightest], abs=0.5)
    rate = 10 ** (-0.4 * (stars.mag[brightest] - truth["zero_point_mag"] + 0.07 * block["airmass"][1]))
    assert light.sum() == pytest.approx(10.0 * rate, rel=0.05)


@pytest.mark.parametrize("chip", range(CHIPS))
def test_pixels_and_sky_are_each_other_s_inverse(chip: int) -> None:
    rng = np.random.default_rng(chip)
    x_px, y_px = rng.uniform(0, 2048, (2, 50))
    centre = (150.0, -30.0)
    back = sky_to_pixel(chip, centre, *pixel_to_sky(chip, centre, x_px, y_px))
    assert np.allclose(back, [x_px, y_px], atol=1e-4)


def test_the_same_plan_gives_the_same_bytes_and_mends_what_is_missing(month: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    before = digests(month)
    victim = next(month.glob("raw/*/*.fits"))
    victim.unlink()
    simulator("HAWKI").simulate(PLAN, month, lambda *_: None)
    assert digests(month) == before
