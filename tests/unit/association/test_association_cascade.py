from itertools import pairwise

import pytest

from builders_uves import BLUE, Nights, tables
from phoenix.association.cascade import downstream, levels, upstream, waits
from phoenix.errors import AssociationError


def test_layers_follow_the_cascade(run) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    result = run(nights.frames + tables(BLUE))
    task_of = {block.ab.name: block.ab.task for block in result.blocks}
    graph = waits(block.ab for block in result.blocks)
    assert [[task_of[name] for name in layer] for layer in levels(graph)] == [
        ["bias"], ["format_check"], ["order_position"], ["flat"], ["wavelength"], ["response"], ["science"],
    ]  # fmt: skip
    flat = next(name for name, task in task_of.items() if task == "flat")
    assert [task_of[name] for name in downstream(graph, flat)] == ["wavelength", "response", "science"]


def test_abs_of_other_batches_are_taken_as_done() -> None:
    assert levels({"b": ("elsewhere", "a"), "a": ()}) == [["a"], ["b"]]
    assert downstream({"b": ("elsewhere",), "a": ()}, "elsewhere") == ["b"]
    assert downstream({"b": ("a",), "a": ()}, "b") == []


def test_a_cycle_is_named() -> None:
    graph = {"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)}
    with pytest.raises(AssociationError) as caught:
        levels(graph)
    circle = caught.value.found.removeprefix("ABs wait for each other: ").split(" waits for ")
    assert circle[0] == circle[-1]
    assert len(circle) == 4
    assert all(after in graph[before] for before, after in pairwise(circle))


def test_what_an_ab_needs_is_found_and_nothing_else() -> None:
    graph = {"cube": ("offsets", "elsewhere"), "offsets": ("image",), "image": (), "other": ("image",)}
    assert upstream(graph, ["cube"]) == {"cube", "offsets", "image"}
    assert upstream(graph, []) == set()
