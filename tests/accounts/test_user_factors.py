"""A user's second factor: its codes and recovery codes, and what the password alone opens once there is one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import app_passwords, domains, second_factor, totp, user_factors, users, web_sessions
from mpcontinuity.accounts.authentication import WRONG, Authentication
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.second_factor import BEGUN_LASTS, MOST_WRONG
from mpcontinuity.accounts.user_factors import FORGIVEN, UserFactor
from mpcontinuity.accounts.user_login import CODE, UserLogin, next_step, signed_in
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import SETUP, USER, WebSessions
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.protocols.sasl.exchange import Challenge
from mpcontinuity.protocols.sasl.scram import NAME, make_keys
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import HERE, LIMIT, Court
from tests.fakes.scram import ScramClient
from tests.fakes.stores import result

ANNA, BERT = "anna@example.org", "bert@example.org"
SECRET, NEXT = totp.secret(SeededRandomness(1)), totp.secret(SeededRandomness(2))
ROWS = Statement("SELECT (SELECT COUNT(*) FROM user_factor), (SELECT COUNT(*) FROM user_recovery_code)")
DIGESTS = Statement("SELECT digest FROM user_recovery_code")
NONE = UserFactor(0, 0, "", 0, False)


class House(Court):
    """Anna and Bert have the password 'right', and Anna a second factor of SECRET."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(clock)
        self.store = store
        self.login = UserLogin(store, Directory(store), self.judge)
        self.domain = self.run(lambda tx: domains.add(tx, "example.org", DomainSettings())).id
        keys = str(make_keys("right", b"salt of sixteen!", 1))
        for name in (ANNA, BERT):
            self.run(users.add_user, domain=self.domain, address=parse(name), password_hash="$right", scram=keys)
        self.codes = second_factor.recovery_codes(SeededRandomness())
        self.begin(SECRET)
        self.confirm(self.code())
        self.pass_a_step()

    def run(self, work: Any, **more: Any) -> Any:
        return result(self.store.run(partial(work, **more)))

    def user(self, name: str = ANNA) -> User:
        return self.run(users.find, address=parse(name))  # type: ignore[no-any-return]

    def find(self) -> UserFactor:
        return self.run(user_factors.find, account=self.user().id)  # type: ignore[no-any-return]

    def begin(self, secret: str) -> None:
        self.run(user_factors.begin, account=self.user().id, secret=secret)

    def confirm(self, code: str, recovery: list[str] | None = None) -> None:
        given = self.codes if recovery is None else recovery
        self.run(user_factors.confirm, account=self.user().id, domain=self.domain, code=code, recovery=given)

    def use(self, code: str) -> bool:
        return bool(self.run(user_factors.use, account=self.user().id, code=code))

    def code(self, secret: str = SECRET, drift: int = 0) -> str:
        return totp.code(secret, totp.step_of(self.clock.now()) + drift)

    def wrong(self) -> str:
        right = {self.code(each, drift) for each in (SECRET, NEXT) for drift in (-1, 0, 1)}
        return next(code for code in (str(number) * 6 for number in range(10)) if code not in right)

    def pass_a_step(self) -> None:
        self.clock.advance(30)

    def check(self, name: str = ANNA, password: str = "right", **how: bool) -> User | None:
        return result(self.login.check(name, password, HERE, **how))


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House(store, clock)


def test_a_code_is_good_once_and_so_is_the_one_that_confirmed(store: Store, clock: ManualClock) -> None:
    house = House(store, clock)
    code = house.code()
    assert house.use(code)
    assert not house.use(code)
    assert not house.use(house.code(drift=-1))  # older than the one that was used
    house.begin(NEXT)
    code = house.code(NEXT)
    house.confirm(code)
    assert not house.use(code)


def test_a_recovery_code_is_good_once_however_it_is_typed_and_no_row_tells_it(house: House) -> None:
    typed = house.codes[0].upper().replace("-", "  ")
    assert house.use(typed)
    assert not house.use(typed)
    assert house.find().codes == second_factor.RECOVERY_CODES - 1
    assert all(len(row[0]) == 32 for row in house.run(lambda tx: tx.all(DIGESTS)))
    house.run(user_factors.give_codes, account=house.user().id, recovery=["new-code"])
    assert not house.use(house.codes[1])
    assert house.use("NEW CODE")


def test_codes_of_one_user_are_none_of_another(house: House) -> None:
    bert = house.user(BERT).id
    for code in (house.code(), house.codes[0]):
        assert not house.run(user_factors.use, account=bert, code=code)
    assert house.use(house.codes[0])


def test_another_authenticator_counts_once_it_is_confirmed_and_the_one_before_goes(house: House) -> None:
    house.begin(NEXT)
    assert house.find().begun == NEXT
    assert not house.use(house.code(NEXT))
    assert house.use(house.code())
    with pytest.raises(Refused, match="code is wrong"):
        house.confirm(house.wrong())
    house.confirm(house.code(NEXT), ["a"])
    house.pass_a_step()
    assert not house.use(house.code())
    assert house.use(house.code(NEXT))
    assert (house.find().begun, house.find().codes) == ("", 1)
    assert house.run(lambda tx: tx.one(ROWS)) == (1, 1)


def test_a_secret_that_was_begun_waits_for_an_hour_and_is_the_newest(house: House) -> None:
    house.begin("A" * 32)
    house.begin(NEXT)
    assert house.run(lambda tx: tx.one(ROWS))[0] == 2
    house.clock.advance(BEGUN_LASTS / SECOND)
    assert house.find().begun == ""
    with pytest.raises(Refused, match="begin again"):
        house.confirm(house.code(NEXT))
    assert house.use(house.code())


def test_after_a_hundred_wrong_codes_a_recovery_code_alone_is_good_until_the_password_is_another(house: House) -> None:
    for _ in range(MOST_WRONG - 1):
        assert not house.use(house.wrong())
    assert not house.find().spent
    assert house.use(house.code())  # and ten are forgotten: not all that somebody else may have sent
    assert house.find().wrong == MOST_WRONG - 1 - FORGIVEN
    house.pass_a_step()
    for _ in range(FORGIVEN + 1):
        assert not house.use(house.wrong())
    assert house.find().spent
    assert not house.use(house.code())
    assert house.use(house.codes[0])
    assert house.find().spent  # else who knows the password could guess on after each
    house.run(users.set_password, user=house.user(), password_hash="$other")
    assert house.use(house.code())


def test_a_few_wrong_codes_are_made_up_for_by_the_next_good_one(house: House) -> None:
    for _ in range(FORGIVEN):
        assert not house.use(house.wrong())
    assert house.use(house.code())
    assert house.find().wrong == 0


def test_the_password_alone_opens_nothing_but_the_question_for_the_code(house: House) -> None:
    assert house.check() is None
    assert house.check(by_device=True) is None
    asked = house.check(code_follows=True)
    assert asked is not None
    assert asked.second_factor
    assert house.check(BERT) is not None
    assert house.check(password="guessed", code_follows=True) is None


def test_a_mail_program_that_goes_on_with_the_password_locks_its_user_out_of_no_page(house: House) -> None:
    for _ in range(5 * LIMIT):
        assert house.check(by_device=True) is None
    assert house.slept == []
    assert house.check(code_follows=True) is not None


def test_an_app_password_is_good_as_before(house: House) -> None:
    text = app_passwords.make(SeededRandomness(3))
    house.run(app_passwords.add, account=house.user().id, domain=house.domain, text=text, name="telephone", scram="")
    entered = house.check(password=text, by_device=True)
    assert entered is not None
    assert result(house.login.still(entered)) is not None
    assert house.check(password=text, code_follows=True) is None


@pytest.mark.parametrize(("name", "good"), [(ANNA, False), (BERT, True)])
def test_a_proof_of_the_password_by_scram_is_no_more_than_the_password(house: House, name: str, good: bool) -> None:
    client = ScramClient(name, "right")
    exchange = Authentication(house.login, NAME, HERE)
    first = result(exchange.receive(client.first))
    assert isinstance(first, Challenge)
    last = result(exchange.receive(client.final(first.data)))
    assert isinstance(last, Challenge) is good or last == WRONG


def test_who_came_by_the_password_alone_is_in_no_longer_once_it_is_on(house: House) -> None:
    bert = house.check(BERT)
    assert bert is not None
    sessions = {
        kind: WebSessions(house.store, kind, SeededRandomness(len(kind.name)), signed_in) for kind in (USER, SETUP)
    }
    secrets = {kind: result(each.begin(str(bert.id), 0)) for kind, each in sessions.items()}
    house.run(user_factors.begin, account=bert.id, secret=NEXT)
    assert result(house.login.still(bert)) is not None
    house.run(user_factors.confirm, account=bert.id, domain=house.domain, code=house.code(NEXT), recovery=[])
    assert result(house.login.still(bert)) is None
    assert [result(each.find(secrets[kind])) for kind, each in sessions.items()] == [None, None]


def test_a_session_begins_with_the_step_that_holds_in_its_very_transaction(house: House) -> None:
    sessions = WebSessions(house.store, USER, SeededRandomness(7), signed_in)
    steps = []
    for name in (ANNA, BERT):
        account = house.user(name).id
        secret = result(sessions.begin(str(account), 0, step=partial(next_step, account=account)))
        found = result(sessions.find(secret))
        assert found is not None
        steps.append(found.session.step)
    assert steps == [CODE, ""]


def test_guesses_are_slowed_down_as_those_of_passwords_are(house: House) -> None:
    anna = house.user()
    for _ in range(2 * LIMIT):
        assert not result(house.login.by_code(anna, house.wrong(), HERE))
    assert house.slept == [1.0, 2.0, 4.0]
    assert not result(house.login.by_code(anna, house.code(), HERE))
    assert house.check(code_follows=True) is not None  # the password is another matter
    assert house.login.code_outcomes == {"succeeded": 0, "failed": 2 * LIMIT, "throttled": 1}


def test_it_goes_with_its_user_and_stays_when_they_are_deactivated(house: House) -> None:
    anna = house.user()
    house.run(users.deactivate, user=anna)
    assert house.check(code_follows=True) is None
    house.run(users.activate, user=anna)
    assert house.check() is None
    house.run(users.forget, account=anna.id, domain=house.domain)
    assert house.run(lambda tx: tx.one(ROWS)) == (0, 0)


def test_without_it_the_password_opens_everything_again_and_all_browsers_are_signed_out(house: House) -> None:
    anna = house.user()
    for kind in (USER, SETUP):
        house.run(web_sessions.begin, kind=kind, secret=kind.name, whose=str(anna.id), password=0)
    assert house.run(user_factors.remove, account=anna.id, domain=house.domain)
    assert house.check(by_device=True) is not None
    assert house.find() == NONE
    assert [house.run(web_sessions.listing, kind=kind) for kind in (USER, SETUP)] == [[], []]
    assert not house.run(user_factors.remove, account=anna.id, domain=house.domain)
