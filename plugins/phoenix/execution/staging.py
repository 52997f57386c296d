"""What a recipe gets to read: inputs resolved, checked before a container starts, put into its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    """An AB that makes a calibration or an input: how it ended and what it published."""

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
    ab
        The AB whose product it is, if this one combines products of several; empty for all others.
    """

    path: Path
    tag: str
    name: str
    raw: bool
    mandatory: bool
    fingerprint: str = ""
    ab: str = ""

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
    """Return the files of an AB; an input and a VIRTUAL calibration are products of other ABs.

    An AB whose products this one combines and that failed is left out, as long as ``min_inputs`` others are
    there: a stack of three exposures is better than none, and the verdict tells that it is one of three. One
    that has not run yet blocks, for it may still come.

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
    combined, blocked = _combined(ab, producers)
    inputs += combined
    for calib in ab.mcalibs:
        if calib.status is not McalibStatus.VIRTUAL:
            path = Path(calib.source)
            inputs.append(Input(path, calib.tag, path.name, raw=False, mandatory=calib.mandatory))
            continue
        made = _made(producers.get(calib.source), calib.tag)
        if made:
            name = _name_of(calib.source, made[0])
            inputs.append(Input(made[0], calib.tag, name, raw=False, mandatory=calib.mandatory))
        elif calib.mandatory:
            blocked.append(_why_blocked(producers.get(calib.source), calib.source, calib.tag))
    if blocked:
        return Refusal(Outcome.BLOCKED, tuple(dict.fromkeys(blocked)))
    return _uniquely_named(inputs)


def _combined(ab: AssociationBlock, producers: Mapping[str, Producer]) -> tuple[list[Input], list[str]]:
    """Return the products of other ABs this one combines, and what speaks against combining them."""
    taken: list[Input] = []
    waiting: list[str] = []
    failed: list[str] = []
    for name in ab.input_abs:
        producer = producers.get(name)
        entries = [entry for entry in ab.inputs if entry.ab == name]
        lacking = [entry.tag for entry in entries if entry.mandatory and not _made(producer, entry.tag)]
        if producer is None or producer.outcome is None:
            waiting.append(_why_blocked(producer, name, entries[0].tag))
        elif lacking:
            failed.append(_why_blocked(producer, name, lacking[0]))
        else:
            taken += [
                Input(path, entry.tag, _name_of(name, path), raw=False, mandatory=entry.mandatory, ab=name)
                for entry in entries
                for path in _made(producer, entry.tag)
            ]
    there = len(ab.input_abs) - len(waiting) - len(failed)
    if failed and there < max(1, ab.min_inputs):
        count = f"{there} of {len(ab.input_abs)} ABs are there to combine, at least {max(1, ab.min_inputs)}"
        return taken, [*waiting, f"{count} are needed", *failed]
    return taken, waiting


def _made(producer: Producer | None, tag: str) -> list[Path]:
    """Return the products of a category, in the recipe's order; none of an AB that failed."""
    if producer is None or producer.outcome is None or not producer.outcome.succeeded:
        return []
    return [Path(product.path) for product in producer.products if product.pro_catg == tag]


def _name_of(ab_name: str, product: Path) -> str:
    """Return a name that tells products of different ABs apart; recipes give them all the same.

    Of an AB of another release only its name counts: an AB combines products of one release.
    """
    return f"{PurePosixPath(ab_name).name.removesuffix('.ab')}_{product.name}"


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
        named.append(replace(entry, name=name))
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
        checked.append(replace(entry, fingerprint=fingerprint))
    return Refusal(Outcome.UNPROCESSABLE, tuple(findings)) if findings else tuple(checked)


def _read(path: Path) -> tuple[Header | None, str]:
    try:
        if not path.is_file():
            return None, "the file does not exist" if not path.exists() else "is not a file"
        header, problem = read_and_check(path)
    except OSError as error:
        return None, f"cannot be looked at: {error.strerror}"
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
