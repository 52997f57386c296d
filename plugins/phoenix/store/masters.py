"""The reverse question: which ABs use a calibration, directly or by what was made with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    any_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from phoenix.errors import UsageError
from phoenix.model.ab import AssociationBlock, McalibStatus
from phoenix.model.frame import FrameKind
from phoenix.model.product import IngestState
from phoenix.store.tables import (
    AbCalibrationRow,
    AbRow,
    BatchRow,
    FrameRow,
    IdpRow,
    IngestionRow,
    ProductRow,
)

#: Status in the index of an AB whose products are combined, not used as calibrations.
INPUT = "INPUT"
#: Status of the one line of an AB whose text was not read into the index yet.
UNREAD = "UNREAD"
#: Lines with these name an AB, as ``<release>/<name>`` if that is of another release; the others a file.
_MADE_BY_AB = (McalibStatus.VIRTUAL.value, INPUT)


@dataclass(frozen=True, slots=True)
class Master:
    """A calibration that was or can be used.

    Attributes
    ----------
    source
        Path of the file, or name of the AB that makes it.
    release
        The AB's release; empty for a file.
    """

    source: str
    release: str = ""

    def __str__(self) -> str:
        return f"{self.source} of {self.release}" if self.release else self.source


@dataclass(frozen=True, slots=True)
class Usage:
    """An AB that a calibration has gone into.

    Attributes
    ----------
    tags
        PRO.CATG it is used as; empty if only by way of other ABs.
    """

    ab_id: int
    release: str
    key: str
    night: str
    task: str
    name: str
    mjd_obs_mod: float
    outcome: str
    waits_for: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadeIdp:
    """An IDP of an AB; ``arcfile`` and ``version`` tell its archived versions, one object for each.

    Attributes
    ----------
    standing
        Of an archived file its status, of one in the queue its state, else ``converted``.
    """

    origfile: str
    prodcatg: str
    arcfile: str = ""
    version: int = 0
    standing: str = "converted"


@dataclass(frozen=True, slots=True)
class UsedMaster:
    """A calibration with the number of ABs that use it directly."""

    master: Master
    tag: str
    status: str
    abs: int


def index_calibrations(row: AbRow, ab: AssociationBlock) -> None:
    """Enter what an AB uses into the index; part of whatever stores its text."""
    uses = [(calib.source, calib.tag, calib.status.value) for calib in ab.mcalibs]
    uses += [(entry.ab, entry.tag, INPUT) for entry in ab.inputs]
    if sorted((line.source, line.tag, line.status) for line in row.calibrations) != sorted(uses):
        row.calibrations = [
            AbCalibrationRow(source=source, name=PurePosixPath(source).name, tag=tag, status=status)
            for source, tag, status in uses
        ]


class MasterRepository:
    """The index of calibrations, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, *, unread: bool = False) -> list[AbRow]:
        """Return all ABs, or those that are not in the index yet: from before there was one."""
        query = select(AbRow).order_by(AbRow.release, AbRow.name)
        if unread:
            query = query.where(AbRow.calibrations.any(AbCalibrationRow.status == UNREAD))
        return list(self._session.scalars(query))

    def find(self, words: str, release: str | None = None) -> list[Master]:
        """Return the calibrations meant by a path, a file name, or the name of the AB that makes them.

        A product of an AB stands for that AB.

        Raises
        ------
        UsageError
            If there is none.
        """
        found = self._by_ab(words, release) or self._by_path(words) or self._by_name(words)
        if not found:
            where = f" in release {release}" if release else ""
            raise UsageError(
                f"master {words}",
                f"no AB{where} uses it, and neither the frame catalogue nor an AB has it",
                "path or name of a master or static table, or the AB that makes it",
                "phoenix masters list",
            )
        return found

    def direct(self, masters: Iterable[Master], tag: str | None = None) -> dict[int, tuple[str, ...]]:
        """Return the ABs that use calibrations themselves (their id), each with the tags.

        Parameters
        ----------
        tag : str, optional
            Only as this PRO.CATG.
        """
        tags: dict[int, list[str]] = {}
        for master in masters:
            for ab_id, used_as in self._session.execute(self._lines_of(master, tag)):
                tags.setdefault(ab_id, []).append(used_as)
        return {ab_id: tuple(sorted(set(found))) for ab_id, found in tags.items()}

    def dependents(self, ab_ids: Collection[int]) -> set[int]:
        """Return ABs and all that use what they make, by name or as files, and so on; also over releases."""
        reached = select(func.unnest(_array(ab_ids)).label("ab_id")).cte("reached", recursive=True)
        maker, user = aliased(AbRow), aliased(AbRow)
        elsewhere = maker.release + "/" + maker.name
        made = union_all(
            select(maker.name.label("source")).correlate(maker),
            select(elsewhere).correlate(maker),
            select(ProductRow.path).where(ProductRow.ab_id == maker.id).correlate(maker),
        ).lateral("made")
        line = aliased(AbCalibrationRow)
        users = (
            select(line.ab_id)
            .select_from(reached)
            .join(maker, maker.id == reached.c.ab_id)
            .join(made, true())
            .join(line, line.source == made.c.source)
            .join(user, user.id == line.ab_id)
            .where(
                or_(
                    line.status.not_in(_MADE_BY_AB),
                    user.release == maker.release,
                    line.source == elsewhere,
                )
            )
        )
        return set(self._session.scalars(select(reached.union(users).c.ab_id)))

    def usages(self, ab_ids: Collection[int], tags: dict[int, tuple[str, ...]]) -> list[Usage]:
        """Return what is to be told of ABs, in order of time.

        Parameters
        ----------
        tags : dict
            As of `direct`.
        """
        rows = self._session.execute(
            select(
                AbRow.id,
                AbRow.release,
                BatchRow.key,
                AbRow.night,
                AbRow.task,
                AbRow.name,
                AbRow.mjd_obs_mod,
                AbRow.outcome,
                AbRow.exclusion,
                AbRow.waits_for,
            )
            .join(BatchRow, BatchRow.id == AbRow.batch_id)
            .where(_among(AbRow.id, ab_ids))
            .order_by(AbRow.mjd_obs_mod, AbRow.release, AbRow.name)
        )
        return [
            Usage(
                *row[:7],
                outcome="excluded" if row.exclusion else row.outcome or "to do",
                waits_for=tuple(row.waits_for),
                tags=tags.get(row.id, ()),
            )
            for row in rows
        ]

    def products(self, ab_ids: Collection[int]) -> dict[int, list[str]]:
        """Return the paths of the products of ABs."""
        found: dict[int, list[str]] = {}
        query = select(ProductRow.ab_id, ProductRow.path).where(_among(ProductRow.ab_id, ab_ids))
        for ab_id, path in self._session.execute(query.order_by(ProductRow.id)):
            found.setdefault(ab_id, []).append(path)
        return found

    def idps(self, ab_ids: Collection[int]) -> dict[int, list[MadeIdp]]:
        """Return the IDPs of ABs with their archived and queued versions, ancillary files included."""
        rows = self._session.execute(
            select(IdpRow.ab_id, IdpRow.origfile, IdpRow.prodcatg, IngestionRow)
            .outerjoin(IngestionRow, IngestionRow.idp_id == IdpRow.id)
            .where(_among(IdpRow.ab_id, ab_ids))
            .order_by(IdpRow.parent_id.is_not(None), IdpRow.origfile, IngestionRow.version)
        )
        found: dict[int, list[MadeIdp]] = {}
        for ab_id, origfile, prodcatg, queued in rows:
            made = MadeIdp(origfile, prodcatg)
            if queued is not None:
                archived = queued.state == IngestState.ARCHIVED
                standing = queued.status if archived else queued.state
                made = MadeIdp(origfile, prodcatg, queued.arcfile or "", queued.version, standing)
            found.setdefault(ab_id, []).append(made)
        return found

    def used(self, release: str | None = None) -> list[UsedMaster]:
        """Return the calibrations ABs use themselves, by status, source and tag."""
        line = AbCalibrationRow
        made, elsewhere = line.status.in_(_MADE_BY_AB), line.source.contains("/")
        maker = case(
            (made & elsewhere, func.split_part(line.source, "/", 1)), (made, AbRow.release), else_=""
        ).label("maker")
        source = case((made, line.name), else_=line.source).label("made")
        query = (
            select(source, maker, line.tag, line.status, func.count(line.ab_id.distinct()))
            .join(AbRow, AbRow.id == line.ab_id)
            .where(line.status != UNREAD)
            .group_by(source, maker, line.tag, line.status)
            .order_by(line.status, source, maker, line.tag)
        )
        if release is not None:
            query = query.where(AbRow.release == release)
        rows = self._session.execute(query)
        return [UsedMaster(Master(source, of), tag, status, abs_) for source, of, tag, status, abs_ in rows]

    def _lines_of(self, master: Master, tag: str | None) -> Select[int, str]:
        query = select(AbCalibrationRow.ab_id, AbCalibrationRow.tag)
        if tag is not None:
            query = query.where(AbCalibrationRow.tag == tag)
        if not master.release:
            return query.where(
                AbCalibrationRow.source == master.source, AbCalibrationRow.status.not_in(_MADE_BY_AB)
            )
        paths = self._session.scalars(
            select(ProductRow.path)
            .join(AbRow, AbRow.id == ProductRow.ab_id)
            .where(AbRow.release == master.release, AbRow.name == master.source)
        ).all()
        by_name = (
            (AbCalibrationRow.source == master.source)
            & AbCalibrationRow.status.in_(_MADE_BY_AB)
            & (AbRow.release == master.release)
        )
        elsewhere = f"{master.release}/{master.source}"
        by_name |= AbCalibrationRow.source == elsewhere
        return query.join(AbRow, AbRow.id == AbCalibrationRow.ab_id).where(
            AbCalibrationRow.source.in_([master.source, elsewhere, *paths]),
            by_name | AbCalibrationRow.status.not_in(_MADE_BY_AB),
        )

    def _by_ab(self, words: str, release: str | None) -> list[Master]:
        name = words if words.endswith(".ab") else f"{words}.ab"
        query = select(AbRow.name, AbRow.release).where(AbRow.name == name).order_by(AbRow.release)
        if release is not None:
            query = query.where(AbRow.release == release)
        return [Master(name, of) for name, of in self._session.execute(query)]

    def _by_path(self, words: str) -> list[Master]:
        paths = {words, str(Path(words).absolute())}
        return self._makers(ProductRow.path.in_(paths)) or self._files(
            AbCalibrationRow.source.in_(paths), FrameRow.path.in_(paths)
        )

    def _by_name(self, words: str) -> list[Master]:
        return self._files(AbCalibrationRow.name == words, FrameRow.name == words) or self._makers(
            ProductRow.path.endswith(f"/{words}", autoescape=True)
        )

    def _makers(self, which: ColumnElement[bool]) -> list[Master]:
        query = select(AbRow.name, AbRow.release).join(ProductRow, ProductRow.ab_id == AbRow.id).where(which)
        return [Master(name, of) for name, of in self._session.execute(query.distinct().order_by(AbRow.name))]

    def _files(self, used: ColumnElement[bool], known: ColumnElement[bool]) -> list[Master]:
        query = union(
            select(AbCalibrationRow.source).where(used, AbCalibrationRow.status.not_in(_MADE_BY_AB)),
            select(FrameRow.path).where(known, FrameRow.kind != FrameKind.RAW),
        )
        return [Master(path) for path in sorted(self._session.scalars(query))]


def _array(ids: Collection[int]) -> ColumnElement[list[int]]:
    """Give ids as one parameter: PostgreSQL takes no more than 65535 of them."""
    return literal(list(ids), ARRAY(BigInteger))


def _among(column: InstrumentedAttribute[int], ids: Collection[int]) -> ColumnElement[bool]:
    return column == any_(_array(ids))
