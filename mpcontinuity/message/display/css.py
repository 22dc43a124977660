"""CSS of strangers, of which only what can do no harm is written anew: nothing of theirs is passed on as it stands.

What is left has no URL, no text that appears, nothing that leaves its place, and no rule that asks for other files. It
is written in letters that end no element of HTML: there is no ``<`` in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Final

import tinycss2
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

LONGEST: Final = 128 * 1024  # characters of all style sheets of a message: five times what newsletters have
LONGEST_STYLE: Final = 4 * 1024  # characters of one style attribute
MOST_RULES: Final = 2_000
MOST_SELECTORS: Final = 5_000  # browsers try each for each element
_MOST_TOKENS: Final = 200  # of one value or selector
_DEEPEST: Final = 2  # of rules within @media, and of calculations

# What decides how text and tables look where they stand. What lays one thing over another (position, z-index,
# transform), shows texts or pictures (content, cursor, filter) or moves (animation) is not among them.
_PROPERTIES: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "background background-color border-collapse border-radius border-spacing box-sizing caption-side clear "
        "color direction display empty-cells float font font-family font-size font-style font-variant font-weight "
        "height letter-spacing line-height list-style list-style-position list-style-type margin margin-bottom "
        "margin-left margin-right margin-top max-height max-width min-height min-width opacity orphans overflow "
        "overflow-wrap overflow-x overflow-y padding padding-bottom padding-left padding-right padding-top "
        "page-break-after page-break-before page-break-inside table-layout text-align text-align-last text-decoration "
        "text-decoration-color text-decoration-line text-decoration-style text-indent text-overflow "
        "text-transform unicode-bidi vertical-align visibility white-space widows width word-break word-spacing "
        "word-wrap border border-color border-style border-width ",
    )
) | {
    f"border-{side}{what}" for side in ("top", "right", "bottom", "left") for what in ("", "-color", "-style", "-width")
}
COLOURS: Final = frozenset({"color", "background", "background-color"})
_FUNCTIONS: Final = frozenset({"rgb", "rgba", "hsl", "hsla"})
_CALCULATED: Final = frozenset({"width", "max-width", "min-width", "height", "max-height", "min-height"})
_UNITS: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "px em rem ex ch pt pc in cm mm q vw vh vmin vmax fr deg s ms ",
    )
)
# Words that take something out of its place or make text that nobody sees look as if it were there.
_WORDS_LEFT_OUT: Final = frozenset({"fixed", "absolute", "sticky", "-webkit-sticky", "expression"})
_PSEUDO: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "hover link visited active focus first-child last-child first-of-type last-of-type only-child empty root "
        "first-line first-letter ",
    )
)
_MEDIA_WORDS: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "all screen print and only not max-width min-width width max-height min-height orientation portrait "
        "landscape max-device-width min-device-width device-width ",
    )
)
_LONGEST_WORD: Final = 80  # characters
_HASH: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class _Unfit(Exception):
    """What is read is left out."""


class Sheet:
    """Style sheets of one message, one after the other. ``coloured`` says whether they set colours."""

    def __init__(self) -> None:
        self.coloured = False
        self.cut = False  # some of it was too much
        self._room = LONGEST
        self._rules = 0
        self._selectors = 0
        self._written: list[str] = []

    def add(self, text: str) -> None:
        """Adds what is harmless of a style sheet."""
        if len(text) > self._room:
            self.cut = True
            return
        self._room -= len(text)
        try:
            nodes = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
        except (ValueError, RecursionError):  # a number of more than 4,300 digits
            return
        self._add(nodes, 0, self._written)

    def style(self, text: str) -> str:
        """Returns what is harmless of a style attribute."""
        if len(text) > LONGEST_STYLE:
            self.cut = True
            return ""
        written, coloured = _style(text)
        self.coloured = self.coloured or coloured
        return written

    @property
    def text(self) -> str:
        """The style sheet that all of them come to."""
        return "\n".join(self._written)

    def _add(self, nodes: Iterable[Node], depth: int, written: list[str]) -> None:
        for node in nodes:
            if self._rules >= MOST_RULES or self._selectors >= MOST_SELECTORS:
                self.cut = True
                return
            self._rules += 1
            try:
                if isinstance(node, QualifiedRule):
                    self._rule(node, written)
                elif isinstance(node, AtRule) and node.lower_at_keyword == "media" and node.content is not None:
                    self._media(node, depth, written)
            except (_Unfit, ValueError, RecursionError):
                continue

    def _rule(self, rule: QualifiedRule, written: list[str]) -> None:
        body, coloured = _declarations(rule.content)
        if body:
            self._selectors += 1 + sum(token == "," for token in rule.prelude)
            written.append(f"{_written(rule.prelude, _selector)}{{{body}}}")
            self.coloured = self.coloured or coloured

    def _media(self, rule: AtRule, depth: int, written: list[str]) -> None:
        if depth >= _DEEPEST:
            raise _Unfit
        within: list[str] = []
        self._add(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), depth + 1, within)
        if within:
            prelude = _written(rule.prelude, _media_token)
            written.append(f"@media {prelude}{{{' '.join(within)}}}")


@lru_cache(maxsize=2048)
def _style(text: str) -> tuple[str, bool]:
    try:
        nodes = tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True)
    except (ValueError, RecursionError):
        return "", False
    return _of(nodes)


def _declarations(content: Sequence[Node]) -> tuple[str, bool]:
    return _of(tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True))


def _of(nodes: Iterable[Node]) -> tuple[str, bool]:
    found: list[str] = []
    coloured = False
    for node in nodes:
        if not isinstance(node, Declaration) or node.lower_name not in _PROPERTIES:
            continue
        try:
            value = _written(node.value, partial(_value, node.lower_name))
        except _Unfit:
            continue
        if value.strip():
            found.append(f"{node.lower_name}:{value.strip()}{' !important' if node.important else ''}")
            coloured = coloured or node.lower_name in COLOURS
    return ";".join(found), coloured


def _written(tokens: Sequence[Node], write: Callable[[Node], str]) -> str:
    if len(tokens) > _MOST_TOKENS:
        raise _Unfit
    return "".join(map(write, tokens)).strip()


def _value(name: str, token: Node, depth: int = 0) -> str:
    kind = token.type
    if kind == "whitespace":
        return " "
    if kind in ("number", "percentage", "dimension"):
        if token.value < 0 or (kind == "dimension" and token.lower_unit not in _UNITS):
            raise _Unfit
        end = "" if kind == "number" else "%" if kind == "percentage" else token.lower_unit
        return _number(token.representation, end)
    if kind == "ident" and token.lower_value not in _WORDS_LEFT_OUT:
        return _word(token.value)
    if kind == "hash":
        return _hash(token.value)
    if kind == "string" and name in ("font", "font-family"):
        return f'"{_escaped(token.value, " ")}"'
    if kind == "literal" and token.value in (",", "/"):
        return str(token.value)
    if kind == "literal" and depth and token.value in ("+", "*"):
        return f" {token.value} "
    if kind == "function" and depth < _DEEPEST:
        function = token.lower_name
        if function in _FUNCTIONS or (function == "calc" and name in _CALCULATED):
            inner = _written(token.arguments, partial(_value, name, depth=depth + 1))
            return f"{function}({inner})"
    raise _Unfit


def _number(representation: str, unit: str) -> str:
    digits = re.match(r"[-+.0-9eE]{1,20}", representation)
    if digits is None:
        raise _Unfit
    return f"{float(digits[0]):g}{unit}" if abs(float(digits[0])) < 1e6 else _unfit()


def _unfit() -> str:
    raise _Unfit


def _selector(token: Node) -> str:
    kind = token.type
    if kind == "whitespace":
        return " "
    if kind == "ident":
        return _word(token.value)
    if kind == "hash":
        return "#" + _escaped(token.value)
    if kind == "literal" and token.value in (".", ">", "+", "~", "*", ",", ":"):
        return str(token.value)
    if kind == "[] block":
        return f"[{_written(token.content, _attribute)}]"
    raise _Unfit


def _attribute(token: Node) -> str:
    kind = token.type
    if kind == "whitespace":
        return " "
    if kind == "ident":
        return _word(token.value)
    if kind == "string":
        return f'"{_escaped(token.value, " ")}"'
    if kind == "literal" and token.value in ("=", "~=", "|=", "^=", "$=", "*="):
        return str(token.value)
    raise _Unfit


def _media_token(token: Node) -> str:
    kind = token.type
    if kind == "whitespace":
        return " "
    if kind == "ident" and token.lower_value in _MEDIA_WORDS:
        return str(token.lower_value)
    if kind == "dimension" and token.lower_unit in _UNITS:
        return _number(token.representation, token.lower_unit)
    if kind == "literal" and token.value in (",", ":"):
        return str(token.value)
    if kind == "() block":
        return f"({_written(token.content, _media_token)})"
    raise _Unfit


def _word(value: str) -> str:
    if not value or value.startswith("--") or value[0] in "0123456789":
        raise _Unfit
    return _escaped(value)


def _hash(value: str) -> str:
    return f"#{value}" if _HASH.fullmatch(value) else _unfit()


def _escaped(value: str, also: str = "") -> str:
    """In plain letters, or as numbers of characters (CSS Syntax 3 §4.3.7)."""
    if len(value) > _LONGEST_WORD:
        raise _Unfit
    return "".join([each if each in _PLAIN or each in also else f"\\{ord(each):x} " for each in value])
