from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model import imapurl, oauth
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.hosts import ROUTE
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books


@pytest.fixture
def domain(call: Call) -> Any:
    return call("domain add", name="Example.org", home="Home.example.org,[2001:db8::1]:2525")


def test_a_domain_has_its_name_in_lower_case_and_home_servers_with_their_ports(domain: Any) -> None:
    assert domain["domain"] == "example.org"
    assert domain["home"] == "home.example.org:25,[2001:db8::1]:2525"


def test_it_is_added_once(call: Call, domain: Any) -> None:
    with pytest.raises(Refused, match="is a domain here already"):
        call("domain add", name="EXAMPLE.ORG", home="other")


@pytest.mark.parametrize(
    "name", ["", "a b", "a@b.org", "-x.org", "x..org", "192.0.2.1", "[192.0.2.1]", "x/y", "a" * 64]
)
def test_what_is_no_domain_name_is_refused(call: Call, name: str) -> None:
    with pytest.raises(Refused, match="not a domain name"):
        call("domain add", name=name, home="home.example.org")


@pytest.mark.parametrize("home", ["localhost:1025", "127.0.0.1:1143", "home.example.org,127.0.0.1:1025"])
def test_one_of_our_own_listeners_is_no_home_server(call: Call, home: str) -> None:
    with pytest.raises(Refused, match="is a listener of this server"):
        call("domain add", name="example.org", home=home)
    assert call("domain list") == []


def test_our_own_name_is_ours_whatever_it_resolves_to(control: Control) -> None:
    named = replace(control, settings=Settings(hostname="mx.example.invalid"))
    add = OPERATIONS["domain add"]
    with pytest.raises(Refused, match="is a listener of this server"):
        result(add(named, {"name": "example.org", "home": "MX.example.invalid:1025"}))
    result(add(named, {"name": "example.org", "home": "mx.example.invalid:2525"}))


def test_our_own_imap_is_no_home_for_mail(call: Call, domain: Any) -> None:
    with pytest.raises(Refused, match=r"home-imap: 127\.0\.0\.1:1143: is a listener of this server"):
        call("domain set", name="example.org", settings={"home-imap": "imap://m:pw@127.0.0.1:1143"})


def test_another_port_or_address_of_this_machine_may_be_one(call: Call) -> None:
    call("domain add", name="a.org", home="127.0.0.1:2525")
    call("domain add", name="b.org", home="127.0.0.2:1025")


def test_a_domain_that_exists_cannot_be_set_to_our_own_listener_either(call: Call, domain: Any) -> None:
    with pytest.raises(Refused, match="is a listener of this server"):
        call("domain set", name="example.org", settings={"home": "127.0.0.1:1025"})


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"home": ""}, "home: not a host with an optional :port"),
        ({"home": "a b"}, 'home: "a b": not a host name or address'),
        ({"home": "a:0"}, 'home: "a:0": the port must be 1 to 65535'),
        ({"home-tls": "yes"}, 'home-tls: "yes": must be opportunistic, required, verify, off'),
        ({"home-tls-name": "a b"}, 'home-tls-name: "a b": must be a host name, or empty'),
        ({"home-tls-ca": "ca.pem"}, 'home-tls-ca: "ca.pem": give the whole path, beginning with /'),
        ({"home-tls-ca": "/nowhere"}, 'home-tls-ca: "/nowhere": the server cannot read it: No such file or directory'),
        ({"home-tls-ca": "/dev/null"}, 'home-tls-ca: "/dev/null": has no certificates in PEM form'),
        (
            {"home-tls-certificate": "a.pem"},
            'home-tls-certificate: "a.pem": give the whole path, beginning with /',
        ),
        (
            {"home-tls-certificate": "/nowhere"},
            'home-tls-certificate: "/nowhere": the server cannot read it: No such file or directory',
        ),
        (
            {"home-tls-certificate": "/dev/null"},
            'home-tls-certificate: "/dev/null": has no certificate in PEM form',
        ),
        ({"outbound-route": "smtp://a?tls=maybe"}, f'outbound-route: "smtp://a?tls=maybe": must be {ROUTE}, or empty'),
        ({"home-imap": "mail.example.org"}, f"home-imap: must be {imapurl.FORM}"),
        (
            {"home-imap": "imaps://m:pw@h/x"},
            "home-imap: has a path; a password with / in it needs %2F",
        ),
        ({"home-imap-oauth": "http://a:b@h"}, f"home-imap-oauth: must be {oauth.FORM}"),
        (
            {"home-imap-oauth": "/nowhere/key.json"},
            "home-imap-oauth: /nowhere/key.json: the server cannot read it: No such file or directory",
        ),
        ({"relay-check": "maybe"}, 'relay-check: "maybe": must be on or off'),
        ({"retention-days": "-1"}, 'retention-days: "-1": must be 0 to 36500'),
        ({"alert-hour": "many"}, 'alert-hour: "many": must be 0 to 999999999, 0 is off'),
        ({"home-networks": "10.0.0.1/8"}, "home-networks: has bits set beyond its mask; did you mean '10.0.0.0/8'?"),
        ({"mod": "enabled"}, "mod: no such setting; did you mean mode?"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_and_nothing_is_changed(
    call: Call, domain: Any, settings: dict[str, str], line: str
) -> None:
    before = call("domain show", name="example.org")
    with pytest.raises(Refused) as caught:
        call("domain set", name="example.org", settings={"bounce-policy": "disabled", **settings})
    assert str(caught.value) == line
    assert call("domain show", name="example.org") == before


@pytest.mark.parametrize(("key", "most"), [("quota", 1 << 50), ("total-quota", 1 << 50), ("mailboxes", 10_000)])
def test_a_quota_may_be_as_large_as_is_said(call: Call, domain: Any, key: str, most: int) -> None:
    assert call("domain set", name="example.org", settings={key: str(most)})[key] == most
    for more in (str(most + 1), "9" * 5000):
        with pytest.raises(Refused, match=f"{key}: "):
            call("domain set", name="example.org", settings={key: more})


def test_what_the_users_of_a_domain_store_is_shown_with_it(call: Call, store: Store, domain: Any) -> None:
    assert call("domain show", name="example.org")["stored"] == 0
    call("user add", address="anna@example.org")
    call("user add", address="bob@example.org")
    result(store.run(lambda tx: tx.run(Statement("UPDATE mailbox SET octets = 50 WHERE name = 'INBOX'"))))
    assert call("domain show", name="example.org")["stored"] == 100


def test_a_mode_may_have_an_end(call: Call, domain: Any) -> None:
    row = call("domain set", name="example.org", settings={"mode": "enabled"}, until="2h")
    assert row["mode"] == "enabled"
    assert row["mode-until"] == "2026-09-21T16:13:20+00:00"
    assert call("domain set", name="example.org", settings={"mode": "enabled"})["mode-until"] is None
    with pytest.raises(Refused, match="is in the past"):
        call("domain set", name="example.org", settings={"mode": "enabled"}, until="2020-01-01")
    with pytest.raises(Refused, match="is the end of mode=optional or mode=enabled"):
        call("domain set", name="example.org", settings={"mode": "disabled"}, until="2h")


def test_a_password_in_home_imap_is_not_shown_and_what_is_shown_is_not_taken_for_one(call: Call, domain: Any) -> None:
    given = {
        "home-imap": "imaps://{user}*master:geheim@mail.example.org",
        "home-imap-oauth": "https://id:geheim@login.example/token?scope=a",
    }
    row = call("domain set", name="example.org", settings=given)
    assert row["home-imap"] == "imaps://{user}*master:…@mail.example.org"
    assert row["home-imap-oauth"] == "https://id:…@login.example/token?scope=a"
    for key in given:
        with pytest.raises(Refused, match=f"{key}: "):
            call("domain set", name="example.org", settings={key: row[key]})


def test_a_password_in_a_route_is_not_shown(call: Call, domain: Any) -> None:
    row = call("domain set", name="example.org", settings={"outbound-route": "smtp://u:secret@relay.example:587"})
    assert row["outbound-route"] == "smtp://u:…@relay.example:587"


def test_a_domain_is_removed_with_its_users(call: Call, domain: Any) -> None:
    call("user add", address="anna@example.org")
    call("domain remove", name="example.org")
    assert call("domain list") == call("user list") == []
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address="anna@example.org")


def test_a_domain_that_is_owed_mail_is_removed_by_force_only(call: Call, books: Books) -> None:
    books.redirect("anna")
    with pytest.raises(Refused, match=r"1 message is still owed to the home server of example\.org"):
        call("domain remove", name="example.org")
    assert call("status")[0]["redelivery_backlog"] == 1
    call("domain remove", name="example.org", force=True)
    assert call("domain list") == []


@pytest.mark.parametrize("times", [1, 99])
def test_a_user_who_is_added_while_their_domain_is_removed_goes_with_it(
    call: Call, domain: Any, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    run = Store.run
    late = iter(range(times))

    def run_late(store: Store, work: Any, **more: Any) -> Any:
        if work.func.__name__ == "_end_removal" and (number := next(late, None)) is not None:
            call("user add", address=f"late{number}@example.org")
        return run(store, work, **more)

    monkeypatch.setattr(Store, "run", run_late)
    if times > 1:
        with pytest.raises(Refused, match="are added while it is removed") as refused:
            call("domain remove", name="example.org")
        assert refused.value.kind == "conflict"
        monkeypatch.undo()
    call("domain remove", name="example.org")
    assert call("domain list") == call("user list") == []


def test_tracking_stays_when_a_domain_goes(call: Call, books: Books) -> None:
    books.redirect("anna")
    call("domain remove", name="example.org", force=True)
    row = call("track")[0]
    assert (row["status"], row["outcome"]) == ("deferred", "released")
    assert row["events"][-1]["text"] == "Released by root"
