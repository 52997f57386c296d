"""Hosts, queues and memory classes: how much there is, who gets how much, what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from phoenix.config.hosts import Share, pools, serving, streams
from phoenix.config.instrument import DrsType, Recipe
from phoenix.config.loader import Configuration
from phoenix.config.release import Release
from phoenix.config.site import HOST_POOL, Host, Site
from phoenix.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "include" / "config" / "sites" / "example_eso.yaml"


@pytest.fixture
def eso(tmp_path: Path) -> Path:
    """The project's configuration with the example of several hosts in place of its site."""
    folder = tmp_path / "config"
    shutil.copytree(PROJECT / "include" / "config", folder)
    shutil.copy(EXAMPLE, folder / "phoenix.yaml")
    return folder


def recipe(**content: object) -> Recipe:
    return Recipe.model_validate({"timeout": "1 h", **content})


def stream(**host: object) -> Release:
    plain = Configuration().release("UVES_R3").model_dump(mode="json")
    return Release.model_validate({**plain, "host": host})


def test_the_example_serves_every_release(eso: Path) -> None:
    configuration = Configuration(eso)
    assert configuration.check() == []
    for name in configuration.names("releases"):
        assert serving(configuration.site, configuration.release(name)).name


def test_the_hosts_of_the_example(eso: Path) -> None:
    configuration = Configuration(eso)
    assert pools(configuration.site) == {
        "host_shared": 128 * 1024,
        "host_muse": 3 * 512 * 1024,
        "host_muse_large": 2048 * 1024,
    }
    deep = serving(configuration.site, configuration.release("MUSE_DEEP"))
    assert (deep.name, deep.largest_gb) == ("muse_large", 2048)
    assert [entry.name for entry in deep.classes] == ["small", "medium", "large", "huge", "whole"]


def test_a_queue_nobody_serves_is_named(eso: Path) -> None:
    file = eso / "releases" / "UVES_R3.yaml"
    file.write_text(file.read_text().replace("queue: shared", "queue: sharde"))
    (error,) = Configuration(eso).check()
    assert (error.subject, error.found) == ("releases/UVES_R3.yaml, field host.queue", "found 'sharde'")
    assert "did you mean shared" in error.remedy
    with pytest.raises(ConfigError, match="sharde"):
        serving(Configuration(eso).site, Configuration(eso).release("UVES_R3"))


def test_a_host_too_small_for_its_stream_is_named(eso: Path) -> None:
    site = yaml.safe_load(EXAMPLE.read_text())
    site["hosts"]["muc11"]["memory_gb"] = 1024
    (eso / "phoenix.yaml").write_text(yaml.safe_dump(site))
    (error,) = Configuration(eso).check()
    assert error.subject == "releases/MUSE_DEEP.yaml, field host.memory_gb"
    assert "asks for 2048 GB; a host of queue muse_large has 1024 GB" in error.found


def test_a_worker_finds_its_own_host(eso: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = yaml.safe_load(EXAMPLE.read_text())
    site["hosts"]["muc11"]["engine"] = {"url": "tcp://muc11:2376"}
    (eso / "phoenix.yaml").write_text(yaml.safe_dump(site))
    monkeypatch.setenv("PHOENIX_HOST", "muc11")
    configuration = Configuration(eso)
    assert (configuration.host.memory_gb, configuration.host.slots) == (2048, 56)
    assert configuration.engine.url == "tcp://muc11:2376"
    monkeypatch.setenv("PHOENIX_HOST", "desk")
    assert Configuration(eso).host == configuration.site.host


def test_one_host_serves_every_queue_without_a_name() -> None:
    demo = Configuration().site
    queue = serving(demo, stream(queue="muse_large"))
    assert (queue.name, queue.pool, queue.pool_mb) == (None, HOST_POOL, 4096)
    assert pools(demo) == {HOST_POOL: 4096}


@given(st.integers(1, 64), st.floats(1, 4096), st.lists(st.tuples(st.floats(0.1, 5000), st.floats(0.5, 64))))
def test_neither_memory_nor_cores_can_be_exceeded(
    slots: int, memory_gb: float, wanted: list[tuple[float, float]]
) -> None:
    """However ABs are let in while the pool has room, what they need together is there."""
    share = Share.of(Host(slots=slots, memory_gb=memory_gb))
    room, used_mb, running = share.total_mb, 0.0, 0
    for needs_gb, cpus in wanted:
        taken = share.taken(needs_gb, cpus)
        assert taken <= share.total_mb, "it would wait for ever"
        if taken <= room and needs_gb <= memory_gb:
            room, used_mb, running = room - taken, used_mb + needs_gb * 1024, running + 1
    assert used_mb <= memory_gb * 1024 + 1
    if share.total_mb >= slots * slots:  # a core's share rounded down to MB lets no further one in
        assert running <= slots


def test_two_recipes_at_a_time_on_two_slots() -> None:
    share = Share.of(Host(slots=2, memory_gb=4))
    assert [share.total_mb // share.taken(gb) for gb in (0.5, 1, 2, 2.5, 4)] == [2, 2, 2, 1, 1]


def test_recipes_have_one_class_unless_memory_grows() -> None:
    queue = serving(Configuration().site, stream())

    def classes(**content: object) -> list[tuple[str, float]]:
        return [(entry.name, entry.up_to_gb) for entry in queue.classes_of(recipe(**content))]

    assert classes(memory_gb=1) == [("small", 2)]
    assert classes(memory_gb=2) == [("small", 2), ("medium", 4)]
    assert classes(memory_gb=4) == [("medium", 4)]
    assert classes(memory_gb=96) == [("medium", 4)], "its ABs are refused there, with the figure"
    assert classes(memory={"base_gb": 1, "per_input_gb": 0.1}) == [("small", 2), ("medium", 4)]


def test_types_of_processing_limit_what_runs_at_once() -> None:
    assert streams(DrsType.CPL, stream(streams=3)) == 1
    assert streams(DrsType.INT, stream(streams=3)) == 3
    assert streams(DrsType.INT, stream()) == 1
    assert streams(DrsType.CON, stream()) is None


@pytest.mark.parametrize("classes", [{}, {"small": 4, "large": 4}, {"small": 0}, {"very large": 9}])
def test_classes_without_size_or_name_are_refused(classes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="memory_classes"):
        Site.model_validate({"site": "x", "memory_classes": classes})


@pytest.mark.parametrize(
    "content",
    [
        {"memory_gb": 2, "memory": {"base_gb": 1}},
        {"memory": {"base_gb": 1, "bytes_per_row": 66}},
        {"memory": {"base_gb": 1, "of": "("}},
    ],
)
def test_memory_is_said_once_and_whole(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="memory"):
        recipe(**content)
