"""The SDP 1D spectrum of any instrument: one binary table of one row (ESO-044286 issue 8, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.card import format_card
from phoenix.idp.encode import encode_hdu

_FORMATS = {"D": ">f8", "E": ">f4", "J": ">i4"}
_TYPE_NAMES = {"D": "float64", "E": "float32", "J": "int32"}


@dataclass(frozen=True)
class Column:
    """A column of the spectrum.

    Attributes
    ----------
    values
        Array of n elements; float64 becomes ``D``, float32 ``E``, int32 ``J``.
    unit
        TUNIT as the standard spells it; empty when dimensionless.
    utype, ucd
        TUTYP and TUCD.
    comment
        TCOMM: what a reader should know about the column.
    """

    name: str
    values: npt.NDArray[np.float64] | npt.NDArray[np.float32] | npt.NDArray[np.int32]
    unit: str
    utype: str
    ucd: str
    comment: str = ""

    @property
    def code(self) -> str:
        """FITS type code of the values."""
        for code, name in _TYPE_NAMES.items():
            if self.values.dtype == name:
                return code
        raise IdpError(f"column {self.name}", f"has type {self.values.dtype}", "float64, float32 or int32")


@dataclass(frozen=True)
class Spectrum:
    """Columns of equal length, the wavelength first and strictly increasing.

    Raises
    ------
    IdpError
        If lengths differ, the wavelength does not increase, or a value is infinite.
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        lengths = {column.values.shape for column in self.columns}
        if len(lengths) != 1 or len(next(iter(lengths))) != 1 or not self.elements:
            raise IdpError("spectrum", f"columns of shapes {sorted(lengths)}", "vectors of one length")
        if not np.all(np.diff(self.wave) > 0):
            raise IdpError(
                f"column {self.columns[0].name}", "does not increase strictly", "sorted wavelengths"
            )
        for column in self.columns:
            if np.any(np.isinf(column.values)):
                raise IdpError(f"column {column.name}", "holds infinite values", "finite values or NaN")

    @property
    def wave(self) -> npt.NDArray[np.float64]:
        """The spectral axis, in its own unit."""
        return np.asarray(self.columns[0].values, dtype=np.float64)

    @property
    def elements(self) -> int:
        """NELEM."""
        return int(self.columns[0].values.size)


def encode_spectrum(primary: Sequence[str], extension: Sequence[str], spectrum: Spectrum) -> bytes:
    """Return the bytes of an SDP spectrum file; equal input gives equal bytes.

    Parameters
    ----------
    primary : sequence of str
        Cards of the primary header after the structural ones, without checksums.
    extension : sequence of str
        Cards of the table's header after the column descriptions (VOCLASS, TITLE ...).
    spectrum : Spectrum
        The data.
    """
    row = b"".join(column.values.astype(_FORMATS[column.code]).tobytes() for column in spectrum.columns)
    structure = [
        format_card("XTENSION", "BINTABLE", "binary table extension"),
        format_card("BITPIX", 8, "array data type"),
        format_card("NAXIS", 2, "number of array dimensions"),
        format_card("NAXIS1", len(row), "length of the row in bytes"),
        format_card("NAXIS2", 1, "one row holds the spectrum"),
        format_card("PCOUNT", 0, "no variable-length arrays"),
        format_card("GCOUNT", 1, "number of groups"),
        format_card("TFIELDS", len(spectrum.columns), "number of columns"),
    ]
    return encode_hdu([*empty_primary(), *primary]) + encode_hdu(
        [*structure, *_column_cards(spectrum), *extension], row
    )


def empty_primary() -> list[str]:
    """Return the structural cards of a primary HDU without data."""
    return [
        format_card("SIMPLE", True, "conforms to the FITS standard"),
        format_card("BITPIX", 8, "array data type"),
        format_card("NAXIS", 0, "no data in the primary HDU"),
        format_card("EXTEND", True, "extensions follow"),
    ]


def _column_cards(spectrum: Spectrum) -> list[str]:
    cards = []
    for number, column in enumerate(spectrum.columns, start=1):
        cards += [
            format_card(f"TTYPE{number}", column.name, f"label of column {number}"),
            format_card(f"TFORM{number}", f"{spectrum.elements}{column.code}", "elements and type"),
            format_card(f"TUNIT{number}", column.unit, "unit"),
            format_card(f"TUTYP{number}", column.utype, "IVOA utype"),
            format_card(f"TUCD{number}", column.ucd, "IVOA UCD"),
        ]
        if column.comment:
            cards.append(format_card(f"TCOMM{number}", column.comment))
        if number == 1:
            low, high = float(spectrum.wave[0]), float(spectrum.wave[-1])
            cards.append(format_card("TDMIN1", low, f"[{column.unit}] first wavelength"))
            cards.append(format_card("TDMAX1", high, f"[{column.unit}] last wavelength"))
    return cards
