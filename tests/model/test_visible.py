"""What strangers wrote, on an administrator's terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.visible import json_visible, visible

HIDING = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    "\u00ad",
    "\u061c",
    *map(chr, range(0x200B, 0x2010)),
    *map(chr, range(0x2028, 0x202F)),
    *map(chr, range(0x2060, 0x2065)),
    *map(chr, range(0x2066, 0x2070)),
    "\ufeff",
    "\ud800",
    "\U000e0041",
]


@pytest.mark.parametrize("character", HIDING)
def test_nothing_that_acts_on_a_terminal_reaches_it(character: str) -> None:
    shown = visible(f"a{character}b")
    assert character not in shown
    assert shown.isprintable()


@pytest.mark.parametrize("text", ["Grüße", "مرحبا", "日本　語", "a b", "👍🏽", "", "C:\\x1b"])
def test_what_people_write_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_what_hides_is_named() -> None:
    assert visible("\x1b[31m\u202egpj.exe\U000e0041\r\n\t.") == "\\x1b[31m\\u202egpj.exe\\U000e0041\\r\\n ."


@given(st.text(alphabet=st.characters(), max_size=50))
def test_json_says_the_same(text: str) -> None:
    written = json.dumps({"subject": text}, ensure_ascii=False, indent=2)
    shown = json_visible(written)
    assert json.loads(shown) == json.loads(written)
    assert not any(character in shown for character in HIDING if character != "\n")


@given(st.text(max_size=50))
def test_what_was_made_visible_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)
