"""A batch that does not fit on the disk is refused before it starts, by what batches like it took."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builders_execution import KEY, NIGHT, RELEASE, ab_row, bias_ab, store_ab
from phoenix.chain.disk_watch import disk_need, require_disk
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.store.database import Database
from phoenix.store.tables import FrameRow, IdpRow, ProductRow

EARLIER = "2019-02-01"
RAW_BYTES = 40_000_000


def raw_frame(night: str, size_bytes: int) -> FrameRow:
    return FrameRow(
        path=f"/raw/{night}.fits",
        name=f"{night}.fits",
        kind="raw",
        instrument="UVES",
        night=night,
        mjd_obs=58546.4,
        exptime_s=0.0,
        raw_class="BIAS_BLUE",
        tags={},
        keywords={},
        size_bytes=size_bytes,
        mtime_ns=0,
        rules_version="1",
    )


def made(database: Database, ab_name: str, product_bytes: int, idp_bytes: int) -> None:
    """Record what an AB gave."""
    ab_id = ab_row(database, ab_name).id
    with database.transaction() as session:
        session.add(
            ProductRow(ab_id=ab_id, pro_catg="X", path=f"/{ab_name}", size_bytes=product_bytes, sha256="")
        )
        session.add(
            IdpRow(
                ab_id=ab_id,
                release=RELEASE,
                origfile=ab_name,
                prodcatg="SCIENCE.SPECTRUM",
                path=f"/idp/{ab_name}",
                size_bytes=idp_bytes,
                sha256="",
                converted_at=datetime.now(UTC),
            )
        )


@pytest.fixture
def batch(database: Database) -> Database:
    """A batch of one night whose frames are in the catalogue."""
    with database.transaction() as session:
        session.add(raw_frame(NIGHT, RAW_BYTES))
    return database


def test_the_first_batch_is_judged_by_the_site_s_figure(
    batch: Database, configuration: Configuration
) -> None:
    need = disk_need(batch, configuration, RELEASE, KEY)
    assert not need.learned
    assert need.to_come_gb == pytest.approx(configuration.site.disk_per_raw * RAW_BYTES / 1e9)
    assert "disk_per_raw in phoenix.yaml" in str(need)


def test_earlier_nights_of_the_release_teach_and_an_idp_lies_in_two_places(
    batch: Database, configuration: Configuration
) -> None:
    earlier = bias_ab([], name="UVES.2019-02-01T10:00:00.000_tpl.ab", date=EARLIER)
    store_ab(batch, configuration, earlier)
    with batch.transaction() as session:
        session.add(raw_frame(EARLIER, 1000))
    made(batch, earlier.name, product_bytes=1500, idp_bytes=250)
    need = disk_need(batch, configuration, RELEASE, KEY)
    assert need.learned
    assert need.per_raw == pytest.approx(2.0)
    assert need.to_come_gb == pytest.approx(2 * RAW_BYTES / 1e9)


def test_what_is_written_already_is_not_asked_for_again(
    batch: Database, configuration: Configuration
) -> None:
    ab = bias_ab([])
    store_ab(batch, configuration, ab)
    made(batch, ab.name, product_bytes=10**12, idp_bytes=0)
    assert disk_need(batch, configuration, RELEASE, KEY).to_come_gb == 0


def test_a_batch_that_does_not_fit_is_refused_and_told_by_how_much(
    batch: Database, configuration: Configuration
) -> None:
    need = require_disk(batch, configuration, RELEASE, KEY)
    assert need.lacking_gb == 0
    too_much_gb = need.free_gb + 100
    with batch.transaction() as session:
        session.query(FrameRow).one().size_bytes = int(too_much_gb * 1e9 / configuration.site.disk_per_raw)
    with pytest.raises(InfrastructureError, match=r"free 10\d(\.\d+)? GB there"):
        require_disk(batch, configuration, RELEASE, KEY)
