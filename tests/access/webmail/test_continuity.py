"""The line about continuity on every page, the choice to opt in, and the way to set up a telephone."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.access.webmail.sentence import sentence
from mpcontinuity.accounts import domains, home_state
from mpcontinuity.control.bulletin import Bulletin
from mpcontinuity.model.clock import HOUR, MINUTE
from mpcontinuity.queue.balance import Sums
from mpcontinuity.routing.health import Health, State
from mpcontinuity.web.languages import ENGLISH
from tests.access.webmail.office import ANNA, Office
from tests.admin.portal.browser import Browser
from tests.control.conftest import Call
from tests.fakes.clock import START
from tests.fakes.stores import result


def home_is_down(office: Office) -> None:
    store = office.store
    domain = result(store.read(partial(domains.known, name="example.org")))
    known, _ = result(store.read(home_state.load))[domain.id]
    down = Health(State.DOWN, store.clock.now(), "no answer")
    assert result(store.run(partial(home_state.save, domain=domain.id, known=known, health=down, node="")))


@pytest.mark.parametrize("path", ["/", "/folders", "/phone", "/logout", "/mail/{folder}/", "/mail/{folder}/{uid}"])
def test_every_page_says_since_when_and_that_senders_notice_nothing(office: Office, anna: Browser, path: str) -> None:
    given = path.format(folder=office.folder().id, uid=office.put())
    assert "usual mail server" not in anna.get(given).page
    home_is_down(office)
    page = anna.get(given).page
    assert "Your usual mail server does not answer." in page
    assert 'Since <time datetime="2026-09-21T14:13:' in page
    assert "data-full>Mon 21 Sep 2026, 14:13 UTC</time> your mail comes here." in page
    assert "senders notice nothing" in page


def said(**told: object) -> str:
    found = sentence(ENGLISH, Bulletin(**told))  # type: ignore[arg-type]
    return found.text if found is not None else ""


def test_what_will_go_back_and_what_went_back_is_said_in_numbers() -> None:
    assert "1 message will go back" in said(phase="active", cause="down", since=START, waiting=1)
    assert "7 messages will go back" in said(phase="active", cause="down", since=START, waiting=7)
    assert "5 minutes more" in said(phase="returning", waiting=3, lasts=5 * MINUTE)
    assert "3 hours more" in said(phase="returning", waiting=3, lasts=3 * HOUR)
    over = said(phase="returned", since=START, ended=START + HOUR, sums=Sums("", taken_in=4, delivered=4))
    assert "All 4 messages of that time, received and sent, went back to your usual mailbox. 0 are missing." in over
    mixed = Sums("", taken_in=4, delivered=2, deleted=1, failed=1)
    over = said(phase="returned", since=START, ended=START + HOUR, sums=mixed)
    assert "2 messages went back" in over
    assert "1 that you deleted stays deleted." in over
    assert "1 was not taken by your usual mail server" in over
    assert "2 messages are missing" in said(phase="returned", since=START, ended=START, missing=2)


def test_there_is_a_choice_where_the_mode_is_optional_and_only_there(office: Office, anna: Browser, call: Call) -> None:
    assert "/continuity" not in anna.get("/").page
    call("domain set", name="example.org", settings={"mode": "optional"})
    shown = anna.get("/folders")
    assert "Have my mail here as well" in shown.page
    answer = anna.post("/continuity", shown.hidden("/continuity"))
    assert answer.location == "/folders"
    assert office.user().opt_in
    shown = anna.get("/folders")
    assert "copied to this mailbox" in shown.page
    assert "because you chose so" in shown.page
    anna.post("/continuity", shown.hidden("/continuity"))
    assert not office.user().opt_in
    assert anna.post("/continuity", {"on": "1"}).code == 403


def test_a_telephone_is_set_up_by_one_scan(anna: Browser) -> None:
    page = anna.get("/phone").page
    assert 'class="qr" src="data:image/svg+xml' in page
    assert f"/setup/phone?address={ANNA.replace('@', '%40')}" in page
