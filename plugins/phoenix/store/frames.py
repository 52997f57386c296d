"""The frame catalogue: every file known, its header, its class, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, String, delete, func, literal, or_, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from phoenix.model.batch import BatchKind
from phoenix.model.frame import Frame, FrameKind, FrameRecord
from phoenix.store.tables import FrameRow

#: Rows sent to the database at a time.
_CHUNK = 1000
#: Any constant will do that no other lock of ours has.
_SCAN_LOCK = 7_402_020
#: How the problem of a further file with the same ARCFILE begins.
_DUPLICATE = "the same frame as "


def batch_date(kind: BatchKind) -> ColumnElement[str]:
    """Return what of a raw frame is the date of a batch's ABs: its night, or the run in place of it."""
    run: ColumnElement[str] = FrameRow.keywords["OBS.PROG.ID"].as_string()
    return run if kind is BatchKind.RUN else type_coerce(FrameRow.night, String)


@dataclass(frozen=True, slots=True)
class FrameProblem:
    """A file that must not be used (``problem``), or of which something was noticed (``notes``)."""

    path: str
    night: str
    problem: str
    notes: tuple[str, ...]


class FrameCatalogue:
    """The catalogue as one transaction sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self) -> None:
        """Wait until no other scan writes, and keep others waiting until the end of the transaction."""
        self._session.execute(select(func.pg_advisory_xact_lock(_SCAN_LOCK)))

    def known(self) -> dict[str, tuple[int, int]]:
        """Return path -> (size in bytes, time of change in ns) of all files."""
        rows = self._session.execute(select(FrameRow.path, FrameRow.size_bytes, FrameRow.mtime_ns))
        return {path: (size_bytes, mtime_ns) for path, size_bytes, mtime_ns in rows}

    def record(self, records: Iterable[FrameRecord]) -> int:
        """Write records, new ones or in place of those of the same path; return how many."""
        written = 0
        waiting = iter(records)
        while chunk := [_columns(record) for record in islice(waiting, _CHUNK)]:
            statement = insert(FrameRow)
            new = {name: statement.excluded[name] for name in chunk[0] if name != "path"}
            self._session.execute(statement.on_conflict_do_update(index_elements=["path"], set_=new), chunk)
            written += len(chunk)
        return written

    def forget(self, paths: Iterable[str]) -> int:
        """Take files out that are no longer there; return how many."""
        waiting = iter(paths)
        forgotten = 0
        while chunk := list(islice(waiting, _CHUNK)):
            self._session.execute(delete(FrameRow).where(FrameRow.path.in_(chunk)))
            forgotten += len(chunk)
        return forgotten

    def mark_duplicates(self) -> None:
        """Tell anew which raw frames are there twice: the first path counts, the others get a problem."""
        usable = (FrameRow.kind == FrameKind.RAW, FrameRow.problem == "")
        self._session.execute(
            update(FrameRow)
            .where(FrameRow.problem.startswith(_DUPLICATE, autoescape=True))
            .values(problem="")
        )
        first = select(FrameRow.name, func.min(FrameRow.path.collate("C")).label("path")).where(*usable)
        twice = first.group_by(FrameRow.name).having(func.count() > 1).subquery()
        self._session.execute(
            update(FrameRow)
            .where(*usable, FrameRow.name == twice.c.name, FrameRow.path != twice.c.path)
            .values(
                problem=literal(_DUPLICATE) + twice.c.path + ", which is the one used; remove one of them"
            )
        )

    def outdated(self, versions: dict[str, str]) -> list[FrameRecord]:
        """Return frames that were classified by other rules than those of now, as far as keywords tell them.

        Parameters
        ----------
        versions
            Instrument -> version of its classification.
        """
        found: list[FrameRecord] = []
        for instrument, version in versions.items():
            query = select(FrameRow).where(
                FrameRow.instrument == instrument, FrameRow.rules_version != version, FrameRow.keywords != {}
            )
            found += [
                FrameRecord(_frame(row), notes=tuple(row.notes)) for row in self._session.scalars(query)
            ]
        return found

    def frames(
        self,
        instrument: str,
        kinds: Collection[FrameKind] = tuple(FrameKind),
        nights: tuple[str, str] | None = None,
        mjd: tuple[float, float] | None = None,
    ) -> list[Frame]:
        """Return frames that may be used, in order of MJD-OBS, name and path.

        Parameters
        ----------
        nights
            First and last night; static tables are of all nights.
        mjd
            First and last MJD-OBS, days; static tables are of all times.
        """
        query = select(FrameRow).where(
            FrameRow.instrument == instrument, FrameRow.kind.in_(kinds), FrameRow.problem == ""
        )
        static = FrameRow.kind == FrameKind.STATIC
        if nights is not None:
            query = query.where(or_(static, FrameRow.night.between(*nights)))
        if mjd is not None:
            query = query.where(or_(static, FrameRow.mjd_obs.between(*mjd)))
        return self._listed(query)

    def named(self, instrument: str, names: Collection[str]) -> list[Frame]:
        """Return frames that may be used by their names or paths, in order of MJD-OBS, name and path."""
        query = select(FrameRow).where(
            FrameRow.instrument == instrument,
            FrameRow.problem == "",
            or_(FrameRow.name.in_(names), FrameRow.path.in_(names)),
        )
        return self._listed(query)

    def orphans(self, instrument: str | None = None) -> list[Frame]:
        """Return whole and readable frames that no rule classifies."""
        query = select(FrameRow).where(FrameRow.raw_class == "", FrameRow.problem == "")
        return self._listed(query if instrument is None else query.where(FrameRow.instrument == instrument))

    def problems(self, nights: tuple[str, str] | None = None, notes: bool = False) -> list[FrameProblem]:
        """Return files that must not be used, on request also those with notes; in order of path."""
        told = or_(FrameRow.problem != "", FrameRow.notes != []) if notes else FrameRow.problem != ""
        query = select(FrameRow.path, FrameRow.night, FrameRow.problem, FrameRow.notes).where(told)
        if nights is not None:
            query = query.where(FrameRow.night.between(*nights))
        rows = self._session.execute(query.order_by(FrameRow.path.collate("C")))
        return [FrameProblem(path, night, problem, tuple(told)) for path, night, problem, told in rows]

    def _listed(self, query: Select[FrameRow]) -> list[Frame]:
        ordered = query.order_by(FrameRow.mjd_obs, FrameRow.name.collate("C"), FrameRow.path.collate("C"))
        return [_frame(row) for row in self._session.scalars(ordered)]


def _columns(record: FrameRecord) -> dict[str, Any]:
    frame = record.frame
    return {
        "path": frame.path,
        "name": frame.name,
        "kind": frame.kind.value,
        "instrument": frame.instrument,
        "night": frame.night if frame.mjd_obs else "",
        "mjd_obs": frame.mjd_obs,
        "exptime_s": frame.exptime_s,
        "raw_class": frame.raw_class,
        "tags": dict(frame.tags),
        "keywords": dict(frame.keywords),
        "size_bytes": frame.size_bytes,
        "mtime_ns": frame.mtime_ns,
        "rules_version": record.rules_version,
        "problem": record.problem,
        "notes": list(record.notes),
    }


def _frame(row: FrameRow) -> Frame:
    return Frame(
        path=row.path,
        name=row.name,
        kind=FrameKind(row.kind),
        instrument=row.instrument,
        mjd_obs=row.mjd_obs,
        exptime_s=row.exptime_s,
        keywords=row.keywords,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        raw_class=row.raw_class,
        tags=row.tags,
    )
