"""Outages are listed and shown, and done something about: by administrators, and by the link in an alert."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import audit, links
from mpcontinuity.alerts import subscribers
from mpcontinuity.alerts.service import Watcher
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Refused
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import result
from tests.queue.ledgers import Books

HOUR = 3600


class Alerts:
    """Watches example.org, of which it@far.example hears."""

    def __init__(self, control: Control, books: Books) -> None:
        self.control = control
        self.books = books
        self.watcher = Watcher(control.store, control.settings, SeededRandomness())
        books.run(subscribers.add, domain=books.domain.id, address=parse("it@far.example"))
        self.look()

    def look(self, seconds: float = 5) -> None:
        self.books.clock.advance(seconds)
        result(Deferred.fromCoroutine(self.watcher.look()))

    def mails(self) -> list[str]:
        """That wait to be sent."""
        from mpcontinuity.model.body import Body

        found = self.books.read(
            lambda tx: tx.all(
                Statement(
                    'SELECT body.id, pack, body."offset", length, prefix, crc FROM outgoing'
                    " JOIN body ON body.id = outgoing.body ORDER BY outgoing.id"
                )
            )
        )
        contents = [result(self.books.store.bodies.read(Body(*columns))) for columns in found]
        return [content.replace(b"=\r\n", b"").decode() for content in contents]

    def secret(self) -> str:
        """Of the link in the newest mail."""
        (found,) = re.findall(r"/outage/([a-z2-7]{40})", self.mails()[-1])
        return str(found)

    def down(self) -> str:
        """For five minutes. The secret of the mail about it."""
        self.books.home_becomes(State.DOWN, "no connection")
        self.look()
        self.look(301)
        return self.secret()


@pytest.fixture
def alerts(control: Control, books: Books) -> Alerts:
    return Alerts(control, books)


def test_a_mail_about_an_outage_leads_to_its_room(alerts: Alerts) -> None:
    alerts.down()
    assert "https://localhost:8443/admin/domain/example.org/outage\r\n" in alerts.mails()[-1]


def test_an_outage_is_listed_while_it_lasts_and_shown_with_its_report(call: Call, books: Books, alerts: Alerts) -> None:
    row = books.redirect("anna")
    alerts.down()
    (listed,) = call("outage list")
    assert (listed["domain"], listed["causes"], listed["reason"]) == ("example.org", ["down"], "no connection")
    assert (listed["ended"], listed["recovered"], listed["taken_in"]) == (None, None, None)
    books.home_becomes(State.UP)
    books.run(lambda tx: tx.run(Statement("UPDATE owed SET state = 'delivered', ended = :now"), now=tx.now))
    alerts.look()
    (listed,) = call("outage list", domain="example.org", since="1h")
    assert (listed["taken_in"], listed["delivered"], listed["open"]) == (1, 1, 0)
    shown = call("outage show", id=listed["id"])
    assert shown.items() >= listed.items()
    assert [user["user"] for user in shown["users"]] == ["anna@example.org"]
    assert set(shown["told"]) == {"down", "up"}
    assert shown["longest_wait"] > 300
    assert row
    assert call("outage list", since="1s") == []


@pytest.mark.parametrize("outage", ["x", "", "0" * 14, identifier.show(1)])
def test_an_outage_that_is_none_is_refused(call: Call, books: Books, outage: str) -> None:
    with pytest.raises(Refused) as refused:
        call("outage show", id=outage)
    assert refused.value.kind in ("invalid", "unknown")


def test_an_outage_of_another_domain_is_as_one_that_is_not_there(call: Call, books: Books, alerts: Alerts) -> None:
    Books(books.store, books.clock, "other.org")
    alerts.down()
    (listed,) = call("outage list")
    with pytest.raises(Refused, match="no such outage"):
        call("outage show", id=listed["id"], domain="other.org")


def test_an_event_is_started_extended_and_stopped(call: Call, books: Books) -> None:
    assert "declared until" in call("outage act", domain="example.org", act="start", lasts="2h")["done"]
    assert call("status")[0]["mode"] == "enabled"
    call("outage act", domain="example.org", act="extend", lasts="2h")
    books.clock.advance(3 * HOUR)
    assert call("status")[0]["mode"] == "enabled"
    call("outage act", domain="example.org", act="stop")
    assert call("status")[0]["mode"] == "disabled"


def test_a_mode_with_an_end_is_extended_and_any_is_stopped(call: Call, books: Books) -> None:
    call("domain set", name="example.org", settings={"mode": "enabled"}, until="1h")
    call("outage act", domain="example.org", act="extend", lasts="3h")
    books.clock.advance(2 * HOUR)
    assert call("status")[0]["mode"] == "enabled"
    call("domain set", name="example.org", settings={"mode": "enabled"})
    with pytest.raises(Refused, match="has no end"):
        call("outage act", domain="example.org", act="extend")
    call("outage act", domain="example.org", act="stop")
    assert call("status")[0]["mode"] == "disabled"


@pytest.mark.parametrize("act", ["extend", "stop", "snooze"])
def test_nothing_is_done_about_no_outage(call: Call, books: Books, act: str) -> None:
    with pytest.raises(Refused) as refused:
        call("outage act", domain="example.org", act=act)
    assert refused.value.kind == "conflict"


@pytest.mark.parametrize("lasts", ["", "0s", "59s", "8d", "-1h", "1e9h", "four hours", "999999999d"])
@pytest.mark.parametrize("act", ["start", "extend", "snooze"])
def test_a_time_out_of_bounds_is_one_line_and_changes_nothing(call: Call, books: Books, act: str, lasts: str) -> None:
    with pytest.raises(Refused, match=r"^for: "):
        call("outage act", domain="example.org", act=act, lasts=lasts)
    assert call("status")[0]["mode"] == "disabled"


def test_what_is_declared_already_is_not_started_and_a_plain_relay_never(call: Call, books: Books) -> None:
    call("outage act", domain="example.org", act="start")
    with pytest.raises(Refused, match="already"):
        call("outage act", domain="example.org", act="start")
    call("outage act", domain="example.org", act="stop")
    call("domain set", name="example.org", settings={"continuity": "off"})
    with pytest.raises(Refused, match="continuity is off"):
        call("outage act", domain="example.org", act="start")


# By a link


def test_a_link_does_what_it_says_for_a_day_and_each_use_is_audited(call: Call, books: Books, alerts: Alerts) -> None:
    secret = alerts.down()
    shown = call("outage link", token=secret)
    assert (shown["domain"], shown["to"], shown["declared"]) == ("example.org", "it@far.example", False)
    assert shown["outage"]["causes"] == ["down"]
    for act in ("start", "extend", "snooze", "stop"):
        assert call("outage redeem", token=secret, act=act, lasts="1h")["domain"] == "example.org"
    rows = books.read(audit.listing, domain="example.org", name="", since=0, before=identifier.LAST, limit=100)
    by_link = [(row.name, row.object) for row in rows if row.origin == "a link in an alert"]
    assert by_link == [
        ("it@far.example by a link", f"act={act} lasts=1h") for act in ("stop", "snooze", "extend", "start")
    ]
    assert secret not in str(rows)
    books.clock.advance(24 * HOUR)
    with pytest.raises(Refused, match="expired"):
        call("outage redeem", token=secret, act="start")


def test_a_snooze_by_link_silences_what_would_have_come(call: Call, books: Books, alerts: Alerts) -> None:
    call("outage act", domain="example.org", act="start", lasts="2d")
    secret = alerts.down()
    before = len(alerts.mails())
    call("outage redeem", token=secret, act="snooze", lasts="6h")
    assert call("outage list")[0]["snoozed_until"] is not None
    alerts.look(5 * HOUR)
    assert len(alerts.mails()) == before
    alerts.look(2 * HOUR)
    assert len(alerts.mails()) == before + 1


def altered(secret: str) -> list[Any]:
    other = "b" if secret[5] == "a" else "a"
    return ["", "x", secret[:-1], secret + "a", f"{secret[:5]}{other}{secret[6:]}", "é" * 40, "a" * 100_000, "\0" * 40]


def test_a_link_that_was_altered_is_refused_and_changes_nothing(call: Call, books: Books, alerts: Alerts) -> None:
    secret = alerts.down()
    for token in altered(secret):
        for operation, more in (("outage link", {}), ("outage redeem", {"act": "start"})):
            with pytest.raises(Refused) as refused:
                call(operation, token=token, **more)
            assert len(str(refused.value)) < 200
    assert call("status")[0]["mode"] == "disabled"


def test_a_link_is_good_for_its_own_domain_and_no_other(call: Call, books: Books, alerts: Alerts) -> None:
    Books(books.store, books.clock, "other.org")
    secret = alerts.down()
    for operation, more in (("outage link", {}), ("outage redeem", {"act": "start"})):
        with pytest.raises(Refused, match="another domain"):
            call(operation, token=secret, domain="other.org", **more)
    assert {row["mode"] for row in call("status")} == {"disabled"}


def test_what_a_link_cannot_do_does_not_use_it_up(call: Call, books: Books, alerts: Alerts) -> None:
    secret = alerts.down()
    with pytest.raises(Refused, match="no outage is declared"):
        call("outage redeem", token=secret, act="stop")
    assert call("outage redeem", token=secret.upper(), act="start")["act"] == "start"


def test_an_outage_that_is_over_is_not_silenced_nor_the_next_by_its_link(
    call: Call, books: Books, alerts: Alerts
) -> None:
    secret = alerts.down()
    books.home_becomes(State.UP)
    alerts.look()
    with pytest.raises(Refused, match="is over"):
        call("outage redeem", token=secret, act="snooze")
    books.home_becomes(State.DOWN)
    alerts.look()
    with pytest.raises(Refused, match="is over"):
        call("outage redeem", token=secret, act="snooze")


def test_a_link_about_a_domain_that_is_gone_is_refused(call: Call, books: Books, alerts: Alerts) -> None:
    secret = alerts.down()
    call("domain remove", name="example.org", force=True)
    with pytest.raises(Refused, match="not here any more"):
        call("outage redeem", token=secret, act="start")


def test_an_invitation_is_no_link_of_an_alert(call: Call, books: Books) -> None:
    secret = links.secret(SeededRandomness(3))
    books.run(links.make, purpose=links.INVITATION, secret=secret, subject="x", about="y")
    with pytest.raises(Refused, match="no such link"):
        call("outage redeem", token=secret, act="start")
