"""Every operation, called by everybody: who may not is refused, changes nothing, and is noted."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import succeed

from mpcontinuity.control import domain_settings
from mpcontinuity.control.caller import Caller, Scope
from mpcontinuity.control.changes import Change
from mpcontinuity.control.grants import EVERY
from mpcontinuity.control.operation import Control, Operation
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import DELIVERED
from mpcontinuity.model.identifier import show
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all
from tests.archive.archived import archive, text
from tests.fakes.clock import ManualClock
from tests.fakes.stores import Chosen, result
from tests.queue.ledgers import Books
from tests.queue.test_outbound import send

OF_ALL = Caller("root", None, None, "here")
OF_DOMAIN = Caller("olga", "example.org", None, "here")
OF_ANOTHER = Caller("oscar", "other.org", None, "here")
ANNA = Caller("anna@example.org", "example.org", "anna@example.org", "here")
BERT = Caller("bert@example.org", "example.org", "bert@example.org", "here")
READER = Caller("rita", None, None, "here", frozenset({"read"}))
BEARERS = {grant: Caller("rita", None, None, "here", frozenset({grant})) for grant in EVERY}
CALLERS = (OF_ALL, OF_DOMAIN, OF_ANOTHER, ANNA, BERT, READER)
MAY = {
    Scope.ALL: (OF_ALL,),
    Scope.DOMAIN: (OF_ALL, OF_DOMAIN),
    Scope.SELF: (OF_ALL, OF_DOMAIN, ANNA),
}


TRAIL = ("audit", "audit_end")


@dataclass
class House:
    """example.org and other.org, each with anna and bert, and with a message owed to home and one on its way."""

    control: Control
    ours: Books
    theirs: Books
    rows: dict[str, list[str]]  # ids as they are shown, by domain
    noted: list[Change]
    folder: Path

    def call(self, caller: Caller, operation: str, **arguments: Any) -> Any:
        answer = OPERATIONS[operation](replace(self.control, caller=caller), arguments)
        return msgspec.to_builtins(result(answer))

    def archived(self) -> str:
        """The id of a message to anna that is put into the archive."""
        body = archive(self.ours.store, text("x"), recipients=["anna@example.org"], domain=self.ours.domain.id)
        id_ = Statement("SELECT id FROM archive WHERE body = :body")
        return show(self.ours.read(lambda tx: tx.value(id_, body=body.id)))

    def content(self) -> dict[str, list[Any]]:
        return result(self.control.store.read(_content))


def _content(tx: Transaction) -> dict[str, list[Any]]:
    """All rows of all tables, but those of the audit trail: what is refused is in it."""
    listing = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if Chosen.database == "sqlite"
        else "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    tables = [row[0] for row in tx.all(Statement(listing))]
    assert {"domain", "account", "owed", "outgoing", "administrator", *TRAIL} <= set(tables)
    return {
        table: sorted(map(repr, tx.all(Statement(f'SELECT * FROM "{table}"'))))
        for table in tables
        if table not in TRAIL
    }


@pytest.fixture
def house(control: Control, store: Store, clock: ManualClock, tmp_path: Path) -> House:
    ours, theirs = Books(store, clock), Books(store, clock, "other.org")
    for books in (ours, theirs):
        books.home_becomes(State.DOWN, "no connection")
    rows = {books.name: [show(books.redirect("anna")), show(send(books))] for books in (ours, theirs)}
    noted: list[Change] = []
    return House(replace(control, note=noted.append), ours, theirs, rows, noted, tmp_path)


# What each operation is asked: all of it is about example.org and its anna.
ABOUT: dict[str, Callable[[House], dict[str, Any]]] = {
    "domain add": lambda house: {"name": "new.example", "home": "home.example"},
    "domain set": lambda house: {"name": "example.org", "settings": {"mode": "enabled"}},
    "domain list": lambda house: {"domain": "example.org"},
    "domain show": lambda house: {"name": "EXAMPLE.org"},
    "domain remove": lambda house: {"name": "example.org", "force": True},
    "domain dkim show": lambda house: {"name": "example.org"},
    "domain dkim": lambda house: {"name": "example.org"},
    "doctor": lambda house: {},
    "domain dns": lambda house: {"name": "example.org"},
    "domain microsoft-365": lambda house: {"name": "example.org"},
    "domain plan": lambda house: {"name": "example.org", "begin": "1h", "until": "2h"},
    "domain plan list": lambda house: {"domain": "example.org"},
    "domain plan extend": lambda house: {"name": "example.org", "until": "3h"},
    "domain plan end": lambda house: {"name": "example.org"},
    "domain tell": lambda house: {"name": "example.org", "subject": "News", "text": "There is some."},
    "domain tell list": lambda house: {"domain": "example.org"},
    "domain test": lambda house: {"name": "example.org"},
    "domain test-imap": lambda house: {"name": "example.org", "address": "anna@example.org"},
    "contain on": lambda house: {"name": "example.org"},
    "contain off": lambda house: {"name": "example.org"},
    "contain list": lambda house: {"domain": "example.org"},
    "contain release": lambda house: {"name": "example.org"},
    "drill": lambda house: {"name": "example.org", "user": ["anna@example.org"], "lasts": "20m"},
    "drill list": lambda house: {"domain": "example.org"},
    "drill end": lambda house: {"name": "example.org"},
    "drill report": lambda house: {"id": show(1), "domain": "example.org"},
    "user add": lambda house: {"address": "carla@example.org", "password": "a good one"},
    "user import": lambda house: {"lines": [{"number": 1, "address": "carla@example.org"}], "domain": "example.org"},
    "user list": lambda house: {"domain": "example.org"},
    "user show": lambda house: {"address": "Anna@Example.org"},
    "user set": lambda house: {"address": "anna@example.org", "alternate": "anna@elsewhere.net"},
    "user remove": lambda house: {"address": "anna@example.org", "force": True},
    "user activate": lambda house: {"address": "anna@example.org"},
    "user deactivate": lambda house: {"address": "anna@example.org"},
    "user password": lambda house: {"address": "anna@example.org", "password": "another one"},
    "user app-password add": lambda house: {"address": "anna@example.org", "name": "a telephone"},
    "user app-password list": lambda house: {"address": "anna@example.org"},
    "user app-password remove": lambda house: {"address": "anna@example.org", "all": True},
    "user second-factor show": lambda house: {"address": "anna@example.org"},
    "user second-factor remove": lambda house: {"address": "anna@example.org"},
    "user invite": lambda house: {"address": "anna@example.org", "print": True},
    "user adopt list": lambda house: {"domain": "example.org"},
    "user adopt": lambda house: {"domain": "example.org", "addresses": ["nobody@example.org"]},
    "user alias add": lambda house: {"address": "anna@example.org", "alias": "a@example.org"},
    "user alias remove": lambda house: {"address": "anna@example.org", "alias": "a@example.org"},
    "user continuity all": lambda house: {"name": "example.org", "on": True},
    "domain users-out": lambda house: {"name": "example.org", "on": True},
    "user continuity show": lambda house: {"address": "anna@example.org"},
    "user continuity": lambda house: {"address": "anna@example.org", "on": True},
    "user relay": lambda house: {"address": "anna@example.org", "on": True},
    "alert add": lambda house: {"domain": "example.org", "email": "it@far.example"},
    "alert remove": lambda house: {"domain": "example.org", "email": "oncall@far.example"},
    "alert list": lambda house: {"domain": "Example.org"},
    "webhook add": lambda house: {"domain": "example.org", "url": "https://chat.example/hook"},
    "webhook list": lambda house: {"domain": "example.org"},
    "webhook remove": lambda house: {"id": show(1)},
    "webhook test": lambda house: {"id": show(1)},
    "outage list": lambda house: {"domain": "example.org"},
    "outage show": lambda house: {"id": show(1), "domain": "example.org"},
    "outage room": lambda house: {"domain": "example.org"},
    "outage act": lambda house: {"domain": "example.org", "act": "start"},
    "outage link": lambda house: {"token": "a" * 40, "domain": "example.org"},
    "outage redeem": lambda house: {"token": "a" * 40, "act": "stop", "domain": "example.org"},
    "status": lambda house: {"domain": "example.org"},
    "status history": lambda house: {"domain": "example.org"},
    "status flow": lambda house: {"domain": "example.org"},
    "report": lambda house: {"domain": "example.org"},
    "track": lambda house: {"domain": "example.org", "recipient": "anna@example.org"},
    "archive search": lambda house: {"domain": "example.org", "user": "anna@example.org"},
    "queue list": lambda house: {"domain": "example.org"},
    "queue destinations": lambda house: {"domain": "example.org"},
    "queue retry": lambda house: {"ids": house.rows["example.org"]},
    "queue remove": lambda house: {"ids": house.rows["example.org"]},
    "archive show": lambda house: {"id": house.archived()},
    "archive release": lambda house: {"ids": [house.archived()]},
    "archive release found": lambda house: {"query": "x", "domain": "example.org"},
    "archive export": lambda house: {"domain": "example.org"},
    "archive purge": lambda house: {"domain": "example.org"},
    "archive hold": lambda house: {"user": "anna@example.org", "domain": "example.org"},
    "archive hold list": lambda house: {"domain": "example.org"},
    "archive hold lift": lambda house: {"id": show(1), "domain": "example.org"},
    "audit": lambda house: {"domain": "example.org"},
    "clock": lambda house: {},
    "check": lambda house: {},
    "backup": lambda house: {"folder": str(house.folder / "backup")},
    "admin add": lambda house: {"name": "eve", "password": "a good one"},
    "admin first": lambda house: {},
    "admin list": lambda house: {},
    "admin remove": lambda house: {"name": "eve"},
    "admin password": lambda house: {"name": "olga", "password": "another one"},
    "admin session list": lambda house: {"name": "olga"},
    "admin session revoke": lambda house: {"name": "olga", "all": True},
    "admin totp show": lambda house: {"name": "olga"},
    "admin totp begin": lambda house: {"name": "olga"},
    "admin totp confirm": lambda house: {"name": "olga", "code": "123456"},
    "admin totp remove": lambda house: {"name": "olga"},
    "admin token": lambda house: {"name": "eve"},
    "admin token list": lambda house: {"name": "eve"},
    "admin token remove": lambda house: {"name": "eve", "id": show(1)},
}


def test_all_operations_are_walked() -> None:
    assert set(ABOUT) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_may_not_is_refused_and_noted_and_changes_nothing(house: House, operation: str) -> None:
    arguments = ABOUT[operation](house)
    before = house.content()
    may = (*MAY[OPERATIONS[operation].scope], *([READER] if OPERATIONS[operation].looks else []))
    for caller in CALLERS:
        if caller not in may:
            house.noted.clear()
            with pytest.raises(Refused) as refused:
                house.call(caller, operation, **arguments)
            assert refused.value.kind == "forbidden"
            assert [(note.by, note.operation) for note in house.noted] == [(caller.name, operation)]
            assert house.noted[0].outcome == f"refused: {refused.value}"
            (row,) = house.call(OF_ALL, "audit", limit=1)
            assert (row["by"], row["operation"], row["result"]) == (caller.name, operation, house.noted[0].outcome)
            assert row["domain"] == (caller.domain or "")
            assert house.content() == before
    assert not (house.folder / "backup").exists()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_may_is_not_called_forbidden(house: House, operation: str) -> None:
    kinds = set()
    for caller in reversed(MAY[OPERATIONS[operation].scope]):
        try:
            house.call(caller, operation, **ABOUT[operation](house))
        except Refused as refused:  # done already by the one before, or nothing there to do it to
            kinds.add(refused.kind)
    assert kinds <= {"unknown", "taken", "conflict"}


# By what a token's bearer may do: `read` grants whatever looks, and each other scope what the names of operations say.
GRANTED: dict[str, tuple[str, ...]] = {
    "users": ("user ",),
    "mail": ("track", "archive ", "queue "),
    "domains": ("domain ", "contain ", "drill", "alert ", "webhook ", "outage ", "status", "report"),
    "admin": ("admin ", "audit", "clock", "check", "backup", "doctor"),
}


def test_a_token_grants_what_its_scopes_say_and_no_more(house: House) -> None:
    before = house.content()
    none = msgspec.structs.replace(OF_ALL, grants=frozenset())
    for name, operation in OPERATIONS.items():
        granted = {grant for grant, names in GRANTED.items() if name.startswith(names)}
        assert len(granted) == 1, name
        granted |= {"read"} if operation.looks else set()
        for grant, bearer in [*BEARERS.items(), ("", none)]:
            with pytest.raises(Refused) as refused:
                house.call(bearer, name, **{"no argument": 1})
            assert refused.value.kind == ("invalid" if grant in granted else "forbidden"), (name, grant)
    assert house.content() == before


def test_administrators_of_a_domain_ask_about_themselves_alone(house: House) -> None:
    for name in ("olga", "oscar"):
        house.call(
            OF_ALL,
            "admin add",
            name=name,
            password="a good one",
            domain=f"{'example' if name == 'olga' else 'other'}.org",
        )
    assert house.call(OF_DOMAIN, "admin totp show", name="olga")["on"] is False
    assert house.call(OF_DOMAIN, "admin session list") == []
    said = []
    for name in ("oscar", "nobody"):
        with pytest.raises(Refused) as refused:
            house.call(OF_DOMAIN, "admin totp remove", name=name)
        said.append(str(refused.value).replace(name, "NAME"))
    assert said[0] == said[1]


# The rows of the others are named by ids, and by lines.
NAMED = [
    name
    for name in OPERATIONS
    if name not in ("queue retry", "queue remove", "user import", "archive show", "archive release")
]


@pytest.mark.parametrize("operation", [name for name in NAMED if OPERATIONS[name].scope < Scope.ALL])
def test_a_refusal_does_not_tell_what_is_there(house: House, operation: str) -> None:
    """What is refused to another domain's administrator sounds the same for what is there and what is not."""
    said = []
    for name in ("example.org", "nowhere.org"):
        arguments = ABOUT[operation](house)
        for argument in {OPERATIONS[operation].domain_in, OPERATIONS[operation].address_in} & set(arguments):
            arguments[argument] = f"anna@{name}" if "@" in arguments[argument] else name
        with pytest.raises(Refused) as refused:
            house.call(OF_ANOTHER, operation, **arguments)
        said.append(str(refused.value).replace(name, "NAME").replace("EXAMPLE.org", "NAME"))
    assert said[0] == said[1]


def test_what_is_listed_is_their_own(house: House) -> None:
    for caller, domain in ((OF_DOMAIN, "example.org"), (OF_ANOTHER, "other.org")):
        assert [row["domain"] for row in house.call(caller, "domain list")] == [domain]
        assert [row["domain"] for row in house.call(caller, "status")] == [domain]
        assert [row["domain"] for row in house.call(caller, "status history")] == [domain]
        assert {row["address"].partition("@")[2] for row in house.call(caller, "user list")} == {domain}
        assert sorted(row["id"] for row in house.call(caller, "queue list")) == sorted(house.rows[domain])
        assert len(house.call(caller, "track")) == 1
        assert [row["messages"] for row in house.call(caller, "queue destinations")] == [1]
    assert len(house.call(OF_ALL, "track")) == 2
    assert len(house.call(OF_ALL, "domain list")) == 2


def test_the_last_reply_that_another_domain_got_is_not_told(house: House) -> None:
    text = "UPDATE outgoing SET last_text = 'secret', attempts = 1 WHERE domain = :domain"
    house.theirs.run(lambda tx: tx.run(Statement(text), domain=house.theirs.domain.id))
    assert house.call(OF_DOMAIN, "queue destinations")[0]["last_text"] == ""
    assert house.call(OF_ANOTHER, "queue destinations")[0]["last_text"] == "secret"


def test_a_trial_does_not_make_home_relay(house: House) -> None:
    for local in ("victim%world.example", '"victim@world.example"', "world.example!victim"):
        with pytest.raises(Refused, match="are refused from outside"):
            house.call(OF_DOMAIN, "domain test", name="example.org", recipient=f"{local}@example.org")


def test_no_ids_are_not_all(house: House) -> None:
    house.ours.run(lambda tx: tx.run(Statement("UPDATE owed SET next_attempt = 9000000000000000")))
    before = house.content()
    assert house.call(OF_DOMAIN, "queue retry", ids=[]) == {"retried": 0}
    assert house.call(OF_DOMAIN, "queue remove", ids=[]) == {"removed": 0}
    assert house.content() == before


@pytest.mark.parametrize("operation", ["queue retry", "queue remove"])
def test_an_id_of_another_domain_among_ones_own_changes_nothing(house: House, operation: str) -> None:
    before = house.content()
    for foreign in house.rows["other.org"]:
        with pytest.raises(Refused, match="is of another domain") as refused:
            house.call(OF_DOMAIN, operation, ids=[*house.rows["example.org"], foreign])
        assert refused.value.kind == "forbidden"
        assert house.content() == before


def test_all_that_an_administrator_of_a_domain_retries_is_its_own(house: House) -> None:
    put_off = "UPDATE {} SET next_attempt = 9000000000000000"
    for table in ("owed", "outgoing"):
        house.ours.run(lambda tx, table=table: tx.run(Statement(put_off.format(table))))
    assert house.call(OF_DOMAIN, "queue retry") == {"retried": 2}
    assert house.call(OF_ALL, "queue retry") == {"retried": 2}


def test_a_line_of_an_import_with_anothers_address_is_refused_and_stops_nothing(house: House) -> None:
    lines = [{"number": n, "address": f"carla@{name}"} for n, name in enumerate(("other.org", "example.org"), 1)]
    done = house.call(OF_DOMAIN, "user import", lines=lines)
    assert [line["result"] for line in done] == ["refused", "added"]
    assert {row["address"] for row in house.call(OF_ANOTHER, "user list")} == {"anna@other.org", "bert@other.org"}


def test_a_user_may_be_named_by_an_alias_of_theirs(house: House) -> None:
    house.call(OF_ALL, "user alias add", address="anna@example.org", alias="a@example.org")
    assert house.call(ANNA, "user show", address="a@example.org")["address"] == "anna@example.org"
    with pytest.raises(Refused) as refused:
        house.call(BERT, "user show", address="a@example.org")
    assert refused.value.kind == "forbidden"


def test_a_password_is_not_set_by_an_alias_that_is_somebody_elses_by_then(house: House) -> None:
    house.call(OF_ALL, "user alias add", address="anna@example.org", alias="a@example.org")

    def meanwhile(work: Callable[[], Any]) -> Any:
        house.call(OF_ALL, "user alias remove", address="anna@example.org", alias="a@example.org")
        house.call(OF_ALL, "user alias add", address="bert@example.org", alias="a@example.org")
        return succeed(work())

    slow = replace(house.control, caller=ANNA, compute=meanwhile)
    result(OPERATIONS["user password"](slow, {"address": "a@example.org", "password": "a good one"}))
    assert house.call(OF_ALL, "user show", address="anna@example.org")["status"] == "active"
    assert house.call(OF_ALL, "user show", address="bert@example.org")["status"] == "pending"


def test_a_domain_may_be_named_as_people_write_it(house: House) -> None:
    house.call(OF_ALL, "domain add", name="bücher.example", home="home.example")
    bea = Caller("bea", "xn--bcher-kva.example", None, "here")
    for caller in (OF_ALL, bea):
        for name in ("bücher.example", "BÜCHER.example.", "XN--bcher-kva.example", "xn--bcher-kva.example."):
            assert house.call(caller, "domain show", name=name)["domain"] == "xn--bcher-kva.example"
            lines = [{"number": 1, "address": "anna@bücher.example"}]
            (line,) = house.call(caller, "user import", lines=lines, domain=name)
            assert line["result"] != "refused"
    with pytest.raises(Refused, match="may ask about example"):
        house.call(OF_DOMAIN, "domain show", name="bücher.example")


def test_a_user_is_shown_what_came_to_them(house: House) -> None:
    for name in ("anna@example.org", "bert@example.org"):
        row = NewRow(house.ours.domain.id, 1, "inbound", DELIVERED, recipient=name, recipient_key=name)
        house.ours.run(record_all, rows=[row])
    assert [row["recipient"] for row in house.call(ANNA, "track")] == ["anna@example.org"]
    assert len(house.call(OF_DOMAIN, "track")) == 3
    with pytest.raises(Refused, match="may ask about themselves only"):
        house.call(ANNA, "track", recipient="bert@example.org")


def test_users_find_their_own_mail_and_see_of_its_envelope_themselves_alone(house: House) -> None:
    store = house.control.store
    both = ["Anna+tag@example.org", "bert@example.org"]
    archive(store, text("to both"), recipients=both, domain=house.ours.domain.id)
    archive(store, text("to bert"), recipients=both[1:], domain=house.ours.domain.id)
    archive(store, text("forged"), recipients=both[1:], sender="anna@example.org", domain=house.ours.domain.id)
    (row,) = house.call(ANNA, "archive search")
    assert (row["subject"], row["recipients"]) == ("to both", ["Anna+tag@example.org"])
    assert house.call(ANNA, "archive search", query="to:bert@example.org -both") == []
    found = house.call(OF_DOMAIN, "archive search", query="direction:inbound")
    assert [row["subject"] for row in found] == ["forged", "to bert", "to both"]
    (row,) = house.call(OF_DOMAIN, "archive search", user="anna@example.org", query="to:anna")
    assert row["recipients"] == ["Anna+tag@example.org"]
    with pytest.raises(Refused, match="may ask about themselves only"):
        house.call(ANNA, "archive search", user="bert@example.org")


def test_administrators_of_a_domain_find_its_mail_alone(house: House) -> None:
    store = house.control.store
    archive(store, text("theirs"), recipients=["anna@other.org"], domain=house.theirs.domain.id)
    assert house.call(OF_DOMAIN, "archive search", query="theirs") == []
    assert house.call(OF_DOMAIN, "archive search", user="anna@other.org") == []
    assert len(house.call(OF_ALL, "archive search", query="theirs")) == 1


@pytest.mark.parametrize("key", domain_settings.SETTINGS)
def test_settings_that_reach_beyond_a_domain_are_for_administrators_of_all(house: House, key: str) -> None:
    before = house.content()
    forbidden = False
    try:
        house.call(OF_DOMAIN, "domain set", name="example.org", settings={"mode": "enabled", key: "?"})
    except Refused as refused:
        forbidden = refused.kind == "forbidden"
    assert forbidden is (domain_settings.SETTINGS[key].scope is Scope.ALL)
    assert house.content() == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_written_can_be_sent_to_another_process(
    house: House, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work of each transaction is a function with a name and arguments, and not what only this process knows."""
    run = Store.run
    sent = []

    def run_what_was_sent(store: Store, work: Any, **more: Any) -> Any:
        sent.append(pickle.dumps(work))
        return run(store, pickle.loads(sent[-1]), **more)

    monkeypatch.setattr(Store, "run", run_what_was_sent)
    with contextlib.suppress(Refused):
        house.call(OF_ALL, operation, **ABOUT[operation](house))
    assert sent or operation in WRITES_NOTHING_HERE or OPERATIONS[operation].looks


# The home servers of domain test and test-imap are only known to a running server, check mends nothing here, backup
# writes files.
WRITES_NOTHING_HERE = ("domain test", "domain test-imap", "check", "backup")


def test_an_operation_without_a_declared_scope_is_none() -> None:
    async def nothing(control: Control, name: str) -> None: ...

    with pytest.raises(TypeError, match="scope"):
        Operation("nothing", nothing)  # type: ignore[call-arg]
    for scope, domain_in in ((Scope.DOMAIN, ""), (Scope.SELF, "name"), (Scope.DOMAIN, "x")):
        with pytest.raises(TypeError, match="nothing: "):
            Operation("nothing", nothing, scope, domain_in=domain_in)
