"""Our reader against astropy's on cards astropy wrote, and on what no reader should choke on."""

import string
import warnings
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders_headers import card, header_bytes, write_cards
from phoenix.errors import HeaderError
from phoenix.headers.reader import MAX_HEADER_BYTES, check_complete, read_header, read_headers

TEXT = st.text([chr(code) for code in range(32, 127)], max_size=68)
LONG = st.text([chr(code) for code in range(32, 127) if chr(code) != "'"], max_size=400)
NUMBER = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
WORD = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=6)
PLAIN = st.text(string.ascii_uppercase + string.digits + "-_", min_size=1, max_size=8).filter(
    lambda word: (
        word
        not in {"END", "COMMENT", "HISTORY", "CONTINUE", "SIMPLE", "BITPIX", "EXTEND", "HIERARCH", "XTENSION"}
        and not word.startswith(("NAXIS", "GCOUNT", "PCOUNT", "GROUPS"))
    )
)
HIERARCH = st.lists(WORD, min_size=2, max_size=4).map(lambda words: "HIERARCH ESO " + " ".join(words))


def dotted(keyword: str) -> str:
    return keyword.removeprefix("HIERARCH ").removeprefix("ESO ").replace(" ", ".")


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.one_of(PLAIN, HIERARCH), st.one_of(TEXT, LONG, NUMBER), TEXT),
        max_size=30,
        unique_by=lambda item: dotted(item[0]),
    )
)
@example([("OBJECT", "O'Neill''s '", "x"), ("HIERARCH ESO OBS NAME", "a & b &", "")])
@example([("HIERARCH ESO TPL NAME", "abc&" * 50, "a comment / with slash")])
def test_values_equal_those_of_astropy(tmp_path: Path, cards: list[tuple[str, object, str]]) -> None:
    path = tmp_path / "frame.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.PrimaryHDU().header
        for keyword, value, comment in cards:
            try:
                header.append(fits.Card(keyword, value, comment), end=True)
                str(header.cards[-1])
            except ValueError:
                header.remove(keyword, ignore_missing=True)  # too long for one card
        path.write_bytes(header.tostring().encode())
        theirs = {
            dotted(card.keyword): card.value
            for card in fits.getheader(path).cards
            if card.keyword and not isinstance(card.value, fits.card.Undefined)
        }
    # Text is held against what was written: astropy misreads its own cards where quote and slash meet.
    theirs |= {dotted(key): value.rstrip() for key, value, _ in cards if isinstance(value, str)}
    ours = read_header(path)
    assert ours.problems == ()
    assert dict(ours) == theirs
    assert {key: type(value) for key, value in ours.items()} == {k: type(v) for k, v in theirs.items()}
    some = list(theirs)[::2]
    assert dict(read_header(path, some)) == {key: theirs[key] for key in some}


@pytest.mark.parametrize(
    ("image", "keyword", "value"),
    [
        ("OBJECT  = 'O''Neill'           / it''s", "OBJECT", "O'Neill"),
        ("OBJECT  = ''", "OBJECT", ""),
        ("OBJECT  = '   lead, and trail   '", "OBJECT", "   lead, and trail"),
        ("OBJECT  = 'a/b' / c", "OBJECT", "a/b"),
        ("EXPTIME =                1.5D+2 / [s]", "EXPTIME", 150.0),
        ("EXPTIME = 1.5d2", "EXPTIME", 150.0),
        ("EXPTIME = .5", "EXPTIME", 0.5),
        ("EXPTIME = -007", "EXPTIME", -7),
        ("EXPTIME = 12/no blank", "EXPTIME", 12),
        ("HIERARCH ESO INS LAMP1 ST = T / on", "INS.LAMP1.ST", True),
        ("HIERARCH ESO INS LAMP1 ST    =   F", "INS.LAMP1.ST", False),
        ("HIERARCH ESO DPR CATG='CALIB'", "DPR.CATG", "CALIB"),
        ("HIERARCH PHX AB NAME = 'x'", "PHX.AB.NAME", "x"),
        ("exptime = 5", "EXPTIME", 5),
    ],
)
def test_card_syntax(tmp_path: Path, image: str, keyword: str, value: object) -> None:
    header = read_header(write_cards(tmp_path / "a.fits", image))
    assert header[keyword] == value
    assert type(header[keyword]) is type(value)
    assert header.problems == ()


def test_undefined_and_commentary_cards_have_no_value(tmp_path: Path) -> None:
    header = read_header(
        write_cards(
            tmp_path / "a.fits", "AIRMASS =   / unknown", "COMMENT = 'not a value'", "HISTORY x = 1", ""
        )
    )
    assert "AIRMASS" not in header
    assert set(header) == {"SIMPLE", "BITPIX", "NAXIS"}
    assert header.problems == ()


def test_continued_string_needs_its_ampersand(tmp_path: Path) -> None:
    cards = [
        "A       = 'one &'",
        "CONTINUE  'two&' / comment",
        "CONTINUE  ' three'",
        "B       = 'no ampersand'",
        "CONTINUE  'a comment by the standard'",
        "C       = 'literal &'",
    ]
    header = read_header(write_cards(tmp_path / "a.fits", *cards))
    assert (header["A"], header["B"], header["C"]) == ("one two three", "no ampersand", "literal &")


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("EXPTIME = 12 s", "card 4, EXPTIME: value garbled: '12 s'"),
        ("EXPTIME = nan", "card 4, EXPTIME: value garbled: 'nan'"),
        ("EXPTIME = 1_0", "card 4, EXPTIME: value garbled: '1_0'"),
        ("EXPTIME = (1.0, 2.0)", "card 4, EXPTIME: value garbled: '(1.0, 2.0)'"),
        ("OBJECT  = 'open", 'card 4, OBJECT: value garbled: "\'open"'),
        ("OBJECT  = 'M\xfcller'", "card 4, OBJECT: value garbled: \"'M\xfcller'\""),
        ("OBJECT  = 'nul\0'", "card 4, OBJECT: value garbled: \"'nul\\x00'\""),
        ("EXPTIME =12", "card 4: no blank after the equals sign: 'EXPTIME =12'"),
        ("EXPTIME 12", "card 4: no keyword and value: 'EXPTIME 12'"),
        ("EXP TIME= 12", "card 4: no keyword and value: 'EXP TIME= 12'"),
        ("\x01\x02", "card 4: no keyword and value: '\\x01\\x02'"),
        ("SIMPLE  = F", "cards 1, 4: SIMPLE is there 2 times, the first counts"),
    ],
)
def test_bad_card_is_named_and_the_rest_is_read(tmp_path: Path, image: str, problem: str) -> None:
    header = read_header(write_cards(tmp_path / "a.fits", image, "RA      = 1.5"))
    assert header.problems == (problem,)
    assert header["RA"] == 1.5
    assert header["SIMPLE"] is True
    assert "EXPTIME" not in header


def test_garbled_continuation_is_named(tmp_path: Path) -> None:
    header = read_header(write_cards(tmp_path / "a.fits", "A       = 'one&'", "CONTINUE  two"))
    assert header.problems == ("card 4, A: CONTINUE garbled: 'two'",)


def test_remembered_layout_never_gives_another_files_value(tmp_path: Path) -> None:
    """Headers of one length whose cards are swapped, renamed or moved by a column."""
    variants = [
        ["A       = 1", "B       = 2", "HIERARCH ESO C = 3"],
        ["B       = 2", "A       = 1", "HIERARCH ESO C = 3"],
        ["A       = 1", "D       = 4", "HIERARCH ESO C = 3"],
        ["A       = 1", "B       = 2", "HIERARCH ESO C  = 3"],
        ["A       = 1", "COMMENT = 2", "HIERARCH ESO C = 3"],
        ["A       = 'x&'", "CONTINUE  'y'", "HIERARCH ESO C = 3"],
    ]
    expected = [
        {"A": 1, "B": 2, "C": 3},
        {"A": 1, "B": 2, "C": 3},
        {"A": 1, "D": 4, "C": 3},
        {"A": 1, "B": 2, "C": 3},
        {"A": 1, "C": 3},
        {"A": "xy", "C": 3},
    ]
    for _ in range(3):
        for cards, values in zip(variants, expected, strict=True):
            header = read_header(write_cards(tmp_path / "a.fits", *cards))
            assert {key: header[key] for key in header if len(key) == 1} == values


def test_more_layouts_than_are_remembered(tmp_path: Path) -> None:
    for _ in range(2):
        for number in range(50):
            header = read_header(write_cards(tmp_path / "a.fits", f"KEY{number:<5}= {number}"))
            assert header[f"KEY{number}"] == number


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
@pytest.mark.parametrize("end", ["END", ""])
def test_bare_header(tmp_path: Path, ending: str, end: str) -> None:
    cards = [
        "SIMPLE  =  T",
        "HIERARCH ESO DPR CATG = 'CALIB'",
        "AIRMASS =",
        "A       = 'x&'",
        "CONTINUE  'y'",
        end,
    ]
    path = tmp_path / "frame.hdr"
    path.write_bytes(
        "".join((image if ending else card(image)) + ending for image in cards if image).encode()
    )
    assert dict(read_header(path)) == {"SIMPLE": True, "DPR.CATG": "CALIB", "A": "xy"}
    assert [dict(header) for header in read_headers(path)] == [dict(read_header(path))]
    assert check_complete(path) is None


def refused(path: Path) -> str:
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    assert str(path) in caught.value.subject
    assert caught.value.remedy
    return str(caught.value)


def test_files_that_are_no_headers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    assert "cannot be opened" in refused(path)
    path.write_bytes(b"")
    assert "begins with b''" in refused(path)
    path.write_bytes(b"\x1f\x8b gzip")
    assert "expected SIMPLE" in refused(path)
    path.unlink()
    path.mkdir()
    assert "cannot be read" in refused(path)
    bare = tmp_path / "a.hdr"
    bare.write_text("nothing like a card\n")
    assert "no keyword" in refused(bare)
    bare.write_text("A       = 1" + " " * 80 + "/\n")
    assert "line 1" in refused(bare)


def test_header_without_end_names_the_card_where_text_stops(tmp_path: Path) -> None:
    path = write_cards(tmp_path / "a.fits")
    whole = path.read_bytes()
    path.write_bytes(whole[:240] + bytes(range(128, 208)))
    assert "no END card; card 4 is no text" in refused(path)
    path.write_bytes(whole[:200])
    assert "no END card in the first 200 bytes" in refused(path)


def test_endless_header_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(card("SIMPLE  =                    T").encode() + b" " * (MAX_HEADER_BYTES * 3))
    assert "no END card" in refused(path)
    bare = tmp_path / "a.hdr"
    bare.write_bytes(b" " * (MAX_HEADER_BYTES + 1))
    assert "longer than" in refused(bare)


@pytest.mark.parametrize(
    ("cards", "card_name"),
    [
        (["NAXIS   = 99999999999999999999"], "NAXIS"),
        (["NAXIS   = -1"], "NAXIS"),
        (["NAXIS   = 'two'"], "NAXIS"),
        (["NAXIS   = T"], "NAXIS"),
        (["NAXIS   ="], "NAXIS"),
        (["NAXIS   = 1"], "NAXIS1"),
        (["NAXIS   = 1", "NAXIS1  = -5"], "NAXIS1"),
        (["NAXIS   = 1", "NAXIS1  = 1.5"], "NAXIS1"),
        (["NAXIS   = 1", "NAXIS1  = 9999999999999999"], "NAXIS1"),
        (["NAXIS   = 2", "NAXIS1  = 99999999999", "NAXIS2  = 99999999999"], "NAXIS1"),
        (["NAXIS   = 1", "NAXIS1  = 1", "PCOUNT  = -3"], "PCOUNT"),
        (["NAXIS   = 1", "NAXIS1  = 1", "GCOUNT  = 0"], "GCOUNT"),
    ],
)
def test_absurd_sizes_are_refused_and_the_card_named(
    tmp_path: Path, cards: list[str], card_name: str
) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(header_bytes("BITPIX  = 16", *cards))
    assert f"card {card_name}:" in refused(path)


def test_absurd_bitpix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(header_bytes("BITPIX  = 12", "NAXIS   = 0"))
    assert "card BITPIX: is 12; expected one of (8, 16, 32, 64, -32, -64)" in refused(path)
