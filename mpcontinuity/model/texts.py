"""Texts for people, written in English where something happens and shown in the language of whoever reads them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_KEPT: Final = '{"text":'  # how a text begins that was kept with its values


def marked(text: str) -> str:
    """Returns the text as it is: the catalogues of languages have it, and it is translated where it is shown."""
    return text


def marked_counts(one: str, many: str) -> tuple[str, str]:
    """Returns two texts as they are, of which a number chooses one where they are shown."""
    return one, many


class Said(str):
    """A text in English that was made of a ``template``, which the catalogues have, by putting in ``values`` by name.

    Wherever no language is known it is what it says in English.
    """

    template: str
    values: dict[str, Any]


def said(template: str, /, **values: Any) -> Said:
    """Returns a text made of a template, ``%(name)s``, and values: texts, numbers, or others of this kind."""
    made = Said(template % values)
    made.template = template
    made.values = values
    return made


class _Kept(msgspec.Struct, frozen=True):
    text: str
    values: dict[str, Any]


def kept(text: str) -> str:
    """Returns a text as it is kept in a database, so that `taken` finds of what it was made."""
    if not isinstance(text, Said):
        return text
    values = {name: each if isinstance(each, int | float) else str(each) for name, each in text.values.items()}
    return msgspec.json.encode(_Kept(text.template, values)).decode()


def taken(text: str) -> str:
    """Returns the text that `kept` made into this one, which is a `Said` again where it was one."""
    if not text.startswith(_KEPT):
        return text
    try:
        found = msgspec.json.decode(text, type=_Kept)
        return said(found.text, **found.values)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return text
