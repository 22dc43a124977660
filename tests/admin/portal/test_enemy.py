"""An enemy who is signed in: nothing that a page is asked by path or query is a failure, a header field or a file."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from twisted.logger import capturedLogs

from tests.admin.portal.browser import Browser, Portal
from tests.admin.portal.test_every_route import PART

NAMES = (
    *("after", "before", "by", "chosen", "column", "direction", "domain", "from", "id", "limit", "never", "next"),
    *("query", "report", "search", "since", "status", "to", "until", "user"),
)
VALUES = [
    "",
    " ",
    "\0",
    "\r\nX-Evil: 1",
    "-1",
    "9" * 400,
    "é" * 40,
    "../../etc/passwd",
    "0" * 13,
    "<script>",
    "\u202e",
    "x.org",
]
PARTS = [
    "%0d%0aX-Evil:%201",
    "..",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%00",
    "%F0%9F",
    "x" * 4000,
    "%3Cscript%3E",
    "0" * 13,
]


def ask(browser: Browser, path: str) -> None:
    with capturedLogs() as logged:
        shown = browser.get(path)
    assert shown.code < 500 or (shown.code == 503 and path.startswith("/admin/health")), (path, shown.code)
    assert not [each for each in logged if "failed" in str(each.get("log_format"))], path
    assert b"\r\nx-evil" not in shown.head.lower(), path
    assert "<script>" not in shown.page, path
    assert "root:" not in shown.page, path


@pytest.mark.parametrize("value", VALUES)
def test_no_query_makes_a_page_fail(portal: Portal, rita: Browser, value: str) -> None:
    query = "&".join(f"{name}={quote(value)}" for name in NAMES)
    for route in portal.pages:
        if route.method == "GET":
            path = PART.sub(lambda part: {"domain": "x.org", "address": "anna@x.org"}.get(part[1], "x"), route.path)
            ask(rita, f"{path}?{query}")


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_a_path_makes_a_page_fail(portal: Portal, rita: Browser, part: str) -> None:
    for route in portal.pages:
        if route.method == "GET" and "<" in route.path:
            ask(rita, PART.sub(part, route.path))
