"""Health of the server as a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import fail, succeed

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Temporary
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock

FOUND = [
    {"check": "disk", "verdict": "good", "text": "has room", "advice": ""},
    {"check": "example.org", "verdict": "wrong", "text": "home <b>is</b> away", "advice": "start it"},
]


@pytest.fixture
def said() -> list[Any]:
    """What the next examination says."""
    return [succeed(msgspec.json.encode(FOUND))]


@pytest.fixture
def portal(control: Control, call: Call, clock: ManualClock, said: list[Any]) -> Portal:
    call("domain add", name="x.org", home="home.x.org")
    call("admin add", name="rita", password="rita's own")
    call("admin add", name="olga", password="olga's own", domain="x.org")
    examine: Callable[[], Any] = lambda: said.pop() if said else None  # noqa: E731
    return Portal(replace(control, examine=examine), clock)


def test_what_is_wrong_stands_first_with_what_to_do(rita: Browser) -> None:
    shown = rita.get("/admin/health")
    assert shown.code == 200
    assert "1 wrong, 0 warnings, 1 good" in shown.page
    assert shown.page.index("example.org") < shown.page.index("Has room.")
    assert "Start it." in shown.page
    assert "<b>" not in shown.page


def test_what_was_found_comes_some_at_a_time(rita: Browser, said: list[Any]) -> None:
    many = [{"check": f"d{n}.example", "verdict": "good", "text": "is well", "advice": ""} for n in range(150)]
    said[:] = [succeed(msgspec.json.encode([*many, *FOUND[1:]])) for _ in range(3)]
    shown = rita.get("/admin/health")
    assert shown.page.index("example.org") < shown.page.index("d0.example")
    assert "d98.example" in shown.page
    assert "d99.example" not in shown.page
    assert "150 good" in shown.page
    assert 'href="/admin/health?after=100"' in shown.page
    rest = rita.get("/admin/health?after=100").page
    assert "d99.example" in rest
    assert "?after=" not in rest
    assert rita.get("/admin/health?after=x").code == 200


def test_an_examination_that_is_not_there_yet_is_to_be_looked_at_again(rita: Browser, said: list[Any]) -> None:
    said[:] = [fail(Temporary("the examination takes long, and goes on; ask again in a minute"))]
    shown = rita.get("/admin/health")
    assert shown.code == 503
    assert "The examination takes long" in shown.page
    assert "Only a running server" in rita.get("/admin/health").page


def test_an_administrator_of_a_domain_does_not_see_it(olga: Browser) -> None:
    assert olga.get("/admin/health").code == 403
    assert "/admin/health" not in olga.get("/admin/").page
