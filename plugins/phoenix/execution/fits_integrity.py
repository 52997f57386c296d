"""Whether a FITS file is whole and its checksums right, in one bounded pass over its bytes.

The header reader holds all sizes against the file before any data is read, so no header, however malformed,
can make this loop, allocate or wait. CPL's own DATAMD5 is not recomputed (DATASUM covers the same bytes); it
serves as the fingerprint by which a product names its calibrations.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from phoenix.errors import HeaderError
from phoenix.headers.checksum import ALL_ONES, ones_complement_sum
from phoenix.headers.reader import BLOCK, Header, check_complete, read_headers
from phoenix.model.frame import Value

_CHUNK = BLOCK * 1024
_END = re.compile(rb"(?s)(?:.{80})*?END {77}")
_DATASUM = re.compile(r" *\d{1,10} *")


@dataclass(frozen=True, slots=True)
class FitsRecord:
    """What one pass over a file tells.

    Attributes
    ----------
    keywords
        Primary header by dotted keyword (``PRO.CATG``).
    extensions
        Headers of the extensions, in their order.
    problem
        Why the file is not whole; empty when it is.
    """

    size_bytes: int
    sha256: str = ""
    keywords: Mapping[str, Value] = field(default_factory=dict)
    extensions: tuple[Mapping[str, Value], ...] = ()
    problem: str = ""


def read_fits_record(path: Path) -> FitsRecord:
    """Read a file once: headers, structure, DATASUM, CHECKSUM and SHA-256.

    What is wrong with the content is told in the record, never raised.
    """
    size = path.stat().st_size
    try:
        problem = check_complete(path)
        headers = () if problem else read_headers(path)
    except HeaderError as error:
        expected = f"; expected {error.expected}" if error.expected else ""
        return FitsRecord(size, problem=f"{error.found}{expected}")
    if problem:
        return FitsRecord(size, problem=problem)
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        wrong = [_wrong_sums(file, header, number, sha256) for number, header in enumerate(headers)]
        rest = file.read(BLOCK)
        sha256.update(rest)
        if rest:
            wrong.append("bytes that belong to no HDU follow the data")
    problem = next(filter(None, wrong), "")
    return FitsRecord(size, sha256.hexdigest(), headers[0], headers[1:], problem)


def _wrong_sums(file: BinaryIO, header: Header, number: int, sha256: hashlib._Hash) -> str:
    """Read one HDU and hold DATASUM and CHECKSUM against it (FITS standard 4.0, section 4.4.2.7)."""
    header_sum = 0
    while True:
        block = file.read(BLOCK)
        sha256.update(block)
        header_sum = ones_complement_sum(block, header_sum)
        if len(block) < BLOCK or _END.match(block):
            break
    data_sum, left = 0, header.data_bytes
    while left and (chunk := file.read(min(_CHUNK, left))):
        sha256.update(chunk)
        data_sum = ones_complement_sum(chunk, data_sum)
        left -= len(chunk)
    stated = str(header.get("DATASUM", ""))
    if _DATASUM.fullmatch(stated) and int(stated) != data_sum:
        return f"HDU {number}: DATASUM says {stated}, the data give {data_sum}"
    # A string of zeros means `not computed`.
    if str(header.get("CHECKSUM", "")).strip("0 ") and (header_sum + data_sum) % ALL_ONES:
        return f"HDU {number}: CHECKSUM does not fit header and data"
    return ""
