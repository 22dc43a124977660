"""The page of an alert's link: what it shows, what it does, and for whom it does nothing."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from mpcontinuity.accounts import domains, links
from mpcontinuity.alerts.mailing import LinkAbout
from mpcontinuity.store.transaction import Transaction
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

SECRET = "k" * 40
PATH = f"/outage/{SECRET}"


def made(tx: Transaction, secret: str) -> None:
    about = LinkAbout(domain=domains.known(tx, "x.org").id, outage=0, to="oncall@far.example")
    links.make(tx, links.ALERT, secret, "x.org oncall@far.example", msgspec.json.encode(about).decode())


@pytest.fixture
def browser(portal: Portal) -> Browser:
    """A browser of somebody who has never logged in, and was sent a link."""
    result(portal.control.store.run(partial(made, secret=SECRET)))
    return Browser(portal)


def test_who_has_the_link_declares_extends_and_ends_an_outage_without_a_login(browser: Browser, call: Call) -> None:
    shown = browser.get(PATH)
    assert shown.code == 200
    assert "x.org" in shown.page
    assert "oncall@far.example" in shown.page
    hidden = {"csrf": shown.hidden()["csrf"]}
    begun = browser.post(PATH, {**hidden, "act": "start", "lasts": "4h"})
    assert (begun.code, "An outage of x.org is declared until" in begun.page) == (200, True), begun.page
    (before,) = call("domain plan list", domain="x.org")
    assert browser.post(PATH, {**hidden, "act": "extend", "lasts": "1h"}).code == 200
    (after,) = call("domain plan list", domain="x.org")
    assert after["until"] > before["until"]
    assert "No outage of x.org is declared any more" in browser.post(PATH, {**hidden, "act": "stop"}).page
    assert call("domain plan list", domain="x.org")[0]["state"] == "ended"
    assert {each["by"] for each in call("audit", domain="x.org") if each["operation"] == "outage act"} == {
        "oncall@far.example by a link"
    }


def test_to_open_the_page_changes_nothing(browser: Browser, call: Call) -> None:
    before = call("domain show", name="x.org")
    browser.get(PATH)
    assert call("domain show", name="x.org") == before


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"act": "start", "lasts": "4h"}, {}),
        ({"act": "start", "lasts": "4h", "csrf": "wrong"}, {}),
        ({"act": "start", "lasts": "4h", "csrf": None}, {"Sec_Fetch_Site": "cross-site"}),
    ],
)
def test_a_form_that_was_not_on_the_page_does_nothing(
    browser: Browser, call: Call, form: dict[str, str | None], headers: dict[str, str]
) -> None:
    right = browser.get(PATH).hidden()["csrf"]
    sent = {name: right if value is None else value for name, value in form.items()}
    assert browser.post(PATH, sent, **headers).code == 403
    assert call("domain plan list", domain="x.org") == []


@pytest.mark.parametrize(
    ("act", "lasts", "said"),
    [
        ("start", "never", "for: "),
        ("start", "90d", "For: must be"),
        ("stop", "4h", "no outage is declared now"),
        ("snooze", "4h", "is over"),
        ("remove", "4h", "Invalid enum value"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    browser: Browser, call: Call, act: str, lasts: str, said: str
) -> None:
    hidden = {"csrf": browser.get(PATH).hidden()["csrf"]}
    shown = browser.post(PATH, {**hidden, "act": act, "lasts": lasts})
    assert shown.code in (400, 409)
    assert said.lower() in shown.page.lower(), shown.page
    assert call("domain plan list", domain="x.org") == []


@pytest.mark.parametrize("secret", ["k" * 39 + "x", "k" * 200, "%00", "../admin"])
def test_an_altered_link_is_of_no_use_and_not_repeated(browser: Browser, secret: str) -> None:
    shown = browser.get(f"/outage/{secret}")
    assert shown.code in (404, 410)
    assert secret not in shown.page


def test_a_link_is_of_no_use_after_a_day(browser: Browser, clock: ManualClock, call: Call) -> None:
    hidden = {"csrf": browser.get(PATH).hidden()["csrf"]}
    clock.advance(24 * 3600 + 1)
    assert browser.get(PATH).code == 410
    assert browser.post(PATH, {**hidden, "act": "start", "lasts": "4h"}).code == 410
    assert call("domain plan list", domain="x.org") == []
