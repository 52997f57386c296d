"""Headers that show what a rule asks for: one per alternative, with no keyword more than it needs.

They are the questions put to both rule sets. Each is checked against the rule it was made for, so a header
that could not be made is left out rather than wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from phoenix.association.oca.evaluate import Header, holds
from phoenix.association.oca.logic import Terms, alternatives
from phoenix.association.oca.tree import (
    Classification,
    Comparison,
    Constant,
    Defined,
    Expression,
    Keyword,
    Not,
)
from phoenix.config.conditions import Condition
from phoenix.config.rules import Classification as OurClassification
from phoenix.config.rules import Rules
from phoenix.headers.conditions import first_failure, lookup
from phoenix.model.frame import Value

#: Stands for any value that no rule names.
_OTHER = "ANOTHER"


def of_rule(rule: Classification, known: Header) -> Iterator[dict[str, Value]]:
    """Yield a header for each alternative of an OCA classification rule.

    Parameters
    ----------
    rule : Classification
        The rule.
    known : mapping
        Values every header has, e.g. INSTRUME.
    """
    for terms in alternatives(rule.condition, rule.position):
        header = {**known, **_values(terms)}
        if holds(rule.condition, header):
            yield header


def of_classification(
    classification: OurClassification, rules: Rules, known: Header
) -> Iterator[dict[str, Value]]:
    """Yield a header for each combination of values one of our classifications allows."""
    keywords = [rules.aliases.get(key, (key,))[0] for key in classification.when]
    for values in product(*(_allowed(condition) for condition in classification.when.values())):
        header = {
            **known,
            **{key: value for key, value in zip(keywords, values, strict=True) if value is not None},
        }
        if first_failure(classification.when, lambda key: lookup(header, rules.aliases, key)) is None:  # noqa: B023
            yield header


def _values(terms: Terms) -> dict[str, Value]:
    asked: dict[str, list[tuple[str, Value | None]]] = {}
    for term in terms:
        for keyword, operator, value in _wish(term):
            asked.setdefault(keyword, []).append((operator, value))
    values = {keyword: _value(wishes) for keyword, wishes in asked.items()}
    return {keyword: value for keyword, value in values.items() if value is not None}


def _wish(term: Expression) -> Iterator[tuple[str, str, Value | None]]:
    match term:
        case Comparison(Keyword(name, False), operator, Constant(value)):
            yield name, operator, value
        case Comparison(Constant(value), operator, Keyword(name, False)):
            yield name, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator), value
        case Defined(Keyword(name, False), wanted):
            yield name, "present" if wanted else "absent", None
        case Not(Comparison(Keyword(name, False), operator, _)):
            yield name, f"not {operator}", None


def _value(wishes: list[tuple[str, Value | None]]) -> Value | None:
    """Return a value that fulfils the wishes, as well as can be told from each alone."""
    by_operator = dict(wishes)
    if "absent" in by_operator:
        return None
    if "==" in by_operator:
        return by_operator["=="]
    for operator, step in ((">", 1), (">=", 0), ("<", -1), ("<=", 0)):
        bound = by_operator.get(operator)
        if isinstance(bound, (int, float)):
            return bound + step
    if "regexp" in by_operator:
        # The first of each set of characters, no repetition: enough for what rule files hold.
        return re.sub(r"\[(.)[^\]]*\]", r"\1", str(by_operator["regexp"])).replace(".*", "")
    return _alike([str(value) for operator, value in wishes if operator == "like"])


def _alike(patterns: list[str]) -> str:
    """Return a text for several patterns: ``%LAMP%`` and ``%FLAT%`` give ``LAMP,FLAT``."""
    cores = list(dict.fromkeys(pattern.replace("%", "") for pattern in patterns))
    longest = [core for core in cores if not any(core != other and core in other for other in cores)]
    return ",".join(longest) or _OTHER


def _allowed(condition: Condition) -> list[Value | None]:
    if condition.present is False:
        return [None]
    if condition.one_of is not None:
        return list(condition.one_of)
    if condition.like is not None:
        return [_alike([condition.like])]
    for bound, step in (
        (condition.above, 1),
        (condition.at_least, 0),
        (condition.below, -1),
        (condition.at_most, 0),
    ):
        if bound is not None:
            return [bound + step]
    return [_OTHER]
