"""A user's second factor, as administrators see it and take it away, and as its user alone turns it on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import totp, users
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.user_factors import OWN
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

ANNA, BERT = "anna@example.org", "bert@example.org"


@pytest.fixture(autouse=True)
def anna(call: Call) -> None:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address=ANNA, password="secret", aliases=["a@example.org"])
    call("user add", address=BERT, password="secret")


def own(control: Control, operation: str, address: str = ANNA, **arguments: Any) -> Any:
    """What Anna does for herself."""
    herself = replace(control, caller=Caller(ANNA, "example.org", ANNA, "webmail, 192.0.2.1"))
    return result(OWN[f"user second-factor {operation}"](herself, {"address": address, **arguments}))


def turn_on(control: Control, clock: ManualClock) -> list[str]:
    secret = own(control, "begin").secret
    codes: list[str] = own(control, "confirm", code=totp.code(secret, totp.step_of(clock.now()))).codes
    return codes


def inbox(control: Control, address: str = ANNA) -> int:
    """How many messages are in it."""

    def count(tx: Any) -> int:
        user = users.find(tx, parse(address))
        assert user is not None
        return mailboxes.get(tx, user.id, "INBOX").messages

    return result(control.store.read(count))


def test_a_user_turns_it_on_and_is_told_in_inbox_and_the_audit_trail_has_no_secret(
    control: Control, clock: ManualClock, call: Call
) -> None:
    begun = own(control, "begin")
    assert begun.uri.startswith("otpauth://totp/")
    assert begun.secret in begun.uri
    code = totp.code(begun.secret, totp.step_of(clock.now()))
    codes = own(control, "confirm", code=code).codes
    shown = call("user second-factor show", address="a@example.org")
    assert (shown["address"], shown["on"], shown["recovery_codes"], shown["locked"]) == (ANNA, True, 10, False)
    assert inbox(control) == 1
    trail = str(call("audit"))
    assert "user second-factor confirm" in trail
    assert not any(secret in trail for secret in (code, begun.secret, *codes))


def test_a_wrong_code_turns_nothing_on_and_tells_nobody(control: Control, call: Call) -> None:
    own(control, "begin")
    with pytest.raises(Refused, match="code is wrong") as refused:
        own(control, "confirm", code="no code")
    assert refused.value.field == "code"
    assert inbox(control) == 0
    assert not call("user second-factor show", address=ANNA)["on"]


def test_an_administrator_takes_it_away_and_the_user_is_told_in_inbox(
    control: Control, clock: ManualClock, call: Call
) -> None:
    turn_on(control, clock)
    assert call("user second-factor remove", address=ANNA) == {"address": ANNA, "removed": True}
    assert inbox(control) == 2
    (row,) = [row for row in call("audit") if row["operation"] == "user second-factor remove"]
    assert (row["by"], row["result"]) == ("root", "done")
    shown = call("user second-factor show", address=ANNA)
    assert (shown["on"], shown["since"], shown["recovery_codes"]) == (False, None, 0)
    assert call("user second-factor remove", address=ANNA) == {"address": ANNA, "removed": False}
    assert inbox(control) == 2


def test_new_recovery_codes_take_the_place_of_those_before(control: Control, clock: ManualClock, call: Call) -> None:
    with pytest.raises(Refused, match="has no second factor"):
        own(control, "renew")
    before = turn_on(control, clock)
    codes = own(control, "renew").codes
    assert len(codes) == 10
    assert not set(codes) & set(before)
    assert call("user second-factor show", address=ANNA)["recovery_codes"] == 10


@pytest.mark.parametrize("operation", ["begin", "confirm", "renew"])
def test_nobody_has_one_but_its_user(control: Control, operation: str) -> None:
    assert f"user second-factor {operation}" not in OPERATIONS
    with pytest.raises(Refused, match="themselves only") as refused:
        own(control, operation, BERT, **({"code": "123456"} if operation == "confirm" else {}))
    assert refused.value.kind == "forbidden"


def test_what_is_shown_has_no_secret(control: Control, clock: ManualClock) -> None:
    turn_on(control, clock)
    shown = result(OPERATIONS["user second-factor show"](control, {"address": ANNA}))
    assert set(msgspec.to_builtins(shown)) == {"address", "on", "since", "recovery_codes", "locked"}
