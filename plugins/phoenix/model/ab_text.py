"""The text form of an AB, DFOS style: written, read, and edited line by line without loss.

One parser, one writer; how values are quoted stands in :mod:`phoenix.model.ab_lines`. Keys of DFOS keep their
DFOS names (``RAW_TYPE``, ``MJD-OBS_MOD``, ``RAW_MATCH_KEY`` ...). Our own convention, since DFOS's is not
public: ``RAWFILE path tag``, ``INPUT [release/]ab PRO.CATG level MANDATORY|OPTIONAL``, ``MIN_INPUTS number``,
``MCALIB status path-or-AB PRO.CATG dt_days level MANDATORY|OPTIONAL``,
``PARAM name=value``, ``EXPECT PRO.CATG``, ``MISSING PRO.CATG reason``, ``EXCLUDED code reason``,
``PGI name version sha256``, ``WAITFOR ab``, and after processing ``OUTCOME``, ``TEXEC_AB`` (seconds),
``LOG_NAME``, ``PROD_PATH``, ``PIPELINE``, ``IMAGE``, ``PRODUCT path PRO.CATG`` and ``FAILURE sentence``.

Lines with other keys are kept as the AB's ``extras``; comments and order are kept by :class:`AbDocument`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from phoenix.errors import AssociationError
from phoenix.model.ab import AssociationBlock
from phoenix.model.ab_keys import DEFAULTS, EXTRA, FORM, HEAD, HEADINGS, KNOWN, NEED, TAIL, Processing
from phoenix.model.ab_lines import Line, compose, read_line, remark
from phoenix.model.ab_reader import read_lines

__all__ = ["AbDocument", "Processing", "content_sha256", "parse", "write"]

#: Key and values of a line that shall be there.
_Entry = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AbDocument:
    """An AB together with the text it was read from: comments, order and unknown keys survive an edit."""

    ab: AssociationBlock
    processing: Processing | None = None
    lines: tuple[Line, ...] = ()

    def render(self) -> str:
        """Return the text, byte for byte as it was read where nothing was changed."""
        return "".join(line.text for line in self.lines)

    @property
    def unknown(self) -> tuple[Line, ...]:
        """Lines whose key means nothing to us; perhaps a misspelt key."""
        return tuple(line for line in self.lines if line.key and line.key not in KNOWN)

    def edited(self, ab: AssociationBlock, processing: Processing | None = None) -> AbDocument:
        """Return the document for a changed AB; lines that say the same stay exactly as they are."""
        wanted: dict[str, list[_Entry]] = {}
        for entry in _entries(ab, processing):
            wanted.setdefault(_slot(entry[0]), []).append(entry)
        for extra in ab.extras:
            wanted.setdefault(EXTRA, []).append((EXTRA, (extra,)))
        places: dict[str, list[Line]] = {}
        for line in self.lines:
            if line.key:
                places.setdefault(_slot(line.key), []).append(line)
        rows: dict[str, list[Line]] = {
            slot: _rows(entries, places.get(slot, [])) for slot, entries in wanted.items()
        }
        lines: list[Line] = []
        for line in self.lines:
            if not line.key:
                lines.append(line)
                continue
            slot = _slot(line.key)
            left = places[slot]
            left.pop(0)
            new = rows.get(slot, [])
            count = 1 if left else len(new)
            lines.extend(new[:count])
            del new[:count]
        for slot, new in rows.items():
            if new:
                lines.extend(_section(slot, new))
        text = "".join(_ended(lines))
        return parse(text, ab.name)


def _slot(key: str) -> str:
    return key if key in KNOWN else EXTRA


def _rows(entries: list[_Entry], old: list[Line]) -> list[Line]:
    """Return the lines for entries of one key: old ones where they say the same, with old comments else."""
    same = {(line.key, line.values): line for line in reversed(old)}
    texts = {line.text.rstrip("\r\n"): line for line in reversed(old)}
    rows = []
    for index, (key, values) in enumerate(entries):
        if key == EXTRA:
            rows.append(texts.get(values[0]) or Line(f"{values[0]}\n", key="?"))
        else:
            comment = old[index].comment if len(entries) == len(old) == 1 else ""
            rows.append(same.get((key, values)) or compose(key, values, comment))
    return rows


def _section(slot: str, lines: list[Line]) -> list[Line]:
    return [remark(), remark(HEADINGS[slot]), *lines] if slot in HEADINGS else lines


def _ended(lines: Iterable[Line]) -> Iterator[str]:
    """Give the texts, each with a line feed: a file may end without one."""
    return (line.text if line.text.endswith("\n") else f"{line.text}\n" for line in lines)


def write(ab: AssociationBlock, processing: Processing | None = None) -> str:
    """Return the text form of an AB; ``parse(write(ab)).ab == ab``.

    Raises
    ------
    AssociationError
        If a number is not finite, a parameter's name holds ``=``, or an extra line has a known key.
    """
    lines: list[Line] = []
    previous = ""
    for key, values in _entries(ab, processing):
        if key != previous and key in HEADINGS:
            lines += [remark(), remark(HEADINGS[key])]
        lines.append(compose(key, values))
        previous = key
    for extra in ab.extras:
        key = read_line(extra, 0, ab.name).key
        if not key or key in KNOWN or "\n" in extra or extra.endswith("\r"):
            raise AssociationError(
                f"AB {ab.name}", f"extra line {extra[:80]!r}", "one line with a key of its own"
            )
    return "".join([line.text for line in lines] + [f"{extra}\n" for extra in ab.extras])


def content_sha256(ab: AssociationBlock) -> str:
    """Return the hash of what is to be processed: all of the AB but the rules' version and its source."""
    return hashlib.sha256(write(replace(ab, rules_version="", origin="")).encode()).hexdigest()


def _entries(ab: AssociationBlock, processing: Processing | None) -> Iterator[_Entry]:
    """Give what the lines must say, in order."""
    yield "TOOL_VERSION", (FORM,)
    yield from _singles(HEAD, ab)
    yield "PROD_ROOT_NAME", (ab.product_root,)
    if ab.exclusion or ab.exclusion_reason:
        yield "EXCLUDED", (ab.exclusion, ab.exclusion_reason)
    for name, value in ab.match_keys:
        yield "RAW_MATCH_KEY", (_pair(ab, name, value),)
    for raw in ab.raws:
        yield "RAWFILE", (raw.path, raw.tag)
    for entry in ab.inputs:
        yield "INPUT", (entry.ab, entry.tag, str(entry.level), NEED[entry.mandatory])
    if ab.min_inputs:
        yield "MIN_INPUTS", (str(ab.min_inputs),)
    for calib in ab.mcalibs:
        numbers = (_text(ab, calib.dt_days), str(calib.level), NEED[calib.mandatory])
        yield "MCALIB", (calib.status, calib.source, calib.tag, *numbers)
    for missing in ab.missing:
        yield "MISSING", (missing.tag, missing.reason)
    for name in ab.waits_for:
        yield "WAITFOR", (name,)
    for name, value in ab.parameters:
        yield "PARAM", (_pair(ab, name, value),)
    for catg in ab.expected:
        yield "EXPECT", (catg,)
    for pgi in ab.pgis:
        yield "PGI", (pgi.name, pgi.version, pgi.config_sha256)
    if processing is not None:
        yield from _singles(TAIL, processing, ab)
        for product in processing.products:
            yield "PRODUCT", product
        for failure in processing.failures:
            yield "FAILURE", (failure,)


def _singles(
    table: Mapping[str, str], owner: AssociationBlock | Processing, ab: AssociationBlock | None = None
) -> Iterator[_Entry]:
    named = ab or owner
    for key, attribute in table.items():
        value = getattr(owner, attribute)
        if value != "" or DEFAULTS.get(attribute) != "":
            yield key, (_text(named, value),)


def _pair(ab: AssociationBlock, name: str, value: str) -> str:
    if "=" in name:
        raise AssociationError(f"AB {ab.name}", f"the name {name!r} holds a '='", "a name without it")
    return f"{name}={value}"


def _text(owner: AssociationBlock | Processing, value: str | float) -> str:
    if isinstance(value, str):
        return str(value)
    if not math.isfinite(value):
        raise AssociationError(f"AB {getattr(owner, 'name', '')}", f"the number {value}", "a finite number")
    return repr(float(value))


def parse(text: str, source: str) -> AbDocument:
    """Read the text form of an AB.

    Parameters
    ----------
    text : str
        The whole text.
    source : str
        The file's name, for error messages.

    Raises
    ------
    AssociationError
        If a line cannot be read, a key is missing, given twice or has a wrong value; names file and line.
    """
    pieces = text.split("\n")
    raw = [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    lines = tuple(read_line(piece, number, source) for number, piece in enumerate(raw, start=1))
    return AbDocument(*read_lines(lines, source), lines)
