from __future__ import annotations

import hashlib
import io
import json
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders_execution import write_fits
from phoenix.execution.fits_integrity import read_fits_record
from phoenix.execution.products import read_products


@lru_cache
def whole() -> bytes:
    """A file with an image, an empty extension and a table, all with checksums."""
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(np.arange(5000, dtype=np.int16)),
            fits.ImageHDU(),
            fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.linspace(0, 1, 999))]),
        ]
    )
    hdus[0].header["HIERARCH ESO PRO CATG"] = "X"
    content = io.BytesIO()
    hdus.writeto(content, checksum=True)
    return content.getvalue()


@lru_cache
def ends() -> set[int]:
    """Where HDUs end: cutting there leaves a whole, shorter file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.fits"
        path.write_bytes(whole())
        with fits.open(path) as hdus:
            return {hdu.fileinfo()["datLoc"] + hdu.fileinfo()["datSpan"] for hdu in hdus}


def record_of(content: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.fits"
        path.write_bytes(content)
        return read_fits_record(path).problem


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "p.fits"
    path.write_bytes(whole())
    record = read_fits_record(path)
    assert record.problem == ""
    assert record.sha256 == hashlib.sha256(whole()).hexdigest()
    assert record.size_bytes == len(whole())
    assert record.keywords["PRO.CATG"] == "X"


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole()) - 1))
    # A card that is no CHECKSUM any more leaves an HDU without one, which is allowed.
    assume(not whole()[place - place % 80 :].startswith(b"CHECKSUM"))
    other = data.draw(st.integers(1, 255))
    changed = bytearray(whole())
    changed[place] ^= other
    assert record_of(bytes(changed)) != ""


@given(length=st.integers(0, 40_000) | st.integers(0, 13).map(lambda blocks: 2880 * blocks))
@settings(max_examples=40, deadline=None)
def test_any_cut_is_noticed(length: int) -> None:
    assert (record_of(whole()[:length]) == "") == (length in ends() or length >= len(whole()))


def test_bytes_after_the_end_are_noticed() -> None:
    assert record_of(whole() + b"\x01" * 2880) != ""


def test_absurd_axes_are_refused_at_once() -> None:
    absurd = whole().replace(b"NAXIS1  =                 5000", b"NAXIS1  = 99999999999999999999")
    assert record_of(absurd) != ""


def product_list(folder: Path, entries: object) -> None:
    (folder / "products.json").write_text(json.dumps(entries))


def test_products_are_read_and_their_category_checked(tmp_path: Path) -> None:
    write_fits(tmp_path / "a.fits", {"PRO.CATG": "A"})
    write_fits(tmp_path / "b.fits", {"PRO.CATG": "C"})
    product_list(tmp_path, [{"name": "a.fits", "category": "A"}, {"name": "b.fits", "category": "B"}])
    first, second = read_products(tmp_path).products
    assert first.problem == ""
    assert first.sha256 == hashlib.sha256((tmp_path / "a.fits").read_bytes()).hexdigest()
    assert second.problem == "its header says PRO.CATG 'C', the list says 'B'"


@pytest.mark.parametrize("name", ["../secret.fits", "/etc/passwd", "link.fits", "gone.fits", ""])
def test_a_list_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    outside = write_fits(tmp_path / "secret.fits", {"PRO.CATG": "A"})
    output = tmp_path / "output"
    output.mkdir()
    (output / "link.fits").symlink_to(outside)
    product_list(output, [{"name": name, "category": "A"}])
    assert read_products(output).products[0].problem == "the recipe lists it, the file is not there"


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "a"}]', "null"])
def test_a_list_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "products.json").write_text(text)
    assert read_products(tmp_path).problem.startswith("products.json cannot be read")


def test_no_list(tmp_path: Path) -> None:
    assert read_products(tmp_path).problem == "the recipe wrote no products.json"
