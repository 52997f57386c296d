"""The bytes of a file: structure and checksums that astropy agrees with, and a reader nothing can harm."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phoenix.errors import IdpError
from phoenix.idp.card import format_card
from phoenix.idp.checks.runner import check_file
from phoenix.idp.encode import encode_hdu, sums_are_right
from phoenix.idp.fitsfile import read_fits
from phoenix.idp.registry import find_converter
from phoenix.idp.spectrum import Column, Spectrum, empty_primary, encode_spectrum
from phoenix.instruments import load
from products_uves import Science

load("UVES", "idp")


def spectrum(wave: np.ndarray, flux: np.ndarray) -> Spectrum:
    return Spectrum(
        (
            Column("WAVE", wave, "nm", "spec:Data.SpectralAxis.Value", "em.wl"),
            Column("FLUX", flux, "adu", "spec:Data.FluxAxis.Value", "phot.flux.density;em.wl"),
            Column("QUAL", np.arange(wave.size, dtype=np.int32), "", "", "meta.code.qual", "0 good"),
        )
    )


@given(st.binary(max_size=9000), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
@example(b"", "")
@example(b"\xff" * 2880, "all ones")
def test_checksums_are_those_astropy_computes(data, remark):
    table = [
        format_card("XTENSION", "IMAGE"),
        format_card("BITPIX", 8),
        format_card("NAXIS", 1),
        format_card("NAXIS1", len(data)),
        format_card("PCOUNT", 0),
        format_card("GCOUNT", 1),
        format_card("REMARK", remark),
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder, "x.fits")
        path.write_bytes(encode_hdu(empty_primary()) + encode_hdu(table, data))
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            assert hdus[1].verify_checksum() == hdus[1].verify_datasum() == 1
            assert hdus[0].verify_checksum() == 1
        assert all(sums_are_right(hdu) == (True, True) for hdu in read_fits(path).hdus)


def test_a_spectrum_reads_back_as_it_was(tmp_path):
    wave, flux = np.linspace(300, 400, 1000), np.linspace(-1, 1, 1000).astype(np.float32)
    path = tmp_path / "s.fits"
    path.write_bytes(encode_spectrum([format_card("OBJECT", "X")], [], spectrum(wave, flux)))
    with fits.open(path) as hdus:
        assert hdus[0].header["OBJECT"] == "X"
        assert list(hdus[1].header)[7] == "TFIELDS"
        row = hdus[1].data[0]
        np.testing.assert_array_equal(row["WAVE"], wave)
        np.testing.assert_array_equal(row["FLUX"], flux)
        np.testing.assert_array_equal(row["QUAL"], np.arange(1000))
        assert (hdus[1].header["TDMIN1"], hdus[1].header["TDMAX1"]) == (300.0, 400.0)


@pytest.mark.parametrize(
    ("wave", "flux", "message"),
    [
        (np.array([1.0, 2.0, 2.0]), np.zeros(3, np.float32), "does not increase"),
        (np.array([1.0, 2.0]), np.zeros(3, np.float32), "shapes"),
        (np.array([1.0, 2.0]), np.array([0, np.inf], np.float32), "infinite"),
    ],
)
def test_a_spectrum_that_breaks_the_standard_cannot_be_made(wave, flux, message):
    with pytest.raises(IdpError, match=message):
        spectrum(wave, flux)


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    job = Science(folder / "products").write().job(folder / "conv")
    return Path(find_converter("uves_spectrum")(job)[0].path).read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NAXIS1  =                26", b"NAXIS1  = 99999999999999999999"),
        (b"NAXIS   =                    2", b"NAXIS   =                  999"),
        (b"NAXIS   =                    2", b"NAXIS   =                   -2"),
        (b"PCOUNT  =                    0", b"PCOUNT  =        9999999999999"),
        (b"TFIELDS =                    8", b"TFIELDS =                99999"),
        (b"BITPIX  =                    8", b"BITPIX  =                    7"),
        (b"XTENSION= 'BINTABLE'", b"XTENSION=           99"),
        (b"SIMPLE  =", b"SUMPLE  ="),
    ],
)
def test_absurd_headers_are_told_before_any_tool_sees_them(good_bytes, tmp_path, old, new):
    index = good_bytes.index(old[:10] if old.startswith(b"NAXIS1") else old)
    path = tmp_path / "bad.fits"
    path.write_bytes(good_bytes[:index] + new + good_bytes[index + len(new) :])
    told = check_file(path, lambda _: pytest.fail("the tool was asked"))
    assert [finding.rule for finding in told] == ["FIT-01"]


@pytest.mark.parametrize("size", [0, 100, 2880, 5760, 20000])
def test_a_cut_file_is_told(good_bytes, tmp_path, size):
    path = tmp_path / "cut.fits"
    path.write_bytes(good_bytes[:size])
    assert [finding.rule for finding in check_file(path, None)] == ["FIT-01"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_makes_the_checks_raise_or_pass(good_bytes, data):
    """Every byte is under a checksum, so any change is found; none may crash the checks."""
    at = data.draw(st.integers(0, len(good_bytes) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=90))
    damaged = (good_bytes[:at] + piece + good_bytes[at + len(piece) :])[: len(good_bytes)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.fits")
        path.write_bytes(damaged)
        findings = [finding for finding in check_file(path, None) if finding.rule != "ALL-14"]
    assert bool(findings) == (damaged != good_bytes)
