"""What administrators do is in the audit trail before it is done, with how it ended, and each sees their own part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import audit as trail
from mpcontinuity.control.caller import Caller, Scope
from mpcontinuity.control.operation import Control, Operation
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.store.transaction import Transaction
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

OLGA = Caller("olga", "example.org", None, "token 1")
ANNA = Caller("anna@example.org", "example.org", "anna@example.org", "webmail")


class Seen(msgspec.Struct, frozen=True):
    """What a look shows."""

    rows: int


def rows(control: Control, caller: Caller | None = None, **arguments: Any) -> list[dict[str, Any]]:
    asking = replace(control, caller=caller or control.caller)
    answer: list[dict[str, Any]] = msgspec.to_builtins(result(OPERATIONS["audit"](asking, arguments)))
    return answer


def test_each_change_is_noted_once_with_who_did_what_and_how_it_ended(control: Control, books: Books) -> None:
    by_olga = replace(control, caller=OLGA)
    result(OPERATIONS["domain set"](by_olga, {"name": "example.org", "settings": {"mode": "enabled"}}))
    with pytest.raises(Refused):
        result(OPERATIONS["user add"](by_olga, {"address": "anna@example.org"}))
    refused, done = rows(control)
    assert (done["by"], done["from"], done["operation"], done["object"], done["result"]) == (
        "olga",
        "token 1",
        "domain set",
        "name=example.org mode=enabled",
        "done",
    )
    assert (refused["operation"], refused["result"][:9]) == ("user add", "refused: ")


def test_what_is_done_and_what_is_seen_of_others_is_noted_before(control: Control, books: Books) -> None:
    during: list[str] = []

    async def touch(control: Control, domain: str | None = None) -> Seen:
        newest = await control.store.read(
            lambda tx: trail.listing(tx, domain="", name="", since=0, before=1 << 62, limit=9)
        )
        during.extend(row.result for row in newest)
        return Seen(len(newest))

    for looks in (False, True):
        during.clear()
        operation = Operation("domain touch", touch, Scope.DOMAIN, domain_in="domain", looks=looks, audited=looks)
        result(operation(control, {"domain": "example.org"}))
        assert during[0] == "begun"
        assert rows(control)[0]["result"] == "done"
    result(Operation("domain touch", touch, Scope.DOMAIN, domain_in="domain", looks=True)(control, {}))
    assert len(rows(control)) == 2


def test_users_who_look_for_themselves_are_not_noted(control: Control, books: Books) -> None:
    async def look(control: Control, address: str = "") -> Seen:
        return Seen(1)

    operation = Operation("user look", look, Scope.SELF, address_in="address", looks=True, audited=True)
    result(operation(replace(control, caller=ANNA), {"address": "anna@example.org"}))
    assert rows(control) == []
    result(operation(replace(control, caller=OLGA), {"address": "anna@example.org"}))
    assert [(row["by"], row["domain"]) for row in rows(control)] == [("olga", "example.org")]


def test_an_operation_can_say_what_it_is_about_where_its_arguments_do_not(control: Control, books: Books) -> None:
    async def about(control: Control, given: Mapping[str, Any]) -> tuple[str, str]:
        return "example.org", "to=anna@example.org"

    async def look(control: Control, ids: list[str], domain: str | None = None) -> Seen:
        return Seen(1)

    kinds: dict[str, Any] = {"domain_in": "domain", "looks": True, "audited": True, "about": about}
    result(Operation("user look", look, Scope.DOMAIN, **kinds)(control, {"ids": ["x"]}))
    (row,) = rows(control, OLGA)
    assert (row["domain"], row["object"]) == ("example.org", "x to=anna@example.org")


def test_administrators_of_a_domain_see_what_was_done_to_it_by_whomever(
    control: Control, call: Call, books: Books
) -> None:
    call("domain add", name="other.example", home="home.example")
    call("user add", address="carla@example.org")
    call("admin add", name="eve", password="a long enough one")
    assert [row["operation"] for row in rows(control)] == ["admin add", "user add", "domain add"]
    assert [row["operation"] for row in rows(control, OLGA)] == ["user add"]
    call("domain remove", name="other.example")
    assert [row["operation"] for row in rows(control, domain="other.example")] == ["domain remove", "domain add"]
    assert rows(control, by="nobody") == []


def test_no_secret_is_in_the_trail(control: Control, call: Call, books: Books) -> None:
    call("user password", address="anna@example.org", password="s3cret")
    call("domain set", name="example.org", settings={"outbound-route": "smtp://u:s3cret@relay.example"})
    with pytest.raises(Refused):
        call("user add", address="dora@example.org", pasword="s3cret")
    assert len(rows(control)) == 3
    assert "s3cret" not in str(rows(control))


def test_what_cannot_be_noted_is_not_done(
    control: Control, call: Call, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tx: Transaction, act: trail.Act) -> int:
        raise Temporary("the disk is full")

    monkeypatch.setattr(trail, "begin", full)
    with pytest.raises(Temporary):
        call("user add", address="dora@example.org")
    with pytest.raises(Refused, match="no such user"):
        call("user show", address="dora@example.org")


def test_what_was_done_stays_done_where_its_end_cannot_be_noted(
    control: Control, call: Call, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tx: Transaction, row: int, result: str) -> None:
        raise Temporary("the disk is full")

    monkeypatch.setattr(trail, "end", full)
    assert call("user add", address="dora@example.org")["address"] == "dora@example.org"
    assert [row["result"] for row in rows(control)] == ["begun"]


def test_the_trail_outlives_its_domain(control: Control, call: Call, books: Books) -> None:
    call("domain remove", name="example.org", force=True)
    assert [row["operation"] for row in rows(control, domain="example.org")] == ["domain remove"]


def test_administrators_of_a_domain_see_who_took_the_mail_of_a_user_of_theirs(
    control: Control, call: Call, books: Books
) -> None:
    call("archive export", user="anna@example.org")
    call("archive hold", user="anna@example.org")
    with pytest.raises(Refused, match="only a running server"):
        call("archive release found", user="anna@example.org")
    assert [(row["operation"], row["domain"]) for row in rows(control, OLGA)] == [
        ("archive release found", "example.org"),
        ("archive hold", "example.org"),
        ("archive export", "example.org"),
    ]


def test_what_is_as_it_is_when_nothing_is_said_is_not_told(call: Call, books: Books) -> None:
    call("user add", address="zoe@example.org", inactive=False, aliases=[], name="Zoe")
    (row,) = [row for row in call("audit") if row["operation"] == "user add"]
    assert row["object"] == "address=zoe@example.org name=Zoe"
