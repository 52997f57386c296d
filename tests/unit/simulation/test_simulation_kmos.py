"""One simulated KMOS night on disk: frames, arms, light, placeholders, what the rules make of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan

PLAN = SimulationPlan("KMOS", "2021-03", 1, 7, "small")


def simulated(out: Path) -> Path:
    simulator("KMOS").simulate(PLAN, out, lambda *_: None)
    return out


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("kmos"))


@pytest.fixture(scope="module")
def frames(month: Path) -> list[Path]:
    return sorted(month.glob("raw/*/*.fits"))


def of_type(frames: list[Path], catg: str, dpr_type: str) -> list[Path]:
    headers = {path: fits.getheader(path) for path in frames}
    wanted = (catg, dpr_type)
    return [
        path for path, header in headers.items() if (header["ESO DPR CATG"], header["ESO DPR TYPE"]) == wanted
    ]


def test_a_night_holds_every_class_of_frame(frames: list[Path]) -> None:
    assert Counter(fits.getval(path, "ESO DPR TYPE") for path in frames) == {
        "DARK": 5, "FLAT,OFF": 3, "FLAT,LAMP": 3, "WAVE,OFF": 1, "WAVE,LAMP": 1, "OBJECT,SKY": 6,
        "OBJECT,SKY,STD,FLUX": 3,
    }  # fmt: skip


def test_every_file_says_that_it_is_simulated(month: Path, frames: list[Path]) -> None:
    tables = sorted((month / "static").glob("*.fits"))
    assert len(tables) == 7
    for path in [*frames, *tables]:
        with fits.open(path, checksum=True) as hdus:
            assert hdus[0].header["PHX SIMULATED"] is True
    assert json.loads((month / "truth.json").read_text())["simulated"] is True


def test_frames_have_three_detectors(frames: list[Path]) -> None:
    for path in frames:
        with fits.open(path) as hdus:
            assert [(hdu.name, hdu.data.shape) for hdu in hdus[1:]] == [
                (f"CHIP{number}.INT1", (64, 64)) for number in (1, 2, 3)
            ]


def test_arms_go_from_object_to_sky_and_back(frames: list[Path], month: Path) -> None:
    truth = json.loads((month / "truth.json").read_text())
    (objects,) = truth["fields"].values()
    looks = []
    for path in of_type(frames, "SCIENCE", "OBJECT,SKY"):
        header = fits.getheader(path)
        assert [arm for arm in range(1, 25) if f"ESO OCS ARM{arm} NOTUSED" not in header] == [
            *(each["arm"] for each in objects),
            24,
        ]
        for each in objects:
            assert header[f"ESO OCS ARM{each['arm']} NAME"] == each["name"]
        looks.append({header[f"ESO OCS ARM{each['arm']} TYPE"] for each in objects})
        assert header["ESO OCS ARM24 TYPE"] == "S"
    assert looks == [{"O"}, {"S"}, {"O"}] * 2


def test_positions_of_arms_are_the_objects(frames: list[Path], month: Path) -> None:
    (objects,) = json.loads((month / "truth.json").read_text())["fields"].values()
    header = fits.getheader(of_type(frames, "SCIENCE", "OBJECT,SKY")[0])
    for each in objects:
        stem = f"ESO OCS ARM{each['arm']}"
        assert 15 * decimal(header[f"{stem} ALPHA"]) == pytest.approx(each["ra_deg"], abs=1e-5)
        assert decimal(header[f"{stem} DELTA"]) == pytest.approx(each["dec_deg"], abs=1e-5)


def decimal(value: float) -> float:
    sign, value = np.sign(value), abs(value)
    return float(sign * (value // 10000 + value % 10000 // 100 / 60 + value % 100 / 3600))


def test_an_arms_stripe_has_the_light_of_its_object(frames: list[Path], month: Path) -> None:
    truth = json.loads((month / "truth.json").read_text())
    (objects,) = truth["fields"].values()
    target, sky, _ = of_type(frames, "SCIENCE", "OBJECT,SKY")[:3]
    for each in objects:
        extension, place = divmod(each["arm"] - 1, 8)
        stripes = [fits.getdata(path, extension + 1)[:, place * 8 : place * 8 + 8] for path in (target, sky)]
        light = float(np.mean(stripes[0]) - np.mean(stripes[1])) * truth["gain_e_adu"] / 100.0
        assert light == pytest.approx(each["light_e_s"], rel=0.03)


def test_darks_have_the_read_noise_that_went_in(frames: list[Path], month: Path) -> None:
    truth = json.loads((month / "truth.json").read_text())
    one, two = (fits.getdata(path, 1) * truth["gain_e_adu"] for path in of_type(frames, "CALIB", "DARK")[:2])
    expected = np.sqrt(truth["read_noise_e"] ** 2 + truth["dark_e_s"] * 60)
    assert np.std(one - two) / np.sqrt(2) == pytest.approx(expected, rel=0.05)


def test_the_same_plan_gives_the_same_bytes(month: Path, tmp_path: Path) -> None:
    def sums(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*.fits")
        }

    assert sums(month) == sums(simulated(tmp_path / "again"))
