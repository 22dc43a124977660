"""The addresses that people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import composing
from mpcontinuity.message.composing import Correspondent
from mpcontinuity.message.typed_addresses import read
from mpcontinuity.model.address import parse


def shown(text: str) -> list[tuple[str, str]]:
    typed = read(text)
    assert not typed.faults
    return [(one.name, one.address.text) for one in typed.people]


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("", []),
        (" ,; \n,", []),
        (
            "Ann <a@x.example>, b@y.example; c@z.example",
            [("Ann", "a@x.example"), ("", "b@y.example"), ("", "c@z.example")],
        ),
        ("a@x.example\nb@y.example\r\n", [("", "a@x.example"), ("", "b@y.example")]),
        ('"Doe, Ann" <a@x.example>', [("Doe, Ann", "a@x.example")]),
        ("Doe, Ann <a@x.example>; Roe, Bob <b@y.example>", [("Doe, Ann", "a@x.example"), ("Roe, Bob", "b@y.example")]),
        (r'"A \"B\" C" <a@x.example>', [('A "B" C', "a@x.example")]),
        ("a@x.example (Ann)", [("Ann", "a@x.example")]),
        ("<mailto:a@x.example>", [("", "a@x.example")]),
        ('"a b"@x.example', [("", '"a b"@x.example')]),
        ("a@x.example, A@X.example", [("", "a@x.example")]),
        ("Jürgen <j@bücher.example>", [("Jürgen", "j@bücher.example")]),
        ("Ann <a@x.example", [("Ann", "a@x.example")]),
    ],
)
def test_what_people_type_is_understood(text: str, people: list[tuple[str, str]]) -> None:
    assert shown(text) == people


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("bob, a@x.example", "bob"),
        ("a@x.example b@y.example", "a@x.example b@y.example"),
        ("A <a@x.example> B <b@y.example>", "two addresses"),
        ("a@", "a@"),
        ("@x.example", "@x.example"),
        ("a b@x.example", "a b@x.example"),
        ('"open', '"open'),
        (f"a@{'x' * 64}.example", "no such domain"),
    ],
)
def test_what_is_no_address_is_named(text: str, named: str) -> None:
    (fault,) = read(text).faults
    assert named in fault


def test_a_fault_does_not_repeat_what_would_turn_a_line_or_its_direction() -> None:
    (fault,) = read("x\u202ey\0z" * 100).faults
    assert fault.isprintable()
    assert len(fault) < 200


@given(st.text())
def test_nothing_makes_it_fail(text: str) -> None:
    typed = read(text)
    assert not any(set(one) & set("\r\n\0\u202e\u2028") for one in typed.faults)


_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Zs")) | st.just(" "), max_size=30)


@given(st.lists(_NAMES, max_size=5))
def test_what_is_shown_of_people_is_understood_again(names: list[str]) -> None:
    people = [Correspondent(" ".join(name.split()), parse(f"u{number}@x.example")) for number, name in enumerate(names)]
    assert read(composing.listed(people)).people == people
