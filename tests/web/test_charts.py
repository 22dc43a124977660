"""Charts that the server draws."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mpcontinuity.web.charts import MOST_BARS, MOST_SPANS, Span, band, bars


def rects(drawn: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(drawn).iter("rect"))


def test_the_highest_value_has_a_full_bar_and_others_their_part_of_it() -> None:
    drawn = rects(bars("mail", [5, 10, 0], ["08:00", "09:00", "10:00"]))
    assert [float(each.attrib["height"]) for each in drawn] == [20, 40]
    assert [each[0].text for each in drawn] == ["08:00: 5", "09:00: 10"]


def test_charts_that_are_compared_have_one_scale() -> None:
    assert [float(each.attrib["height"]) for each in rects(bars("mail", [5], ["08:00"], highest=20))] == [10]


def test_one_message_among_thousands_is_seen() -> None:
    assert float(rects(bars("mail", [1, 100_000], ["a", "b"]))[0].attrib["height"]) > 1


def test_no_figures_are_an_empty_chart() -> None:
    assert not rects(bars("no mail", [], []))
    assert not rects(bars("no mail", [0, 0], ["a", "b"]))


def test_states_lie_where_they_were_and_are_told_apart_without_colour() -> None:
    spans = [Span("up", -50, 50, "up"), Span("down", 50, 75, "down"), Span("recovering", 75, 200, "recovering")]
    drawn = rects(band("health", spans, 0, 100))
    assert [(float(each.attrib["x"]), float(each.attrib["width"])) for each in drawn] == [
        (0, 500),
        (500, 250),
        (750, 250),
    ]
    assert len({each.attrib["height"] for each in drawn}) == 3


def test_a_short_outage_at_the_very_end_is_seen_within_the_chart() -> None:
    (drawn,) = rects(band("health", [Span("down", 999_999, 1_000_000, "down")], 0, 1_000_000))
    assert float(drawn.attrib["width"]) >= 1
    assert float(drawn.attrib["x"]) + float(drawn.attrib["width"]) <= 1000


def test_what_lies_outside_is_left_out_and_a_state_nobody_knows_is_not_drawn() -> None:
    spans = [Span("down", -9, -1, "down"), Span("down", 101, 110, "down"), Span('x"y', 10, 20, "?")]
    assert not rects(band("health", spans, 0, 100))


def test_words_from_elsewhere_stay_words() -> None:
    for drawn in (
        bars('a "b" <c>', [1], ["<script>"]),
        band('a "b" <c>', [Span("up", 0, 1, "</title><script>")], 0, 1),
    ):
        assert ElementTree.fromstring(drawn).attrib["aria-label"] == 'a "b" <c>'
        assert "<script" not in drawn


def test_nothing_in_a_chart_needs_an_inline_style() -> None:
    drawn = bars("mail", [1], ["a"]) + band("health", [Span("up", 0, 1, "up")], 0, 1)
    assert "style" not in drawn


def test_a_chart_is_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        bars("mail", [1] * (MOST_BARS + 1), ["a"] * (MOST_BARS + 1))
    with pytest.raises(ValueError, match="at most"):
        band("health", [Span("up", 0, 1, "up")] * (MOST_SPANS + 1), 0, 1)
    with pytest.raises(ValueError, match="argument"):
        bars("mail", [1, 2], ["a"])
    with pytest.raises(ValueError, match="empty"):
        band("health", [], 1, 1)
    assert len(bars("mail", [7] * MOST_BARS, ["Tue 08:00"] * MOST_BARS)) < 80_000
