"""HTML of strangers: what is left of it can do nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.display.sanitised import LONGEST, MOST_ESCAPES, MOST_TAGS, TooMuch, link, sanitise

_ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        "script style svg math form input button select textarea iframe frame object embed base meta link video audio "
        "source template noscript",
    )
)
_PIECES = st.sampled_from(
    [
        *("<svg>", "</svg>", "<math>", "<mtext>", "<mglyph>", "<style>", "</style>", "<script>alert(1)</script>"),
        *("<table>", "<tr>", "<td>", "<a href='javascript:alert(1)'>", "<img src=x onerror=alert(1)>", "<p title='"),
        *(
            '">',
            "'>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<noscript>",
            "</noscript>",
            "<form action=//x>",
            "<base href=//x>",
        ),
        *("<meta http-equiv=refresh content='0;url=//x'>", "<title>", "</title>", "<textarea>", "<xmp>", "<plaintext>"),
        *(
            "<annotation-xml encoding=text/html>",
            "<foreignObject>",
            "<div style='background:url(//x)'>",
            "&lt;script&gt;",
        ),
        *("<iframe srcdoc='<script>alert(1)</script>'>", "<select>", "<template>", "x", "<b>", "</b>", "\0", "<a\n"),
        "<img src=//x.example/p.png srcset=//x/y style='width:1px'>",
    ]
)


class _Found(HTMLParser):
    """Every element and attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def assert_harmless(html: str, css: str) -> None:
    found = _Found(html)
    assert not _ELEMENTS & set(found.elements)
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("srcset", "background", "action", "formaction", "srcdoc", "xlink:href", "poster", "ping")
        if name in ("href", "src"):
            assert re.match(r"https?://|tel:|/write\?to=|/images/", value), (tag, name, value)
        if name == "style":
            assert_harmless_css(value)
    assert_harmless_css(css)


def assert_harmless_css(css: str) -> None:
    lower = css.lower()
    assert "<" not in css
    for word in (
        "url",
        "@import",
        "@font-face",
        "expression",
        "fixed",
        "absolute",
        "sticky",
        "://",
        "behavior",
        "\\75",
    ):
        assert word not in lower, css


@given(st.lists(_PIECES, max_size=25))
def test_whatever_is_put_together_nothing_that_may_do_harm_is_left(pieces: list[str]) -> None:
    found = sanitise("".join(pieces), images={})
    assert_harmless(found.html, found.css)
    again = sanitise(found.html, images={})  # what a browser reads of it is what was meant
    assert again.html.count("<") <= found.html.count("<")


@pytest.mark.parametrize(
    "html",
    [
        "<svg><animate onbegin=alert(1) attributeName=x></svg>after",
        "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>after",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'></table>"
        "</math>after",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>after",
        "<base href='https://x.example/'><link rel=stylesheet href=//x>after",
        "<meta http-equiv=refresh content='0;url=https://x.example'>after",
        "<form action=https://x.example><input name=password type=password><button>Sign in</button></form>after",
        "<object data='data:text/html,x'></object><embed src=x><iframe src=//x></iframe>after",
        "<a href='jav&#x09;ascript:alert(1)'>after</a>",
        "<a href='&#1;javascript:alert(1)'>after</a>",
        "<a href='vbscript:x'>after</a><a href='data:text/html,x'>after</a><a href='//x.example'>after</a>",
        "<img src='data:image/svg+xml;base64,AA=='>after",
        "<img/src=x:x onerror=alert(1)>after",
        "<div style='background:url(//x)'>after</div>",
        "<body onload=alert(1) background=//x>after",
    ],
)
def test_what_may_do_harm_goes_and_the_text_stays(html: str) -> None:
    found = sanitise(html, images={})
    assert "after" in found.html
    assert_harmless(found.html, found.css)


def test_what_stands_within_something_that_is_never_closed_goes_with_it() -> None:
    html = "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)></style></form>gone"
    assert sanitise(html, images={}).html == ""


def test_links_open_outside_and_tell_nothing() -> None:
    html = sanitise("<a href='HTTPS://a.example/x?y=1&z=2' target=_self rel=opener>a</a>", images={}).html
    assert html == '<a href="HTTPS://a.example/x?y=1&amp;z=2" target="_blank" rel="noopener noreferrer">a</a>'


@pytest.mark.parametrize(
    ("given_", "leads"),
    [
        ("http://a.example", "http://a.example"),
        (" ht\ntps://a.example/ ", "https://a.example/"),
        ("tel:+49-30-1", "tel:+49-30-1"),
        ("mailto:a@b.example?subject=Hi&attach=/etc/passwd", "/write?to=a%40b.example&subject=Hi"),
        ("mailto:a@b.example?to=c@d.example", "/write?to=a%40b.example%2C+c%40d.example"),
        ("/admin/", None),
        ("#x", None),
        ("https:", None),
        ("https:///x", None),
        ("file:///etc/passwd", None),
        ("javascript:alert(1)", None),
        ("https://" + "a" * 5_000, None),
    ],
)
def test_links_lead_to_the_web_to_a_telephone_or_to_writing(given_: str, leads: str | None) -> None:
    assert link(given_) == leads


def test_pictures_are_those_of_the_message_and_others_are_counted() -> None:
    html = "<img src='cid:a%40b' alt=A><img src='cid:other'><img src='https://x.example/1'><img src='//x.example/2'>"
    found = sanitise(html, images={"a@b": "/images/C/2"})
    assert found.html == '<img src="/images/C/2" alt="A"><img><img><img>'
    assert found.remote == 2


def test_pictures_from_elsewhere_are_for_the_browser_where_the_reader_wants_them() -> None:
    found = sanitise("<img src='//x.example/2'><img src='ftp://x'>", images={}, remote=True)
    assert found.html == '<img src="https://x.example/2"><img>'


def test_the_colours_of_the_whole_message_stay() -> None:
    found = sanitise("<html><body bgcolor='#112233' style='color:white'>x</body></html>", images={})
    assert found.html == '<div bgcolor="#112233" style="color:white">x</div>'
    assert found.coloured
    assert not sanitise("<p><b>x</b></p>", images={}).coloured


def test_styles_are_found_wherever_they_stand_and_are_no_text() -> None:
    found = sanitise("<STYLE type=x><!-- .a{color:red} --></STYLE >x<style>.b{color:blue}", images={})
    assert found.html == "x"
    assert found.css == ".a{color:red}\n.b{color:blue}"


@pytest.mark.parametrize(
    "html",
    [
        "<b>" * 600,
        "<i></i>" * MOST_TAGS,
        "x" * (LONGEST + 1),
        "<p " + "a=b " * 3_000 + ">",
        *(sign * (MOST_ESCAPES + 1) for sign in ("& ", "&amp;", "&nbsp", "&#0160;", "&#xA0;", "\xa0")),
    ],
)
def test_what_browsers_would_take_too_long_for_is_refused(html: str) -> None:
    with pytest.raises(TooMuch):
        sanitise(html, images={})


def test_items_and_cells_without_ends_are_not_deep() -> None:
    assert "x" in sanitise("<ul>" + "<li>x" * 2_000, images={}).html
