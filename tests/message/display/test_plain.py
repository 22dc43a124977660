"""Plain text: paragraphs that flow, levels of quotes, links."""

from __future__ import annotations

import pytest

from mpcontinuity.message.display import htmltext, links, marks, plain
from mpcontinuity.message.display.plain import Line


def test_lines_that_flow_are_one_paragraph() -> None:
    text = "This \r\nflows.\r\n> quoted \r\n> too\r\n>> deeper\r\n  stuffed\r\n-- \r\nAnn"
    assert list(plain.lines(text, flowed=True)) == [
        Line(0, "This flows."),
        Line(1, "quoted too"),
        Line(2, "deeper"),
        Line(0, " stuffed"),
        Line(0, "-- "),
        Line(0, "Ann"),
    ]


def test_with_delsp_the_blank_is_no_part_of_the_text() -> None:
    assert list(plain.lines("日 \n本", flowed=True, joined=True)) == [Line(0, "日本")]


def test_lines_of_other_text_end_where_they_end_and_levels_may_have_blanks() -> None:
    assert list(plain.lines("a \nb\n> > c\n>d")) == [Line(0, "a "), Line(0, "b"), Line(2, "c"), Line(1, "d")]


def test_what_is_quoted_is_in_blocks_and_nothing_of_it_is_html() -> None:
    html = plain.as_html([Line(0, "<b>&"), Line(2, "x"), Line(1, "y")])
    assert html == (
        '<div class="mpc-text">&lt;b&gt;&amp;</div><blockquote><blockquote><div class="mpc-text">x</div></blockquote>'
        '<div class="mpc-text">y</div></blockquote>'
    )


def test_levels_beyond_the_deepest_are_one() -> None:
    assert plain.as_html([Line(50, "x")]).count("<blockquote>") == plain.DEEPEST


def test_levels_that_change_at_every_line_are_shown_up_to_a_limit_and_the_text_is_whole() -> None:
    html = plain.as_html(Line(number % 2, f"x{number}") for number in range(10_000))
    assert html.count("<blockquote>") <= plain.MOST_BLOCKS
    assert html.count("<blockquote>") == html.count("</blockquote>")
    assert "x9999" in html


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/x?y=1#z.", ["https://a.example/x?y=1#z"]),
        ("(https://a.example/b_(c))", ["https://a.example/b_(c)"]),
        ("<http://a.example>, www.a.example!", ["http://a.example", "http://www.a.example"]),
        ("HTTPS://A.example", ["https://A.example"]),
        ("mail a.b+c@d.example; or x@y", ["mailto:a.b+c@d.example"]),
        ("javascript:alert(1) ftp://x data:text/html,x https:// www.", []),
        ("https://a.example/\u202eevil", ["https://a.example/\u202eevil"]),
        ('https://a.example/"onclick="x', ["https://a.example/"]),
    ],
)
def test_links_are_addresses_of_the_web_and_of_people(text: str, found: list[str]) -> None:
    assert [where for _, _, where in links.find(text)] == found


def test_a_text_of_links_has_some_and_the_rest_is_text() -> None:
    assert len(list(links.find("http://a " * 5_000))) == links.MOST


def test_a_link_cannot_end_its_attribute() -> None:
    assert plain.linked("https://a/'x><b>") == '<a href="https://a/&#x27;x">https://a/&#x27;x</a>&gt;&lt;b&gt;'


def test_a_reply_quotes_each_line() -> None:
    assert plain.quoted("a\n\n> b") == "> a\n>\n>> b"


def test_the_text_of_html_has_its_lines() -> None:
    html = (
        "<head><title>T</title><style>x</style></head><h1>Head</h1><p>One &amp;<br>two <b>b</b>old</p>"
        "<ul><li>a<li>b</ul><blockquote>q<blockquote>r</blockquote></blockquote><table><tr><td>1<td>2</tr></table>"
        "<script>no</script>end"
    )
    assert htmltext.text_of(html) == "Head\n\nOne &\ntwo bold\n\n- a\n- b\n\n> q\n>\n>> r\n\n1 2\n\nend"


def test_html_that_is_never_closed_has_its_text() -> None:
    assert htmltext.text_of("a<b>c<!-- d") == "ac"
    assert htmltext.text_of("1 < 2 <p>x") == "1 < 2\n\nx"


def test_a_letter_has_so_many_marks_at_most() -> None:
    assert (
        marks.thinned("a" + "\u0301" * 50 + "b\u0301" + "\u0302" * 7) == "a" + "\u0301" * 8 + "b\u0301" + "\u0302" * 7
    )
    assert marks.thinned("plain") == "plain"


def test_marks_by_their_numbers_are_marks() -> None:
    assert marks.resolved("a&#769;&#x301;&#60;&#x3c;&amp;&#99999999;&#xffffff;") == (
        "a\u0301\u0301&#60;&#x3c;&amp;&#99999999;&#xffffff;"
    )
