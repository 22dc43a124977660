"""SASL exchanges over a real store: who gets in, and what those who do not can learn."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import authentication, domains, users
from mpcontinuity.accounts.authentication import WRONG, Authentication
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import parse
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed
from mpcontinuity.protocols.sasl.scram import NAME, NAME_PLUS
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.judging import LIMIT, Court
from tests.fakes.scram import ScramClient
from tests.fakes.stores import result

ANNA = "anna@example.org"
PEER = "192.0.2.1"


class Gate(Court):
    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(clock, Passwords("plaintext", ()))
        self.store = store
        self.login = UserLogin(store, Directory(store), self.judge)
        domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
        kept = self.passwords.keep("right", b"salt of sixteen!")
        result(
            store.run(
                lambda tx: users.add_user(
                    tx, domain=domain.id, address=parse(ANNA), password_hash=kept.hash, scram=kept.scram
                )
            )
        )

    def begin(self, mechanism: str, binding: bytes | None = None, peer: str = PEER) -> Authentication:
        return Authentication(self.login, mechanism, peer, binding)

    def scram(self, client: ScramClient, mechanism: str = NAME, binding: bytes | None = None) -> User | Failed:
        exchange = self.begin(mechanism, binding)
        step = result(exchange.receive(client.first))
        if isinstance(step, Failed):
            return step
        assert isinstance(step, Challenge)
        step = result(exchange.receive(client.final(step.data)))
        if isinstance(step, Failed):
            return step
        assert isinstance(step, Challenge)
        assert client.knows(step.data)
        last = result(exchange.receive(b""))
        assert isinstance(last, User)
        return last

    def user(self) -> User:
        user = result(self.store.read(lambda tx: users.find(tx, parse(ANNA))))
        assert user is not None
        return user

    def keys(self) -> str:
        anna = self.user().id
        return result(self.store.read(lambda tx: users.credentials(tx, anna)))[1]


@pytest.fixture
def gate(store: Store, clock: ManualClock) -> Gate:
    return Gate(store, clock)


def test_plain_and_login_let_in_by_password(gate: Gate) -> None:
    user = result(gate.begin("PLAIN").receive(b"\0" + ANNA.encode() + b"\0right"))
    assert isinstance(user, User)
    login = gate.begin("LOGIN")
    assert result(login.receive(None)) == Challenge(b"Username:")
    assert result(login.receive(ANNA.encode())) == Challenge(b"Password:")
    assert result(login.receive(b"right")) == user
    assert login.name == ANNA


def test_scram_lets_in_and_shows_the_client_that_the_server_knows_it(gate: Gate) -> None:
    assert gate.scram(ScramClient(ANNA, "right")) == gate.user()


def test_scram_with_a_channel_binding(gate: Gate) -> None:
    assert gate.scram(ScramClient(ANNA, "right", binding=b"here"), NAME_PLUS, b"here") == gate.user()
    assert gate.scram(ScramClient(ANNA, "right", binding=b"elsewhere"), NAME_PLUS, b"here") == WRONG


def test_who_was_told_of_no_binding_where_there_is_one_does_not_get_in(gate: Gate) -> None:
    assert isinstance(gate.scram(ScramClient(ANNA, "right", flag="y"), NAME, b"here"), Failed)
    assert gate.scram(ScramClient(ANNA, "right", flag="y"), NAME, None) == gate.user()


@pytest.mark.parametrize("name", [ANNA, "nobody@example.org", "no address"])
def test_a_wrong_password_and_an_unknown_name_are_told_the_same(gate: Gate, name: str) -> None:
    assert gate.scram(ScramClient(name, "wrong")) == WRONG
    assert result(gate.begin("PLAIN").receive(f"\0{name}\0wrong".encode())) == WRONG


def test_an_unknown_name_has_the_same_salt_each_time_and_after_a_restart(gate: Gate) -> None:
    def salt() -> str:
        step = result(gate.begin(NAME).receive(ScramClient("nobody@example.org", "x").first))
        assert isinstance(step, Challenge)
        return step.data.decode().split(",", 1)[1]

    first = salt()
    assert salt() == first
    gate.login._secret = b""  # as in a new process
    assert salt() == first


def test_scram_of_an_inactive_user_fails_as_that_of_an_unknown_one(gate: Gate) -> None:
    anna = gate.user()
    result(gate.store.run(lambda tx: users.deactivate(tx, anna)))
    assert gate.scram(ScramClient(ANNA, "right")) == WRONG


def test_wrong_proofs_count_in_the_throttle_of_passwords(gate: Gate) -> None:
    for _ in range(LIMIT):
        assert gate.scram(ScramClient(ANNA, "wrong")) == WRONG
    assert gate.slept == []
    assert result(gate.begin("PLAIN").receive(f"\0{ANNA}\0wrong".encode())) == WRONG
    assert gate.slept == [1.0]
    for _ in range(LIMIT - 1):
        gate.scram(ScramClient(ANNA, "wrong"))
    assert gate.slept == [1.0, 2.0, 4.0]
    assert gate.scram(ScramClient(ANNA, "right")) == WRONG  # guessed too often from here
    assert gate.login.outcomes["throttled"] == 1


def test_a_right_proof_ends_the_count_of_failures(gate: Gate) -> None:
    for _ in range(LIMIT - 1):
        gate.scram(ScramClient(ANNA, "wrong"))
    assert gate.scram(ScramClient(ANNA, "right")) == gate.user()
    for _ in range(LIMIT):
        gate.scram(ScramClient(ANNA, "wrong"))
    assert gate.slept == []


def test_a_password_that_changes_during_the_exchange_does_not_let_in_the_old_one(gate: Gate) -> None:
    exchange, client = gate.begin(NAME), ScramClient(ANNA, "right")
    step = result(exchange.receive(client.first))
    assert isinstance(step, Challenge)
    anna = gate.user()
    result(gate.store.run(lambda tx: users.set_password(tx, anna, "other", "")))
    assert result(exchange.receive(client.final(step.data))) == WRONG


def test_a_password_that_changes_before_the_last_answer_of_scram_does_not_let_in_the_old_one(gate: Gate) -> None:
    exchange, client = gate.begin(NAME), ScramClient(ANNA, "right")
    step = result(exchange.receive(client.first))
    assert isinstance(step, Challenge)
    assert isinstance(result(exchange.receive(client.final(step.data))), Challenge)
    anna = gate.user()
    result(gate.store.run(lambda tx: users.set_password(tx, anna, "other", "")))
    assert result(exchange.receive(b"")) == WRONG


def test_keys_are_made_at_the_first_login_with_a_password(gate: Gate) -> None:
    anna = gate.user()
    result(gate.store.run(lambda tx: users.set_password(tx, anna, "right")))
    assert gate.keys() == ""
    assert gate.scram(ScramClient(ANNA, "right")) == WRONG
    assert isinstance(result(gate.begin("PLAIN").receive(f"\0{ANNA}\0right".encode())), User)
    assert gate.scram(ScramClient(ANNA, "right")) == gate.user()


def test_the_last_answer_of_scram_is_empty(gate: Gate) -> None:
    exchange, client = gate.begin(NAME), ScramClient(ANNA, "right")
    step = result(exchange.receive(client.first))
    assert isinstance(step, Challenge)
    result(exchange.receive(client.final(step.data)))
    assert isinstance(result(exchange.receive(b"more")), Failed)


def test_without_tls_there_is_no_binding_to_offer() -> None:
    assert authentication.mechanisms(object()) == (NAME, "PLAIN", "LOGIN")
    assert authentication.channel_binding(object()) is None
