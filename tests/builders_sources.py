"""Association files as calSelector writes them, for the frames of :mod:`builders_uves`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import quoteattr

from phoenix.model.frame import Frame

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def association(
    category: str,
    main: Sequence[Frame | tuple[str, str]],
    *nested: str,
    complete: bool = True,
    messages: Iterable[str] = (),
) -> str:
    """An association of frames, or of (name, category), with what calibrates them."""
    files = [
        (each.name.removesuffix(".fits"), str(each.keywords.get("PRO.CATG", each.raw_class)))
        if isinstance(each, Frame)
        else each
        for each in main
    ]
    told = "".join(f"<message text={quoteattr(text)}/>" for text in messages)
    named = "".join(f"<file category={quoteattr(tag)} name={quoteattr(name)}/>" for name, tag in files)
    return (
        f'<association category={quoteattr(category)} complete="{str(complete).lower()}">'
        f"<messages>{told}</messages><mainFiles>{named}</mainFiles>"
        f"<associatedFiles>{''.join(nested)}</associatedFiles></association>"
    )


def of_class(frames: Iterable[Frame], raw_class: str) -> list[Frame]:
    """The frames of a class."""
    return [frame for frame in frames if frame.raw_class == raw_class]


def cascade(frames: Sequence[Frame], science: Frame) -> str:
    """The raw2raw cascade of a blue exposure: bias, format check, order flat, flats, arc, standard."""
    night = [frame for frame in frames if frame.night == science.night]
    bias = association("BIAS", of_class(night, "BIAS_BLUE"))
    check = association("FORMAT_CHECK", of_class(night, "ARC_LAMP_FORM_BLUE"), bias)
    order = association("ORDER_FLAT", of_class(night, "ORDER_FLAT_BLUE"), bias, check)
    flat = association("FLAT", of_class(night, "FLAT_BLUE"), bias, order)
    wave = association("WAVE", of_class(night, "ARC_LAMP_BLUE"), bias, order, flat, check)
    standard = association("STD", of_class(night, "STANDARD_BLUE"), bias, order, flat, wave)
    return HEAD + association("SCIENCE", [science], bias, order, flat, wave, standard)
