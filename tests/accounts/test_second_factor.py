from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import administrators, second_factor, totp, web_sessions
from mpcontinuity.accounts.administrator_login import Administrator, AdministratorLogin
from mpcontinuity.accounts.second_factor import BEGUN_LASTS, MOST_WRONG
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import ELSEWHERE, HERE, LIMIT, Court
from tests.fakes.stores import result

SECRET, NEXT = totp.secret(SeededRandomness(1)), totp.secret(SeededRandomness(2))
KEPT = Statement("SELECT COUNT(*) FROM totp")
DIGESTS = Statement("SELECT digest FROM recovery_code")


@dataclass
class Safe:
    """``root`` with a second factor of SECRET."""

    store: Store
    clock: ManualClock
    codes: list[str]

    def run(self, work: Any, **more: Any) -> Any:
        return result(self.store.run(partial(work, **more)))

    def code(self, secret: str = SECRET, drift: int = 0) -> str:
        return totp.code(secret, totp.step_of(self.clock.now()) + drift)

    def wrong(self) -> str:
        right = {self.code(drift=drift) for drift in (-1, 0, 1)} | {self.code(NEXT, drift) for drift in (-1, 0, 1)}
        return next(code for code in ("000000", *(str(number) * 6 for number in range(1, 10))) if code not in right)

    def use(self, code: str) -> bool:
        return bool(self.run(second_factor.use, name="root", code=code))

    def find(self) -> second_factor.SecondFactor:
        return self.run(second_factor.find, name="root")  # type: ignore[no-any-return]

    def pass_a_step(self) -> None:
        self.clock.advance(30)


@pytest.fixture
def safe(store: Store, clock: ManualClock) -> Safe:
    safe = Safe(store, clock, second_factor.recovery_codes(SeededRandomness()))
    safe.run(administrators.add, name="root", password_hash="$right")
    safe.run(second_factor.begin, name="root", secret=SECRET)
    assert safe.find().since == 0
    assert safe.run(second_factor.confirm, name="root", code=safe.code(), recovery=safe.codes)
    safe.pass_a_step()
    return safe


def test_a_code_is_good_once_at_whatever_process_it_comes(safe: Safe) -> None:
    code = safe.code()
    assert safe.use(code)
    assert not safe.use(code)
    assert not safe.use(safe.code(drift=-1))  # older than the one that was used
    assert safe.use(safe.code(drift=1))
    assert not safe.use(safe.code(drift=1))


def test_the_code_that_confirmed_it_is_used(store: Store, clock: ManualClock) -> None:
    safe = Safe(store, clock, [])
    safe.run(administrators.add, name="root", password_hash="$right")
    safe.run(second_factor.begin, name="root", secret=SECRET)
    code = safe.code()
    assert safe.run(second_factor.confirm, name="root", code=code, recovery=[])
    assert not safe.use(code)


def test_people_type_codes_with_blanks(safe: Safe) -> None:
    code = safe.code()
    assert safe.use(f" {code[:3]} {code[3:]}\n")
    assert safe.use(safe.codes[0].upper().replace("-", " "))


@pytest.mark.parametrize("code", ["", "\0", "12345", "1234567", "١٢٣٤٥٦", "\ud800", "x" * 100_000, "-" * 100])
def test_what_is_no_code_is_wrong(safe: Safe, code: str) -> None:
    assert not safe.use(code)


def test_each_recovery_code_is_good_once_and_kept_as_its_digest(safe: Safe) -> None:
    assert len(set(safe.codes)) == safe.find().codes == 10
    for code in safe.codes:
        assert safe.use(code)
        assert not safe.use(code)
    assert safe.find().codes == 0
    assert safe.use(safe.code())
    assert all(len(row[0]) == 32 for row in safe.run(lambda tx: tx.all(DIGESTS)))


def test_another_secret_counts_once_it_is_confirmed_and_ends_what_was_before(safe: Safe) -> None:
    safe.run(second_factor.begin, name="root", secret=NEXT)
    assert safe.find().begun == NEXT
    assert not safe.use(safe.code(NEXT))
    assert safe.use(safe.code())
    assert not safe.run(second_factor.confirm, name="root", code=safe.wrong(), recovery=[])
    assert safe.run(second_factor.confirm, name="root", code=safe.code(NEXT), recovery=["a"])
    safe.pass_a_step()
    assert not safe.use(safe.code())
    assert not safe.use(safe.codes[0])
    assert safe.use(safe.code(NEXT))
    assert (safe.find().begun, safe.find().codes) == ("", 1)


def test_a_secret_that_was_begun_waits_for_an_hour(safe: Safe) -> None:
    safe.run(second_factor.begin, name="root", secret=NEXT)
    safe.clock.advance(BEGUN_LASTS / SECOND)
    assert safe.find().begun == ""
    with pytest.raises(Refused, match="begin again"):
        safe.run(second_factor.confirm, name="root", code=safe.code(NEXT), recovery=[])
    assert safe.use(safe.code())


def test_after_a_hundred_wrong_codes_none_is_taken_until_the_password_is_another(safe: Safe) -> None:
    for _ in range(MOST_WRONG - 1):
        assert not safe.use(safe.wrong())
    assert safe.use(safe.code())  # and they are forgotten
    assert not safe.find().spent
    for _ in range(MOST_WRONG):
        assert not safe.use(safe.wrong())
    safe.pass_a_step()
    assert safe.find().spent
    assert not safe.use(safe.code())
    assert not safe.use(safe.codes[0])
    safe.run(administrators.set_password, name="root", password_hash="$other")
    assert safe.use(safe.code())


def test_whoever_goes_takes_it_along(safe: Safe) -> None:
    safe.run(administrators.add, name="eve", password_hash="$right")
    safe.run(administrators.remove, name="root")
    safe.run(administrators.add, name="root", password_hash="$right")
    assert safe.find() == second_factor.SecondFactor(0, 0, "", False)
    assert safe.run(lambda tx: tx.value(KEPT)) == 0


def test_a_change_of_it_ends_the_sessions(safe: Safe) -> None:
    def sessions() -> int:
        return len(safe.run(web_sessions.listing, kind=ADMINISTRATOR))

    for change in (
        partial(second_factor.remove, name="root"),
        partial(administrators.set_password, name="root", password_hash="$other"),
    ):
        safe.run(web_sessions.begin, kind=ADMINISTRATOR, secret="s", whose="root", password=1)
        assert sessions() == 1
        safe.run(change)
        assert sessions() == 0
    safe.run(second_factor.begin, name="root", secret=NEXT)
    safe.run(web_sessions.begin, kind=ADMINISTRATOR, secret="s", whose="root", password=1)
    assert safe.run(second_factor.confirm, name="root", code=safe.code(NEXT), recovery=[])
    assert sessions() == 0


def test_guesses_are_slowed_down_as_those_of_passwords_are(safe: Safe) -> None:
    court = Court(safe.clock)
    login = AdministratorLogin(safe.store, court.judge)
    root = Administrator("root", "")
    for _ in range(2 * LIMIT):
        assert not result(login.by_code(root, safe.wrong(), HERE))
    assert court.slept == [1.0, 2.0, 4.0]
    assert not result(login.by_code(root, safe.code(), HERE))
    assert login.code_outcomes == {"succeeded": 0, "failed": 2 * LIMIT, "throttled": 1}
    assert result(login.by_code(root, safe.code(), ELSEWHERE))
    assert result(login.has_second_factor(root))
    assert not result(login.has_second_factor(Administrator("nobody", "")))
