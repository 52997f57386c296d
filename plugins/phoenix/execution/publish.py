"""From a good working folder to published products: complete beside the old ones, then one rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phoenix.execution.command import RECIPE_LOG
from phoenix.execution.products import WrittenProduct
from phoenix.execution.staging import Input
from phoenix.execution.workfolder import LINK_REFUSED, WorkFolder, disk_trouble
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt
from phoenix.model.product import Product
from phoenix.store.files import publish_folder, write_atomically

VERDICT = "verdict.json"
_CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is kept beside the products so that they can be made again years later."""

    ab: AssociationBlock
    ab_sha256: str
    attempt: Attempt
    inputs: Sequence[Input]
    parameters: Mapping[str, str]
    memory_gb: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values; inputs with their checksums as they were read."""
        attempt = self.attempt
        return {
            "release": self.ab.release,
            "ab": self.ab.name,
            "ab_sha256": self.ab_sha256,
            "recipe": self.ab.recipe,
            "parameters": dict(self.parameters),
            "attempt": attempt.number,
            "outcome": attempt.outcome.value,
            "findings": list(attempt.findings),
            "started_at": attempt.started_at.isoformat(),
            "ended_at": attempt.ended_at.isoformat(),
            "exit_code": attempt.exit_code,
            "cpu_s": attempt.cpu_s,
            "memory_peak_mb": attempt.memory_peak_mb,
            "memory_limit_gb": self.memory_gb,
            "image": attempt.image,
            "image_digest": attempt.image_digest,
            "pipeline_version": attempt.pipeline_version,
            "container": attempt.container,
            "inputs": [
                {"path": str(entry.path), "tag": entry.tag, "name": entry.name, "sha256": _sha256(entry.path)}
                for entry in self.inputs
            ],
        }


def prepare(work: WorkFolder, target: Path, products: Sequence[WrittenProduct], record: RunRecord) -> Path:
    """Make a complete product folder beside its place and return it; the final name does not show it yet.

    Raises
    ------
    InfrastructureError
        If the disk is full; nothing half-written stays.
    """
    ready = target.with_name(f".{target.name}.{record.attempt.number:02d}.new")
    with disk_trouble(target):
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir(parents=True)
        try:
            for product in products:
                _take(work.output / product.name, ready / product.name)
            log = work.output / RECIPE_LOG
            if log.is_file():
                _take(log, ready / RECIPE_LOG)
            _take(work.log, ready / work.log.name)
            verdict = record.as_json() | {
                "products": [
                    {
                        "name": product.name,
                        "pro_catg": product.pro_catg,
                        "size_bytes": product.size_bytes,
                        "sha256": product.sha256,
                    }
                    for product in products
                ]
            }
            write_atomically(ready / VERDICT, json.dumps(verdict, indent=1) + "\n")
        except BaseException:
            shutil.rmtree(ready, ignore_errors=True)
            raise
    return ready


def publish(ready: Path, target: Path, products: Sequence[WrittenProduct]) -> tuple[Product, ...]:
    """Give a prepared folder its final name, in place of an older one, and return the products in it."""
    publish_folder(ready, target)
    for leftover in target.parent.glob(f".{target.name}.*"):
        # Of an earlier process that died between two renames.
        shutil.rmtree(leftover, ignore_errors=True)
    return tuple(
        Product(str(target / product.name), product.pro_catg, product.size_bytes, product.sha256)
        for product in products
    )


def _take(source: Path, target: Path) -> None:
    """Take a file over as one of ours that all may read and none may change.

    A link where both lie on one file system, else a copy: the original stays, so that a process that takes
    over from a lost one can publish again.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in LINK_REFUSED:
            raise
        shutil.copyfile(source, target)
    if os.geteuid() == 0:
        os.chown(target, os.getuid(), os.getgid())
    target.chmod(0o644)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
