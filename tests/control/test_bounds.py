"""Every time and number that an operation is given is bounded where it is read: refused in one line, or harmless."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.alerts.acting import ACTS
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.queue.ledgers import Books

TIMES = [
    "2999-01-01",
    "9999-12-31T23:59:59",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31",
    "999999999d",
    "999999999.999999d",
    "0s",
    "٩s",
    "1e400",
    "nan",
    "-1d",
    "",
]
NUMBERS = [-1, 0, 2**31, 2**63, 10**30]
CURSORS = ["x", "x y", "1 x", "0" * 13, "z" * 13, "a@b.example", "a.example", "é" * 99, "[::1]"]
CURSORS += ["\0", "1 \0", "a\0@b.example"]
LISTS = [name for name, operation in OPERATIONS.items() if operation.cursor]
# What takes a time or a number, with all that it needs besides.
TAKES: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    ("track", "since", {}, TIMES),
    ("track", "until", {}, TIMES),
    ("status history", "since", {}, TIMES),
    ("status flow", "hours", {}, [-1, 0, 169, 2**63]),
    ("outage list", "since", {}, TIMES),
    ("outage room", "hours", {"domain": "example.org"}, [-1, 0, 73, 2**63]),
    *(("outage act", "lasts", {"domain": "example.org", "act": act}, TIMES) for act in ACTS),
    ("outage redeem", "lasts", {"token": "x", "act": "start"}, TIMES),
    ("audit", "since", {}, TIMES),
    ("archive search", "since", {}, TIMES),
    ("archive search", "until", {}, TIMES),
    *(("archive release found", name, {}, TIMES) for name in ("since", "until", "to")),
    *(("archive export", name, {}, TIMES) for name in ("since", "until")),
    ("archive purge", "before", {}, TIMES),
    ("archive release", "to", {"ids": []}, TIMES),  # an address
    ("report", "since", {"domain": "example.org"}, TIMES),
    ("domain set", "until", {"name": "example.org", "settings": {"mode": "enabled"}}, TIMES),
    ("domain add", "until", {"name": "new.example", "home": "home.example", "settings": {"mode": "enabled"}}, TIMES),
    ("domain plan", "begin", {"name": "example.org", "until": "700d"}, TIMES),
    ("domain plan", "until", {"name": "example.org", "begin": "1h"}, TIMES),
    ("domain plan extend", "until", {"name": "example.org"}, TIMES),
    ("admin token", "expires", {"name": "root"}, TIMES),
    *((name, "limit", {}, NUMBERS) for name in LISTS),
    *((name, "after", {}, CURSORS) for name in LISTS),
]


@pytest.mark.parametrize(
    ("operation", "argument", "more", "value"),
    [(*taken[:3], value) for taken in TAKES for value in taken[3]],
    ids=lambda value: str(value)[:24],
)
def test_no_time_and_no_number_breaks_an_operation(
    call: Call, books: Books, operation: str, argument: str, more: dict[str, Any], value: Any
) -> None:
    books.redirect("anna")
    if operation == "admin token":
        call("admin add", name="root", password="a long enough one")
    if operation == "domain plan extend":
        call("domain plan", name="example.org", begin="1h", until="2h")
    refused = ""
    try:
        call(operation, **more, **{argument: value})
    except Refused as error:
        refused = str(error)
    assert "\n" not in refused
    assert len(refused) < 300


@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.parametrize("argument", [{"limit": 0}, {"limit": 1001}, {"after": "\0"}, {"after": "%"}])
def test_a_bad_limit_or_cursor_is_invalid(call: Call, operation: str, argument: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        call(operation, **argument)
    assert refused.value.kind == "invalid"


def test_all_arguments_that_are_times_or_numbers_are_tried() -> None:
    tried = {(operation, argument) for operation, argument, *_ in TAKES}
    times = {"since", "until", "before", "after", "expires", "from", "to", "time", "begin"}
    for name, operation in OPERATIONS.items():
        for field in operation.arguments.__struct_fields__:
            kind = operation.arguments.__annotations__.get(field)
            if field in times or kind is int:
                assert (name, field) in tried, f"{name} {field}: add it to the table"


@pytest.mark.parametrize("number", ["999999999999", "-1", "1e9", "٩", "9" * 5000])
@pytest.mark.parametrize("key", ["retention-days", "kept-days", "alert-hour", "alert-day"])
def test_numbers_of_domain_settings_are_bounded(call: Call, books: Books, key: str, number: str) -> None:
    with pytest.raises(Refused, match=f"^{key}: "):
        call("domain set", name="example.org", settings={key: number})
