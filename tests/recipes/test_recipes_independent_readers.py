"""IDPs of each kind opened by readers that share no code with us: STILTS for tables, Gnuastro for pixels.

The products are synthetic, in the layout of the recipes; what recipes made is read in tests of whole chains.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from oracles import Gnuastro, Stilts
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_giraffe import Exposure
from products_hawki import Imaged
from products_muse import FIRST_ANGSTROM, PLANES, STEP_ANGSTROM, Combined

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore:'datfix' made", "ignore:'unitfix' made")]


@pytest.fixture(scope="module")
def stilts() -> Stilts:
    return Stilts()


@pytest.fixture(scope="module")
def gnuastro() -> Gnuastro:
    return Gnuastro()


def same_pixels(told: tuple[int, float, float, float], pixels: np.ndarray) -> None:
    good = pixels[np.isfinite(pixels)]
    assert told[0] == good.size
    np.testing.assert_allclose(told[1:], (good.mean(dtype=float), good.min(), good.max()), rtol=1e-5)


def test_a_spectrum_of_a_fibre(tmp_path: Path, stilts: Stilts) -> None:
    load("GIRAFFE", "idp")
    idps = find_converter("giraffe_spectrum")(Exposure(tmp_path / "products").write().job(tmp_path / "conv"))
    path = Path(next(idp.path for idp in idps if idp.prodcatg == "SCIENCE.SPECTRUM"))
    table = QTable.read(path, hdu=1)
    columns = stilts.columns(path)
    assert list(columns) == table.colnames
    assert columns["WAVE"]["Utype"].endswith("Data.SpectralAxis.Value")
    for name, row in columns.items():
        values = np.asarray(table[name][0])
        assert int(row["NGood"]) == len(values)
        np.testing.assert_allclose(
            [float(row["Minimum"]), float(row["Maximum"])], [values.min(), values.max()], rtol=1e-6
        )


def test_a_tile_and_its_sources(tmp_path: Path, stilts: Stilts, gnuastro: Gnuastro) -> None:
    load("HAWKI", "idp")
    idps = find_converter("hawki_image")(Imaged(tmp_path / "products").write().tile_job(tmp_path / "conv"))
    tile = Path(next(idp.path for idp in idps if idp.prodcatg == "SCIENCE.IMAGE"))
    with fits.open(tile) as hdus:
        same_pixels(gnuastro.statistics(tile, "0"), hdus[0].data)
        corners = WCS(hdus[0].header).calc_footprint(center=True)
    coverage = gnuastro.coverage(tile, "0")
    np.testing.assert_allclose(coverage["RA"], [corners[:, 0].min(), corners[:, 0].max()], atol=1e-6)
    np.testing.assert_allclose(coverage["DEC"], [corners[:, 1].min(), corners[:, 1].max()], atol=1e-6)
    sources = Path(next(idp.path for idp in idps if idp.prodcatg == "SCIENCE.SRCTBL"))
    table = fits.getdata(sources, 1)
    columns = stilts.columns(sources)
    assert list(columns) == list(table.names)
    assert columns["RA"]["Units"] == "deg"
    np.testing.assert_allclose(float(columns["RA"]["Maximum"]), table["RA"].max(), rtol=1e-6)


def test_a_cube_and_its_white_light(tmp_path: Path, gnuastro: Gnuastro) -> None:
    load("MUSE", "idp")
    idps = find_converter("muse_cube")(Combined(tmp_path / "products", 3).write().job(tmp_path / "conv"))
    cube, white = (Path(idp.path) for idp in idps[:2])
    with fits.open(cube) as hdus:
        for name in ("DATA", "STAT"):
            same_pixels(gnuastro.statistics(cube, name), hdus[name].data)
        assert gnuastro.unit(cube, "DATA") == hdus["DATA"].header["BUNIT"]
    coverage = gnuastro.coverage(cube, "DATA")
    first_m, step_m = FIRST_ANGSTROM * 1e-10, STEP_ANGSTROM * 1e-10
    planes_m = first_m, first_m + (PLANES - 1) * step_m
    np.testing.assert_allclose(coverage["AWAV"], planes_m, rtol=1e-6)
    # The image lies on the spaxels of the cube.
    of_image = gnuastro.coverage(white, "1")
    for axis in ("RA", "DEC"):
        np.testing.assert_allclose(of_image[axis], coverage[axis], atol=1e-7)
