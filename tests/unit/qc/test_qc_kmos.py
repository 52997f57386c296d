"""KMOS QC against templates of known truth: the seven score bits at their limits, the page; all simulated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from builders_ab import science_ab
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.ab import ProductInput
from phoenix.model.product import Product
from phoenix.model.score import QcResult
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.jobs import QcJob, run_job
from products_kmos import ARMS, MJD_OBS, Combined, write_header, write_raw

load("KMOS", "qc")
GOOD = "0000000"
FLAT_FRAMES = 6
#: Noon UT before the night of the exposures.
EVENING = 59277.5


@dataclass(frozen=True)
class Scene:
    """What a template was reduced with.

    Attributes
    ----------
    flat_raws
        Raw frames the flat was made of; without a record of its run where `flat_record` is not set.
    star_arms
        Arms with a spectrum of the telluric standard; empty where there was no standard.
    star_inputs
        Tags of what the standard was reduced with.
    nonlinear
        Pixels above 40000 ADU, in the frame of that number.
    """

    looks: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(ARMS, "OSO"))
    flat_mjd_obs: float = MJD_OBS - 0.4
    flat_raws: int = FLAT_FRAMES
    flat_record: bool = True
    star_mjd_obs: float = MJD_OBS + 0.1
    star_arms: tuple[int, ...] = (3, 11, 19)
    star_programme: str | None = "60.A-9022(C)"
    star_inputs: tuple[str, ...] = ("STD", "GDAS")
    nonlinear: tuple[int, int] = (0, 0)
    counts: float = 40_001.0


def template(folder: Path, scene: Scene) -> Path:
    """Write a template with its calibrations; return the product folder of its AB."""
    raws = []
    for number in range(3):
        looks = {name: each[number] for name, each in scene.looks.items()}
        raws.append(write_raw(folder / f"raw{number}.fits", number, looks, {}))
    frame, count = scene.nonlinear
    with fits.open(raws[frame], mode="update") as hdus:
        hdus[1].data.flat[:count] = scene.counts
    inputs = [("SCIENCE", path) for path in raws]
    inputs.append(("MASTER_FLAT", flat(folder / "flat", scene)))
    if scene.star_arms:
        inputs.append(("TELLURIC", telluric(folder / "star", scene)))
    products = folder / "science"
    write_header(products / "sci_reconstructed.fits", {"ESO PRO CATG": "SCI_RECONSTRUCTED"})
    return record(products, inputs)


def flat(folder: Path, scene: Scene) -> Path:
    cards = {"MJD-OBS": scene.flat_mjd_obs, "ESO PRO CATG": "MASTER_FLAT", "ESO TPL NEXP": FLAT_FRAMES,
             "ESO PRO DATANCOM": scene.flat_raws}  # fmt: skip
    path = write_header(folder / "master_flat.fits", cards)
    if scene.flat_record:
        tags = ["FLAT_ON", "FLAT_OFF"] * 3
        record(
            folder, [(tag, folder / f"{number}.fits") for number, tag in enumerate(tags[: scene.flat_raws])]
        )
    return path


def telluric(folder: Path, scene: Scene) -> Path:
    cards = {
        "MJD-OBS": scene.star_mjd_obs,
        "ESO PRO CATG": "TELLURIC",
        "ESO OBS PROG ID": scene.star_programme,
    }
    spectra = [
        fits.ImageHDU(np.ones(8, "f4") if arm in scene.star_arms else None, name=f"IFU.{arm}.DATA")
        for arm in range(1, 25)
    ]
    path = write_header(folder / "telluric.fits", cards, *spectra)
    record(folder, [(tag, folder / f"{tag}.fits") for tag in scene.star_inputs])
    return path


def record(folder: Path, inputs: Sequence[tuple[str, Path]]) -> Path:
    """Write the record of a run beside its products; return the folder."""
    products = [
        {"name": path.name, "pro_catg": fits.getval(path, "ESO PRO CATG"), "size_bytes": 1, "sha256": ""}
        for path in sorted(folder.glob("*.fits"))
    ]
    used = [{"tag": tag, "path": str(path), "name": path.name, "sha256": ""} for tag, path in inputs]
    (folder / "verdict.json").write_text(json.dumps({"inputs": used, "products": products}))
    return folder


def combination(folder: Path, templates: Sequence[Path]) -> Path:
    """Write the cubes of templates; return the product folder of the AB."""
    made = Combined(folder / "combine").write()
    for path in made.raws:
        path.unlink()
    return record(made.folder, [("SCI_RECONSTRUCTED", path / "sci_reconstructed.fits") for path in templates])


def measured(configuration: Configuration, task: str, folder: Path, *, draw: bool = False) -> QcResult:
    qc = configuration.qc("KMOS")
    inputs = (ProductInput("KMOS.1_tpl.ab", "SCI_RECONSTRUCTED"),) if task == "combine" else ()
    products = tuple(
        Product(str(path), fits.getval(path, "ESO PRO CATG"), 1, "") for path in sorted(folder.glob("*.fits"))
    )
    job = QcJob(
        ab=science_ab(
            name="KMOS.2021-03-05T02:09:36.000_comb.ab", instrument="KMOS", task=task, raws=(), mcalibs=(),
            inputs=inputs,
        ),
        products=products,
        qc=qc.tasks[task] if draw else qc.tasks[task].model_copy(update={"report": None}),
        threshold_version=qc.version,
        words={},
        report_folder=str(folder / "reports"),
    )  # fmt: skip
    return run_job(job)


def bits(configuration: Configuration, task: str, result: QcResult) -> str:
    return bit_string(score_bits(configuration.qc("KMOS").tasks[task].parameters, result.scores))


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (Scene(), GOOD),
        # 1: less than a day from the farthest frame on target, and a complete template.
        (Scene(flat_mjd_obs=MJD_OBS + 0.99), GOOD),
        (Scene(flat_mjd_obs=MJD_OBS + 1.0), "1000000"),
        (Scene(flat_mjd_obs=MJD_OBS - 1.0), "1000000"),
        (Scene(flat_mjd_obs=MJD_OBS, flat_raws=FLAT_FRAMES - 1), "1000000"),
        (Scene(flat_record=False), GOOD),
        (Scene(flat_record=False, flat_raws=FLAT_FRAMES - 1), "1000000"),
        # 2: nights go from noon to noon UT.
        (Scene(star_mjd_obs=EVENING), GOOD),
        (Scene(star_mjd_obs=EVENING - 0.001), "0100000"),
        (Scene(star_mjd_obs=EVENING + 0.999), GOOD),
        (Scene(star_mjd_obs=EVENING + 1.0), "0100000"),
        # 3: arms 1 to 8, 9 to 16 and 17 to 24 are on one detector each.
        (Scene(star_arms=(8, 9, 24)), GOOD),
        (Scene(star_arms=(1, 8, 9, 16)), "0010000"),
        # 4: whose programme the standard is of.
        (Scene(star_programme="099.A-0023(B)"), "0001000"),
        (Scene(star_programme=None), "000-000"),
        # 5
        (Scene(star_inputs=("STD",)), "0000100"),
        (Scene(star_inputs=("STD", "ATMOS_MODEL")), "0000100"),
        # Without a standard bits 4 and 5 say nothing.
        (Scene(star_arms=()), "011--00"),
        # 6: only frames on target count, and 40000 itself is linear.
        (Scene(nonlinear=(0, 5000)), GOOD),
        (Scene(nonlinear=(2, 5001)), "0000010"),
        (Scene(nonlinear=(1, 5001)), GOOD),
        (Scene(nonlinear=(0, 9000), counts=40_000.0), GOOD),
        # 7
        (Scene(looks=dict.fromkeys(ARMS, "OOO")), "0000001"),
        (Scene(looks={**dict.fromkeys(ARMS, "OSO"), "star": "OOO"}), "0000001"),
        (Scene(looks={**dict.fromkeys(ARMS, "OSO"), "star": "SOS"}), GOOD),
    ],
)
def test_bits_at_their_limits(
    configuration: Configuration, tmp_path: Path, scene: Scene, expected: str
) -> None:
    assert (
        bits(configuration, "science", measured(configuration, "science", template(tmp_path, scene)))
        == expected
    )


def test_a_combination_is_as_good_as_its_worst_template(configuration: Configuration, tmp_path: Path) -> None:
    good = template(tmp_path / "good", Scene())
    late = template(tmp_path / "late", Scene(flat_mjd_obs=MJD_OBS - 3, star_inputs=("STD",)))
    first = measured(configuration, "combine", combination(tmp_path / "one", [good]))
    both = measured(configuration, "combine", combination(tmp_path / "two", [good, late]))
    assert bits(configuration, "combine", first) == GOOD
    assert bits(configuration, "combine", both) == "1000100"
    assert {value.parameter: value.value for value in both.values}["frames_on_target"] == 4


def test_what_is_gone_is_grey_and_told(configuration: Configuration, tmp_path: Path) -> None:
    folder = template(tmp_path, Scene())
    (tmp_path / "flat" / "master_flat.fits").unlink()
    result = measured(configuration, "science", folder)
    assert bits(configuration, "science", result) == "-000000"
    (problem,) = result.problems
    assert "master_flat.fits" in str(problem)


def test_the_report_shows_every_object(configuration: Configuration, tmp_path: Path) -> None:
    folder = combination(tmp_path, [template(tmp_path, Scene())])
    result = measured(configuration, "combine", folder, draw=True)
    assert result.problems == ()
    ((kind, path),) = result.reports
    assert kind == "cubes1"
    with Image.open(path) as picture:
        assert picture.size == (1400, 1500)


def test_bits_are_numbered_from_one_without_gaps(configuration: Configuration) -> None:
    for task in ("science", "combine"):
        parameters = configuration.qc("KMOS").tasks[task].parameters
        numbers = [parameter.bit for parameter in parameters if parameter.bit is not None]
        assert numbers == [1, 2, 3, 4, 5, 6, 7]
