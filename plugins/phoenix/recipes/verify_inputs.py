"""``phoenix_verify_inputs``: reads every input whole and reports what is in it and whether its sums fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import Frame, Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import Parameter, ParameterValues
from phoenix.recipes.product import Product
from phoenix.recipes.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

_PASSES, _FAILS, _ABSENT = "fits", "wrong", "absent"


@dataclass(frozen=True, slots=True)
class _Row:
    """What is told of one HDU; sums are ``fits``, ``wrong`` or ``absent``."""

    file: str
    tag: str
    hdu: int
    extname: str
    bytes: int
    n_values: int
    n_not_finite: int
    datasum: str
    checksum: str


def verify_inputs(frames: Frames, parameters: ParameterValues, messages: Messages) -> Sequence[Product]:
    """Return the report; one row per HDU.

    Raises
    ------
    ReductionError
        If a file cannot be read whole, or a sum does not fit and ``wrong-sums`` is ``fail``.
    """
    from astropy.io import fits

    rows = [row for frame in frames for row in _rows(frame)]
    wrong = [row for row in rows if _FAILS in (row.datasum, row.checksum)]
    for row in wrong:
        messages.warning(f"{row.file}, HDU {row.hdu}: DATASUM {row.datasum}, CHECKSUM {row.checksum}")
    if wrong and parameters.text("wrong-sums") == "fail":
        raise ReductionError(CplCode.BAD_FILE_FORMAT, wrong[0].file, "its checksums do not fit its content")
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO QC INPUT NFILES"] = len(frames)
    primary.header["HIERARCH ESO QC INPUT NHDUS"] = len(rows)
    primary.header["HIERARCH ESO QC INPUT NWRONG"] = len(wrong)
    primary.header["HIERARCH ESO QC INPUT NNOTFINITE"] = sum(row.n_not_finite for row in rows)
    primary.header["HIERARCH ESO PRO SCIENCE"] = False
    table = fits.BinTableHDU(_records(rows), name="INPUT_REPORT")
    return [Product("input_report.fits", "INPUT_REPORT", fits.HDUList([primary, table]))]


def _rows(frame: Frame) -> Iterator[_Row]:
    from astropy.io import fits

    try:
        with fits.open(frame.path, memmap=False, checksum=False) as hdus:
            for number, hdu in enumerate(hdus):
                n_values, n_not_finite = _count(hdu.data)
                yield _Row(
                    frame.path.name,
                    frame.tag,
                    number,
                    hdu.name,
                    hdu.filebytes(),
                    n_values,
                    n_not_finite,
                    *_sums(frame.path, number),
                )
    except (OSError, ValueError, TypeError) as error:
        raise ReductionError(
            CplCode.BAD_FILE_FORMAT, frame.path.name, str(error), "a whole FITS file"
        ) from error


def _sums(path: Path, number: int) -> tuple[str, str]:
    """Hold DATASUM and CHECKSUM against the bytes of an HDU, as they are in the file."""
    from astropy.io import fits

    words = {0: _FAILS, 1: _PASSES, 2: _ABSENT}
    # Without scaling: the sums are of what is on disk.
    with fits.open(path, memmap=False, do_not_scale_image_data=True) as hdus:
        hdu = hdus[number]
        return words[hdu.verify_datasum()], words[hdu.verify_checksum()]


def _count(data: Any) -> tuple[int, int]:
    """Return the number of values and of those that are neither finite nor integer."""
    import numpy as np

    if data is None:
        return 0, 0
    columns = [data[name] for name in data.dtype.names] if data.dtype.names else [data]
    real = [np.asarray(column) for column in columns if np.asarray(column).dtype.kind in "fc"]
    return (
        sum(int(np.asarray(column).size) for column in columns),
        sum(int(np.count_nonzero(~np.isfinite(column))) for column in real),
    )


def _records(rows: Sequence[_Row]) -> np.ndarray[Any, Any]:
    import numpy as np

    columns = {
        field.name.upper(): [astuple(row)[place] for row in rows] for place, field in enumerate(fields(_Row))
    }
    arrays = {name: np.array(values) for name, values in columns.items()}
    table = np.zeros(len(rows), dtype=[(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        table[name] = array
    return table


VERIFY_INPUTS = Recipe(
    name="phoenix_verify_inputs",
    title="Read every input whole and report sizes, values that are not finite, and checksums",
    description=(
        "Writes one table, INPUT_REPORT, with a row per HDU of every input. DATASUM and CHECKSUM are\n"
        "those of the FITS standard 4.0, section 4.4.2.7. A file that cannot be read whole fails the recipe."
    ),
    inputs=(InputClass("*", at_least=1, description="any FITS file"),),
    parameters=(
        Parameter(
            "wrong-sums", "warn", "What a checksum that does not fit leads to.", choices=("warn", "fail")
        ),
    ),
    reduce=verify_inputs,
)
