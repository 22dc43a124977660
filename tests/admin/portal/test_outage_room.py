"""The outage room in the portal: what it says with and without an outage, and what can be done on it."""

from __future__ import annotations

import re

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, home_state
from mpcontinuity.alerts.service import Watcher
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.transaction import Transaction
from tests.admin.portal.browser import Browser, Portal
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result

pytestmark = pytest.mark.parametrize("database", DATABASES[:1], indirect=True)

PAGE = "/admin/domain/x.org/outage"


class Home:
    """The home server of x.org, and the watcher of outages."""

    def __init__(self, portal: Portal, clock: ManualClock) -> None:
        self._store = portal.control.store
        self._clock = clock
        self._watcher = Watcher(self._store, portal.control.settings, SeededRandomness())

    def becomes(self, state: State, reason: str = "") -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, "x.org")
            known, _ = home_state.load(tx)[domain.id]
            health = Health(state, self._clock.now(), reason)
            home_state.save(tx, domain=domain.id, known=known, health=health, node="")

        result(self._store.run(work))
        self.look()

    def look(self, seconds: float = 5) -> None:
        self._clock.advance(seconds)
        result(Deferred.fromCoroutine(self._watcher.look()))


@pytest.fixture
def home(portal: Portal, clock: ManualClock) -> Home:
    made = Home(portal, clock)
    made.look()
    return made


def test_without_an_outage_the_room_says_so_and_has_a_text_ready(rita: Browser) -> None:
    shown = rita.get(PAGE)
    assert shown.code == 200
    assert "There was no outage of x.org yet." in shown.page
    assert "This is ready for the next outage" in shown.page
    assert "IMAP: mail.example.net, port 1993, SSL/TLS" in shown.page
    assert "Declare an outage" in shown.page
    assert "No more mails about it" not in shown.page


def test_a_planned_outage_stands_in_the_room_before_it_begins(rita: Browser, call: Call) -> None:
    call("domain plan", name="x.org", begin="1h", until="2h", note="<new disks>")
    page = rita.get(PAGE).page
    assert "by root: &lt;new disks&gt;" in page
    assert "There was no outage of x.org yet." in page


def test_the_part_that_renews_itself_asks_for_no_chart(rita: Browser, home: Home) -> None:
    home.becomes(State.DOWN, "no connection")
    assert '<svg class="bars"' in rita.get(PAGE).page
    renewed = rita.get(PAGE, Sec_Fetch_Dest="empty").page
    assert '<svg class="bars"' not in renewed
    assert "The home server was not reached" in renewed


def test_an_outage_is_told_with_what_users_and_senders_notice(rita: Browser, home: Home, call: Call) -> None:
    call("user add", address="anna@x.org")
    home.becomes(State.DOWN, "<b>no connection</b>")
    page = rita.get(PAGE).page
    assert "The home server was not reached: &lt;b&gt;no connection&lt;/b&gt;" in page
    assert "goes on" in page
    assert "1 have never logged in" in page
    assert "anna@x.org" in page
    assert "their mail is taken at once, as always" in page
    assert re.search(r"does not serve since \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
    assert 'href="/admin/domain/x.org/outage"' in rita.get("/admin/").page
    home.becomes(State.UP)
    page = rita.get(PAGE).page
    assert "The outage is over." in page
    assert "serves again since" in page


def test_an_outage_is_declared_extended_silenced_and_ended_from_the_room(rita: Browser, home: Home, call: Call) -> None:
    act = f"{PAGE}/act"
    sent = rita.send(act, PAGE, lasts="1h")
    assert sent.location == PAGE
    home.look()
    page = rita.get(PAGE).page
    assert re.search(r"An outage of x.org is declared until \d{4}-\d\d-\d\d \d\d:\d\d\.", page)
    assert page.count("eclared an outage") == 1  # by whom, and not again as what it came to
    assert "An outage was declared" not in page
    assert "Declared an outage (lasts=1h)" in page
    form = rita.get(PAGE).hidden(act)
    for what in ("extend", "snooze", "stop"):
        assert rita.post(act, {**form, "act": what, "lasts": "1h"}).location == PAGE
    assert call("status", domain="x.org")[0]["mode"] == "disabled"
    wrong = rita.post(act, {**form, "act": "stop"})
    assert wrong.code == 400
    assert "no outage is declared now" in wrong.page
    assert rita.post(act, {**form, "act": "start", "lasts": "900d"}).code == 400
    assert rita.post(act, {**form, "act": "nonsense"}).code == 400
    [begun] = [row for row in call("audit", domain="x.org") if "act=start lasts=1h" in row["object"]]
    assert (begun["by"], begun["operation"]) == ("rita", "outage act")


def test_all_users_are_told_and_a_text_that_is_refused_is_kept(rita: Browser, call: Call) -> None:
    call("user add", address="anna@x.org", password="anna's own")
    tell = f"{PAGE}/tell"
    wrong = rita.send(tell, PAGE, subject=" ", text="Go to\nthe browser.")
    assert wrong.code == 400
    assert "Go to\nthe browser.</textarea>" in wrong.page
    assert 'aria-describedby="subject-error"' in wrong.page
    sent = rita.send(tell, PAGE, subject="Mail goes on", text="Go to\nthe browser.")
    assert sent.location == PAGE
    assert "INBOX of 1 users" in rita.get(PAGE).page
    [told] = call("domain tell list", domain="x.org")
    assert (told["subject"], told["by"], told["users"]) == ("Mail goes on", "rita", 1)


def test_an_earlier_outage_has_a_room_of_its_own(rita: Browser, home: Home, call: Call) -> None:
    for reason in ("the first", "the second"):
        home.becomes(State.DOWN, reason)
        home.look(700)
        home.becomes(State.UP)
        home.look(700)
    page = rita.get(PAGE).page
    assert "The home server was not reached: the second" in page
    [path] = re.findall(r'href="(/admin/domain/x.org/outage\?id=\w+)"', page)
    page = rita.get(path).page
    assert "The home server was not reached: the first" in page
    assert "The home server was not reached: the second" not in page
    assert rita.get(f"{PAGE}?id=nonsense").code == 400
    assert rita.get(f"{PAGE}?id={'0' * 13}").code == 404


def test_another_domain_has_no_room_for_its_neighbours(olga: Browser) -> None:
    assert olga.get(PAGE).code == 200
    assert olga.get("/admin/domain/y.org/outage").code == 403
