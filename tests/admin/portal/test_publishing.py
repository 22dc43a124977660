"""What is to be set in DNS and in Microsoft 365, as pages to copy from."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from mpcontinuity.control.operation import Control
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call
from tests.control.test_published import Names
from tests.fakes.clock import ManualClock

HOST = "mail.example.net"


@pytest.fixture
def names() -> Names:
    return Names(
        {("A", HOST): ["192.0.2.1"], ("MX", "x.org"): ["home.x.org"], ("TXT", "x.org"): ["<script>1</script>"]}
    )


@pytest.fixture
def portal(control: Control, call: Call, clock: ManualClock, names: Names) -> Portal:
    call("domain add", name="x.org", home="home.x.org")
    call("admin add", name="rita", password="rita's own")
    dns: Any = names
    return Portal(replace(control, lookup=lambda: dns if names.running else None), clock)


def test_records_are_shown_with_what_is_there_now(rita: Browser, names: Names) -> None:
    names.zone["TXT", "_dmarc.x.org"] = ['v=DMARC1; p=none; <b>"']
    shown = rita.get("/admin/domain/x.org/dns")
    assert shown.code == 200
    assert f"10 {HOST}." in shown.page
    assert '<span class="chip bad">different</span>' in shown.page
    assert "home.x.org" in shown.page
    assert "<b>" not in shown.page
    zone = unescape(shown.page.partition('id="zone"')[2].partition(">")[2].partition("</pre>")[0])
    assert f"x.org. IN MX 10 {HOST}." in zone.splitlines()
    assert "_imaps" not in zone


def test_dns_that_cannot_be_asked_is_said_on_the_page_and_an_unknown_domain_is_not_found(
    rita: Browser, names: Names
) -> None:
    assert rita.get("/admin/domain/nowhere.org/dns").code == 404
    names.running = False
    shown = rita.get("/admin/domain/x.org/dns")
    assert shown.code == 200
    assert "Only a running server can ask DNS" in shown.page


def test_the_steps_of_microsoft_365_are_lines_to_copy(rita: Browser) -> None:
    page = unescape(rita.get("/admin/domain/x.org/microsoft-365").page)
    assert "New-InboundConnector -Name 'mpcontinuity in x.org'" in page
    assert "Set-OrganizationConfig -RejectDirectSend $true" in page
    assert 'data-copy="step-2-powershell-1"' in page


def test_a_test_that_cannot_be_made_is_refused_at_its_field(rita: Browser) -> None:
    shown = rita.send("/admin/domain/x.org/microsoft-365/test", "/admin/domain/x.org/microsoft-365", recipient="")
    assert shown.code == 400
    assert "Only a running server can test a home server" in shown.page
