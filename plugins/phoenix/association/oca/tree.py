"""The syntax tree of an OCA file."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.association.oca.tokens import Position
from phoenix.model.frame import Value

#: Keywords with this prefix are read from the file a calibration is wanted for, others from the candidate.
INPUT_FILE = "inputFile."


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, number or logical value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Keyword:
    """A header keyword; `of_input` when it was written with ``inputFile.``."""

    name: str
    of_input: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs, +1 or -1: ``inputFile.MJD-OBS + 3``."""

    terms: tuple[tuple[int, Expression], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two expressions compared by ``== != < <= > >= like regexp``."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True, slots=True)
class Defined:
    """Whether a keyword has a value; `wanted` is False for ``is undefined``."""

    operand: Expression
    wanted: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a condition."""

    term: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All terms must hold."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One term must hold."""

    terms: tuple[Expression, ...]


Expression = Constant | Keyword | Sum | Comparison | Defined | Not | And | Or


@dataclass(frozen=True, slots=True)
class Assignment:
    """``REFLEX.CATG = "BIAS_BLUE";``."""

    keyword: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Classification:
    """``if CONDITION then { ASSIGNMENTS }``."""

    condition: Expression
    assignments: tuple[Assignment, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Organisation:
    """``select execute(ACTION) from SOURCE where CONDITION group by KEYS as EVENT;``.

    Attributes
    ----------
    event
        The names in the ``as``, e.g. ``("TPL_A", "tpl")``; the last one is the tag of the AB's name.
    minimum, maximum
        The ``minRet`` and ``maxRet`` written before it; None when there is none.
    """

    action: str
    source: str
    condition: Expression
    group_by: tuple[str, ...]
    event: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    position: Position


@dataclass(frozen=True, slots=True)
class Association:
    """``minRet = 1; maxRet = 1; select file as TAG from SOURCE where CONDITION;``."""

    tag: str
    source: str
    condition: Expression
    minimum: int | None
    maximum: int | None
    position: Position


@dataclass(frozen=True, slots=True)
class Recipe:
    """``recipe NAME { "--option=value"; }``; the options as they are written."""

    name: str
    options: tuple[str, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Product:
    """``product TAG { PRO.CATG = "..."; }``."""

    tag: str
    assignments: tuple[Assignment, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Action:
    """What is done with a group: its calibrations, recipe and products.

    Attributes
    ----------
    settings
        Other assignments, e.g. ``priority = 30``.
    """

    name: str
    associations: tuple[Association, ...]
    recipe: Recipe | None
    products: tuple[Product, ...]
    settings: tuple[Assignment, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Oca:
    """A whole file with what it includes."""

    file: str
    classifications: tuple[Classification, ...]
    organisations: tuple[Organisation, ...]
    actions: tuple[Action, ...]

    @property
    def association_count(self) -> int:
        """Number of associations of all actions."""
        return sum(len(action.associations) for action in self.actions)

    def action(self, name: str) -> Action | None:
        """Return the action of that name, None if the file does not define it."""
        return next((action for action in self.actions if action.name == name), None)
