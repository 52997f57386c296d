import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from phoenix.archive.cards import Cards, read_cards
from phoenix.archive.protocol import UnfitError

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=68).filter(
    lambda text: len(text.replace("'", "''")) <= 68 and text == text.rstrip()
)


def cards_of(header: fits.Header) -> Cards:
    read = read_cards(io.BytesIO(header.tostring().encode()), "a.fits")
    assert read is not None
    return read[0]


def header_with(**values: object) -> fits.Header:
    header = fits.PrimaryHDU().header
    for keyword, value in values.items():
        header[keyword] = value
    return header


@given(TEXT, TEXT)
def test_what_is_put_is_what_astropy_reads_and_the_rest_stays(old: str, new: str) -> None:
    header = header_with(OBJECT=old, SEEING=0.8)
    header["HIERARCH ESO OBS NAME"] = "<b>it = 'x</b>"
    cards = cards_of(header)
    assert cards.text("OBJECT") == old
    cards.put("OBJECT", new, "a comment")
    cards.put("ARCFILE", "ADP.2026-11-22T18:00:00.123.fits")
    written = fits.Header.fromstring(cards.to_bytes().decode())
    assert written["OBJECT"] == new
    assert written["ARCFILE"] == "ADP.2026-11-22T18:00:00.123.fits"
    assert written["SEEING"] == 0.8
    assert written["ESO OBS NAME"] == "<b>it = 'x</b>"
    assert len(cards.to_bytes()) % 2880 == 0


def test_new_cards_stand_before_the_checksums() -> None:
    cards = cards_of(header_with(CHECKSUM="0" * 16, DATASUM="0"))
    cards.put("ORIGFILE", "a.fits")
    assert list(fits.Header.fromstring(cards.to_bytes().decode()))[-3:] == ["ORIGFILE", "CHECKSUM", "DATASUM"]


@pytest.mark.parametrize("value", ["x" * 69, "'" * 35, "line\nbreak", "Å", "\x1b[31m"])
def test_values_a_card_cannot_hold_are_refused(value: str) -> None:
    with pytest.raises(UnfitError, match="OBJECT"):
        cards_of(header_with()).put("OBJECT", value)


def test_strings_finds_numbered_and_hierarch_keywords() -> None:
    header = header_with(ASSON1="b.fits", ASSON2="c.png", ASSON=3)
    header["HIERARCH ESO PRO REC1 PIPE ID"] = "uves/6.1.8"
    cards = cards_of(header)
    assert cards.strings(r"ASSON[1-9]\d*") == {"ASSON1": "b.fits", "ASSON2": "c.png"}
    assert cards.strings(r"HIERARCH ESO PRO REC\d+ PIPE ID") == {
        "HIERARCH ESO PRO REC1 PIPE ID": "uves/6.1.8"
    }


@pytest.mark.parametrize(
    "hdu",
    [
        fits.PrimaryHDU(),
        fits.PrimaryHDU(np.zeros((3, 4), "i2")),
        fits.ImageHDU(np.zeros((2, 3, 5), "f8")),
        fits.BinTableHDU.from_columns([fits.Column("A", "3E", array=np.zeros((7, 3)))]),
        fits.BinTableHDU.from_columns(
            [fits.Column("A", "PE()", array=np.array([[1.0], [2.0, 3.0]], dtype=object))]
        ),
    ],
    ids=["empty", "image", "extension", "table", "heap"],
)
def test_length_of_data_is_astropys(hdu: fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU) -> None:
    assert cards_of_any(hdu).data_bytes() == hdu.size


def cards_of_any(hdu: fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU) -> Cards:
    first = isinstance(hdu, fits.PrimaryHDU)
    read = read_cards(io.BytesIO(hdu.header.tostring().encode()), "a.fits", first)
    assert read is not None
    return read[0]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("NAXIS", "99999999999999999999"),
        ("NAXIS", "1000"),
        ("NAXIS", "-1"),
        ("NAXIS1", "-5"),
        ("NAXIS1", "1.5"),
        ("NAXIS1", "'5'"),
        ("BITPIX", "7"),
        ("PCOUNT", "-1"),
        ("GCOUNT", "0"),
    ],
)
def test_lengths_out_of_bounds_are_refused(keyword: str, value: str) -> None:
    content = {"BITPIX": "8", "NAXIS": "1", "NAXIS1": "10", "PCOUNT": "0", "GCOUNT": "1", keyword: value}
    block = "".join(
        f"{line:<80}" for line in ["SIMPLE  = T", *(f"{k:<8}= {v:>20}" for k, v in content.items()), "END"]
    )
    read = read_cards(io.BytesIO(block.ljust(2880).encode()), "a.fits")
    assert read is not None
    with pytest.raises(UnfitError, match=keyword):
        read[0].data_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SIMPLE  = T",
        b"x" * 2880,
        b"SIMPLE  =".ljust(2880),
        b"SIMPLE  =".ljust(2880 * 3000),
        b"SIMPLE  = \xff".ljust(2880),
    ],
    ids=["empty", "short", "no FITS", "no END", "endless", "not ASCII"],
)
def test_what_is_no_header_is_refused(content: bytes) -> None:
    with pytest.raises(UnfitError):
        read_cards(io.BytesIO(content), "a.fits")
