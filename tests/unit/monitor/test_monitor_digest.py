import dataclasses
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.model.batch import BatchState
from phoenix.model.report import AbLine, BatchReport, NightLine, RedLine, printable
from phoenix.monitor.digest import build

OPENED = datetime(2026, 11, 22, 18, tzinfo=UTC)


def report(
    state: BatchState = BatchState.PARTIAL,
    troubled: tuple[AbLine, ...] = (),
    problems: tuple[str, ...] = (),
    held: tuple[str, ...] = (),
    not_ingested: tuple[str, ...] = (),
    links: dict[str, str] | None = None,
) -> BatchReport:
    return BatchReport(
        site="demo",
        release="UVES_R3",
        key="2019-03",
        state=state,
        opened_at=OPENED,
        closed_at=OPENED + timedelta(minutes=5),
        nights=(
            NightLine("2019-03-04", 30, {"ok": 8, "failed": 1}, 3, 2),
            NightLine("2019-03-05", 28, {"ok": 9, "caveats": 1}, 3, 3),
        ),
        outcomes={"bias": {"ok": 4}, "science": {"ok": 13, "failed": 1, "caveats": 1}},
        problems=problems,
        troubled=troubled,
        excluded=(AbLine("UVES.x.ab", "2019-03-04", "science", "excluded", "ABORTED_TEMPLATE: 1 of 3"),),
        reds=(RedLine("UVES.y.ab", "2019-03-05", "SNR", 12.3456, 20.0, None, "1/pix"),),
        idps_ingested=5,
        held=held,
        not_ingested=not_ingested,
        recipe_s=480.0,
        slots=2,
        links=links or {"Airflow": "http://localhost:8080/dags/phoenix_uves", "archive": "/data/archive"},
    )


def failed(name: str = "UVES.z.ab", reason: str = "no product", folder: str = "/data/log") -> AbLine:
    return AbLine(name, "2019-03-04", "science", "failed", reason, folder, f"phoenix ab run UVES_R3 {name}")


class Elements(HTMLParser):
    """Names, attributes and shown text of a page, as a browser would take them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.shown = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_text_tells_what_operators_need() -> None:
    broken = report(
        troubled=(failed(),),
        problems=("a.fits: truncated",),
        held=("c.fits: red scores: SNR",),
        not_ingested=("b.fits: not whole",),
    )
    text = build(broken).text
    for words in (
        "PHOENIX UVES_R3 2019-03: PARTIAL",
        "5.0 min; recipes 8.0 min on 2 slots",
        "2019-03-04          30    9             8            3              2",
        "sum                 58   19            18            6              5",
        "science  13       1        1",
        "a.fits: truncated",
        "UVES.z.ab (science, 2019-03-04): failed: no product",
        "log: /data/log",
        "replay: phoenix ab run UVES_R3 UVES.z.ab",
        "ABORTED_TEMPLATE: 1 of 3",
        "b.fits: not whole",
        "IDPs that wait for a person (phoenix archive release UVES_R3 '2019-03'): 1",
        "  c.fits: red scores: SNR",
        "SNR = 12.346, at least 20 1/pix",
        "Airflow: http://localhost:8080/dags/phoenix_uves",
    ):
        assert words in text, text


def test_html_tells_the_same() -> None:
    page = Elements(
        build(report(troubled=(failed(),), problems=("a.fits: truncated",), not_ingested=("b.fits",))).html
    )
    for words in (
        "UVES.z.ab",
        "no product",
        "phoenix ab run UVES_R3 UVES.z.ab",
        "a.fits: truncated",
        "b.fits",
        "at least 20 1/pix",
        "8 ok, 1 failed",
        "ABORTED_TEMPLATE",
    ):
        assert words in page.shown
    assert ("href", "http://localhost:8080/dags/phoenix_uves") in page.attributes


def test_json_holds_the_whole_report_and_its_identity() -> None:
    digest = build(report(troubled=(failed(),)))
    payload = json.loads(json.dumps(digest.payload))
    assert payload["title"] == "PHOENIX UVES_R3 2019-03: PARTIAL"
    assert payload["troubled"][0]["replay"] == "phoenix ab run UVES_R3 UVES.z.ab"
    assert payload["wall_s"] == 300.0
    assert payload["id"] == digest.id == build(report(troubled=(failed(),))).id
    assert digest.id != build(report(troubled=(failed(reason="other"),))).id


def test_an_open_and_empty_batch_has_a_text() -> None:
    empty = dataclasses.replace(
        report(), state=BatchState.RUNNING, closed_at=None, nights=(), outcomes={}, excluded=(), reds=()
    )
    assert "still open" in empty.text()
    assert "PHOENIX UVES_R3 2019-03: RUNNING" in build(empty).html


def test_long_lists_are_cut_and_counted() -> None:
    many = build(report(troubled=tuple(failed(f"UVES.{n}.ab") for n in range(130))))
    assert "ABs without product: 130" in many.text
    assert "UVES.49.ab" in many.text
    assert "UVES.50.ab" not in many.text
    assert "... and 80 more" in many.text
    assert "... and 80 more" in many.html
    assert len(many.payload["troubled"]) == 130


@pytest.mark.parametrize("state", BatchState)
def test_only_partial_and_failed_batches_need_an_alert(state: BatchState) -> None:
    assert report(state).needs_alert == (state in {BatchState.PARTIAL, BatchState.FAILED})


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "</td></table><a href='javascript:alert(1)'>x</a>",
    "line\r\nBcc: victim@example.org",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe",
    "\u2028next",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(text: str) -> None:
    quiet = report(troubled=(failed(),), problems=("p",), held=("h",), not_ingested=("n",))
    plain = Elements(build(quiet).html)
    digest = build(
        report(
            troubled=(failed(text, text, text),),
            problems=(text,),
            held=(text,),
            not_ingested=(text,),
            links={text: "javascript:alert(1)", "archive": text},
        )
    )
    page = Elements(digest.html)
    assert page.tags <= plain.tags
    assert {name for name, _ in page.attributes} <= {name for name, _ in plain.attributes}
    assert not any("javascript" in (value or "") for _, value in page.attributes)
    assert printable(text) in page.shown
    assert printable(text) in digest.text
    assert all(character.isprintable() or character in "\n\ufffd" for character in digest.text)
    assert digest.subject.isprintable()
    if "49" not in text:
        assert "49" not in page.shown.replace("0.049", "")


@given(st.text())
def test_printable_text_is_one_harmless_line_and_plain_text_stays(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(character.isprintable() or character == "\ufffd" for character in shown)
    assert printable(shown) == shown


def test_limits_in_words() -> None:
    def words(low: float | None, high: float | None) -> str:
        return RedLine("a", "n", "p", 1.0, low, high, "nm").limits

    assert [words(1, 2), words(1, None), words(None, 2)] == ["1 to 2 nm", "at least 1 nm", "at most 2 nm"]
