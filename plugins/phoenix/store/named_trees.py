"""Trees of ABs with a name of their own: what a release left for others, or an intermediate tree.

A tree lies in ``<ab>/<NAME>``, whether a release of that name filled it, it was copied here from another
site, or ABs were put into it between source and edited text (``MUSE_smart``, ``MUSE_deep``). What is put here
has its checksum beside it, in the form of ``sha256sum``; what a release filled has it in the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from phoenix.config.folders import DataFolders
from phoenix.errors import AssociationError, UsageError
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.ab_text import AbDocument, Processing, parse, write
from phoenix.store.ab_trees import OldText, old_texts, replace_text, sha256_of
from phoenix.store.files import write_atomically

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}", re.ASCII)
_NIGHT = re.compile(r"[A-Za-z0-9][\w.:()+-]{0,60}", re.ASCII)
_AB = re.compile(r"[A-Za-z0-9][\w.:+-]{0,120}\.ab", re.ASCII)


@dataclass(frozen=True, slots=True)
class NamedTree:
    """A tree by its name.

    Parameters
    ----------
    folders : DataFolders
        The site's folders.
    name : str
        E.g. ``UVES_R3`` or ``MUSE_smart``.

    Raises
    ------
    UsageError
        If the name cannot be that of a folder.
    """

    folders: DataFolders
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"tree {self.name[:60]!r}", "is no name of a tree", "a name such as MUSE_smart")

    def exists(self) -> bool:
        """Whether there is such a tree."""
        return self.folder.is_dir()

    def nights(self) -> list[str]:
        """Return the nights, or runs, the tree has ABs of."""
        found = {folder.name for tree in Tree for folder in (self.folder / tree.value).glob("*")}
        return sorted(night for night in found if _NIGHT.fullmatch(night))

    def names(self, night: str) -> list[str]:
        """Return the ABs of a night."""
        found = {path.name for tree in Tree for path in (self.folder / tree.value / night).glob("*.ab")}
        return sorted(name for name in found if _AB.fullmatch(name))

    def load(self, night: str, name: str, recorded: tuple[Tree, str] | None = None) -> AbDocument:
        """Read an AB: its final text, else the edited one, else the source.

        Parameters
        ----------
        recorded : tuple, optional
            Which text counts, and its sha256, where the database knows it.

        Raises
        ------
        AssociationError
            If there is none, it cannot be read, or it is not what was recorded.
        """
        path = self._path(recorded[0], night, name) if recorded else self._furthest(night, name)
        text = _text(path)
        expected = recorded[1] if recorded else _recorded(path)
        if expected and sha256_of(text) != expected:
            raise AssociationError(
                str(path),
                "is not the text that was recorded",
                f"sha256 {expected[:12]}..., found {sha256_of(text)[:12]}...",
                f"phoenix ab accept {self.name} {name}, or take the text back from its history",
            )
        return parse(text, str(path))

    def keep(self, ab: AssociationBlock, processing: Processing | None = None) -> str:
        """Put an AB into the tree with its checksum, an older text into the history; return the sha256."""
        path = self._path(Tree.FINAL, ab.date, ab.name)
        text = write(ab, processing)
        if path.exists() and path.read_bytes() != text.encode():
            text = parse(_text(path), str(path)).edited(ab, processing).render()
        digest = sha256_of(text)
        # The checksum first: a crash between the two is noticed, and mended by keeping the AB again.
        write_atomically(_checksum(path), f"{digest}  {path.name}\n")
        replace_text(path, text)
        return digest

    def history(self, night: str, name: str) -> list[OldText]:
        """Return the texts of an AB that were replaced in this tree, the oldest first."""
        return old_texts(self._path(Tree.FINAL, night, name), self.name)

    def verify(self) -> list[AssociationError]:
        """Read every AB of the tree and return what is wrong: damaged, lost, or not the text recorded."""
        errors = []
        for night in self.nights():
            lost = {
                path.name.removesuffix(".sha256")
                for path in (self.folder / Tree.FINAL.value / night).glob("*.ab.sha256")
            }
            for name in sorted(lost.union(self.names(night))):
                try:
                    self.load(night, name)
                except AssociationError as error:
                    errors.append(error)
        return errors

    @property
    def folder(self) -> Path:
        """Where the tree lies."""
        return self.folders.ab / self.name

    def _path(self, tree: Tree, night: str, name: str) -> Path:
        if not (_NIGHT.fullmatch(night) and _AB.fullmatch(name)):
            raise AssociationError(
                f"AB {name[:120]!r} of tree {self.name}, {night[:60]!r}",
                "a name that is not safe as a file name",
                "<INSTR>.<time of the first raw>[_<event>].ab",
            )
        return self.folder / tree.value / night / name

    def _furthest(self, night: str, name: str) -> Path:
        paths = [self._path(tree, night, name) for tree in reversed(Tree)]
        return next((path for path in paths if path.exists()), paths[0])


def _checksum(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str:
    try:
        return _checksum(path).read_text(encoding="utf-8", errors="replace")[:64]
    except FileNotFoundError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise AssociationError(
            str(path), "there is no such AB text", remedy="bring it back from a copy"
        ) from error
    except UnicodeDecodeError as error:
        raise AssociationError(
            str(path), f"is not UTF-8: {error.reason} at byte {error.start}", "UTF-8 text"
        ) from error
