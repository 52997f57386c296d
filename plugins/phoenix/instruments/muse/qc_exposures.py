"""What lies behind a cube: its exposures, and what their recipes used and told.

The way back is the record each run keeps beside its products: from a combined cube to the cubes of its
exposures, from these to the pixel tables, from those to the calibrations of the basic reduction. What is not
known raises a ``QcError``, which makes a score bit grey and is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.run_record import RunRecord, read_run_record

REDUCED, TABLES, OFFSETS = "PIXTABLE_REDUCED", ("PIXTABLE_OBJECT", "PIXTABLE_SKY"), "OFFSET_LIST"
_BASIC, _POST = "muse_scibasic", "muse_scipost"
_LOG = "recipe.log"
#: Not more of a log is looked at.
_LOG_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exposure:
    """An exposure that became a cube.

    Attributes
    ----------
    header
        Of its reduced pixel table or cube.
    tables
        (path, header) of the pixel tables its cube was made of: one for each unit, or one of all.
    record
        Of the run that made its cube.
    basic
        Of the basic reduction; None where its pixel tables came from elsewhere.
    """

    header: fits.Header
    tables: tuple[tuple[Path, fits.Header], ...]
    record: RunRecord
    basic: RunRecord | None

    @property
    def is_sky(self) -> bool:
        """Whether the telescope pointed at empty sky on purpose."""
        kinds = [
            str(keyword_value(header, "DPR.TYPE") or keyword_value(header, "PRO.CATG") or "").upper()
            for _, header in self.tables
        ]
        if not any(kinds):
            raise QcError("DPR.TYPE", "is in none of the pixel tables", "OBJECT or SKY")
        return any("SKY" in kind for kind in kinds)

    @property
    def template(self) -> tuple[str, str]:
        """OB and start of the template."""
        ob, start = (keyword_value(self.header, keyword) for keyword in ("OBS.ID", "TPL.START"))
        if start is None:
            raise QcError("TPL.START", "is not in the header of an exposure", "the start of its template")
        return str(ob), str(start)

    def basic_calibrations(self) -> set[str]:
        """Return PRO.CATG of what the basic reduction used."""
        if self.basic is not None:
            return {tag for tag, _ in self.basic.inputs}
        return _calibrations(self.tables[0][1], _BASIC)

    def post_calibrations(self) -> set[str]:
        """Return PRO.CATG of what the recipe of the cube used."""
        return {tag for tag, _ in self.record.inputs}

    def sky_messages(self) -> tuple[str, ...]:
        """Return errors and warnings about the sky in the log of the recipe that subtracted it."""
        path = self.record.folder / _LOG
        try:
            with path.open("rb") as log:
                lines = log.read(_LOG_BYTES).decode("utf-8", "replace").splitlines()
        except OSError as error:
            raise QcError(str(path), f"cannot be read: {error}", "the log of the recipe") from error
        marked = (line for line in lines if "[WARNING]" in line or "[ ERROR ]" in line or "[ERROR]" in line)
        return tuple(line.strip() for line in marked if "sky" in line.lower())

    def total(self, keyword: str) -> float:
        """Return the sum of a keyword over the pixel tables."""
        return sum(self.numbers(keyword))

    def numbers(self, keyword: str) -> list[float]:
        """Return a keyword of all pixel tables; ``QcError`` if one has no number."""
        found = []
        for path, header in self.tables:
            value = keyword_value(header, keyword)
            if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
                raise QcError(f"{path.name} {keyword}", "is no number or not in the header", "a number")
            found.append(float(value))
        return found

    def arc_distance_d(self) -> float:
        """Return how far in time the wavelength calibration is, days."""
        if self.basic is None:
            raise QcError("WAVECAL_TABLE", "nobody says which one the pixel table was made with")
        own = _start(self.header, "the exposure")
        arcs = (_header(path) for path in self.basic.inputs_of("WAVECAL_TABLE"))
        return max(abs(own - _start(arc, "the wavelength calibration")) for arc in arcs)


def read_exposures(source: Source) -> tuple[Exposure, ...]:
    """Return the exposures of a cube, earliest first, read once: one, or those of a combination."""
    return source.products.once("exposures", lambda: _read_all(source))


def _read_all(source: Source) -> tuple[Exposure, ...]:
    record = read_run_record(source.products.folder)
    reduced = [path for tag, path in record.inputs if tag == REDUCED]
    if not reduced:
        return (_read(record, source.products.header("DATACUBE_FINAL")),)
    exposures = [_read(read_run_record(path.parent), _header(path)) for path in reduced]
    return tuple(sorted(exposures, key=lambda exposure: str(exposure.header.get("DATE-OBS", ""))))


def _read(record: RunRecord, header: fits.Header) -> Exposure:
    paths = [path for tag, path in record.inputs if tag in TABLES]
    if not paths:
        raise QcError(str(record.folder), "its run used no pixel table", " or ".join(TABLES))
    try:
        basic: RunRecord | None = read_run_record(paths[0].parent)
    except QcError:
        basic = None  # a stored pixel table: no run of ours made it
    return Exposure(header, tuple((path, _header(path)) for path in paths), record, basic)


def _calibrations(header: fits.Header, recipe: str) -> set[str]:
    """Return PRO.CATG of the calibrations of a recipe a product went through, by its header."""
    for keyword, value in header.items():
        words = keyword.split()
        if words[:2] == ["ESO", "PRO"] and words[-1] == "ID" and len(words) == 4 and value == recipe:
            step = f"ESO PRO {words[2]} CAL"
            return {str(header[k]) for k in header if k.startswith(step) and k.endswith(" CATG")}
    raise QcError(recipe, "nobody says what it used", "its run record, or its steps in the header")


def _header(path: Path) -> fits.Header:
    try:
        return fits.getheader(path)
    except OSError as error:
        raise QcError(str(path), f"cannot be read: {error}", "a FITS file") from error


def _start(header: fits.Header, what: str) -> float:
    value = header.get("MJD-OBS")
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
        raise QcError(f"MJD-OBS of {what}", "is missing", "the start of the exposure")
    return float(value)
