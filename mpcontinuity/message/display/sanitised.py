"""HTML of strangers without what may do harm, by the parser that browsers have (nh3, which is html5ever).

What is not known to be harmless is left out: scripts, forms, frames, SVG, MathML, and every address but that of a link.
Style sheets are taken out, and what is harmless in them is written anew (css.py). nh3 comes last, and what it gives is
not edited any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec
import nh3

from mpcontinuity.message.display.css import Sheet

LONGEST: Final = 1 << 20  # characters of HTML; the longest newsletters have a quarter
MOST_TAGS: Final = 40_000  # that open or close something: browsers lay out as many in half a second
DEEPEST: Final = 500  # elements within each other; browsers go no deeper than 512
MOST_ESCAPES: Final = 20_000  # & and blanks that break no line: nh3 takes time by their square, 12 ms for so many
MOST_SIGNS: Final = 2_000  # blanks and = in one tag: readers of HTML compare each attribute with each other
LONGEST_LINK: Final = 4_096  # characters
_MOST_IMAGES: Final = 1_000  # which a browser may be asked to load

TAGS: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del "
        "dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark "
        "nav ol p pre q s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt "
        "u ul var wbr ",
    )
)
# Elements that go with all that is in them. Of others that are not known (form, button, body) the content stays.
GONE: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "script style title template noscript noembed noframes iframe frame frameset object embed applet svg math "
        "select option textarea audio video canvas xml xmp plaintext dialog datalist map head ",
    )
)
_ANYWHERE: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "align bgcolor class color dir face height id lang size style title valign width ",
    )
)
ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "*": _ANYWHERE,
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt", "border"}),
    "table": frozenset({"border", "cellpadding", "cellspacing"}),
    "td": frozenset({"colspan", "rowspan", "nowrap"}),
    "th": frozenset({"colspan", "rowspan", "nowrap"}),
    "ol": frozenset({"start", "type"}),
    "ul": frozenset({"type"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
}
_COLOURS: Final = frozenset({"bgcolor", "color"})
NUMBERS: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "height width border cellpadding cellspacing colspan rowspan span start size ",
    )
)
NUMBER = re.compile(r"[+-]?[0-9]{1,4}(?:\.[0-9]{1,3})?(?:px|%)?")
WORDS = re.compile(r"[\w .,#:/-]{0,500}")
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "cid"})

IGNORED = dict.fromkeys([*range(0x21), 0x7F])  # browsers skip tabs and line ends within a URL, and controls around it
WEB = re.compile(r"https?://[^/\\]", re.IGNORECASE)
CALL = re.compile(r"tel:[0-9+().*#;=A-Za-z-]{1,100}", re.IGNORECASE)
_OPENS = re.compile(r"<(?=[a-zA-Z/])")
_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_EMPTY: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "area base br col embed hr img input link meta param source track wbr ",
    )
)
_ESCAPE = re.compile(r"\xa0|&(?:(?![a-zA-Z#])|amp|nbsp|#0*+(?:38|160)|#[xX]0*+(?:26|[aA]0))")
BODY = re.compile(r"<(/?)body(?=[\s/>])", re.IGNORECASE)
_STYLE_BEGINS = re.compile(r"<style(?=[\s/>])", re.IGNORECASE)
_STYLE_ENDS = re.compile(r"</style", re.IGNORECASE)


class TooMuch(Exception):
    """Raised for HTML that a browser would take too long for."""


class Sanitised(msgspec.Struct, frozen=True):
    """HTML that can do nothing. ``css`` is its style sheet.

    ``remote`` is how many pictures from elsewhere were left out, or are loaded by the browser where that was allowed.
    ``coloured`` says whether it has colours of its own, which may be meant for a white page.
    """

    html: str
    css: str
    remote: int
    coloured: bool


def sanitise(html: str, *, images: Mapping[str, str], remote: bool = False) -> Sanitised:
    """Returns the HTML without what may do harm.

    ``images`` has, by Content-ID, the path of each picture of this message. With ``remote``, pictures from elsewhere
    keep their address. Raises TooMuch for HTML with too many tags, or that are too deep within each other.
    """
    check(html)
    sheet = Sheet()
    html = _without_styles(html, sheet.add)
    filter_ = _Filter(sheet, images, remote)
    cleaned = nh3.clean(
        BODY.sub(r"<\1div", html),  # colours and margins of the whole message stand there
        tags=set(TAGS),
        clean_content_tags=set(GONE),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=filter_,
        strip_comments=True,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=set(_SCHEMES),
    )
    return Sanitised(cleaned, sheet.text, filter_.remote_images, filter_.coloured or sheet.coloured)


def check(html: str) -> None:
    """Raises TooMuch for HTML that is longer, wider or deeper than browsers show quickly."""
    if len(html) > LONGEST or sum(1 for _ in _ESCAPE.finditer(html)) > MOST_ESCAPES:
        raise TooMuch
    positions = [match.start() for match in _OPENS.finditer(html)]
    if len(positions) > MOST_TAGS:
        raise TooMuch
    positions.append(len(html))
    depth = deepest = 0
    for at, following in pairwise(positions):
        ends = html.find(">", at, following)
        ends = ends if ends >= 0 else following
        if html.count("=", at, ends) + html.count(" ", at, ends) > MOST_SIGNS:
            raise TooMuch
        named = _NAME.match(html, at)
        if named is None or named[2].lower() in _EMPTY:
            continue
        depth = max(depth - 1, 0) if named[1] else depth + 1
        deepest = max(deepest, depth)
    if deepest > DEEPEST and not _closes_by_itself(html, deepest):
        raise TooMuch


def _closes_by_itself(html: str, deepest: int) -> bool:
    """Whether it is lists, paragraphs and cells without ends that make it look deep."""
    lower = html.lower()
    loose = sum(lower.count(f"<{tag}") - lower.count(f"</{tag}") for tag in ("p>", "p ", "li", "td", "tr", "dd", "dt"))
    return deepest - max(loose, 0) <= DEEPEST


def _without_styles(html: str, found: Callable[[str], None]) -> str:
    """Style elements, as `found` is called with the text of each. What a browser takes for one and this does not, nh3
    takes away; what this takes for one and a browser does not, is lost."""
    kept: list[str] = []
    at = 0
    while (begins := _STYLE_BEGINS.search(html, at)) is not None:
        kept.append(html[at : begins.start()])
        start = html.find(">", begins.end()) + 1 or len(html)
        ends = _STYLE_ENDS.search(html, start)
        stop = ends.start() if ends else len(html)
        found(html[start:stop].replace("<!--", "").replace("-->", ""))
        at = html.find(">", stop) + 1 or len(html)
    kept.append(html[at:])
    return "".join(kept)


class _Filter:
    """Says of each attribute of an element that is kept what it may be; None: it goes."""

    def __init__(self, sheet: Sheet, images: Mapping[str, str], remote: bool) -> None:
        self.remote_images = 0
        self.coloured = False
        self._sheet = sheet
        self._images = images
        self._remote = remote
        self._loaded = 0

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return self._sheet.style(value) or None
        if name == "href":
            return link(value) if tag == "a" else None
        if name == "src":
            return self._source(value)
        if name in NUMBERS:
            return value.strip() if NUMBER.fullmatch(value.strip()) else None
        if name in ("title", "alt"):
            return value[:500]
        if name in _COLOURS:
            self.coloured = True
        return value if WORDS.fullmatch(value) else None

    def _source(self, value: str) -> str | None:
        value = value[:LONGEST_LINK].translate(IGNORED)
        if value[:4].lower() == "cid:":
            return self._images.get(unquote(value[4:]))
        self.remote_images += 1
        if value.startswith("//"):
            value = f"https:{value}"
        self._loaded += 1
        return value if self._remote and self._loaded <= _MOST_IMAGES and WEB.match(value) else None


def link(value: str) -> str | None:
    """Returns where a link may lead: to the web, a telephone, or our own page for writing to an address; or None."""
    if len(value) > LONGEST_LINK:
        return None
    value = value.translate(IGNORED)
    if WEB.match(value) or CALL.fullmatch(value):
        return value
    if value[:7].lower() == "mailto:":
        return _written_to(value[7:])
    return None


def _written_to(address: str) -> str:
    """The page for writing (RFC 6068): an address, subject and text, and no attachment."""
    to, _, query = address.partition("?")
    given = {"to": unquote(to)}
    try:
        fields = parse_qsl(query, max_num_fields=20)
    except ValueError:
        fields = []
    for name, text in fields:
        if name.lower() in ("subject", "body", "cc") and text:
            given.setdefault(name.lower(), text)
        elif name.lower() == "to":
            given["to"] = f"{given['to']}, {text}".strip(", ")
    return f"/write?{urlencode(given)}"
