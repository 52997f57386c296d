"""Gives a frame its class by the rules, or says which rule came nearest and why it did not take the frame."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from phoenix.config.rules import Classification, Rules
from phoenix.headers.conditions import Failure, Lookup, first_failure, lookup
from phoenix.model.frame import FrameKind, Value


@dataclass(frozen=True, slots=True)
class FrameClass:
    """Class, kind and tags a rule gives; the class of a master is its PRO.CATG."""

    name: str
    kind: FrameKind
    tags: Mapping[str, str] = field(default_factory=dict)


def classify(keywords: Mapping[str, Value], rules: Rules) -> FrameClass | None:
    """Return what the first rule gives whose conditions all hold; None if no rule takes the frame."""
    value_of = partial(lookup, keywords, rules.aliases)
    for rule in rules.classification:
        if first_failure(rule.when, value_of) is None:
            name = str(keywords.get("PRO.CATG", rule.name)) if rule.kind is FrameKind.MASTER else rule.name
            return FrameClass(name, rule.kind, rule.tags)
    return None


def explain_unclassified(keywords: Mapping[str, Value], rules: Rules) -> str:
    """Say which rule came nearest and its first condition that does not hold, with both values."""
    value_of = partial(lookup, keywords, rules.aliases)
    judged = [(_failures(rule, value_of), rule) for rule in rules.classification]
    missed = [(failures, rule) for failures, rule in judged if failures]
    if not missed:
        return "the rules classify nothing" if not judged else "a rule takes it"
    failures, rule = max(missed, key=lambda item: _nearness(item[1], item[0]))
    return f"nearest rule {rule.name}: {failures[0]}"


def classification_version(rules: Rules) -> str:
    """Return the rules' version with a digest of what decides a class, so that no edit goes unseen."""
    parts = [rule.model_dump_json() for rule in rules.classification]
    digest = hashlib.sha256("\n".join([*parts, repr(sorted(rules.aliases.items()))]).encode())
    return f"{rules.version}+{digest.hexdigest()[:8]}"


def _failures(rule: Classification, value_of: Lookup) -> list[Failure]:
    each = (first_failure({key: condition}, value_of) for key, condition in rule.when.items())
    return [failure for failure in each if failure is not None]


def _nearness(rule: Classification, failures: list[Failure]) -> tuple[int, int, float]:
    """Most conditions fulfilled, then fewest broken, then the value most like the expected one."""
    failure = failures[0]
    alike = difflib.SequenceMatcher(None, repr(failure.found), failure.expected).ratio()
    return len(rule.when) - len(failures), -len(failures), alike
