from dataclasses import replace
from pathlib import Path

import pytest

from builders_ab import science_ab
from phoenix.config.loader import PROJECT, Configuration
from phoenix.errors import AssociationError, UsageError
from phoenix.model.ab import Tree
from phoenix.model.ab_text import Processing, write
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.named_trees import NamedTree

AB = science_ab(release="MUSE_R")
NIGHT = AB.date


@pytest.fixture
def tree(configuration: Configuration) -> NamedTree:
    return NamedTree(configuration.folders, "MUSE_smart")


def path_of(tree: NamedTree) -> Path:
    return tree.folder / "final" / NIGHT / AB.name


def test_an_intermediate_tree_keeps_what_is_put_into_it(tree: NamedTree) -> None:
    assert not tree.exists()
    assert tree.nights() == []
    tree.keep(AB)
    assert (tree.nights(), tree.names(NIGHT)) == ([NIGHT], [AB.name])
    assert tree.load(NIGHT, AB.name).ab == AB
    assert tree.verify() == []
    path_of(tree).write_text("# by hand, and kept so\n" + write(AB))
    tree.keep(replace(AB, recipe="uves_obs_spatred"))
    assert path_of(tree).read_text().startswith("# by hand, and kept so\n")
    (old,) = tree.history(NIGHT, AB.name)
    assert old.path.read_text() == "# by hand, and kept so\n" + write(AB)
    assert tree.verify() == []
    assert tree.names(NIGHT) == [AB.name]


def test_what_is_wrong_with_a_tree_is_told(tree: NamedTree) -> None:
    tree.keep(AB)
    path_of(tree).write_text(write(replace(AB, obs_id="7")))
    (error,) = tree.verify()
    assert "is not the text that was recorded" in str(error)
    path_of(tree).unlink()
    (error,) = tree.verify()
    assert "there is no such AB text" in str(error)
    tree.keep(AB)
    assert tree.verify() == []
    path_of(tree).write_bytes(b"\xff")
    with pytest.raises(AssociationError, match="is not UTF-8"):
        tree.load(NIGHT, AB.name)


def test_of_a_release_the_furthest_text_counts_unless_the_database_says_otherwise(
    configuration: Configuration,
) -> None:
    trees, tree = AbTrees(configuration.folders), NamedTree(configuration.folders, "UVES_R3")
    ab = science_ab()
    sha256 = trees.create(ab)
    trees.save(Tree.FINAL, replace(ab, obs_id="7"), Processing(Outcome.OK))
    assert tree.load(NIGHT, ab.name).ab.obs_id == "7"
    assert tree.load(NIGHT, ab.name, (Tree.SOURCE, sha256)).ab == ab


@pytest.mark.parametrize("name", ["..", "a/b", "", "~x", "a" * 99])
def test_no_name_leads_out_of_the_store(configuration: Configuration, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a tree"):
        NamedTree(configuration.folders, name)


@pytest.mark.parametrize("place", [("../..", AB.name), (NIGHT, "../x.ab"), (NIGHT, "x")])
def test_no_ab_lies_outside_its_tree(tree: NamedTree, place: tuple[str, str]) -> None:
    with pytest.raises(AssociationError, match="not safe as a file name"):
        tree.load(*place)


def test_a_final_tree_of_another_name_takes_the_processed_abs(tmp_path: Path) -> None:
    config = tmp_path / "config"
    for folder in ("releases", "instruments", "rules", "qc"):
        (config / folder).mkdir(parents=True)
    text = (PROJECT / "include" / "config" / "releases" / "UVES_R3.yaml").read_text()
    (config / "releases" / "UVES_R3.yaml").write_text(text + "final_tree: UVES_smart\n")
    (config / "phoenix.yaml").write_text((PROJECT / "include" / "config" / "phoenix.yaml").read_text())
    configuration = Configuration(config, tmp_path / "var")
    trees, ab = AbTrees(configuration.folders), science_ab()
    trees.create(ab)
    trees.save(Tree.FINAL, ab, Processing(Outcome.OK))
    assert NamedTree(configuration.folders, "UVES_smart").load(NIGHT, ab.name).processing is not None
    assert NamedTree(configuration.folders, "UVES_R3").load(NIGHT, ab.name).processing is None
    (config / "releases" / "UVES_R4.yaml").write_text(
        text.replace("UVES_R3", "UVES_R4") + "final_tree: UVES_smart\n"
    )
    told = [str(error) for error in configuration.check()]
    assert any("UVES_R4.yaml, field final_tree: found 'UVES_smart', which UVES_R3 fills" in t for t in told)


def test_replaced_texts_are_kept_once(configuration: Configuration) -> None:
    trees, ab = AbTrees(configuration.folders), science_ab()
    texts = [write(replace(ab, obs_id=number)) for number in "121"]
    for text in texts:
        trees.create(ab, text)
    trees.create(ab, texts[-1])
    found = {old.path.read_text() for old in trees.history(ab.release, NIGHT, ab.name)}
    assert found == set(texts)
