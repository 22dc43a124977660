"""HTML of a letter: what was typed, and what is quoted, can do nothing and leads nowhere by itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.display import work
from mpcontinuity.message.display.composed import Composed, composed, quoted
from mpcontinuity.message.display.shown import Wanted
from tests.corpus.hostile_mail import READABLE, Hostile, hostile

ENDS = "abc@example.org"
HOSTILE = [each for each in hostile() if len(each.content) < 300_000]
_SOURCE = re.compile(r'\ssrc="([^"]*)"')
_HREF = re.compile(r'\shref="([^"]*)"')
_NEVER = frozenset({"script", "style", "iframe", "object", "svg", "math", "form", "input", "link", "meta", "base"})
_WITHIN = re.compile(r"<[^>]*>")


def judge(html: str) -> None:
    """Nothing of it runs, and nothing is asked of anybody before somebody follows a link."""
    assert all(source.startswith("cid:") for source in _SOURCE.findall(html))
    assert all(href.startswith(("http://", "https://", "mailto:", "tel:")) for href in _HREF.findall(html.lower()))
    for tag in _WITHIN.findall(html.lower()):
        name = tag.strip("</>").split()[0]
        assert name not in _NEVER
        names = {each.split("=")[0] for each in re.sub(r'"[^"]*"', '""', tag).strip("<>").split()[1:]}
        assert not {each for each in names if each.startswith("on")}
        assert not names & {"class", "id", "name", "srcset", "background", "formaction", "target"}
        assert "url(" not in tag or 'href="' in tag or 'alt="' in tag or 'title="' in tag


def quote(content: bytes) -> Composed:
    each = work.Work(work.argument(Wanted(len(content), ENDS)))
    each.feed(content)
    return work.as_composed(each.ask(work.QUOTE))


def letter(html: str) -> Composed:
    octets = html.encode()
    each = work.Work(work.argument(Wanted(len(octets))))
    each.feed(octets)
    return work.as_composed(each.ask(work.LETTER))


def test_what_letters_are_made_of_stays() -> None:
    html = (
        '<div><b>a</b> <i>b</i> <u>c</u> <a href="https://a.example/x?y=1&amp;z=2">d</a></div><ul><li>e</li></ul>'
        '<ol><li>f</li></ol><blockquote type="cite">g</blockquote><div style="text-align:center">h</div>'
    )
    assert letter(html).html == html


def test_a_link_to_an_address_stays_one_for_others() -> None:
    assert letter('<a href="mailto:eve@far.example?subject=x">eve</a>').html == (
        '<a href="mailto:eve@far.example?subject=x">eve</a>'
    )


def test_only_pictures_that_the_letter_brings_are_shown() -> None:
    assert letter('<img src="cid:1a@example.org" alt="x">').html == '<img src="cid:1a@example.org" alt="x">'
    for source in ("https://canary.example/a.png", "data:image/png;base64,AAAA", "blob:null/1", "cid:a/b", "//a.b"):
        assert "src" not in letter(f'<img src="{source}">').html


def test_what_a_style_sheet_could_know_goes() -> None:
    assert letter('<style>b{color:red}</style><b class="a" id="b" style="position:fixed;color:red">x</b>').html == (
        '<b style="color:red">x</b>'
    )


def test_the_text_says_where_links_lead() -> None:
    found = letter('<div><a href="https://a.example/">here</a>, <a href="https://b.example/">b.example</a></div>')
    assert found.text == "here <https://a.example/>, b.example"


def test_lines_and_items_are_lines_of_the_text() -> None:
    assert letter("<div>a</div><div><br></div><div>b</div><ul><li>c</li></ul>").text == "a\n\nb\n\n- c"
    nested = "<ol><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ol><ol><li>e</li></ol>"
    assert letter(nested).text.split("\n") == ["1. a", "2. b", "", "- c", "", "3. d", "", "1. e"]


def test_the_line_above_a_signature_has_its_blank_and_no_other_line_has() -> None:
    assert letter("<div>a --</div><div>--</div><div>Ann</div>").text == "a --\n-- \nAnn"


def test_what_is_more_than_browsers_show_is_said_to_be() -> None:
    assert letter("<div>" * 2_000) == Composed(too_much=True)


def test_a_quote_shows_the_pictures_of_the_message_by_ids_of_its_own() -> None:
    message = (
        b'Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:x">'
        b'<img src="https://canary.example/1.png">\r\n'
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <x>\r\n\r\nP\r\n--b--"
    )
    assert quote(message).html.strip() == f'<img src="cid:2.{ENDS}"><img>'


def test_a_quote_of_text_is_text() -> None:
    found = quote(b"Content-Type: text/plain\r\n\r\n<b>a</b>\r\n> b\r\n")
    assert found.html == "&lt;b&gt;a&lt;/b&gt;<br>&gt; b<br>"
    assert found.text.startswith("<b>a</b>\n> b")


def test_a_quote_that_is_too_much_is_quoted_as_text() -> None:
    found = quote(b"Content-Type: text/html\r\n\r\n" + b"<i>x</i>" * 30_000)
    assert "<i>" not in found.html
    assert "x" in found.text


@pytest.mark.parametrize("each", HOSTILE, ids=lambda each: f"{each.kind}: {each.name}")
def test_a_quote_of_hostile_mail_can_do_nothing(each: Hostile) -> None:
    found = quote(each.content)
    judge(found.html)
    judge(letter(found.html).html)


def test_most_of_what_is_hostile_is_readable_in_a_quote() -> None:
    assert sum(READABLE in quote(each.content).text for each in HOSTILE) > len(HOSTILE) * 3 // 4


@given(st.text(alphabet="<>/='\" abimgsrcdstyle:;()&#-!x0u\n", max_size=200))
def test_whatever_is_typed_can_do_nothing_and_stays_as_it_is_when_it_is_judged_again(html: str) -> None:
    once = composed(html).html
    judge(once)
    assert composed(once).html == once


def test_a_message_is_quoted_by_the_same_function_as_in_a_reader() -> None:
    content = b"Content-Type: text/html\r\n\r\n<p>x</p>"
    assert quoted(content, Wanted(len(content), ENDS)) == quote(content)


def test_the_line_before_a_signature_has_its_blank_in_plain_text() -> None:
    found = composed("<div>Dear Eve</div><div><br></div><div>-- </div><div>Anna -- and Co</div><div>---</div>")
    assert found.text == "Dear Eve\n\n-- \nAnna -- and Co\n---"
