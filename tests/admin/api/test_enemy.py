"""An enemy with a token: nothing that any route is sent is a failure of the server, or is done by halves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mpcontinuity.admin.api.table import WAYS, Way
from mpcontinuity.control.operations import OPERATIONS
from tests.admin.api.program import Api
from tests.control.conftest import Call

HEADERS = {
    "Idempotency-Key": ["", "x" * 7000, '"', "\xff\xfe", "a b", "\t", "a\x7f"],
    "If-Match": ["", '"', '""', 'W/"1"', "*", '"a", "b"', "\xff", "x" * 7000],
    "If-None-Match": ['"', "*", "\xff", "x" * 7000],
    "Accept": ["", "\xff", "*/*;q=", "text/event-stream", "application/mbox", "a/" * 3000],
    "Last-Event-ID": ["", "\xff", "-1", "9" * 7000, "zzzzzzzzzzzzz", "0" * 13],
    "Content-Type": ["", "\xff", "application/json; charset=\xff", "text/csv", "text/csv; header=absent", "/"],
    "Authorization": ["", "Bearer", "Bearer \xff", "Basic", "Basic \xff", "Basic OjpX", "x" * 7000],
    "Cookie": ["__Host-mpc_admin=" + "a" * 7000, ";" * 7000, "\xff=\xff"],
    "X-Forwarded-For": ["\xff", ",,,,", "1.2.3.4, " * 500],
}
# Routes in which header fields are read in all the ways there are: rows, pages, versions, files, lines, secrets.
MANNERS = ("domain list", "domain add", "domain set", "user show", "archive show", "archive export", "user import")
VALUES: list[Any] = [
    None,
    True,
    -1,
    1e300,
    10**4000,
    "\ud800",
    "\0",
    "x" * 60_000,
    [],
    [[]],
    {},
    {"": {}},
    ["\0"] * 3,
    "\r\nX-Evil: 1",
]


@pytest.fixture
def api(api: Api, call: Call) -> Iterator[Api]:
    """One whose every answer is looked at: no failure of the server, and nothing of ours in its log."""
    with capturedLogs() as logged:
        yield api
    assert not [each for each in logged if "failed" in str(each.get("log_format"))]


def path_of(way: Way, part: str = "x.org") -> str:
    return re.sub(r"{\w+}", part, way.path)


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_field_makes_a_route_fail(api: Api, clock: Any, header: str) -> None:
    for way in (way for way in WAYS if way.operation in MANNERS):
        for value in HEADERS[header]:
            clock.advance(61)  # a new ration
            said = api.ask(way.method, path_of(way), {} if way.writes else None, headers={header: value})
            assert said.code < 500 or said.code == 503, (way, value, said)
            assert "x-evil" not in said.fields


def test_no_value_of_an_argument_makes_a_route_fail(api: Api, clock: Any) -> None:
    for way in WAYS:
        for place, name in enumerate(OPERATIONS[way.operation].arguments.__struct_fields__):
            if f"{{{name}}}" in way.path or not way.writes:
                continue
            for value in VALUES[place % 4 :: 4]:  # over all arguments, each is tried some forty times
                clock.advance(61)
                said = api.ask(way.method, path_of(way), body=json.dumps({name: value}).encode())
                assert said.code < 500, (way, name, value, said)
                assert "x-evil" not in said.fields


@pytest.mark.parametrize(
    "part", ["%0d%0aX-Evil:%201", "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "%F0%9F", "x" * 7000]
)
def test_no_part_of_a_path_gets_into_a_header_or_to_a_file(api: Api, clock: Any, part: str) -> None:
    for way in WAYS:
        if "{" in way.path:
            clock.advance(61)
            said = api.ask(way.method, path_of(way, part), {} if way.writes else None)
            assert said.code < 500, (way, said)
            assert "x-evil" not in said.fields
            assert b"root:" not in said.body
