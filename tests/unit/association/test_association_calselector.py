import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_sources import HEAD, association
from phoenix.association.calselector import MAX_BYTES, parse, read
from phoenix.errors import AssociationError

LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co", "Cs"))
TEXT = st.text(LETTERS, min_size=1).filter(lambda text: text.strip() == text)
FILES = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)
TREES = st.recursive(
    st.builds(association, TEXT, FILES, complete=st.booleans(), messages=st.lists(TEXT, max_size=2)),
    lambda inner: st.builds(association, TEXT, FILES, inner, inner, complete=st.booleans()),
    max_leaves=6,
)

BOMB = (
    '<!DOCTYPE association [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {x} "{f"&{y};" * 10}">' for y, x in zip("abcdefg", "bcdefgh", strict=True))
    + ']><association category="&h;"><mainFiles/></association>'
)


def as_plain(element: ET.Element):
    nested = element.find("associatedFiles")
    return (
        element.get("category"),
        element.get("complete") == "true",
        [
            (file.get("name").removesuffix(".fits"), file.get("category"))
            for file in element.find("mainFiles")
        ],
        [as_plain(each) for each in nested],
        [each.get("text") for each in element.find("messages")],
    )


def plain(node):
    return (
        node.category,
        node.complete,
        [(file.name, file.category) for file in node.main],
        [plain(each) for each in node.associated],
        list(node.messages),
    )


@given(TREES)
def test_what_is_written_is_read(text: str) -> None:
    assert plain(parse((HEAD + text).encode(), "x.xml")) == as_plain(ET.fromstring(text))


@given(st.binary(max_size=300) | TREES.map(lambda text: text.encode()[:-9]))
def test_any_bytes_are_an_association_or_an_error(content: bytes) -> None:
    with pytest.raises(AssociationError, match=r"^x\.xml, line"):
        parse(content, "x.xml")


def test_files_associated_without_an_association_of_their_own_and_unknown_elements() -> None:
    root = parse(
        b'<association category="S" certified="no"><mainFiles><file name="A.fits" category="SCI" x="1"/>'
        b'</mainFiles><note>hello</note><associatedFiles><file name="B" category="BIAS"/></associatedFiles>'
        b"</association>",
        "x.xml",
    )
    assert plain(root) == ("S", True, [("A", "SCI")], [("BIAS", True, [("B", "BIAS")], [], [])], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "declares a document type or entities; expected plain XML"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><association category="a"/>', "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', "declares a document type"),
        ("<votable/>", "element votable is the first one; expected an element association"),
        ("<association/>", 'element association has no category; expected category="..."'),
        ('<association category="S">\n<mainFiles><file name="A"/></mainFiles></association>',
         "line 2: element file has no category"),
        ('<association category="S"><mainFiles/></association>', "association 'S' has no files"),
        ('<association category="S" complete="perhaps"/>', "has complete='perhaps'; expected true or false"),
        ('<association category="S"><association category="T"/></association>', "stands in association"),
        ('<association category="S"><mainFiles>', "is not XML"),
        ('<association category="S">' + "<x>" * 60, "nested too deeply; expected at most 40"),
        ("", "is not XML"),
        (" " * (MAX_BYTES + 1), "is too large; expected at most 8,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_association_file(content: str, message: str) -> None:
    with pytest.raises(AssociationError) as caught:
        parse(content.encode(), "x.xml")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AssociationError, match="cannot be read: No such file"):
        read(tmp_path / "none.xml")
    with pytest.raises(AssociationError, match="cannot be read: Is a directory"):
        read(tmp_path)
