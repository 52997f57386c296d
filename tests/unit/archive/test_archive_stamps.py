from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.archive.stamps import arcfiles, checked, moment_of, night_folder, suffix
from phoenix.errors import ArchiveError

NOW = datetime(2026, 11, 22, 23, 59, 59, 999_400, tzinfo=UTC)
MOMENTS = st.integers(0, 3_000_000_000_000_000).map(
    lambda microseconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


def test_members_of_a_dataset_get_consecutive_milliseconds_and_their_own_suffix() -> None:
    assert arcfiles(None, NOW, ["a.fits", "b.fits", "c.png", "d.tar.gz"]) == [
        "ADP.2026-11-22T23:59:59.999.fits",
        "ADP.2026-11-23T00:00:00.000.fits",
        "ADP.2026-11-23T00:00:00.001.png",
        "ADP.2026-11-23T00:00:00.002.tar.gz",
    ]


@given(st.lists(MOMENTS, min_size=1, max_size=8), st.integers(1, 4))
def test_names_grow_whatever_the_clock_does(clock: list[datetime], count: int) -> None:
    given_out: list[str] = []
    for now in clock:
        given_out += arcfiles(given_out[-1] if given_out else None, now, ["a.fits"] * count)
    assert given_out == sorted(set(given_out))
    assert all(name == checked(name) for name in given_out)


@given(MOMENTS)
def test_a_name_tells_its_moment_and_folder(now: datetime) -> None:
    name = arcfiles(None, now, ["a.fits"])[0]
    assert timedelta(0) <= now - moment_of(name) < timedelta(milliseconds=1)
    assert night_folder(name) == now.date().isoformat()


@pytest.mark.parametrize("origfile", ["a", "a.", "a.b/c", "a.fi ts", "a.123456789", "a.fits\n"])
def test_files_without_a_plain_suffix_are_refused(origfile: str) -> None:
    with pytest.raises(ArchiveError, match="suffix"):
        suffix(origfile)
