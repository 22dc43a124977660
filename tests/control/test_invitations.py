"""Invitations: a link by which a user sets a password, once; mailed past home, or printed; rationed, and in no log."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mpcontinuity.control.caller import Caller
from mpcontinuity.control.changes import Change
from mpcontinuity.control.invitations import MOST_OF_USER
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.users import SHORTEST_CHOSEN
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Listen, Public, Settings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

PASSWORD = "correct horse"
_LINKS = Statement("SELECT * FROM link")
_ACCOUNTS = Statement("SELECT id, password, scram, status, password_changes FROM account ORDER BY id")
_QUEUED = Statement(
    """SELECT recipient, reverse_path, kind, body.id, pack, body."offset", length, prefix, crc
    FROM outgoing JOIN body ON body.id = outgoing.body ORDER BY outgoing.id"""
)


@pytest.fixture
def control(control: Control) -> Control:
    settings = Settings(hostname="mx.example.net", public=Public(host="mail.example.net", ports={"web": 443}))
    return replace(control, settings=settings)


@pytest.fixture(autouse=True)
def anna(call: Call) -> None:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address="anna@example.org", name="Anna A.", alternate="anna@home.example")
    call("user add", address="bert@example.org", password="his own one")


def token_of(link: str) -> str:
    assert link.startswith("https://mail.example.net/invite/")
    return link.rpartition("/")[2]


def printed(call: Call, address: str = "anna@example.org") -> str:
    return token_of(call("user invite", address=address, print=True)["link"])


def rows(store: Store, statement: Statement) -> list[tuple[Any, ...]]:
    return result(store.read(lambda tx: tx.all(statement)))


def mails(store: Store) -> list[tuple[str, Any]]:
    found = []
    for recipient, reverse_path, kind, *body in rows(store, _QUEUED):
        assert (reverse_path, kind) == ("", "alert")
        (content,) = result(store.bodies.read_many([Body(*body)]))
        assert isinstance(content, bytes)
        found.append((recipient, email.message_from_bytes(content, policy=email.policy.default)))
    return found


def test_an_invitation_is_mailed_to_the_alternate_address_and_its_link_sets_the_password(
    call: Call, store: Store
) -> None:
    invited = call("user invite", address="anna@example.org")
    assert (invited["sent_to"], invited["link"]) == ("anna@home.example", None)
    ((recipient, mail),) = mails(store)
    assert recipient == mail["To"] == "anna@home.example"
    assert mail["Subject"] == "Your password for mail in an outage of example.org"
    text = mail.get_content()
    assert "Hello Anna A.," in text
    assert "anna@example.org" in text
    assert all(len(line) <= 78 for line in text.splitlines())
    (link,) = [line for line in text.splitlines() if line.startswith("https:")]
    shown = call("user password", address="anna@example.org", password=PASSWORD, token=token_of(link))
    assert shown["status"] == "active"


def test_a_printed_invitation_sends_no_mail_and_needs_no_alternate_address(call: Call, store: Store) -> None:
    call("user set", address="anna@example.org", alternate="")
    with pytest.raises(Refused) as refused:
        call("user invite", address="anna@example.org")
    assert refused.value.hint is not None
    assert refused.value.hint.arguments == {"address": "anna@example.org", "print": True}
    assert not rows(store, _LINKS)
    assert printed(call)
    assert not mails(store)


def test_a_link_is_good_once_and_for_its_own_user_and_changes_nothing_else(call: Call, store: Store) -> None:
    token = printed(call)
    before = rows(store, _ACCOUNTS)
    with pytest.raises(Refused, match="this invitation is not for bert"):
        call("user password", address="bert@example.org", password=PASSWORD, token=token)
    with pytest.raises(Refused, match="no such invitation"):
        call("user password", address="anna@example.org", password=PASSWORD, token=token[:-1])
    with pytest.raises(Refused, match=f"at least {SHORTEST_CHOSEN} characters"):
        call("user password", address="anna@example.org", password="a" * (SHORTEST_CHOSEN - 1), token=token)
    assert rows(store, _ACCOUNTS) == before
    call("user password", address="anna@example.org", password=PASSWORD, token=token)
    before = rows(store, _ACCOUNTS)
    with pytest.raises(Refused, match="used already"):
        call("user password", address="anna@example.org", password="another one", token=token)
    assert rows(store, _ACCOUNTS) == before


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("user password", {"password": "set by an administrator"}),
        ("user set", {"alternate": "other@home.example"}),
        ("user deactivate", {}),
        ("user invite", {"print": True}),
    ],
)
def test_what_ends_an_invitation(call: Call, operation: str, arguments: dict[str, Any]) -> None:
    token = printed(call)
    call(operation, address="anna@example.org", **arguments)
    with pytest.raises(Refused, match="replaced by a newer one, or is needed no more"):
        call("user password", address="anna@example.org", password=PASSWORD, token=token)


def test_the_link_of_a_user_who_was_removed_and_added_again_is_not_the_new_ones(call: Call) -> None:
    token = printed(call)
    call("user remove", address="anna@example.org")
    call("user add", address="anna@example.org")
    with pytest.raises(Refused, match="needed no more"):
        call("user password", address="anna@example.org", password=PASSWORD, token=token)


def test_an_inactive_user_is_not_invited(call: Call, store: Store) -> None:
    call("user deactivate", address="anna@example.org")
    for print_ in (True, False):
        with pytest.raises(Refused, match="is inactive"):
            call("user invite", address="anna@example.org", print=print_)
    assert not rows(store, _LINKS)
    assert not mails(store)


def test_invitations_of_a_user_are_rationed_by_the_day(call: Call, store: Store, clock: ManualClock) -> None:
    for _ in range(MOST_OF_USER):
        last = printed(call)
    with pytest.raises(Refused, match="times in a day"):
        call("user invite", address="anna@example.org")
    assert not mails(store)
    assert printed(call, "bert@example.org")
    clock.advance(DAY / 1_000_000)
    assert call("user invite", address="anna@example.org")["sent_to"]
    with pytest.raises(Refused, match="replaced by a newer one"):
        call("user password", address="anna@example.org", password=PASSWORD, token=last)


def test_invitations_of_an_administrator_are_rationed_by_the_day(
    call: Call, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpcontinuity.control.invitations.MOST_OF_ADMINISTRATOR", 2)
    printed(call)
    printed(call)
    with pytest.raises(Refused, match="has invited 2 users in a day"):
        printed(call)
    olga = replace(control, caller=Caller("olga", "example.org", None, "here"))
    assert result(OPERATIONS["user invite"](olga, {"address": "anna@example.org", "print": True})).link


def test_where_no_page_is_served_nobody_is_invited(call: Call, control: Control, store: Store) -> None:
    nowhere = replace(control, settings=Settings(listen=Listen(web=())))
    with pytest.raises(Refused, match="is off"):
        result(OPERATIONS["user invite"](nowhere, {"address": "anna@example.org"}))
    assert not rows(store, _LINKS)


def test_no_secret_of_a_link_is_noted(control: Control) -> None:
    noted: list[Change] = []
    told = replace(control, note=noted.append)
    made = result(OPERATIONS["user invite"](told, {"address": "anna@example.org", "print": True}))
    token = token_of(made.link)
    arguments = {"address": "anna@example.org", "password": PASSWORD, "token": token}
    result(OPERATIONS["user password"](told, arguments))
    with pytest.raises(Refused):
        result(OPERATIONS["user password"](told, arguments))
    assert len(noted) == 3
    assert token not in str([msgspec.to_builtins(note) for note in noted])


def test_a_user_who_acts_for_themselves_redeems_their_own_invitation_alone(control: Control, call: Call) -> None:
    token, other = printed(call), printed(call, "bert@example.org")
    anna = replace(control, caller=Caller("anna@example.org", "example.org", "anna@example.org", "invitation"))
    for address, given in (("bert@example.org", other), ("anna@example.org", other)):
        with pytest.raises(Refused):
            result(OPERATIONS["user password"](anna, {"address": address, "password": PASSWORD, "token": given}))
    arguments = {"address": "anna@example.org", "password": PASSWORD, "token": token}
    assert parse(result(OPERATIONS["user password"](anna, arguments)).address).local == "anna"
