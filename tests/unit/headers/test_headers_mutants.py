"""Mutated headers: each gives values, problems or a HeaderError, never a crash, and never a wrong value."""

import random
import warnings
from pathlib import Path

from astropy.io import fits

from builders_headers import SCIENCE, header_bytes, image_of
from phoenix.config.loader import Configuration
from phoenix.errors import HeaderError
from phoenix.headers.reader import Header, read_and_check
from phoenix.headers.scan import Classifier, scan

MUTANTS = 2000
CARDS = [
    "BITPIX  = 16",
    "NAXIS   = 2",
    "NAXIS1  = 60",
    "NAXIS2  = 24",
    *(image_of(keyword, value) for keyword, value in SCIENCE.items()),
    "OBJECT  = 'O''Neill''s & &'",
    "CONTINUE  'long &' / text",
    "CONTINUE  'string'",
    "COMMENT nothing = 'here'",
    *(image_of(f"INS.TEMP{number}.VAL", number * 1.25) for number in range(40)),
]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to four changes of the kinds that broken disks, links and programs make."""
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(8)
        cards = len(content) // 80
        if cards < 3:
            return content
        one, other = sorted(rng.sample(range(cards), 2))
        if kind == 0:  # a flipped byte
            at = rng.randrange(len(content))
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        elif kind == 1:  # cut
            content = content[: rng.randrange(len(content))]
        elif kind == 2:  # swapped cards
            first, second = content[one * 80 : one * 80 + 80], content[other * 80 : other * 80 + 80]
            content = (
                content[: one * 80]
                + second
                + content[one * 80 + 80 : other * 80]
                + first
                + content[other * 80 + 80 :]
            )
        elif kind == 3:  # a byte too many
            at = rng.randrange(len(content))
            content = content[:at] + b"'" + content[at:]
        elif kind == 4:  # a card twice
            content = content[: one * 80] + content[other * 80 : other * 80 + 80] + content[one * 80 :]
        elif kind == 5:  # a blanked card
            content = content[: one * 80] + b" " * 80 + content[one * 80 + 80 :]
        elif kind == 6:  # a wild value
            value = rng.choice(
                [b"99999999999999999999", b"-1", b"1E999", b"'", b"\0\0", b"T", b"NaN", b"''''", b"1e", b"&"]
            )
            content = content[: one * 80 + 10] + value.ljust(70) + content[one * 80 + 80 :]
        else:  # a lost byte
            at = rng.randrange(len(content))
            content = content[:at] + content[at + 1 :]
    return content


def read(path: Path) -> tuple[Header, str | None] | HeaderError:
    try:
        return read_and_check(path)
    except HeaderError as error:
        return error


def values_astropy_reads(content: bytes, header: Header) -> dict[str, object]:
    """The same keywords as astropy reads them card by card, but text with quotes or &, which it misreads."""
    cards: dict[str, fits.Card] = {}
    for at in range(0, len(content), 80):
        image = content[at : at + 80]
        if image == b"END".ljust(80):
            break
        card = fits.Card.fromstring(image)
        words = card.keyword.upper().split()
        cards.setdefault(".".join(words[1:] if words[:1] == ["ESO"] and len(words) > 1 else words), card)
    plain = [keyword for keyword, value in header.items() if "'" not in str(value) and "&" not in str(value)]
    return {keyword: cards[keyword].value for keyword in plain}


def test_mutants_give_values_or_named_problems(tmp_path: Path) -> None:
    rng = random.Random(20190304)
    whole = header_bytes(*CARDS) + bytes(2880)
    path = tmp_path / "a.fits"
    rules = Classifier(Configuration().rules("UVES"))
    outcomes = {"read": 0, "noted": 0, "damaged": 0, "refused": 0}
    for _ in range(MUTANTS):
        content = mutate(whole, rng)
        path.write_bytes(content)
        (record,) = scan({str(path): (len(content), 0)}, lambda instrument: rules)
        result = read(path)
        if isinstance(result, HeaderError):
            assert str(path) in result.subject
            assert result.found in record.problem
            outcomes["refused"] += 1
            continue
        header, damage = result
        outcomes["damaged" if damage else "noted" if header.problems else "read"] += 1
        assert all(problem.startswith(("card ", "cards ")) for problem in header.problems)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for keyword, value in values_astropy_reads(content, header).items():
                assert header[keyword] == value
        assert record.problem or record.frame.name == header["ARCFILE"]
        assert damage is None or damage in record.problem
    assert min(outcomes.values()) > MUTANTS / 50, outcomes


def test_mutated_bare_headers(tmp_path: Path) -> None:
    rng = random.Random(7)
    path = tmp_path / "a.hdr"
    text = "\n".join(CARDS).encode()
    for _ in range(1000):
        path.write_bytes(mutate(text, rng))
        result = read(path)
        if isinstance(result, HeaderError):
            assert str(path) in result.subject
        else:
            assert result[1] is None
            assert all(problem.startswith(("card ", "cards ")) for problem in result[0].problems)
