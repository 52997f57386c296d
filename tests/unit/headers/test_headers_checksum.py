"""Sums and their encoding: what astropy computes, and what the arithmetic promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

from phoenix.headers.checksum import ALL_ONES, ZEROS, encode_checksum, ones_complement_sum

WORDS = st.binary(max_size=400).map(lambda data: data[: len(data) // 4 * 4])
WHEN = "2026-11-22T00:00:00"


def hdu_of(data: bytes) -> fits.ImageHDU:
    return fits.ImageHDU(np.frombuffer(data, "u1"))


@given(WORDS)
@example(b"")
@example(bytes(2880))
@example(b"\xff" * 2880)
def test_the_sum_is_the_datasum_of_astropy(data: bytes) -> None:
    hdu = hdu_of(data)
    hdu.add_datasum(when=WHEN)
    assert str(ones_complement_sum(data)) == hdu.header["DATASUM"]


@given(WORDS)
def test_the_encoding_is_the_checksum_of_astropy(data: bytes) -> None:
    hdu = hdu_of(data)
    hdu.add_checksum(when=WHEN)
    stated = hdu.header["CHECKSUM"]
    header = hdu.header.tostring().replace(stated, ZEROS).encode()
    assert encode_checksum(ones_complement_sum(header, ones_complement_sum(data))) == stated


@given(st.integers(0, ALL_ONES))
@example(0)
@example(ALL_ONES)
def test_the_encoded_checksum_brings_the_sum_to_zero(total: int) -> None:
    text = encode_checksum(total)
    assert len(text) == 16
    assert text.isalnum()
    # The value stands one byte off a word's boundary on the card, after the quote in column 11.
    placed = text[1:] + text[:1]
    zeros = ones_complement_sum(ZEROS.encode())
    assert (ones_complement_sum(placed.encode(), total) - zeros) % ALL_ONES == 0


@given(WORDS, st.integers(0, 100))
@example(b"\xff" * 8, 1)
def test_pieces_may_be_summed_one_after_the_other_or_apart(data: bytes, words: int) -> None:
    head, tail = data[: 4 * words], memoryview(data)[4 * words :]
    total = ones_complement_sum(data)
    assert ones_complement_sum(tail, ones_complement_sum(head)) == total
    assert (ones_complement_sum(head) + ones_complement_sum(tail)) % ALL_ONES == total % ALL_ONES


def test_a_long_buffer_is_summed_as_its_pieces() -> None:
    data = np.random.default_rng(1).bytes(400_000)
    total = 0
    for start in range(0, len(data), 4000):
        total = ones_complement_sum(data[start : start + 4000], total)
    assert ones_complement_sum(data) == total


@pytest.mark.parametrize("rest", [b"\x01", b"\x01\x02", b"\x01\x02\x03"])
def test_what_follows_the_last_whole_word_is_not_counted(rest: bytes) -> None:
    assert ones_complement_sum(bytes([0, 0, 1, 0]) + rest) == 256


def test_the_import_is_light() -> None:
    code = "import sys, phoenix.headers.checksum; sys.exit('numpy' in sys.modules)"
    path = f"import sys; sys.path[:] = {sys.path!r}; "
    assert subprocess.run([sys.executable, "-c", path + code], check=False).returncode == 0
