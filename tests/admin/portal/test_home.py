"""The first page: how the domains are."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import home_state
from mpcontinuity.admin.portal.figures import health_band
from mpcontinuity.control.status import StateChange
from mpcontinuity.model.clock import DAY, HOUR, iso
from tests.admin.portal.browser import Browser, Portal
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES[:1], indirect=True)


def test_each_domain_has_a_line_with_its_state_and_what_waits(rita: Browser) -> None:
    page = rita.get("/admin/").page
    for name in ("x.org", "y.org"):
        assert f'<a href="/admin/domain/{name}/">{name}</a>' in page
    assert page.count('<svg class="band"') == 2
    assert page.count('<svg class="bars"') == 4
    assert "0 of 0 users" in page
    assert "style=" not in page


def test_errors_stand_beside_their_threshold(rita: Browser, call: Call) -> None:
    call("domain set", name="x.org", settings={"alert-hour": "20"})
    assert "of 20</span>" in rita.get("/admin/").page


def test_an_administrator_of_one_domain_sees_no_other(olga: Browser) -> None:
    page = olga.get("/admin/").page
    assert "x.org" in page
    assert "y.org" not in page


def test_what_an_outage_is_about_is_said_and_escaped(rita: Browser, call: Call) -> None:
    call("contain on", name="x.org", note="<b>")
    page = rita.get("/admin/").page
    assert "cut off" in page
    assert "<b>" not in page


def change(state: str, time: int, reason: str = "") -> StateChange:
    return StateChange("id", "x.org", iso(time), state, reason, "", 0)


def test_the_chart_of_health_begins_with_what_the_first_change_ended() -> None:
    now = 100 * DAY
    drawn = health_band(
        [change("recovering", now - HOUR), change("down", now - DAY, "<x>")], "recovering", now - 7 * DAY, now
    )
    assert [each.split('"')[0] for each in drawn.split('class="state-')[1:]] == ["recovering", "down", "up"]
    assert "<x>" not in drawn


def test_what_was_before_a_home_server_was_first_up_is_not_made_up() -> None:
    drawn = health_band([change("up", 100 * DAY - HOUR)], "up", 93 * DAY, 100 * DAY)
    assert drawn.count('class="state-') == 1


def test_the_chart_of_a_home_that_never_changed_is_of_its_state() -> None:
    assert 'class="state-up"' in health_band([], "up", 0, DAY)


def test_what_was_done_is_said_to_a_reader_and_swallowed_by_nobody_else(rita: Browser) -> None:
    said = "x.org is a user now"
    assert rita.send("/admin/users", address="carl@x.org").location == "/admin/user/carl@x.org/"
    page = "/admin/users"
    live = rita.get(page, Sec_Fetch_Dest="empty", Sec_Fetch_Mode="cors")  # a list of another tab renews itself
    assert live.code == 200
    assert rita.head(page).code == 200
    assert rita.get("/admin/tracking.csv").code == 200
    assert said in rita.get(page).page
    assert said not in rita.get(page).page


def test_the_reason_is_said_once_where_redelivery_is_paused_as_well(
    rita: Browser, portal: Portal, clock: ManualClock
) -> None:
    books = Books(portal.control.store, clock, "paused.example")
    books.redirect("anna")
    books.run(home_state.pause, domain=books.domain.id, reason="550 who are you")
    page = rita.get("/admin/").page
    assert page.count("550 who are you") == 1
    assert rita.get("/admin/domain/paused.example/").page.count("550 who are you") == 1
