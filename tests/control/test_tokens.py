from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

DIGESTS = Statement("SELECT digest FROM token")


@pytest.fixture
def admin(call: Call) -> None:
    """The first administrator, and eve of x.org."""
    call("admin first")
    for name in ("x.org", "y.org"):
        call("domain add", name=name, home=f"home.{name}")
    call("admin add", name="eve", password="x", domain="x.org")


def digests(control: Control) -> list[Any]:
    return [row[0] for row in result(control.store.read(lambda tx: tx.all(DIGESTS)))]


def test_a_token_is_kept_as_its_digest_only(control: Control, call: Call, admin: None) -> None:
    row = call("admin token", name="admin", expires="90d")
    assert (row["name"], row["expires"]) == ("admin", "2026-12-20T14:13:20+00:00")
    assert len(row["token"]) == 48
    assert digests(control) == [hashlib.sha256(row["token"].encode()).digest()]
    assert call("admin token", name="admin")["expires"] is None


def test_tokens_are_listed_without_what_lets_in(call: Call, clock: ManualClock, admin: None) -> None:
    first = call("admin token", name="admin", expires="1h")
    second = call("admin token", name="admin", domain="X.org", read_only=True)
    call("admin token", name="eve")
    clock.advance(3600)
    rows = call("admin token list", name="admin")
    assert [(row["id"], row["expired"], row["domain"], row["read_only"]) for row in rows] == [
        (first["id"], True, None, False),
        (second["id"], False, "x.org", True),
    ]
    assert [row["last_used"] for row in rows] == [None, None]
    assert all(first["token"] not in str(row) for row in rows)


def test_a_token_is_removed_by_its_id_and_only_as_its_owners(control: Control, call: Call, admin: None) -> None:
    row = call("admin token", name="admin")
    with pytest.raises(Refused, match=f"{row['id']}: is no token of eve") as caught:
        call("admin token remove", name="eve", id=row["id"])
    assert caught.value.kind == "unknown"
    assert len(digests(control)) == 1
    assert call("admin token remove", name="admin", id=row["id"].upper()) == {
        "name": "admin",
        "id": row["id"],
        "removed": True,
    }
    assert digests(control) == []


def test_a_token_has_the_scopes_that_it_was_given(control: Control, call: Call, admin: None) -> None:
    made = [
        call("admin token", name="admin", **more)
        for more in ({}, {"read_only": True}, {"scopes": ["mail", "users"]}, {"scopes": ["users"], "read_only": True})
    ]
    scopes = [["read", "users", "mail", "domains", "admin"], ["read"], ["users", "mail"], ["read", "users"]]
    assert [row["scopes"] for row in made] == scopes
    rows = call("admin token list", name="admin")
    assert [(row["scopes"], row["read_only"]) for row in rows] == [(each, each == ["read"]) for each in scopes]
    older = Statement("UPDATE token SET scopes = ''")  # as a server of an earlier version sees them: never more
    result(control.store.run(lambda tx: tx.run(older)))
    rows = call("admin token list", name="admin")
    assert [row["scopes"] for row in rows] == [scopes[0], ["read"], ["read"], ["read"]]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "admin", "scopes": []}, "scopes: a token without any"),
        ({"name": "admin", "scopes": ["everything"]}, "everything"),
        ({"name": "nobody"}, "no such administrator"),
        ({"name": "admin", "expires": "soon"}, "not a time"),
        ({"name": "admin", "expires": "2020-01-01"}, "is in the past"),
        ({"name": "admin", "expires": "1970-01-01T00:00:00Z"}, "is in the past"),
        ({"name": "admin", "domain": "z.org"}, "no such domain"),
        ({"name": "eve", "domain": "y.org"}, r"administrator of x\.org only"),
    ],
)
def test_a_token_that_cannot_be_is_refused_and_nothing_is_kept(
    control: Control, call: Call, admin: None, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        call("admin token", **arguments)
    assert digests(control) == []


@pytest.mark.parametrize("operation", ["admin token list", "admin token remove"])
def test_tokens_of_nobody_are_refused(call: Call, admin: None, operation: str) -> None:
    more = {"id": "0" * 13} if operation.endswith("remove") else {}
    with pytest.raises(Refused, match="no such administrator"):
        call(operation, name="nobody", **more)


@pytest.mark.parametrize("id_", ["", "x", "u" * 13, "z" * 13])
def test_what_is_no_id_is_refused(call: Call, admin: None, id_: str) -> None:
    with pytest.raises(Refused, match="id"):
        call("admin token remove", name="admin", id=id_)
