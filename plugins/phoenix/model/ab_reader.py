"""Reads the lines of an AB's text form into values; each error names file and line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from phoenix.errors import AssociationError
from phoenix.model.ab import (
    AssociationBlock,
    Completeness,
    Mcalib,
    McalibStatus,
    Missing,
    PgiEntry,
    ProcessStatus,
    ProductInput,
    RawFile,
)
from phoenix.model.ab_keys import DEFAULTS, EXTRA, FORM, HEAD, KNOWN, NEED, TAIL, Processing
from phoenix.model.ab_lines import Line
from phoenix.model.outcome import Outcome

_WORDS: dict[str, type[StrEnum]] = {
    "Completeness": Completeness,
    "ProcessStatus": ProcessStatus,
    "Outcome": Outcome,
}


def read_lines(lines: tuple[Line, ...], source: str) -> tuple[AssociationBlock, Processing | None]:
    """Return what the lines of an AB's text say, and how it was processed if they tell.

    Raises
    ------
    AssociationError
        If a key is missing, given twice or has a wrong value.
    """
    reader = _Reader(source, lines)
    return reader.block(), reader.processing()


class _Reader:
    """The lines by key, and how their values are converted."""

    def __init__(self, source: str, lines: tuple[Line, ...]) -> None:
        self.source = source
        self.by_key: dict[str, list[Line]] = {}
        for line in lines:
            if line.key:
                self.by_key.setdefault(line.key if line.key in KNOWN else EXTRA, []).append(line)

    def block(self) -> AssociationBlock:
        exclusion, exclusion_reason = self._once("EXCLUDED", 2) or ("", "")
        ab = AssociationBlock(
            **self._head(HEAD, AssociationBlock),
            exclusion=exclusion,
            exclusion_reason=exclusion_reason,
            match_keys=self._all("RAW_MATCH_KEY", 1, self._split),
            raws=self._all("RAWFILE", 2, lambda line: RawFile(*line.values)),
            inputs=self._all("INPUT", 4, self._input),
            min_inputs=self._min_inputs(),
            mcalibs=self._all("MCALIB", 6, self._mcalib),
            missing=self._all("MISSING", 2, lambda line: Missing(*line.values)),
            parameters=self._all("PARAM", 1, self._split),
            expected=self._all("EXPECT", 1, lambda line: line.values[0]),
            pgis=self._all("PGI", 3, lambda line: PgiEntry(*line.values)),
            extras=tuple(line.text.rstrip("\r\n") for line in self.by_key.get(EXTRA, [])),
        )
        self._check_derived(ab)
        return ab

    def _min_inputs(self) -> int:
        values = self._once("MIN_INPUTS", 1)
        return self._whole(self.by_key["MIN_INPUTS"][0], values[0], "how many ABs") if values else 0

    def processing(self) -> Processing | None:
        if not self.by_key.keys() & {*TAIL, "PRODUCT", "FAILURE"}:
            return None
        return Processing(
            **self._head(TAIL, Processing),
            products=self._all("PRODUCT", 2, lambda line: (line.values[0], line.values[1])),
            failures=self._all("FAILURE", 1, lambda line: line.values[0]),
        )

    def _head(
        self, table: Mapping[str, str], cls: type[AssociationBlock] | type[Processing]
    ) -> dict[str, Any]:
        types = {f.name: str(f.type) for f in fields(cls)}
        found: dict[str, Any] = {}
        for key, attribute in table.items():
            values = self._once(key, 1)
            if values is not None:
                found[attribute] = self._convert(self.by_key[key][0], values[0], types[attribute])
            elif attribute not in DEFAULTS:
                raise AssociationError(self.source, f"there is no {key} line", f"{key} once", "add the line")
        return found

    def _convert(self, line: Line, value: str, kind: str) -> Any:
        if kind in _WORDS:
            return self._word(line, value, _WORDS[kind])
        return self._number(line, value) if kind == "float" else value

    def _once(self, key: str, count: int) -> tuple[str, ...] | None:
        lines = self.by_key.get(key, [])
        if not lines:
            return None
        if len(lines) > 1:
            raise self._wrong(
                lines[1], f"{key} for the second time, first in line {lines[0].number}", "it once"
            )
        return self._counted(lines[0], count).values

    def _all(self, key: str, count: int, make: Callable[[Line], Any]) -> tuple[Any, ...]:
        return tuple(make(self._counted(line, count)) for line in self.by_key.get(key, []))

    def _counted(self, line: Line, count: int) -> Line:
        if len(line.values) != count:
            raise self._wrong(
                line, f"{line.key} with {len(line.values)} value(s)", f"{count}, quoted if blank"
            )
        return line

    def _split(self, line: Line) -> tuple[str, str]:
        name, equals, value = line.values[0].partition("=")
        if not equals:
            raise self._wrong(line, repr(line.values[0][:80]), "name=value")
        return name, value

    def _mcalib(self, line: Line) -> Mcalib:
        status, source, tag, dt, level, need = line.values
        return Mcalib(
            self._word(line, status, McalibStatus), source, tag, self._number(line, dt),
            self._whole(line, level, "a calibration level"), self._mandatory(line, need),
        )  # fmt: skip

    def _input(self, line: Line) -> ProductInput:
        ab, tag, level, need = line.values
        return ProductInput(
            ab, tag, self._mandatory(line, need), self._whole(line, level, "a calibration level")
        )

    def _mandatory(self, line: Line, need: str) -> bool:
        if need not in NEED.values():
            raise self._wrong(line, repr(need[:80]), "MANDATORY or OPTIONAL")
        return need == NEED[True]

    def _whole(self, line: Line, value: str, what: str) -> int:
        if not value.removeprefix("-").isdecimal():
            raise self._wrong(line, repr(value[:80]), f"{what}, a whole number")
        return int(value)

    def _word(self, line: Line, value: str, words: type[StrEnum]) -> Any:
        if value not in words._value2member_map_:
            raise self._wrong(line, repr(value[:80]), f"one of {', '.join(words)}")
        return words(value)

    def _number(self, line: Line, value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(line, repr(value[:80]), "a finite number")
        return number

    def _check_derived(self, ab: AssociationBlock) -> None:
        """Lines that follow from others must agree with them, so that an edit by hand is not half done."""
        form = self._once("TOOL_VERSION", 1)
        if form is not None and form[0] != FORM:
            raise self._wrong(self.by_key["TOOL_VERSION"][0], repr(form[0][:80]), FORM)
        root = self._once("PROD_ROOT_NAME", 1)
        if root is not None and root[0] != ab.product_root:
            raise self._wrong(
                self.by_key["PROD_ROOT_NAME"][0], repr(root[0][:80]), f"{ab.product_root}, as AB_NAME says"
            )
        named = self._all("WAITFOR", 1, lambda line: line.values[0])
        if set(named) != set(ab.waits_for):
            keys = (key for key in ("WAITFOR", "INPUT", "MCALIB") if key in self.by_key)
            line = self.by_key.get(next(keys, ""), [Line("")])[0]
            raise self._wrong(
                line, f"WAITFOR names {', '.join(named) or 'nothing'}",
                f"the ABs of the INPUT and VIRTUAL MCALIB lines: {', '.join(ab.waits_for) or 'none'}",
            )  # fmt: skip

    def _wrong(self, line: Line, found: str, expected: str) -> AssociationError:
        return AssociationError(f"{self.source}, line {line.number}", found, expected, "mend the line")
