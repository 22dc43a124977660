"""What administrators sign in by, as operations: for others, and for oneself with the password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import second_factor, totp, web_sessions
from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.judging import HERE, LIMIT, Court
from tests.fakes.stores import result

PASSWORD = Statement("SELECT password FROM administrator WHERE name = :name")
By = Callable[..., Any]


@pytest.fixture
def by(control: Control, call: Call, clock: ManualClock) -> By:
    """An operation as an administrator by the web asks for it; ``olga`` and ``rita`` are there."""
    call("domain add", name="x.org", home="home.x.org")
    call("admin add", name="olga", password="olga's own", domain="x.org")
    call("admin add", name="rita", password="rita's own")
    login = AdministratorLogin(control.store, Court(clock, control.passwords).judge)
    domains = {"olga": "x.org", "rita": None}

    def by(who: str, operation: str, /, **arguments: Any) -> Any:
        caller = Caller(who, domains[who], None, f"portal, {HERE}", unproven=HERE)
        through = replace(control, caller=caller, administrator_login=lambda: login)
        return msgspec.to_builtins(result(OPERATIONS[operation](through, arguments)))

    return by


def enrol(call: Call, clock: ManualClock, name: str) -> list[str]:
    secret = call("admin totp begin", name=name)["secret"]
    code = totp.code(secret, totp.step_of(clock.now()))
    return list(call("admin totp confirm", name=name, code=code)["recovery_codes"])


@pytest.mark.parametrize("name", ["olga", "rita"])
def test_ones_own_password_and_second_factor_are_changed_with_the_password(control: Control, by: By, name: str) -> None:
    for wrong in ({}, {"password": "a guess"}):
        for operation in ("admin totp begin", "admin totp remove"):
            with pytest.raises(Refused, match="the present password is wrong") as refused:
                by(name, operation, name=name, **wrong)
            assert refused.value.kind == "forbidden"
    with pytest.raises(Refused, match="the present password is wrong"):
        by(name, "admin password", name=name, password="another one")
    assert by(name, "admin totp show", name=name) == {
        "name": name,
        "on": False,
        "since": None,
        "recovery_codes": 0,
        "begun": False,
        "locked": False,
    }
    own = f"{name}'s own"
    assert by(name, "admin totp begin", name=name, password=own)["uri"].startswith(f"otpauth://totp/localhost:{name}")
    assert by(name, "admin totp remove", name=name, password=own) == {"name": name, "removed": True}
    with pytest.raises(Refused, match="too short"):
        by(name, "admin password", name=name, password="short", old=own)
    assert by(name, "admin password", name=name, password="another one", old=own) == {"name": name}
    with pytest.raises(Refused, match="the present password is wrong"):
        by(name, "admin totp begin", name=name, password=own)


def test_the_present_password_is_guessed_as_slowly_as_at_a_login(by: By) -> None:
    for _ in range(2 * LIMIT):
        with pytest.raises(Refused):
            by("olga", "admin totp begin", name="olga", password="a guess")
    with pytest.raises(Refused, match="the present password is wrong, or was given wrongly too often"):
        by("olga", "admin totp begin", name="olga", password="olga's own")


def test_administrators_of_all_help_others_without_their_password(by: By, call: Call, clock: ManualClock) -> None:
    enrol(call, clock, "olga")
    assert by("rita", "admin totp show", name="olga")["on"] is True
    assert by("rita", "admin totp remove", name="olga") == {"name": "olga", "removed": True}
    assert by("rita", "admin totp remove", name="olga") == {"name": "olga", "removed": False}
    by("rita", "admin password", name="olga", password="x")


def test_a_second_factor_is_on_once_a_code_is_confirmed(control: Control, call: Call, clock: ManualClock) -> None:
    call("admin first")
    begun = call("admin totp begin", name="admin")
    assert begun["uri"].endswith(f"?secret={begun['secret']}&issuer=localhost")
    with pytest.raises(Refused, match="the code is wrong"):
        call("admin totp confirm", name="admin", code="no code")
    state = call("admin totp show", name="admin")
    assert (state["on"], state["begun"]) == (False, True)
    codes = enrol(call, clock, "admin")
    state = call("admin totp show", name="admin")
    assert (state["on"], state["begun"], state["recovery_codes"]) == (True, False, 10)
    assert [row["totp"] for row in call("admin list")] == [True]
    assert result(control.store.run(partial(second_factor.use, name="admin", code=codes[0])))
    with pytest.raises(Refused, match="no new secret waits"):
        call("admin totp confirm", name="admin", code="000000")


@pytest.mark.parametrize("operation", ["show", "begin", "remove", "confirm"])
def test_there_is_no_second_factor_of_nobody(call: Call, operation: str) -> None:
    more = {"code": "000000"} if operation == "confirm" else {}
    with pytest.raises(Refused, match="nobody: no such administrator"):
        call(f"admin totp {operation}", name="nobody", **more)


def test_neither_log_nor_audit_repeats_a_code_or_a_password(by: By, call: Call) -> None:
    with pytest.raises(Refused):
        by("olga", "admin password", name="olga", password="geheim-1", old="geheim-2")
    with pytest.raises(Refused):
        call("admin totp confirm", name="olga", code="geheim-3")
    assert "geheim" not in str(call("audit"))
    assert "code=…" in str(call("audit"))


def test_sessions_are_listed_and_revoked(control: Control, by: By, call: Call) -> None:
    for number, name in enumerate(("olga", "rita", "rita")):
        work = partial(web_sessions.begin, kind=ADMINISTRATOR, secret=f"{number}", whose=name, password=1)
        result(control.store.run(partial(work, peer=HERE, agent="Browser/1")))
    rows = call("admin session list")
    assert [(row["name"], row["from"], row["browser"]) for row in rows] == [
        ("rita", HERE, "Browser/1"),
        ("rita", HERE, "Browser/1"),
        ("olga", HERE, "Browser/1"),
    ]
    assert call("admin session list", after=rows[0]["id"], limit=1) == rows[1:2]
    assert by("olga", "admin session list") == rows[2:]
    with pytest.raises(Refused, match="may ask about themselves only"):
        by("olga", "admin session revoke", name="rita", id=rows[0]["id"])
    with pytest.raises(Refused, match="is not the id of a session of olga") as refused:
        by("olga", "admin session revoke", name="olga", id=rows[0]["id"])
    assert refused.value.kind == "unknown"
    assert by("olga", "admin session revoke", name="olga", id=rows[2]["id"]) == {"name": "olga", "revoked": 1}
    assert call("admin session revoke", name="rita", all=True) == {"name": "rita", "revoked": 2}
    assert call("admin session list") == []


@pytest.mark.parametrize("arguments", [{}, {"id": "0" * 13, "all": True}, {"id": "x"}, {"id": "0" * 13}])
def test_what_is_to_be_revoked_has_to_be_said(call: Call, arguments: dict[str, Any]) -> None:
    call("admin first")
    with pytest.raises(Refused, match="session"):
        call("admin session revoke", name="admin", **arguments)
