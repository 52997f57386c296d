"""PRO.CATG with words in braces: ``MASTER_BIAS_{chip}`` stands for one product per chip."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cache
from itertools import product
from string import Formatter

from phoenix.association.subject import Subject, comparable
from phoenix.config.rules import Rules
from phoenix.errors import AssociationError


class Words:
    """Values of the words: of splits by a header value, of classification tags by the frame.

    Parameters
    ----------
    rules : Rules
        The instrument's rules.
    """

    def __init__(self, rules: Rules) -> None:
        self._splits = {
            word: (split.key, {comparable(value): names for value, names in split.values.items()})
            for word, split in rules.splits.items()
        }
        self._tags: dict[str, set[str]] = {}
        for classification in rules.classification:
            for word, value in classification.tags.items():
                self._tags.setdefault(word, set()).add(value)
        #: Keywords and aliases the splits depend on.
        self.keys = tuple(dict.fromkeys(key for key, _ in self._splits.values()))
        self._expanded: dict[tuple[Hashable, ...], tuple[str, ...]] = {}

    def expand(self, template: str, subject: Subject) -> tuple[str, ...]:
        """Return the categories a template stands for, for the group or calibration of that subject.

        Raises
        ------
        AssociationError
            If a header value has no words in the rules, or the frame lacks a tag.
        """
        names = _words_of(template)
        if not names:
            return (template,)
        key = (template, *(self._deciding(name, subject) for name in names))
        if key not in self._expanded:
            self._expanded[key] = tuple(catg for (catg,) in self.together((template,), subject))
        return self._expanded[key]

    def together(self, templates: tuple[str, ...], subject: Subject) -> Iterator[tuple[str, ...]]:
        """Give the templates filled with the same values of their words, one tuple for each combination."""
        names = tuple(dict.fromkeys(name for template in templates for name in _words_of(template)))
        for values in product(*(self._values(name, subject) for name in names)):
            filled = dict(zip(names, values, strict=True))
            yield tuple(template.format_map(filled) for template in templates)

    def possible(self, template: str) -> tuple[tuple[str, ...], ...]:
        """Return all expansions a template can have, whatever the frame."""
        names = _words_of(template)
        choices: list[list[tuple[str, ...]]] = [
            list(self._splits[name][1].values())
            if name in self._splits
            else [(value,) for value in sorted(self._tags.get(name, ()))]
            for name in names
        ]
        expansions = (
            tuple(
                template.format_map(dict(zip(names, values, strict=True))) for values in product(*combination)
            )
            for combination in product(*choices)
        )
        return tuple(dict.fromkeys(expansions))

    def _deciding(self, name: str, subject: Subject) -> Hashable:
        if name in self._splits:
            return comparable(subject.value(self._splits[name][0]))
        return subject.frame.tags.get(name)

    def _values(self, name: str, subject: Subject) -> tuple[str, ...]:
        decided = self._deciding(name, subject)
        if name not in self._splits:
            if decided is None:
                raise AssociationError(
                    subject.frame.path,
                    f"its class {subject.frame.raw_class} gives no {name}",
                    f"a tag {name} in its classification",
                    "add it to the rules",
                )
            return (str(decided),)
        key, values = self._splits[name]
        if decided not in values:
            raise AssociationError(
                subject.frame.path,
                f"{key} is {subject.value(key)!r}, for which the split {{{name}}} has no values",
                f"one of {', '.join(map(str, values))}",
                "mend the header, or the split in the rules",
            )
        return values[decided]


@cache
def _words_of(template: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))
