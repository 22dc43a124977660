from __future__ import annotations

import pytest

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.stores import result


def test_the_first_one_is_made_once_and_its_password_shown_once(control: Control, call: Call) -> None:
    password = call("admin first")
    assert len(password) == 24
    assert call("admin first") is None
    hashed = result(control.store.read(lambda tx: tx.value(Statement("SELECT password FROM administrator"))))
    assert control.passwords.verify(password, hashed)


def test_an_administrator_may_have_one_domain_only(call: Call) -> None:
    with pytest.raises(Refused, match=r"x\.org: no such domain"):
        call("admin add", name="eve", password="x", domain="x.org")
    call("domain add", name="x.org", home="home.x.org")
    call("admin add", name="eve", password="x", domain="x.org")
    assert [(row["name"], row["domain"]) for row in call("admin list")] == [("eve", "x.org")]


def test_the_last_one_of_all_domains_stays(call: Call) -> None:
    call("admin first")
    with pytest.raises(Refused, match="is the only administrator of all domains"):
        call("admin remove", name="admin")
    call("admin add", name="eve", password="x")
    call("admin remove", name="admin")
    with pytest.raises(Refused, match="admin: no such administrator"):
        call("admin password", name="admin", password="y")
