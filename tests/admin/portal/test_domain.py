"""The pages about a domain: its state, its planned outages, its Continuity Service."""

from __future__ import annotations

import pytest

from tests.admin.portal.browser import Browser
from tests.conftest import DATABASES
from tests.control.conftest import Call

pytestmark = pytest.mark.parametrize("database", DATABASES[:1], indirect=True)

PAGE = "/admin/domain/x.org/"
SETTINGS = f"{PAGE}continuity"


def test_the_overview_has_state_charts_and_what_to_do_next(rita: Browser) -> None:
    shown = rita.get(PAGE)
    assert shown.code == 200
    assert "home.x.org:25" in shown.page
    assert shown.page.count("<svg class=") - shown.page.count('<svg class="icon"') == 5
    assert "nobody hears" in shown.page
    assert rita.get("/admin/domain/none.example/").code == 404


def test_an_outage_is_planned_extended_and_ended(rita: Browser, call: Call) -> None:
    wrong = rita.send(f"{PAGE}plan", PAGE, **{"from": "2001-01-01T00:00", "until": "2001-01-02T00:00", "note": "disks"})
    assert wrong.code == 400
    assert 'value="disks"' in wrong.page
    assert "past" in wrong.page
    sent = rita.send(f"{PAGE}plan", PAGE, **{"from": "1h", "until": "3h", "note": "<disks>"})
    assert sent.location == PAGE
    shown = rita.get(PAGE).page
    assert "The outage is planned." in shown
    assert "&lt;disks&gt;" in shown
    [plan] = call("domain plan list", domain="x.org")
    assert rita.send(f"{PAGE}plan/extend", PAGE, later="5h").location == PAGE
    assert call("domain plan list", domain="x.org")[0]["until"] > plan["until"]
    assert rita.send(f"{PAGE}plan/end", PAGE).location == PAGE
    assert not call("domain plan list", domain="x.org")


def test_a_home_server_is_cut_off_and_let_back(rita: Browser, call: Call) -> None:
    assert rita.send(f"{PAGE}contain", PAGE, why="broken into").location == PAGE
    assert call("status", domain="x.org")[0]["contained"]
    assert rita.send(f"{PAGE}contain", PAGE).location == PAGE
    assert not call("status", domain="x.org")[0]["contained"]


def test_only_what_was_changed_in_the_form_is_changed(rita: Browser, call: Call) -> None:
    shown = rita.get(SETTINGS)
    form = shown.hidden(SETTINGS)
    call("domain set", name="x.org", settings={"alert-day": "77"})  # by somebody else, meanwhile
    sent = rita.post(SETTINGS, {**form, "alert-hour": "20", "alert-day": "0", "continuity": "off", "mode": "disabled"})
    assert sent.location == SETTINGS
    row = call("domain show", name="x.org")
    assert (row["alert-hour"], row["alert-day"], row["continuity"]) == (20, 77, False)
    assert "hold from now on" in rita.get(SETTINGS).page


def test_a_value_that_will_not_do_is_said_at_its_field_and_changes_nothing(rita: Browser, call: Call) -> None:
    before = call("domain show", name="x.org")
    form = rita.get(SETTINGS).hidden(SETTINGS)
    shown = rita.post(SETTINGS, {**form, "alert-hour": '"><script>', "kept-days": "7"})
    assert shown.code == 400
    assert 'aria-describedby="alert-hour-error alert-hour-hint"' in shown.page
    assert "&#34;&gt;&lt;script&gt;" in shown.page
    assert 'name="kept-days" type="text" value="7"' in shown.page
    assert call("domain show", name="x.org") == before


def test_a_mode_can_have_an_end(rita: Browser, call: Call) -> None:
    form = rita.get(SETTINGS).hidden(SETTINGS)
    assert rita.post(SETTINGS, {**form, "mode": "enabled", "until": "8h"}).location == SETTINGS
    row = call("domain show", name="x.org")
    assert row["mode"] == "enabled"
    assert row["mode-until"]


def test_an_administrator_of_the_domain_sees_what_others_set_and_cannot_set_it(olga: Browser, call: Call) -> None:
    shown = olga.get(SETTINGS)
    assert "home.x.org:25" in shown.page
    assert 'name="home"' not in shown.page
    assert olga.post(SETTINGS, {**shown.hidden(SETTINGS), "home": "evil.example", "was-home": ""}).code == 400
    assert call("domain show", name="x.org")["home"] == "home.x.org:25"
    assert olga.get("/admin/domain/y.org/continuity").code == 403


def test_addresses_hear_and_hear_no_more(rita: Browser, call: Call) -> None:
    assert rita.send(f"{SETTINGS}/alerts", SETTINGS, email="no address").code == 400
    assert rita.send(f"{SETTINGS}/alerts", SETTINGS, email="oncall@far.example").location == SETTINGS
    assert [row["email"] for row in call("alert list", domain="x.org")] == ["oncall@far.example"]
    assert rita.send(f"{SETTINGS}/alerts/remove", SETTINGS).location == SETTINGS
    assert not call("alert list", domain="x.org")


def test_all_users_are_opted_in_and_the_mode_follows(rita: Browser, call: Call) -> None:
    call("user add", address="anna@x.org")
    assert rita.send(f"{SETTINGS}/all-users", SETTINGS).location == SETTINGS
    assert "1 users were opted in" in rita.get(SETTINGS).page
    assert call("domain show", name="x.org")["mode"] == "optional"


def test_a_test_without_a_server_and_an_adoption_of_nobody_say_so(rita: Browser) -> None:
    assert "only a running server can test" in rita.send(f"{SETTINGS}/test", SETTINGS, recipient="").page.lower()
    form = rita.get(SETTINGS).hidden(SETTINGS)
    assert "Choose at least one address." in rita.post(f"{SETTINGS}/adopt", form).page


def test_a_domain_is_added_and_removed_by_its_name(rita: Browser, call: Call) -> None:
    wrong = rita.send("/admin/domains", name="no domain", home="home.example")
    assert wrong.code == 400
    assert 'aria-describedby="name-error"' in wrong.page
    sent = rita.send("/admin/domains", name="new.example", home="home.new.example")
    assert sent.location == "/admin/domain/new.example/dns"
    assert call("domain show", name="new.example")["home"] == "home.new.example:25"
    remove = "/admin/domain/new.example/remove"
    assert rita.send(remove, name="x.org").code == 400
    assert call("domain list", domain="new.example")
    assert rita.send(remove, name="new.example").location == "/admin/domains"
    assert "new.example is removed." in rita.get("/admin/domains").page


def test_an_administrator_of_one_domain_adds_and_removes_none(olga: Browser) -> None:
    page = olga.get("/admin/domains").page
    assert "y.org" not in page
    assert 'name="home"' not in page
    csrf = olga.get("/admin/account").hidden()
    assert olga.post("/admin/domains", {**csrf, "name": "new.example", "home": "h.example"}).code == 403
    assert olga.post("/admin/domain/x.org/remove", {**csrf, "name": "x.org"}).code == 403


def test_a_drill_is_begun_reported_and_ended(rita: Browser, call: Call) -> None:
    call("user add", address="anna@x.org", password="anna's own")
    page = f"{PAGE}drills"
    assert "no such user" in rita.send(page, user="none@x.org", **{"for": "1h"}).page
    assert rita.send(page, user="anna@x.org", **{"for": "nonsense"}).code == 400
    assert rita.send(page, user="anna@x.org", **{"for": "1h"}).location == page
    [drill] = call("drill list", domain="x.org")
    shown = rita.get(f"{page}?report={drill['id']}").page
    assert "0 of 1 have logged in" in shown
    assert rita.send(f"{page}/end", page).location == page
    assert call("drill list", domain="x.org")[0]["state"] == "ended"
    assert rita.get(f"{page}?report=nonsense").code == 400
