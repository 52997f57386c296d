"""PRO.CATG with words in braces: ``MASTER_BIAS_{chip}`` stands for one product per chip."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from itertools import product
from string import Formatter

from phoenix.association.traits import Traits, comparable
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

    def expand(self, template: str, traits: Traits, where: str) -> tuple[str, ...]:
        """Return the categories a template stands for, for frames of these traits.

        Parameters
        ----------
        where : str
            The file errors are about.

        Raises
        ------
        AssociationError
            If a header value has no words in the rules, or the frame lacks a tag.
        """
        return tuple(catg for (catg,) in self.together((template,), traits, where))

    def together(self, templates: tuple[str, ...], traits: Traits, where: str) -> tuple[tuple[str, ...], ...]:
        """Return the templates filled with the same values of their words, a tuple for each combination."""
        names = _words_of(*templates)
        return _filled(templates, names, tuple(self._values(name, traits, where) for name in names))

    def possible(self, template: str) -> tuple[tuple[str, ...], ...]:
        """Return all expansions a template can have, whatever the frame."""
        names = _words_of(template)
        choices = (
            self._splits[name][1].values()
            if name in self._splits
            else [(value,) for value in sorted(self._tags[name])]
            for name in names
        )
        expansions = (
            tuple(catg for (catg,) in _filled((template,), names, values)) for values in product(*choices)
        )
        return tuple(dict.fromkeys(expansions))

    def made(self, template: str, products: Iterable[str]) -> tuple[str, ...]:
        """Return what of a template an AB makes: those of its expansions all of which are products."""
        found = set(products)
        whole = (tags for tags in self.possible(template) if found.issuperset(tags))
        return tuple(dict.fromkeys(tag for tags in whole for tag in tags))

    def _values(self, name: str, traits: Traits, where: str) -> tuple[str, ...]:
        if name not in self._splits:
            if name not in traits.tags:
                raise AssociationError(
                    where,
                    f"its class {traits.raw_class} gives no {name}",
                    f"a tag {name} in its classification",
                    "add it to the rules",
                )
            return (traits.tags[name],)
        key, values = self._splits[name]
        decided: Hashable = traits.comparable[key]
        if decided not in values:
            raise AssociationError(
                where,
                f"{key} is {traits.value(key)!r}, for which the split {{{name}}} has no values",
                f"one of {', '.join(map(str, values))}",
                "mend the header, or the split in the rules",
            )
        return values[decided]


@cache
def _filled(
    templates: tuple[str, ...], names: tuple[str, ...], values: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    combinations = (dict(zip(names, chosen, strict=True)) for chosen in product(*values))
    return tuple(tuple(template.format_map(words) for template in templates) for words in combinations)


@cache
def _words_of(*templates: str) -> tuple[str, ...]:
    parsed = (name for template in templates for _, name, _, _ in Formatter().parse(template))
    return tuple(dict.fromkeys(name for name in parsed if name))
