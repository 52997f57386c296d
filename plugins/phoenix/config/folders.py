"""Where the data of a batch lie: one place that knows all paths below the data root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from phoenix.config.site import Folders
from phoenix.model.ab import AssociationBlock, Tree


class DataFolders:
    """Absolute folders of a site; names are safe because AB names and nights have a fixed form.

    Parameters
    ----------
    root : Path
        The data root.
    folders : Folders
        The site's settings, relative to the root unless absolute.
    final_tree : callable, optional
        Gives a release's tree of processed ABs; default: the one of its own name.
    """

    def __init__(self, root: Path, folders: Folders, final_tree: Callable[[str], str] = str) -> None:
        self._final_tree = final_tree
        self.root = root
        self.raw = root / folders.raw
        self.static = root / folders.static
        self.masters = root / folders.masters
        self.ab = root / folders.ab
        self.work = root / folders.work
        self.products = root / folders.products
        self.reports = root / folders.reports
        self.conv = root / folders.conv
        self.archive = root / folders.archive
        self.associations = root / folders.associations

    def scanned(self) -> tuple[Path, ...]:
        """Return the folders whose frames the catalogue knows."""
        return (self.raw, self.static, self.masters)

    def ab_text(self, release: str, tree: Tree, night: str, name: str) -> Path:
        """Return the file of an AB's text form in one of the release's trees."""
        owner = self._final_tree(release) if tree is Tree.FINAL else release
        return self.ab / owner / tree.value / night / name

    def attempt(self, ab: AssociationBlock, number: int) -> Path:
        """Return the fresh working folder of one attempt."""
        return self.work / ab.release / ab.date / ab.stem / f"{number:02d}"

    def products_of(self, ab: AssociationBlock) -> Path:
        """Return the folder an AB's products are published to, as a whole, by one rename."""
        return self.products / ab.release / ab.date / ab.stem

    def report_of(self, ab: AssociationBlock) -> Path:
        """Return the folder of an AB's QC reports."""
        return self.reports / ab.release / ab.date / ab.stem

    def conv_of(self, ab: AssociationBlock) -> Path:
        """Return the folder of an AB's IDPs."""
        return self.conv / ab.release / ab.date / ab.stem
