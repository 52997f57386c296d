"""What a recipe gets to read: inputs resolved, checked before a container starts, put into its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from phoenix.errors import HeaderError
from phoenix.execution.container import INPUT
from phoenix.execution.sof import SofLine, sof_text
from phoenix.execution.workfolder import WorkFolder, place
from phoenix.headers.reader import Header, read_and_check
from phoenix.model.ab import AssociationBlock, Completeness, McalibStatus
from phoenix.model.frame import Value
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product

SOF_NAME = "job.sof"
#: Room for our own SOF beside inputs of any name.
_SOF_FOLDER = "sof"

#: Gives the class the rules give a raw frame; empty when no rule takes it.
Classifier = Callable[[Mapping[str, Value]], str]


@dataclass(frozen=True, slots=True)
class Producer:
    """An AB that makes a calibration: how it ended and what it published."""

    name: str
    outcome: Outcome | None
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A file the recipe reads.

    Attributes
    ----------
    name
        Its name in the container, unique there; it is also what product headers record.
    fingerprint
        DATAMD5 of its header, which the products of the recipe must name; empty when it has none.
    """

    path: Path
    tag: str
    name: str
    raw: bool
    mandatory: bool
    fingerprint: str = ""

    @property
    def sof_line(self) -> SofLine:
        """Line of the SOF."""
        return SofLine(INPUT / self.name, self.tag)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an AB must not start: BLOCKED by another AB, or UNPROCESSABLE as it is."""

    outcome: Outcome
    findings: tuple[str, ...]


def resolve(ab: AssociationBlock, producers: Mapping[str, Producer]) -> tuple[Input, ...] | Refusal:
    """Return the files of an AB; a VIRTUAL calibration is a product of another AB.

    Parameters
    ----------
    producers : mapping
        The ABs this one waits for, by name.
    """
    missing = tuple(f"mandatory calibration {gap.tag} is missing: {gap.reason}" for gap in ab.missing)
    if ab.completeness is Completeness.INCOMPLETE:
        return Refusal(Outcome.UNPROCESSABLE, missing or ("the AB is INCOMPLETE and does not say why",))
    inputs = [
        Input(Path(raw.path), raw.tag, Path(raw.path).name, raw=True, mandatory=True) for raw in ab.raws
    ]
    blocked: list[str] = []
    for calib in ab.mcalibs:
        if calib.status is not McalibStatus.VIRTUAL:
            path = Path(calib.source)
            inputs.append(Input(path, calib.tag, path.name, raw=False, mandatory=calib.mandatory))
            continue
        made = _made(producers.get(calib.source), calib.tag)
        if made is not None:
            name = f"{calib.source.removesuffix('.ab')}_{made.name}"
            inputs.append(Input(made, calib.tag, name, raw=False, mandatory=calib.mandatory))
        elif calib.mandatory:
            blocked.append(_why_blocked(producers.get(calib.source), calib.source, calib.tag))
    if blocked:
        return Refusal(Outcome.BLOCKED, tuple(dict.fromkeys(blocked)))
    return _uniquely_named(inputs)


def _made(producer: Producer | None, tag: str) -> Path | None:
    if producer is None or producer.outcome is None or not producer.outcome.succeeded:
        return None
    return next((Path(product.path) for product in producer.products if product.pro_catg == tag), None)


def _why_blocked(producer: Producer | None, name: str, tag: str) -> str:
    if producer is None:
        return f"{tag} should come from AB {name}, which does not exist"
    if producer.outcome is None:
        return f"{tag} should come from AB {name}, which has not run"
    if not producer.outcome.succeeded:
        return f"{tag} should come from AB {name}, which ended as {producer.outcome}"
    return f"{tag} should come from AB {name}, which published no such product"


def _uniquely_named(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Put files of equal names into numbered folders; headers still record the bare name."""
    seen: dict[str, int] = {}
    named = []
    for entry in inputs:
        count = seen[entry.name] = seen.get(entry.name, 0) + 1
        name = entry.name if count == 1 else f"{count}/{entry.name}"
        named.append(Input(entry.path, entry.tag, name, entry.raw, entry.mandatory, entry.fingerprint))
    return tuple(named)


def check_inputs(inputs: Sequence[Input], classify: Classifier) -> tuple[Input, ...] | Refusal:
    """See that every file is there, whole, and what the AB says it is; return them with their fingerprints.

    An optional calibration that is bad is a reason to stop as well: leaving it out in silence would change
    the product without a trace.
    """
    findings: list[str] = []
    checked: list[Input] = []
    for entry in inputs:
        header, problem = _read(entry.path)
        if header is not None and not problem:
            problem = _wrong_kind(entry, header, classify)
        if problem:
            findings.append(f"{entry.path}: {problem}")
            continue
        fingerprint = str(header.get("DATAMD5", "")) if header is not None else ""
        checked.append(Input(entry.path, entry.tag, entry.name, entry.raw, entry.mandatory, fingerprint))
    return Refusal(Outcome.UNPROCESSABLE, tuple(findings)) if findings else tuple(checked)


def _read(path: Path) -> tuple[Header | None, str]:
    if not path.is_file():
        return None, "the file does not exist" if not path.exists() else "is not a file"
    try:
        header, problem = read_and_check(path)
    except HeaderError as error:
        return None, error.found
    return header, f"incomplete: {problem}" if problem else ""


def _wrong_kind(entry: Input, header: Header, classify: Classifier) -> str:
    found = classify(header) if entry.raw else str(header.get("PRO.CATG", ""))
    if found == entry.tag:
        return ""
    words = ("class", "no class by the rules") if entry.raw else ("PRO.CATG", "no PRO.CATG")
    return f"has {f'{words[0]} {found}' if found else words[1]}, the AB says {entry.tag}"


def stage(inputs: Sequence[Input], folder: WorkFolder, user: tuple[int, int]) -> PurePosixPath:
    """Put the inputs and the SOF into the attempt's folder; return the SOF's place in the container.

    Raises
    ------
    RecipeError
        If a name or tag cannot stand in a SOF.
    InfrastructureError
        If the disk is full or a file cannot be read.
    """
    text = sof_text(entry.sof_line for entry in inputs)
    for entry in inputs:
        place(entry.path, folder.input / entry.name, user)
    sof = folder.input / _SOF_FOLDER / SOF_NAME
    sof.parent.mkdir()
    sof.write_text(text, encoding="ascii")
    return INPUT / _SOF_FOLDER / SOF_NAME
