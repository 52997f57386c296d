"""Whether a file is as long as its headers promise, held against files astropy writes."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from builders_headers import header_bytes, write_cards
from phoenix.headers.reader import check_complete, read_and_check, read_header, read_headers

SHAPES = st.lists(st.integers(1, 60), min_size=0, max_size=3)
TYPES = st.sampled_from(["u1", "i2", "i4", "i8", "f4", "f8"])


def written(hdus: list[fits.PrimaryHDU]) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def image(shape: list[int], kind: str, extension: bool) -> fits.PrimaryHDU:
    data = np.zeros(shape, f">{kind}") if shape else None
    return fits.ImageHDU(data) if extension else fits.PrimaryHDU(data)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SHAPES, TYPES), min_size=1, max_size=4), st.data())
def test_whole_files_are_whole_and_cut_ones_are_not(
    tmp_path: Path, shapes: list[tuple[list[int], str]], data: st.DataObject
) -> None:
    content = written([image(shape, kind, bool(number)) for number, (shape, kind) in enumerate(shapes)])
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    assert check_complete(path) is None
    assert len(read_headers(path)) == len(shapes)

    # An HDU ends with a block; cut anywhere else, even by a byte, a file is not whole.
    ends = [0]
    for header in read_headers(path):
        end = content.index(b"END".ljust(80), ends[-1])
        ends.append(end // 2880 * 2880 + 2880 + header.data_bytes)
    first = ends[1] - read_header(path).data_bytes
    assume(first < len(content))
    cut = data.draw(st.integers(first, len(content) - 1).filter(lambda size: size not in ends))
    path.write_bytes(content[:cut])
    assert check_complete(path)


def test_sentence_tells_both_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(
        header_bytes("BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 1000", "NAXIS2  = 1000")[:2880] + b"x" * 100
    )
    assert check_complete(path) == "file has 2,980 bytes, its headers promise 2,004,480"


def test_table_with_heap_and_random_groups_are_measured_right(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    column = fits.Column("A", "PJ()", array=np.array([[1, 2, 3], [4] * 5000], dtype=object))
    path.write_bytes(written([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]))
    assert check_complete(path) is None

    groups = ["BITPIX  = 16", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 10", "NAXIS3  = 5"]
    groups += ["GROUPS  = T", "PCOUNT  = 3", "GCOUNT  = 7"]
    path.write_bytes(header_bytes(*groups) + bytes(2880))
    assert check_complete(path) is None
    assert read_header(path).data_bytes == 2880  # 2 x 7 x (3 + 50) = 742 bytes


def test_what_follows_the_last_hdu(tmp_path: Path) -> None:
    path = write_cards(tmp_path / "a.fits")
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(5000))
    assert check_complete(path) is None
    path.write_bytes(whole + b"JUNK")
    assert check_complete(path) == ("after 2,880 of 2,884 bytes: extension begins with b'JUNK' at byte 2,880")


def test_broken_extension_is_told_with_the_primary_read(tmp_path: Path) -> None:
    path = write_cards(tmp_path / "a.fits", "OBJECT  = 'x'")
    extension = header_bytes("BITPIX  = 8", "NAXIS   = -3", start=("XTENSION= 'IMAGE   '",))
    path.write_bytes(path.read_bytes() + extension)
    header, problem = read_and_check(path, ["OBJECT"])
    assert dict(header) == {"OBJECT": "x"}
    assert problem == "after 2,880 of 5,760 bytes: card NAXIS is -3"


@pytest.mark.parametrize("name", ["frame.hdr", "FRAME.HDR"])
def test_bare_header_is_always_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("NAXIS   = 2\nNAXIS1  = 4096\n")
    assert check_complete(path) is None
