from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import users, vacation
from mpcontinuity.accounts.users import LONGEST_NAME, MOST_ALIASES
from mpcontinuity.accounts.vacation import Vacation
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.user_file import lines
from mpcontinuity.mailbox import invitation_answers, signature, trusted_senders
from mpcontinuity.mailbox.signature import Signature
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

OF_NOBODY = {"alternate": "", "last_login": None, "last_login_by": ""}


@pytest.fixture(autouse=True)
def domain(call: Call, request: pytest.FixtureRequest) -> None:
    if "books" not in request.fixturenames:
        call("domain add", name="example.org", home="home.example.org")


def test_a_user_is_shown_as_the_contract_says(call: Call) -> None:
    row = call("user add", address="Anna@example.org", name="Anna A.", aliases=["a@example.org"], password="secret")
    assert row == {
        "address": "Anna@example.org",
        "name": "Anna A.",
        "status": "active",
        "aliases": ["a@example.org"],
        "source": "manual",
        "messages": 0,
        "alternate": "",
    }
    assert call("user list") == [row]
    assert call("user list", domain="example.org") == [row]
    shown = call("user show", address="A@example.org")
    assert shown.pop("version")
    assert shown == {**row, **OF_NOBODY, "continuity": "off"}


def test_an_alternate_address_is_kept_changed_and_taken_away(call: Call) -> None:
    call("user add", address="anna@example.org", alternate=" Anna@Home.example ")
    assert call("user show", address="anna@example.org")["alternate"] == "Anna@Home.example"
    shown = call("user set", address="anna@example.org", alternate="anna@other.example", name="Anna A.")
    assert (shown["alternate"], shown["name"]) == ("anna@other.example", "Anna A.")
    assert call("user set", address="anna@example.org", alternate="")["alternate"] == ""
    assert call("user show", address="anna@example.org")["name"] == "Anna A."
    call("user set", address="anna@example.org", name="")
    assert call("user show", address="anna@example.org")["name"] == ""


@pytest.mark.parametrize("alternate", ["anna2@example.org", "anna@EXAMPLE.org", "anna", "a@b@c", "anna@home.example x"])
def test_an_alternate_address_that_would_not_help_is_refused_and_changes_nothing(call: Call, alternate: str) -> None:
    call("user add", address="bert@example.org", alternate="bert@home.example")
    before = call("user list")
    with pytest.raises(Refused):
        call("user add", address="anna@example.org", alternate=alternate)
    with pytest.raises(Refused):
        call("user set", address="bert@example.org", name="B.", alternate=alternate)
    assert call("user list") == before
    assert call("user show", address="bert@example.org")["alternate"] == "bert@home.example"


def test_nothing_to_change_is_refused(call: Call) -> None:
    call("user add", address="anna@example.org")
    with pytest.raises(Refused, match="nothing is to be changed"):
        call("user set", address="anna@example.org")


def test_a_user_may_stand_for_the_home_server(call: Call) -> None:
    call("user add", address="smtp@example.org", password="secret")
    assert "relay" not in call("user show", address="smtp@example.org")
    assert call("user relay", address="smtp@example.org", on=True)["relay"] == "on"
    assert call("user show", address="smtp@example.org")["relay"] == "on"
    assert call("user relay", address="smtp@example.org", on=False)["relay"] == "off"
    with pytest.raises(Refused, match="no such user"):
        call("user relay", address="nobody@example.org", on=True)


def test_a_password_is_kept_as_a_hash_and_as_keys_for_scram(store: Store, call: Call) -> None:
    call("user add", address="anna@example.org", password="secret")
    kept = Statement("SELECT password, scram FROM account")
    first = result(store.read(lambda tx: tx.one(kept)))
    assert first is not None
    assert first[1].startswith("SCRAM-SHA-256$40000:")
    call("user password", address="anna@example.org", password="other")
    second = result(store.read(lambda tx: tx.one(kept)))
    assert second is not None
    assert second[0] != first[0]
    assert second[1] != first[1]


def test_users_are_listed_by_address_however_many_there_are(store: Store, call: Call) -> None:
    domain = result(store.read(lambda tx: tx.value(Statement("SELECT id FROM domain"))))
    add = Statement("INSERT INTO account (id, domain, address, status) VALUES (:id, :domain, :address, 'pending')")
    rows = [{"id": number, "domain": domain, "address": f"{number:04}@example.org"} for number in range(1201)]
    result(store.run(lambda tx: tx.many(add, rows)))
    listed: list[str] = []
    while page := call("user list", limit=500, after=listed[-1] if listed else ""):
        listed += [row["address"] for row in page]
    assert listed == [row["address"] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"address": "anna"}, "not a mail address"),
        ({"address": "anna@other.org"}, "other.org: no such domain here"),
        ({"address": "anna%b@example.org"}, "with %, ! or @ in the local part"),
        ({"address": "anna@example.org", "aliases": ["a@other.org"]}, "an alias must be an address of example.org"),
        ({"address": "anna@example.org", "aliases": ["anna@example.org"]}, None),
        ({"address": "anna@example.org", "password": ""}, "the password is empty"),
    ],
)
def test_what_cannot_be_added_is_refused_in_one_line(call: Call, arguments: dict[str, Any], why: str | None) -> None:
    if why is None:  # their own address as an alias is no second address
        assert call("user add", **arguments)["aliases"] == []
        return
    with pytest.raises(Refused) as caught:
        call("user add", **arguments)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert call("user list") == []


def test_inactive_active_pending(call: Call) -> None:
    assert call("user add", address="anna@example.org", inactive=True)["status"] == "inactive"
    assert call("user activate", address="anna@example.org")["status"] == "pending"
    assert call("user password", address="anna@example.org", password="secret")["status"] == "active"
    assert call("user deactivate", address="anna@example.org")["status"] == "inactive"
    assert call("user activate", address="anna@example.org")["status"] == "active"


def test_aliases_come_and_go(call: Call) -> None:
    call("user add", address="anna@example.org")
    call("user add", address="bert@example.org")
    assert call("user alias add", address="anna@example.org", alias="A@example.org")["aliases"] == ["a@example.org"]
    with pytest.raises(Refused, match=r"a@example\.org: is an alias of anna@example\.org already"):
        call("user alias add", address="bert@example.org", alias="a@example.org")
    with pytest.raises(Refused, match="is no alias of"):
        call("user alias remove", address="anna@example.org", alias="anna@example.org")
    assert call("user alias remove", address="anna@example.org", alias="a@example.org")["aliases"] == []


def test_opting_in(call: Call) -> None:
    call("user add", address="anna@example.org")
    assert call("user continuity", address="anna@example.org", on=True)["continuity"] == "on"


def test_a_tag_names_no_user(call: Call) -> None:
    """What is removed must have been named."""
    call("user add", address="anna@example.org")
    with pytest.raises(Refused, match="no such user"):
        call("user remove", address="anna+x@example.org")


def test_who_is_owed_mail_is_removed_by_force_only_and_the_ledger_still_adds_up(call: Call, books: Books) -> None:
    books.redirect("anna")
    with pytest.raises(Refused, match="1 message is still owed to their home server"):
        call("user remove", address="anna@example.org")
    call("user remove", address="anna@example.org", force=True)
    assert [row["address"] for row in call("user list")] == ["bert@example.org"]
    report = call("report", domain="example.org")
    assert report["adds_up"]
    total = report["rows"][-1]
    assert (total["user"], total["taken_in"], total["released"], total["owed"]) == ("total", 1, 1, 0)


def test_nothing_of_a_removed_users_mailboxes_is_left_and_the_address_is_free(call: Call, books: Books) -> None:
    books.redirect("anna")
    call("user remove", address="anna@example.org", force=True)
    call("user remove", address="bert@example.org")
    for table in ("mailbox", "entry", "subscription", "address"):
        assert books.read(lambda tx, table=table: tx.value(Statement(f"SELECT COUNT(*) FROM {table}"))) == 0
    assert call("user add", address="anna@example.org")["messages"] == 0


def test_the_texts_of_a_removed_user_go_with_them_also_where_the_ledger_keeps_their_row(
    call: Call, books: Books
) -> None:
    user = books.read(partial(users.by_id, account=books.accounts["anna"]))
    assert user is not None
    books.run(signature.save, account=user.id, signature=Signature("Anna"))
    books.run(vacation.save, user=user, vacation=Vacation(vacation.ALWAYS, text="Away"))
    books.run(invitation_answers.note, account=user.id, event="e", draft=1, answer="accepted")
    books.run(trusted_senders.add, account=user.id, address="bob@far.example", now=1)
    books.redirect("anna")
    call("user remove", address="anna@example.org", force=True)
    kept = {"account": 2, "signature": 0, "vacation": 0, "invitation_answer": 0, "trusted_sender": 0}
    for table, rows in kept.items():
        assert books.read(lambda tx, table=table: tx.value(Statement(f"SELECT COUNT(*) FROM {table}"))) == rows


def test_a_removal_that_a_crash_interrupted_is_finished(call: Call, control: Any, books: Books) -> None:
    from mpcontinuity.control.removal import finish_removals

    books.redirect("anna")
    books.run(users.forget, account=books.accounts["anna"], domain=books.domain.id)
    result(finish_removals(control))
    assert books.read(lambda tx: tx.value(Statement("SELECT COUNT(*) FROM entry"))) == 0
    # found by the simulation: without its mailbox, what is owed would count as deleted by its user
    total = call("report", domain="example.org")["rows"][-1]
    assert (total["released"], total["owed"]) == (1, 0)
    assert call("report", domain="example.org")["adds_up"]


def test_mail_owed_without_a_mailbox_appears_when_its_address_is_registered(books: Books, call: Call) -> None:
    for name in ("carl", "Carl+shop", "dora"):
        books.redirect(name)
    call("user add", address="carl@example.org")
    assert [row["messages"] for row in call("user list") if row["address"] == "carl@example.org"] == [2]
    call("user alias add", address="carl@example.org", alias="dora@example.org")
    assert call("user show", address="dora@example.org")["messages"] == 3
    assert books.report()[-1].adds_up


def test_mail_owed_without_a_mailbox_appears_when_its_address_is_imported(books: Books, call: Call) -> None:
    books.redirect("carl")
    call("user import", lines=msgspec.to_builtins(list(lines("address\ncarl@example.org\n"))))
    assert call("user show", address="carl@example.org")["messages"] == 1


def test_a_name_and_the_aliases_of_a_user_are_bounded(books: Books, call: Call) -> None:
    longest, many = "n" * LONGEST_NAME, [f"a{number}@example.org" for number in range(MOST_ALIASES)]
    for more in ({"name": longest + "n"}, {"aliases": [*many, "x@example.org"]}):
        with pytest.raises(Refused, match=r"^(name|aliases): "):
            call("user add", address="carl@example.org", **more)
    call("user add", address="carl@example.org", name=longest, aliases=many)
    with pytest.raises(Refused, match=r"^aliases: a user has at most 1000$"):
        call("user alias add", address="carl@example.org", alias="x@example.org")
    for line in (f"carl@example.org,{longest}n,", "carl@example.org,,x@example.org"):
        given = msgspec.to_builtins(list(lines(line)))
        assert [row["result"] for row in call("user import", lines=given)] == ["refused"]
    shown = call("user show", address="carl@example.org")
    assert (shown["name"], len(shown["aliases"])) == (longest, MOST_ALIASES)


def test_a_line_that_cannot_be_taken_now_is_told_and_stops_nothing(books: Books, control: Control) -> None:
    def too_much(work: Any) -> Any:
        raise Temporary("too much waits")

    books.redirect("carl")
    text = "address,password\ncarl@example.org,\ndora@example.org,a good one\nemil@example.org,\n"
    busy = replace(control, compute=too_much)
    given = {"lines": msgspec.to_builtins(list(lines(text)))}
    done = result(OPERATIONS["user import"](busy, given))
    assert [(line.address, line.result, line.text) for line in done] == [
        ("carl@example.org", "added", "pending"),
        ("dora@example.org", "refused", "cannot be done now: too much waits; try again later"),
        ("emil@example.org", "added", "pending"),
    ]
    assert result(OPERATIONS["user show"](control, {"address": "carl@example.org"})).messages == 1
