"""Texts for people, written in English where something happens and shown in the language of whoever reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

_KEPT: Final = '[{"text":'  # how texts begin that were kept with their values


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


def again(text: str) -> Said:
    """Returns a text that was marked, as a value of another one: so it is translated with that."""
    return text if isinstance(text, Said) else said(text)


def kept(texts: Sequence[str]) -> str:
    """Returns texts as they are kept in one column of a database, so that `taken` finds of what each was made. One that
    is as it is stands there as it is."""
    if len(texts) == 1 and not isinstance(texts[0], Said):
        return str(texts[0])
    return msgspec.json.encode([_to_wire(text) for text in texts]).decode() if texts else ""


def taken(column: str) -> list[str]:
    """Returns the texts that `kept` put into a column: each is a `Said` again where it was one."""
    if not column.startswith(_KEPT):
        return [column] if column else []
    try:
        return [str_ for each in msgspec.json.decode(column) if isinstance(str_ := _from_wire(each), str)]
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return [column]


def _to_wire(value: object) -> object:
    if isinstance(value, Said):
        return {"text": value.template, "values": {name: _to_wire(each) for name, each in value.values.items()}}
    return value if isinstance(value, int | float) else str(value)


def _from_wire(wire: Any) -> Any:
    if not isinstance(wire, dict):
        return wire
    return said(wire["text"], **{name: _from_wire(each) for name, each in wire["values"].items()})
