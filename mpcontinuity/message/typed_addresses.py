"""Reads the addresses that people type or paste into a field: ``Ann <a@x.example>, b@y.example; c@z.example``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mpcontinuity.message.composing import LONGEST_NAME, Correspondent, shown
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.texts import again, said

# A text in quotes, an address in brackets, a comment, what separates, a run of anything else. No quantifier gives back
# what it took: time is linear.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?+|<[^<>]*+>?+|\([^()]*+\)?+|[,;\r\n]|[^"<(,;\r\n]++', re.DOTALL)
_SEPARATORS: Final = frozenset(",;\r\n")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_SHOWN: Final = 80  # characters of what somebody typed that an error repeats


class Typed(NamedTuple):
    """What a field has: the people that are named, each address once, and a sentence for each that is none."""

    people: list[Correspondent]
    faults: list[str]


def read(text: str) -> Typed:
    """Returns who is named in a field. Addresses are separated by commas, semicolons or ends of lines."""
    pieces = [piece for piece in _pieces(text) if piece]
    people: dict[str, Correspondent] = {}
    faults: list[str] = []
    for piece in pieces:
        found = _person(piece)
        if isinstance(found, str):
            faults.append(found)
        else:
            people.setdefault(found.address.key, found)
    return Typed(list(people.values()), faults)


def _pieces(text: str) -> Iterator[list[str]]:
    """The tokens of each person. Where semicolons separate them, a comma may stand in a name: ``Doe, Ann <a@x>``."""
    tokens = _TOKEN.findall(text)
    commas_in_names = ";" in tokens
    piece: list[str] = []
    addressed = False
    for token in tokens:
        if token not in _SEPARATORS:
            if token.strip():
                piece.append(token)
                addressed = addressed or "@" in token
        elif token == "," and commas_in_names and piece and not addressed:
            piece.append(token)
        else:
            yield piece
            piece, addressed = [], False
    yield piece


def _person(tokens: Sequence[str]) -> Correspondent | str:
    """Who it is, or what is wrong."""
    whole = shown("".join(tokens), _LONGEST_SHOWN)
    brackets = [token for token in tokens if token[0] == "<"]
    if len(brackets) > 1:
        return said("“%(address)s” has two addresses: put a comma between them.", address=whole)
    if brackets:
        address = brackets[0][1:].removesuffix(">").strip()
        name = "".join([token for token in tokens if token[0] not in "<("])
    else:
        comments = [token for token in tokens if token[0] == "("]
        address = "".join([token for token in tokens if token[0] != "("]).strip()
        name = comments[0].strip("()") if comments else ""
    try:
        found = parse(address.removeprefix("mailto:"))
    except BadAddress as error:
        return said("“%(address)s” is not a mail address: %(why)s.", address=whole, why=again(error.args[0]))
    if found.impossible:
        return said("“%(address)s” is not a mail address: there can be no such domain.", address=whole)
    return Correspondent(_name(name), found)


def _name(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPE.sub(r"\1", text[1:-1])
    return shown(text, LONGEST_NAME)
