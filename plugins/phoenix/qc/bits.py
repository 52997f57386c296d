"""Score bits of an IDP: the scores whose parameters have a ``bit``, as one text of digits.

A digit is 0 where the score is green, 1 where it is red, and ``-`` where it could not be given. The lowest
bit is leftmost. What a bit means, its limits and what it is measured from are those of its QC1 parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from phoenix.config.qc import ITEM, Parameter, words_of
from phoenix.model.score import Score, Verdict

_DIGITS = {Verdict.GREEN: "0", Verdict.RED: "1", Verdict.GREY: "-"}


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit of a product.

    Attributes
    ----------
    parameter
        The QC1 parameter it rests on, e.g. ``badcol_023``.
    score
        None when it was not measured.
    """

    number: int
    parameter: str
    meaning: str
    score: Score | None

    @property
    def digit(self) -> str:
        """``0``, ``1``, or ``-`` when there is no verdict."""
        return _DIGITS[self.score.verdict if self.score else Verdict.GREY]


def score_bits(
    parameters: Iterable[Parameter], scores: Iterable[Score], item: str = "", **words: str
) -> tuple[Bit, ...]:
    """Return the bits of a product, lowest first; empty where the configuration has no bits.

    Parameters
    ----------
    parameters : iterable of Parameter
        ``configuration.qc(instrument).tasks[task].parameters``.
    scores : iterable of Score
        Of the AB, as measured or as ``QcRepository.of_ab`` returns them.
    item : str
        Which fibre: the FPS with three digits; bits of the whole exposure hold for each of them.
    **words : str
        Values of the words in names, e.g. ``chip="REDL"``. A word not given is the one of the scores if they
        know only one, as those of an AB of one arm do.
    """
    by_name: Mapping[str, Score] = {score.parameter: score for score in scores}
    bits = []
    for parameter in parameters:
        if parameter.bit is not None:
            name = _name(parameter, by_name, {ITEM: item or "*", **words})
            bits.append(Bit(parameter.bit, name, parameter.description, by_name.get(name)))
    return tuple(sorted(bits, key=lambda bit: bit.number))


def _name(parameter: Parameter, scores: Iterable[str], given: Mapping[str, str]) -> str:
    """Return the name of a parameter in the scores; ``*`` stands for a word nothing tells."""
    unknown = words_of(parameter.name) - given.keys()
    name = parameter.name.format_map({**dict.fromkeys(unknown, "*"), **given})
    if not unknown:
        return name
    pattern = parameter.name.format_map({**dict.fromkeys(unknown, "\0"), **given})
    found = re.compile(re.escape(pattern).replace("\0", "[^_]+"))
    fitting = [score for score in scores if found.fullmatch(score)]
    return fitting[0] if len(fitting) == 1 else name


def bit_string(bits: Iterable[Bit]) -> str:
    """Return the digits of bits as they stand in a header: ``00000-000``."""
    return "".join(bit.digit for bit in bits)
