"""The AB store: texts in the trees source, edited and final of each release, and the reasons beside them.

A text that is replaced is kept below ``history`` beside it. Trees with a name of their own, such as
MUSE_smart, stand in :mod:`phoenix.store.named_trees`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phoenix.config.folders import DataFolders
from phoenix.errors import AssociationError
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.ab_text import AbDocument, Processing, parse, write
from phoenix.store.files import write_atomically

_NAME = re.compile(r"[A-Za-z0-9][\w.:+-]{0,120}\.ab", re.ASCII)
_FOLDER = re.compile(r"[A-Za-z0-9][\w.:()+-]{0,60}", re.ASCII)


def sha256_of(text: str) -> str:
    """Return the checksum of a text form, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class OldText:
    """A text of an AB that another one replaced; ``written_at`` in UTC, to the second."""

    tree: str
    written_at: str
    sha256: str
    path: Path


def replace_text(path: Path, text: str) -> None:
    """Write the text of an AB; another one that stood there goes to the history."""
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        before = b""
    if before and before != text.encode():
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kept = _history(path) / f"{written_at}_{hashlib.sha256(before).hexdigest()}.ab"
        if not kept.exists():
            write_atomically(kept, before)
    write_atomically(path, text)


def old_texts(path: Path, tree: str) -> list[OldText]:
    """Return the texts that a file of an AB had before."""
    files = sorted(_history(path).glob("*.ab"))
    parts = ((file, file.stem.partition("_")) for file in files)
    return [OldText(tree, written_at, sha256, file) for file, (written_at, _, sha256) in parts]


def _history(path: Path) -> Path:
    return path.parent / "history" / path.stem


@dataclass(frozen=True, slots=True)
class AbTrees:
    """The files of the AB store.

    Parameters
    ----------
    folders : DataFolders
        The site's folders.
    """

    folders: DataFolders

    def path(self, release: str, tree: Tree, night: str, name: str) -> Path:
        """Return the file of a text form.

        Raises
        ------
        AssociationError
            If release, night or name could leave their folder: they come from header text.
        """
        if not (_NAME.fullmatch(name) and _FOLDER.fullmatch(release) and _FOLDER.fullmatch(night)):
            raise AssociationError(
                f"AB {name[:120]!r} of {release[:60]!r}, {night[:60]!r}",
                "a name that is not safe as a file name",
                "<INSTR>.<time of the first raw>[_<event>].ab",
                "mend ARCFILE of its first raw frame",
            )
        return self.folders.ab_text(release, tree, night, name)

    def save(self, tree: Tree, ab: AssociationBlock, processing: Processing | None = None) -> str:
        """Write an AB into a tree and return the text's sha256.

        Comments, order and unknown lines are taken over from the nearest text there is: the one in the tree
        itself, else the one in the tree before.
        """
        path = self.path(ab.release, tree, ab.date, ab.name)
        text = self._edited(tree, ab, processing)
        replace_text(path, text)
        return sha256_of(text)

    def create(self, ab: AssociationBlock, text: str = "") -> str:
        """Write a new AB into the source tree, whatever stood there; return the text's sha256.

        Parameters
        ----------
        text : str
            Its text form, when it has one with comments of its own.
        """
        text = text or write(ab)
        replace_text(self.path(ab.release, Tree.SOURCE, ab.date, ab.name), text)
        return sha256_of(text)

    def history(self, release: str, night: str, name: str) -> list[OldText]:
        """Return the texts of an AB that were replaced, in any of the release's trees, the oldest first."""
        found = [old for tree in Tree for old in old_texts(self.path(release, tree, night, name), tree.value)]
        return sorted(found, key=lambda old: (old.written_at, old.path))

    def text(self, release: str, tree: Tree, night: str, name: str) -> str:
        """Return the text as it is on disk.

        Raises
        ------
        AssociationError
            If there is none, or it is not UTF-8.
        """
        path = self.path(release, tree, night, name)
        try:
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError as error:
            raise AssociationError(
                str(path), "there is no such AB text", remedy="phoenix ab create makes it anew"
            ) from error
        except UnicodeDecodeError as error:
            raise AssociationError(
                str(path),
                f"is not UTF-8: {error.reason} at byte {error.start}",
                "UTF-8 text",
                "save it as UTF-8",
            ) from error

    def load(self, release: str, tree: Tree, night: str, name: str, sha256: str) -> AbDocument:
        """Read an AB whose checksum is known.

        Raises
        ------
        AssociationError
            If the text is not there, cannot be read, or was changed by hand since it was recorded.
        """
        text = self.text(release, tree, night, name)
        path = self.path(release, tree, night, name)
        if sha256_of(text) != sha256:
            raise AssociationError(
                str(path),
                "was changed by hand since it was recorded",
                f"sha256 {sha256[:12]}..., found {sha256_of(text)[:12]}...",
                f"phoenix ab accept {release} {name}",
            )
        return parse(text, str(path))

    def save_explanation(self, ab: AssociationBlock, explanation: Mapping[str, Any]) -> None:
        """Keep the reasons of an AB's association beside its source text."""
        path = self._explanation(ab.release, ab.date, ab.name)
        text = json.dumps(explanation, separators=(",", ":")) + "\n"
        if not (path.exists() and path.read_bytes() == text.encode("ascii")):
            write_atomically(path, text)

    def explanation(self, release: str, night: str, name: str) -> dict[str, Any]:
        """Return the reasons of an AB's association.

        Raises
        ------
        AssociationError
            If none were kept, or the file is damaged.
        """
        path = self._explanation(release, night, name)
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise AssociationError(
                str(path), "no reasons are kept", remedy="phoenix ab create makes them anew"
            ) from error
        except ValueError as error:
            raise AssociationError(
                str(path), "is not JSON", remedy="delete it; phoenix ab create makes it anew"
            ) from error
        return content

    def save_left_out(self, release: str, night: str, frames: Sequence[Mapping[str, str]]) -> None:
        """Keep which raw frames of a night are in no AB, each with ``path``, ``code`` and ``reason``."""
        path = self._left_out(release, night)
        if frames or path.exists():
            write_atomically(path, json.dumps(list(frames), indent=1) + "\n")

    def left_out(self, release: str, night: str) -> list[dict[str, str]]:
        """Return the raw frames of a night that are in no AB."""
        path = self._left_out(release, night)
        if not path.exists():
            return []
        frames: list[dict[str, str]] = json.loads(path.read_bytes())
        return frames

    def _left_out(self, release: str, night: str) -> Path:
        return self.path(release, Tree.SOURCE, night, "x.ab").with_name("left_out.json")

    def _explanation(self, release: str, night: str, name: str) -> Path:
        path = self.path(release, Tree.SOURCE, night, name)
        return path.with_name(f"{name.removesuffix('.ab')}.explain.json")

    def _edited(self, tree: Tree, ab: AssociationBlock, processing: Processing | None) -> str:
        trees = list(Tree)
        for near in reversed(trees[: trees.index(tree) + 1]):
            path = self.path(ab.release, near, ab.date, ab.name)
            if path.exists():
                text = self.text(ab.release, near, ab.date, ab.name)
                return parse(text, str(path)).edited(ab, processing).render()
        return write(ab, processing)
