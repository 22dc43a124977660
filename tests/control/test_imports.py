from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.control.imports import ImportLine
from mpcontinuity.control.user_file import lines
from tests.control.conftest import Call


@pytest.fixture(autouse=True)
def domain(call: Call) -> None:
    call("domain add", name="example.org", home="home.example.org")


def take(call: Call, text: str) -> list[tuple[int, str, str]]:
    rows: list[dict[str, Any]] = call("user import", lines=msgspec.to_builtins(list(lines(text))))
    return [(row["line"], row["result"], row["text"]) for row in rows]


def test_each_line_says_what_became_of_it_and_a_bad_one_stops_nothing(call: Call) -> None:
    text = (
        "address,name,aliases,password\n"
        'anna@example.org,"Example, Anna",a@example.org;aa@example.org,secret\n'
        "\n"
        "nobody,,,\n"
        "x@other.org,,,\n"
        "bert@example.org,,,\n"
        "ANNA@example.org,,,\n"
        "carl@example.org,,a@example.org,\n"
        "dora@example.org,,,,too,many\n"
    )
    assert take(call, text) == [
        (2, "added", "active"),
        (4, "refused", "nobody: not a mail address: no @ and domain"),
        (5, "refused", "other.org: no such domain here"),
        (6, "added", "pending"),
        (7, "refused", "the same address as in line 2"),
        (8, "refused", "a@example.org: is in line 2"),
        (9, "refused", "6 columns, at most 4 are expected"),
    ]
    anna = call("user show", address="anna@example.org")
    assert (anna["name"], anna["aliases"], anna["source"]) == (
        "Example, Anna",
        ["a@example.org", "aa@example.org"],
        "import",
    )


def test_a_line_that_is_not_csv_stops_nothing_and_swallows_nothing() -> None:
    text = (
        'anna@example.org\n"a"b@example.org\nbert@example.org\n'
        '"carl@example.org\ndora@example.org,"D\nD"\nemil@example.org\n'
    )
    assert [(line.number, line.address, line.name, bool(line.error)) for line in lines(text)] == [
        (1, "anna@example.org", "", False),
        (2, "", "", True),
        (3, "bert@example.org", "", False),
        (4, "", "", True),
        (5, "dora@example.org", "D\nD", False),
        (7, "emil@example.org", "", False),
    ]


def test_the_alternate_address_is_taken_changed_and_checked(call: Call) -> None:
    heading = "address,alternate\n"
    assert take(call, heading + "anna@example.org,anna@home.example\n") == [(2, "added", "pending")]
    assert take(call, heading + "anna@example.org,anna@home.example\n") == [(2, "unchanged", "")]
    assert take(call, heading + "anna@example.org,\n") == [(2, "unchanged", "")]
    assert take(call, heading + "anna@example.org,a@other.example\n") == [(2, "updated", "alternate")]
    for bad in ("a@example.org", "nobody"):
        ((_, outcome, text),) = take(call, f"{heading}anna@example.org,{bad}\n")
        assert (outcome, text.startswith(bad)) == ("refused", True)
    assert call("user show", address="anna@example.org")["alternate"] == "a@other.example"


def test_the_same_file_again_changes_nothing(call: Call) -> None:
    text = "anna@example.org,Anna,a@example.org\n"
    assert take(call, text) == [(1, "added", "pending")]
    assert take(call, text) == [(1, "unchanged", "")]
    assert take(call, "anna@example.org,Anna B.,b@example.org,secret\n") == [
        (1, "updated", "name, alias b@example.org, password")
    ]
    assert take(call, "carl@example.org,,a@example.org,\n") == [
        (
            1,
            "refused",
            "a@example.org: is an alias of anna@example.org already; choose another address or remove that first",
        )
    ]


def test_the_heading_gives_the_order_of_the_columns() -> None:
    assert list(lines("Name,Address\nAnna,anna@example.org\n")) == [ImportLine(2, "anna@example.org", "Anna")]


def test_a_spreadsheet_may_write_semicolons_and_a_byte_order_mark() -> None:
    text = '\ufeffaddress;name;aliases;password\r\nanna@example.org;Anna;"a@example.org;b@example.org";x\r\n'
    assert list(lines(text)) == [ImportLine(2, "anna@example.org", "Anna", ("a@example.org", "b@example.org"), "x")]


def test_passwords_keep_their_blanks() -> None:
    assert next(lines("anna@example.org,,, x \n")).password == " x "


@given(st.text())
def test_any_text_is_read_to_its_end(text: str) -> None:
    assert all(isinstance(line, ImportLine) for line in lines(text))
