"""Whether a text can stand where another one stands: with the same values, and no markup of its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_VALUE: Final = re.compile(r"%\((\w+)\)([sd])")
_TAG: Final = re.compile(r"<[^<>]*>")
_GAP: Final = "{}"  # into which a script puts a value
_HTML: Final = '<>&"'


def why_not(text: str, plural: str, translated: str) -> str:
    """Returns why a translation cannot stand for a text, which has a ``plural`` or none; empty where it can.

    A text of a page is put into it as HTML, in an attribute too: so it has the tags of what it translates, and neither
    others nor their signs. Each value is one of those that are given; only the form of a plural may leave one out.
    """
    given = {*_VALUE.findall(text), *_VALUE.findall(plural)}
    used = set(_VALUE.findall(translated))
    if used - given:
        return f"%({min(used - given)[0]})s is no value of this text"
    if not plural and given - used:
        return f"%({min(given - used)[0]})s is missing"
    if "%" in _VALUE.sub("", translated).replace("%%", "" if given else "%%"):
        return "% stands alone"
    if text.count(_GAP) != translated.count(_GAP):
        return "{} is missing, or one too many"
    tags = Counter(_TAG.findall(translated))
    if tags - Counter(_TAG.findall(f"{text}{plural}")):
        return "there is a tag that the text does not have"
    rest = _TAG.sub("", translated)
    foreign = [sign for sign in _HTML if sign in rest and sign not in text + plural]
    return f"{foreign[0]} must not stand in it" if foreign else ""
