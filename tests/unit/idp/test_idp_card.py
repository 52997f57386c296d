"""Cards: written so that astropy reads the same, read without ever raising."""

from __future__ import annotations

import math
import re

import pytest
from astropy.io import fits
from hypothesis import assume, given
from hypothesis import strategies as st

from phoenix.errors import IdpError
from phoenix.idp.card import Fixed, commentary, format_card, parse_card

KEYWORDS = st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True).filter(
    lambda name: name not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH", "SIMPLE", "XTENSION"}
)
HIERARCH = st.from_regex(r"ESO [A-Z]{2,4} [A-Z0-9]{1,6}", fullmatch=True)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
VALUES = (
    st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PRINTABLE.map(str.rstrip)
)


@given(KEYWORDS | HIERARCH, VALUES, PRINTABLE)
def test_astropy_reads_what_we_write(keyword, value, comment):
    # astropy takes a slash behind a quote for the begin of the comment.
    assume(not (isinstance(value, str) and re.search("' */", value)))
    image = format_card(keyword, value, comment)
    assert len(image) == 80
    card = fits.Card.fromstring(image)
    assert card.keyword == keyword
    assert card.value == value
    assert type(card.value) is type(value)


@given(KEYWORDS, VALUES)
def test_we_read_what_we_write(keyword, value):
    card = parse_card(format_card(keyword, value))
    assert (card.keyword, card.value) == (keyword, value)


@given(st.text(st.characters(min_codepoint=0, max_codepoint=255), min_size=80, max_size=80))
def test_reading_never_raises(image):
    assert parse_card(image).image == image


def test_fixed_decimals_are_kept():
    assert format_card("MJD-OBS", Fixed(58547.1, 8)).startswith("MJD-OBS =       58547.10000000 ")


@pytest.mark.parametrize("length", [68, 69])
def test_a_string_of_more_than_68_characters_is_refused_by_name(length):
    if length == 68:
        assert len(format_card("TITLE", "x" * length)) == 80
        return
    with pytest.raises(IdpError, match=r"TITLE.*CONTINUE is forbidden"):
        format_card("TITLE", "x" * length)


@pytest.mark.parametrize("value", [math.nan, math.inf, "tab\there", "caf\u00e9"])
def test_what_a_card_cannot_hold_is_refused_by_name(value):
    with pytest.raises(IdpError, match="KEY"):
        format_card("KEY", value)


@pytest.mark.parametrize("keyword", ["lower", "TOO LONG a", "NINECHARS", ""])
def test_a_bad_keyword_is_refused(keyword):
    with pytest.raises(IdpError, match="not a FITS keyword"):
        format_card(keyword, 1)


def test_commentary_is_cut_at_column_80():
    assert commentary("COMMENT", "x" * 200) == "COMMENT " + "x" * 72
