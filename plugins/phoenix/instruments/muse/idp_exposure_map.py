"""How long each spaxel of a combined cube was exposed, from the fields of the single exposures.

The recipe writes no exposure map. The white-light image of an exposure shows its field on the sky; moved by
the offsets the combination applied, it is laid on the spaxels of the cube.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.cube import Cube, CubeSurvey
from phoenix.idp.cube_grid import SkyGrid, sky_grid
from phoenix.idp.fitsfile import read_fits
from phoenix.idp.job import ConversionJob
from phoenix.idp.raw_header import required_number, required_text

#: RA and Dec to be taken from the header's position of an exposure, degrees, by its DATE-OBS.
Offsets = Mapping[str, tuple[float, float]]


def exposure_map(job: ConversionJob, cube: Cube, survey: CubeSurvey) -> npt.NDArray[np.float32] | None:
    """Return seconds for each spaxel, shape (rows, columns), 0 where the cube has no value.

    None if the exposures are not known, or one of them has no image of its field.

    Raises
    ------
    IdpError
        If an image or the list of offsets cannot be read.
    """
    images = [_image_of(single) for single in job.singles]
    known = [image for image in images if image is not None]
    if not known or len(known) != len(images):
        return None
    offsets = _offsets(job)
    rows, columns = np.indices(survey.white.shape)
    ra_deg, dec_deg = cube.sky.to_sky(columns + 1.0, rows + 1.0)
    times_s = np.zeros(survey.white.shape, np.float32)
    for path in known:
        file = read_fits(path)
        dra, ddec = offsets.get(required_text(file.primary, "DATE-OBS", path.name), (0.0, 0.0))
        data = next((hdu for hdu in file.extensions if hdu.text("EXTNAME") == "DATA"), None)
        if data is None:
            raise IdpError(str(path), "has no extension DATA", "a white-light image")
        lit = _seen(data.image(), sky_grid(data), ra_deg + dra, dec_deg + ddec)
        times_s[lit] += required_number(file.primary, "EXPTIME", path.name)
    times_s[~np.isfinite(survey.white)] = 0
    return times_s


def _image_of(single: ConversionJob) -> Path | None:
    for product in single.products:
        if product.pro_catg == "IMAGE_FOV":
            path = Path(product.path)
            if read_fits(path).primary.text("DRS.MUSE.FILTER.NAME") == "white":
                return path
    return None


def _seen(
    image: npt.NDArray[np.float32],
    grid: SkyGrid,
    ra_deg: npt.NDArray[np.float64],
    dec_deg: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Whether the nearest pixel of an image has a value, for each position."""
    x, y = grid.to_pixel(ra_deg, dec_deg)
    inside = (x >= 0.5) & (x < grid.columns + 0.5) & (y >= 0.5) & (y < grid.rows + 0.5)
    lit = np.zeros(inside.shape, bool)
    columns = np.rint(x[inside]).astype(int) - 1
    rows = np.rint(y[inside]).astype(int) - 1
    lit[inside] = np.isfinite(image[rows.clip(0, grid.rows - 1), columns.clip(0, grid.columns - 1)])
    return lit


def _offsets(job: ConversionJob) -> Offsets:
    """Read the list the combination used; none means that positions were taken as they stand."""
    path = dict(job.provenance.calibrations).get("OFFSET_LIST")
    if path is None:
        return {}
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            table = hdus[1].data
            return {
                str(row["DATE_OBS"]).strip(): (float(row["RA_OFFSET"]), float(row["DEC_OFFSET"]))
                for row in table
            }
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise IdpError(path, f"cannot be read as a list of offsets: {error}", "an OFFSET_LIST") from error
