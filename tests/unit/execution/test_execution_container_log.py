from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phoenix.execution.container_log import LineSplitter


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"line\n", b"\xc3", b"\xa9"])))
def test_lines_do_not_depend_on_how_the_bytes_arrive(chunks: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()
    whole = b"".join(chunks)
    expected = [line.decode("utf-8", "replace").rstrip("\r") for line in whole.split(b"\n")]
    assert lines == (expected if whole and not whole.endswith(b"\n") else expected[:-1])


def test_an_endless_line_is_cut_not_kept() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(100) for line in splitter.feed(b"x" * 4096)]
    assert max(map(len, lines)) <= 64 * 1024
    assert len(splitter.end()) <= 1
