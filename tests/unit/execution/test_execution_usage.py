"""What a container notes of itself when its recipe has ended, with both kinds of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.execution.command import USAGE_FILE
from phoenix.execution.usage import Usage, read_usage

TIMES = "0m0.00s 0m0.01s\n1m2.50s 0m3.25s\n"


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        # GNU time, control groups of version 2: the recipe's own memory counts, not the files it wrote.
        (
            f"maxrss 51200\n{TIMES}250000000\nlow 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n",
            Usage(65.75, 52.4288, 0),
        ),
        # An image without GNU time, version 1.
        (f"{TIMES}250000000\noom_kill_disable 0\nunder_oom 0\noom_kill 0\n", Usage(65.75, 250.0, 0)),
        (
            f"maxrss 2000000\n{TIMES}2097152000\noom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
            Usage(65.75, 2048.0, 1),
        ),
        # The disk was full.
        ("", Usage()),
        ("maxrss 512", Usage(None, 0.524288, 0)),
        ("\x00\xff garbage", Usage()),
    ],
)
def test_what_the_container_noted(tmp_path: Path, text: str, usage: Usage) -> None:
    (tmp_path / USAGE_FILE).write_text(text, encoding="latin-1")
    assert read_usage(tmp_path) == usage


def test_nothing_is_known_of_a_container_killed_as_a_whole(tmp_path: Path) -> None:
    assert read_usage(tmp_path) == Usage()
