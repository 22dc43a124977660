"""The pages about a domain: its state, its planned outages, its Continuity Service."""

from __future__ import annotations

import pytest

from mpcontinuity.store.statement import Statement
from tests.admin.portal.browser import Browser, Portal
from tests.archive.archived import archive, text
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES[:1], indirect=True)

PAGE = "/admin/domain/x.org/"
SETTINGS = f"{PAGE}continuity"
_BODY = Statement("UPDATE owed SET body = :body WHERE id = :id")


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


def test_what_both_have_changed_is_said_and_changed_only_when_it_is_sent_again(rita: Browser, call: Call) -> None:
    form = rita.get(SETTINGS).hidden(SETTINGS)
    call("domain set", name="x.org", settings={"alert-day": "77", "kept-days": "3"})  # by somebody else, meanwhile
    shown = rita.post(SETTINGS, {**form, "alert-day": "20", "alert-hour": "5", "kept-days": "0"})
    assert shown.code == 409
    assert "Somebody else has changed this meanwhile, so nothing was saved." in shown.page
    assert "Somebody else has set this to 77 meanwhile." in shown.page
    assert 'name="alert-day" type="text" value="20"' in shown.page
    assert 'name="alert-hour" type="text" value="5"' in shown.page
    row = call("domain show", name="x.org")
    assert (row["alert-day"], row["alert-hour"], row["kept-days"]) == (77, 0, 3)
    again = {**shown.hidden(SETTINGS), "alert-day": "20", "alert-hour": "5", "kept-days": "3"}
    assert rita.post(SETTINGS, again).location == SETTINGS
    row = call("domain show", name="x.org")
    assert (row["alert-day"], row["alert-hour"], row["kept-days"]) == (20, 5, 3)


def test_storage_is_set_and_a_number_that_will_not_do_is_said_at_its_field(rita: Browser, call: Call) -> None:
    shown = rita.get(SETTINGS)
    assert "Save storage" in shown.page
    form = shown.hidden(SETTINGS)
    for key in ("quota", "mailboxes", "total-quota"):
        wrong = rita.post(SETTINGS, {**form, key: "much"})
        assert wrong.code == 400
        assert f'aria-describedby="{key}-error {key}-hint"' in wrong.page
        assert f'name="{key}" type="text" value="much"' in wrong.page
    given = {"quota": "1073741824", "mailboxes": "50", "total-quota": "9073741824"}
    assert rita.post(SETTINGS, {**form, **given}).location == SETTINGS
    row = call("domain show", name="x.org")
    assert (row["quota"], row["mailboxes"], row["total-quota"]) == (1 << 30, 50, 9073741824)


def test_access_tokens_of_home_are_set_and_their_secret_is_shown_to_nobody(rita: Browser, call: Call) -> None:
    form = rita.get(SETTINGS).hidden(SETTINGS)
    wrong = rita.post(SETTINGS, {**form, "home-imap-oauth": "nonsense"})
    assert wrong.code == 400
    assert 'aria-describedby="home-imap-oauth-error home-imap-oauth-hint"' in wrong.page
    url = "https://client:hushhush@login.example/token?scope=x"
    assert rita.post(SETTINGS, {**form, "home-imap-oauth": url}).location == SETTINGS
    page = rita.get(SETTINGS).page
    assert "login.example/token" in page
    assert "hushhush" not in page


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


class TestKept:
    KEPT = f"{PAGE}kept"

    @pytest.fixture
    def kept(self, call: Call, portal: Portal, clock: ManualClock) -> Books:
        """Three messages, of which one mentions an invoice; the home server is not cut off any more."""
        books = Books(portal.control.store, clock, "kept.example")
        call("contain on", name="kept.example")
        for number, words in enumerate(("invoice 7", "advertisement", "news")):
            row = books.redirect("anna" if number else "bert")
            body = archive(books.store, text(words), domain=books.domain.id)
            books.run(lambda tx, row=row, body=body: tx.run(_BODY, id=row, body=body.id))
        call("contain off", name="kept.example")
        return books

    @property
    def page(self) -> str:
        return self.KEPT.replace("x.org", "kept.example")

    def test_a_domain_where_nothing_is_kept_says_so(self, rita: Browser) -> None:
        assert "Nothing is kept." in rita.get(self.KEPT).page

    @pytest.mark.usefixtures("kept")
    def test_it_is_listed_and_released_one_by_one(self, rita: Browser, call: Call) -> None:
        assert "3 messages are kept" in rita.get(self.page).page
        wrong = rita.send(self.page, act="chosen")
        assert wrong.code == 400
        assert "Choose messages first." in wrong.page
        [first, *_] = call("contain list", domain="kept.example")
        assert rita.send(self.page, act="chosen", id=first["id"]).location == self.page
        assert "To the home server go now: 1. Still kept: 2." in rita.get(self.page).page
        assert call("status", domain="kept.example")[0]["kept"] == 2
        [note] = [row for row in call("audit", domain="kept.example") if row["operation"] == "contain release"]
        assert (note["by"], note["result"]) == ("rita", "done")

    @pytest.mark.usefixtures("kept")
    def test_what_a_query_shows_is_what_its_release_takes(self, rita: Browser, call: Call) -> None:
        found = f"{self.page}?query=invoice"
        page = rita.get(found).page
        assert "bert@kept.example" in page
        assert "anna@kept.example" not in page
        form = rita.get(found).hidden(self.page)
        unsure = rita.post(self.page, {**form, "act": "all"})
        assert unsure.code == 400
        assert "cannot be taken back" in unsure.page
        assert call("status", domain="kept.example")[0]["kept"] == 3
        assert rita.post(self.page, {**form, "act": "all", "sure": "yes"}).location == found
        assert call("status", domain="kept.example")[0]["kept"] == 2
        assert "Nothing of what is kept is found." in rita.get(found).page
        wrong = rita.get(f"{self.page}?query=before:nonsense")
        assert wrong.code == 400
        assert 'aria-describedby="query-error' in wrong.page

    @pytest.mark.usefixtures("kept")
    def test_while_home_is_cut_off_it_is_shown_and_nothing_can_be_released(self, rita: Browser, call: Call) -> None:
        form = rita.get(self.page).hidden(self.page)
        call("contain on", name="kept.example")
        page = rita.get(self.page).page
        assert "is cut off since" in page
        assert 'name="sure"' not in page
        late = rita.post(self.page, {**form, "act": "all", "sure": "yes"})
        assert late.code == 400
        assert "is cut off, so that nothing may go there" in late.page
        assert call("status", domain="kept.example")[0]["kept"] == 3
