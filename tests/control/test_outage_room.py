"""The outage room: what happened, in order and by whom, what users and senders notice, and what is told to users."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpcontinuity.accounts import logins
from mpcontinuity.accounts.logins import Login
from mpcontinuity.alerts.first_logins import FirstLogins
from mpcontinuity.alerts.notices import Notices
from mpcontinuity.alerts.service import Step, Watcher
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.control.test_outages import Alerts
from tests.fakes.clock import SeededRandomness
from tests.queue.ledgers import Books

DELIVERED = Statement("UPDATE owed SET state = 'delivered', ended = :now")


@pytest.fixture
def alerts(control: Control, books: Books) -> Alerts:
    made = Alerts(control, books)
    steps: list[Step] = [Notices(control.store, control.settings), FirstLogins(control.store)]
    made.watcher = Watcher(control.store, control.settings, SeededRandomness(), steps=steps)
    return made


def log_in(books: Books, name: str, door: str = "IMAP") -> None:
    login = Login(books.accounts[name], door, "192.0.2.7", books.clock.now())
    books.run(logins._write, batch={(login.account, 0): login})


def texts(room: Any) -> list[str]:
    """The oldest first."""
    return [row["text"] for row in room["timeline"]][::-1]


def test_an_outage_is_told_from_the_first_failure_to_the_last_message(call: Call, books: Books, alerts: Alerts) -> None:
    call("domain set", name="example.org", settings={"notify-users": "on"})
    books.clock.advance(600)
    books.redirect("anna")
    books.clock.advance(10)
    alerts.down()
    call("outage act", domain="example.org", act="start", lasts="8h")
    books.clock.advance(60)
    log_in(books, "anna")
    alerts.look(10)
    log_in(books, "bert", "POP3")
    alerts.look(70)
    call("outage act", domain="example.org", act="extend", lasts="1h")
    call("outage act", domain="example.org", act="snooze", lasts="1h")
    call("outage act", domain="example.org", act="stop")
    books.home_becomes(State.RECOVERING)
    alerts.look()
    books.clock.advance(60)
    books.home_becomes(State.UP)
    books.run(lambda tx: tx.run(DELIVERED, now=tx.now))
    alerts.look()
    room = call("outage room", domain="example.org")
    assert room["outage"]["id"] == call("outage list")[0]["id"]
    times = [row["time"] for row in room["timeline"]]
    assert times == sorted(times, reverse=True)
    said = texts(room)
    wanted = (
        "The first message was kept here",
        "The home server was not reached: no connection",
        "Those who hear of the domain were told by mail that its home server is down",
        r"Declared an outage \(lasts=8h\)",
        "The first user logged in here",
        r"Extended the declared outage \(lasts=1h\)",
        r"Silenced the mails about the outage \(lasts=1h\)",
        "Ended the declared outage",
        "The home server answers again",
        "Those who hear of the domain were told by mail that its home server is up again",
        "The home server serves again: all that was owed has been tried",
        "All that was kept is dealt with: of 1 messages 1 are home",
    )
    places = [next(n for n, text in enumerate(said) if re.fullmatch(each, text)) for each in wanted]
    assert places == sorted(places), said
    assert 'Users were told "Your mail of example.org goes on at localhost": 0 in INBOX, 0 at other' in " ".join(said)
    assert "The outage began: the home server did not take mail" in said
    assert "The outage ended" in said
    assert {row["by"] for row in room["timeline"] if row["kind"] == "act"} == {"root"}
    (login,) = [row for row in room["timeline"] if row["kind"] == "login"]
    assert login["time"] < next(row["time"] for row in room["timeline"] if row["text"].startswith("Extended"))
    assert sum(hour["redirected"] for hour in room["hours"]) == 1
    assert room["whole"]


def test_who_came_and_by_what_and_who_never_did_is_said(call: Call, books: Books, alerts: Alerts) -> None:
    alerts.down()
    log_in(books, "anna", "IMAP")
    access = call("outage room", domain="example.org")["access"]
    assert access["came"] == [{"protocol": "IMAP", "users": 1}]
    assert (access["users"], access["never"], access["never_users"]) == (2, 1, ["bert@example.org"])
    assert access["since"] == call("outage list")[0]["began"]
    assert [place["protocol"] for place in access["places"]] == ["IMAP", "POP3", "SMTP"]
    assert (access["webmail"], access["setup"]) == ("https://localhost:8443/", "https://localhost:8443/setup")


def test_before_any_outage_the_room_has_texts_that_are_ready(call: Call, books: Books) -> None:
    room = call("outage room", domain="example.org")
    assert (room["outage"], room["timeline"], room["hours"], room["whole"]) == (None, [], [], True)
    assert room["texts_about"] == "prepared"
    assert [text["kind"] for text in room["texts"]] == ["mail", "sms", "intranet"]
    assert "does not serve at present" in room["texts"][0]["text"]
    assert room["senders"][0].startswith("Nothing: mail goes to the home server")


def test_texts_have_the_very_values_and_change_when_home_is_back(call: Call, books: Books, alerts: Alerts) -> None:
    alerts.down()
    room = call("outage room", domain="example.org")
    assert room["texts_about"] == "outage"
    for text in room["texts"]:
        assert re.search(r"https://localhost:8443/$", text["text"], re.MULTILINE)
    for text in (room["texts"][0], room["texts"][2]):
        assert "https://localhost:8443/setup" in text["text"]
        assert "IMAP: localhost, port 1993, SSL/TLS" in text["text"]
    assert len(room["texts"][1]["text"]) <= 160
    books.home_becomes(State.UP)
    alerts.look()
    room = call("outage room", domain="example.org")
    assert room["texts_about"] == "end"
    assert "serves again" in room["texts"][0]["text"]
    assert len(room["texts"][1]["text"]) <= 160
    books.clock.advance(86_500)
    assert call("outage room", domain="example.org")["texts_about"] == "prepared"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "addresses that are no users here"),
        ({"unregistered": "hold"}, "is held as well"),
        ({"redirect-on": "outage"}, "refuses for a while by policy"),
        ({"continuity": "off"}, "continuity is off"),
    ],
)
def test_what_senders_notice_follows_from_the_settings(
    call: Call, books: Books, settings: dict[str, str], said: str
) -> None:
    if settings:
        call("domain set", name="example.org", settings=settings)
    books.home_becomes(State.DOWN, "no connection")
    assert said in " ".join(call("outage room", domain="example.org")["senders"])


def test_an_earlier_outage_is_shown_by_its_id_and_none_of_another_domain(
    call: Call, books: Books, alerts: Alerts
) -> None:
    other = Books(books.store, books.clock, "other.org")
    books.home_becomes(State.DOWN, "the first")
    alerts.look()
    books.home_becomes(State.UP)
    alerts.look(3600)
    books.home_becomes(State.DOWN, "the second")
    other.home_becomes(State.DOWN, "theirs")
    alerts.look(3600)
    listed = call("outage list", domain="example.org")
    assert [row["reason"] for row in listed] == ["the second", "the first"]
    assert call("outage room", domain="example.org")["outage"]["id"] == listed[0]["id"]
    room = call("outage room", domain="example.org", id=listed[1]["id"])
    assert room["outage"] == listed[1]
    assert "the first" in " ".join(texts(room))
    assert "the second" not in " ".join(texts(room))
    assert room["texts_about"] == "outage"  # texts are about now, whatever is shown
    (theirs,) = call("outage list", domain="other.org")
    for wrong, kind in ((theirs["id"], "unknown"), (identifier.show(1), "unknown"), ("x", "invalid")):
        with pytest.raises(Refused) as refused:
            call("outage room", domain="example.org", id=wrong)
        assert refused.value.kind == kind


def test_a_planned_outage_is_in_its_room_with_who_planned_it(call: Call, books: Books, alerts: Alerts) -> None:
    call("domain plan", name="example.org", begin="1h", until="2h", note="new disks")
    alerts.look(3700)
    room = call("outage room", domain="example.org")
    assert [(one["what"], one["by"], one["note"]) for one in room["declared"]] == [("plan", "root", "new disks")]
    assert "The planned outage began: new disks" in texts(room)
    alerts.look(3700)
    assert "The planned outage ended" in texts(call("outage room", domain="example.org"))
