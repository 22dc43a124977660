"""App passwords: what opens the mail doors beside a user's own password, without its price, and when it ends."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.accounts import app_passwords, domains, users
from mpcontinuity.accounts.app_passwords import AppPassword
from mpcontinuity.accounts.authentication import WRONG, Authentication
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed
from mpcontinuity.protocols.sasl.scram import NAME, make_keys
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import HERE, LIMIT, Court
from tests.fakes.scram import ScramClient
from tests.fakes.stores import result

ANNA, BERT = "anna@example.org", "bert@example.org"
SALT = b"salt of sixteen!"


class House(Court):
    """Anna and Bert have the password 'right', and Anna has a telephone."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(clock)
        self.store = store
        self.login = UserLogin(store, Directory(store), self.judge)
        self.domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings()))).id
        own = str(make_keys("right", SALT, 1))
        for name in (ANNA, BERT):
            added = partial(users.add_user, domain=self.domain, address=parse(name), password_hash="$right", scram=own)
            result(store.run(added))
        self.anna = self.user(ANNA)
        self.randomness = SeededRandomness()
        self.text, self.phone = self.add("telephone")

    def user(self, name: str) -> User:
        user = result(self.store.read(partial(users.find, address=parse(name))))
        assert user is not None
        return user

    def add(self, name: str, salt: bytes = SALT) -> tuple[str, AppPassword]:
        text = app_passwords.make(self.randomness)
        keys = str(make_keys(text, salt, 1))
        work = partial(app_passwords.add, account=self.anna.id, domain=self.domain, text=text, name=name, scram=keys)
        return text, result(self.store.run(work))

    def remove(self, one: AppPassword) -> bool:
        work = partial(app_passwords.remove, account=self.anna.id, domain=self.domain, app_password=one.id)
        return result(self.store.run(work))

    def listing(self) -> list[AppPassword]:
        return result(self.store.read(partial(app_passwords.listing, account=self.anna.id)))

    def check(self, name: str, password: str) -> User | None:
        return result(self.login.check(name, password, HERE, by_device=True))

    def scram(self, name: str, password: str) -> User | Failed:
        exchange, client = Authentication(self.login, NAME, HERE), ScramClient(name, password)
        step = result(exchange.receive(client.first))
        assert isinstance(step, Challenge)
        step = result(exchange.receive(client.final(step.data)))
        if isinstance(step, Challenge):
            assert client.knows(step.data)
            step = result(exchange.receive(b""))
        assert isinstance(step, User | Failed)
        return step


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House(store, clock)


def test_one_has_eighty_bits_in_groups_without_letters_that_look_alike() -> None:
    texts = {app_passwords.make(SeededRandomness(seed)) for seed in range(50)}
    assert len(texts) == 50
    for text in texts:
        assert [len(group) for group in text.split("-")] == [4, 4, 4, 4]
        assert not set(text) & set("oilu")
    assert set("".join(texts)) >= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_it_logs_its_user_in_at_a_mail_door_without_a_slow_hash(house: House) -> None:
    user = house.check(ANNA, house.text)
    assert user is not None
    assert (user.id, user.app_password) == (house.anna.id, house.phone.id)
    assert house.passwords.checked == []


@pytest.mark.parametrize("typed", [str.upper, lambda text: text.replace("-", ""), lambda text: f" {text} "])
def test_it_may_be_typed_with_capitals_without_hyphens_and_with_letters_that_look_like_digits(
    house: House, typed: object
) -> None:
    assert callable(typed)
    text = typed(house.text).replace("0", "O").replace("1", "l")
    assert house.check(ANNA, text) is not None


def test_it_opens_no_page(house: House) -> None:
    assert result(house.login.check(ANNA, house.text, HERE)) is None
    assert result(house.login.check(ANNA, "right", HERE)) is not None


def test_it_is_its_users_alone(house: House) -> None:
    assert house.check(BERT, house.text) is None
    assert house.scram(BERT, house.text) == WRONG


@pytest.mark.parametrize("name", [ANNA, BERT, "nobody@example.org", "no address"])
def test_a_wrong_one_costs_as_much_as_a_wrong_password_whoever_has_which(house: House, name: str) -> None:
    assert house.check(name, "abcd-efgh-jkmn-pqrs") is None
    assert len(house.passwords.checked) == 1


def test_wrong_ones_count_in_the_throttle_of_passwords(house: House) -> None:
    for _ in range(LIMIT + 1):
        assert house.check(ANNA, "abcd-efgh-jkmn-pqrs") is None
    assert house.slept == [1.0]


def test_a_login_by_ones_own_password_looks_no_app_password_up_twice(house: House) -> None:
    assert house.check(ANNA, "right") is not None
    assert house.check(ANNA, "right") is not None
    assert len(house.passwords.checked) == 1


def test_scram_takes_any_password_of_the_user_and_no_other(house: House) -> None:
    text, tablet = house.add("tablet")
    found = [house.scram(ANNA, each) for each in ("right", house.text, text)]
    assert [each.app_password for each in found if isinstance(each, User)] == [0, house.phone.id, tablet.id]
    assert house.scram(ANNA, "wrong") == WRONG
    assert house.scram(BERT, "right") == house.user(BERT)


def test_one_with_another_salt_does_not_keep_others_from_scram(house: House) -> None:
    text, _ = house.add("made by a race", salt=b"another of these")
    assert house.scram(ANNA, text) == WRONG
    assert house.check(ANNA, text) is not None
    assert isinstance(house.scram(ANNA, house.text), User)


def test_keys_that_are_made_later_share_the_salt_of_the_app_passwords(house: House) -> None:
    result(house.store.run(lambda tx: users.set_password(tx, house.anna, "$new")))
    assert isinstance(house.scram(ANNA, house.text), User)  # while the new password has no keys yet
    assert house.check(ANNA, "new") is not None
    scram = result(house.store.read(lambda tx: users.credentials(tx, house.anna.id))).scram
    assert make_keys("new", SALT) == make_keys("new", app_passwords_salt(house))
    assert scram == str(make_keys("new", SALT))


def app_passwords_salt(house: House) -> bytes:
    return result(house.store.read(partial(app_passwords.salt, account=house.anna.id)))


def test_it_outlives_a_change_of_the_users_own_password(house: House) -> None:
    result(house.store.run(lambda tx: users.set_password(tx, house.anna, "$new")))
    user = house.check(ANNA, house.text)
    assert user is not None
    result(house.store.run(lambda tx: users.set_password(tx, house.anna, "$newer")))
    assert result(house.login.still(user)) is not None


def test_it_ends_when_it_is_removed_and_no_other_does(house: House) -> None:
    text, tablet = house.add("tablet")
    users_ = [house.check(ANNA, each) for each in (house.text, text)]
    assert house.remove(house.phone)
    assert not house.remove(house.phone)
    assert house.listing() == [tablet]
    assert [result(house.login.still(user)) is not None for user in users_ if user] == [False, True]
    assert house.check(ANNA, house.text) is None
    assert house.check(ANNA, text) is not None


def test_it_ends_when_its_user_is_deactivated_and_does_not_come_back_with_them(house: House) -> None:
    result(house.store.run(lambda tx: users.deactivate(tx, house.anna)))
    assert house.check(ANNA, house.text) is None
    result(house.store.run(lambda tx: users.activate(tx, house.anna)))
    assert house.check(ANNA, house.text) is None
    assert house.listing() == []


def test_it_ends_when_its_user_is_removed(house: House) -> None:
    result(house.store.run(lambda tx: users.forget(tx, house.anna.id, house.domain)))
    assert house.check(ANNA, house.text) is None
    assert house.listing() == []


def test_its_last_use_is_noted_once_a_minute_beside_that_of_other_devices(house: House, clock: ManualClock) -> None:
    text, _ = house.add("tablet")
    logins, begin = house.login.logins, clock.now()
    for each, door, peer in ((house.text, "IMAP", "192.0.2.1"), (text, "SMTP", "192.0.2.2")):
        user = house.check(ANNA, each)
        assert user is not None
        logins.note(user, door, peer)
    result(logins.write())
    seen = [(one.last_used, one.last_used_by, one.last_used_from) for one in house.listing()]
    assert seen == [(begin, "IMAP", "192.0.2.1"), (begin, "SMTP", "192.0.2.2")]
    clock.advance(MINUTE / SECOND / 2)
    phone = house.check(ANNA, house.text)
    assert phone is not None
    logins.note(phone, "POP3", "192.0.2.3")
    result(logins.write())
    assert house.listing()[0].last_used == begin
    clock.advance(MINUTE / SECOND)
    logins.note(phone, "POP3", "192.0.2.3")
    result(logins.write())
    assert house.listing()[0][3:] == (clock.now(), "POP3", "192.0.2.3")


def test_a_user_has_a_bounded_number_of_them(house: House) -> None:
    for number in range(1, app_passwords.MOST):
        house.add(f"device {number}")
    with pytest.raises(Refused, match="30 app passwords already"):
        house.add("one more")
    assert len(house.listing()) == app_passwords.MOST


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines", "a\0"])
def test_a_name_that_will_not_do_is_refused(house: House, name: str) -> None:
    with pytest.raises(Refused, match="name: must say for which device"):
        house.add(name)
    assert len(house.listing()) == 1


@pytest.mark.parametrize("text", ["", "short", "x" * 70, "abcd-efgh-jkmn-pqr", "abcd-efgh-jkmn-pqru", "é" * 16, "\0"])
def test_what_cannot_be_one_is_not_looked_up(text: str) -> None:
    assert app_passwords.digest_of(1, text) == b""
