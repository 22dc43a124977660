"""What a request may say, and what it is answered: pages, versions, keys, rations, and all that is no request."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any

import pytest

from mpcontinuity.admin.api import repetition
from mpcontinuity.admin.api.rations import QUOTA, WINDOW
from mpcontinuity.admin.api.reading import LONGEST
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from tests.admin.api.program import Api
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.control.test_scope import _content as content
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

# What decides in the store is tried on both databases.
on_both = pytest.mark.parametrize("database", DATABASES, indirect=True)

BERT = {"address": "bert@example.org", "name": "Bert"}


def stored(api: Api) -> dict[str, Any]:
    """All that is stored, but when tokens were used."""
    return {name: rows for name, rows in result(api.control.store.read(content)).items() if name != "token"}


@on_both
def test_pages_lead_to_each_other_and_end(api: Api, call: Call) -> None:
    for number in range(4):
        call("user add", address=f"u{number}@example.org")
    path, found = "users?domain=example.org&limit=2", []
    while path:
        said = api.ask("GET", path)
        found += [row["address"] for row in said.json]
        link = said.fields.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link[1 : link.index(">")] if link else ""
    assert found == ["anna@example.org", *(f"u{number}@example.org" for number in range(4))]


@on_both
@pytest.mark.parametrize("path", ["domains/example.org", "users/anna@example.org"])
def test_who_edits_what_another_has_changed_meanwhile_is_told(api: Api, path: str) -> None:
    first, second = (
        ({"settings": {"kept-days": "3"}}, {"settings": {"kept-days": "4"}})
        if path.startswith("domains")
        else ({"name": "A"}, {"name": "B"})
    )
    tag = api.ask("GET", path).fields["etag"]
    assert api.ask("GET", path, headers={"If-None-Match": tag}).code == 304
    assert api.ask("PATCH", path, first, headers={"If-Match": tag}).code == 200
    before = stored(api)
    late = api.ask("PATCH", path, second, headers={"If-Match": tag})
    assert (late.code, late.kind) == (412, "conflict")
    for bad in ("x", '"x"', 'W/"x"', f"{tag}, {tag}", '""'):
        assert api.ask("PATCH", path, second, headers={"If-Match": bad}).code == 412
    after = stored(api)
    assert {name: rows for name, rows in after.items() if "audit" not in name} == {
        name: rows for name, rows in before.items() if "audit" not in name
    }
    fresh = api.ask("GET", path).fields["etag"]
    assert fresh != tag
    assert api.ask("PATCH", path, second, headers={"If-Match": fresh}).code == 200
    assert api.ask("PATCH", path, first, headers={"If-Match": "*"}).code == 200


@on_both
def test_a_request_with_a_key_is_done_once(api: Api) -> None:
    once = api.ask("POST", "users", BERT, headers={"Idempotency-Key": '"8e03978e"'})
    again = api.ask("POST", "users", BERT, headers={"Idempotency-Key": "8e03978e"})
    assert (once.code, again.code) == (201, 201)
    assert again.body == once.body
    assert again.fields["idempotency-replayed"] == "true"
    other = api.ask("POST", "users", {"address": "carla@example.org"}, headers={"Idempotency-Key": "8e03978e"})
    assert (other.code, other.kind) == (422, "conflict")
    elsewhere = api.ask("POST", "alerts", BERT, headers={"Idempotency-Key": "8e03978e"})
    assert elsewhere.code == 422
    assert [row["address"] for row in api.ask("GET", "users?domain=example.org").json] == [
        "anna@example.org",
        "bert@example.org",
    ]


def test_keys_are_of_their_administrator(api: Api) -> None:
    for name, domain in (("olga", "example.org"), ("oscar", "other.org")):
        said = api.ask("POST", "users", {"address": f"b@{domain}"}, by=name, headers={"Idempotency-Key": "k"})
        assert said.code == 201


def test_what_was_refused_may_come_again_with_its_key(api: Api) -> None:
    plan = {"address": "b@example.org", "aliases": ["b@other.org"]}
    assert api.ask("POST", "users", plan, headers={"Idempotency-Key": "k"}).code == 400
    assert api.ask("POST", "users", BERT, headers={"Idempotency-Key": "k"}).code == 201


@on_both
def test_a_request_under_way_is_not_begun_again(api: Api) -> None:
    request = repetition.of_request("rita", "k", b"POST", b"/api/v1/users", json.dumps(BERT).encode())
    result(api.control.store.run(lambda tx: repetition.begin(tx, request)))
    said = api.ask("POST", "users", BERT, headers={"Idempotency-Key": "k"})
    assert (said.code, said.kind) == (409, "conflict")


@on_both
def test_a_secret_is_answered_once_and_kept_nowhere(api: Api) -> None:
    made = api.ask("POST", "administrators/rita/tokens", {"scopes": ["read"]}, headers={"Idempotency-Key": "k"})
    assert made.code == 201
    again = api.ask("POST", "administrators/rita/tokens", {"scopes": ["read"]}, headers={"Idempotency-Key": "k"})
    assert (again.code, again.kind) == (409, "conflict")
    assert made.json["token"] not in repr(stored(api))
    password = {"address": "b@example.org", "password": "a very secret one"}
    assert api.ask("POST", "users", password, headers={"Idempotency-Key": "l"}).code == 201
    assert "a very secret one" not in repr(stored(api))


@on_both
def test_answers_are_kept_for_a_day_and_no_more_than_so_many(
    api: Api, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repetition, "MOST", 3)
    for number in range(6):
        clock.advance(1)
        api.ask("POST", "domains/example.org/contain", headers={"Idempotency-Key": f"k{number}"})
    count = Statement("SELECT COUNT(*) FROM answered_request")
    assert result(api.control.store.read(lambda tx: tx.value(count))) <= 4
    clock.advance(86_401)
    api.ask("POST", "domains/example.org/contain", headers={"Idempotency-Key": "k"})
    assert result(api.control.store.read(lambda tx: tx.value(count))) == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 201, "é"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    said = api.ask("POST", "users", BERT, headers={"Idempotency-Key": key.encode().decode("latin-1")})
    assert said.code == (201 if not key else 400)


def test_a_token_has_a_ration(api: Api, clock: ManualClock) -> None:
    codes = [api.ask("GET", "openapi.json").code for _ in range(3)]  # is for whoever asks, and counts for no token
    for _ in range(QUOTA):
        said = api.ask("HEAD", "clock")
        codes.append(said.code)
    assert set(codes) == {200}
    token, host = said.fields["ratelimit"].split(", ")
    assert token == f'"token";r=0;t={WINDOW}'
    assert re.fullmatch(r'"host";r=\d+;t=\d+', host)
    assert re.fullmatch(r'"token";q=600;w=60, "host";q=\d+;w=60', said.fields["ratelimit-policy"])
    said = api.ask("GET", "clock")
    assert (said.code, said.kind) == (429, "limited")
    assert said.fields["retry-after"] == "1"
    assert api.ask("GET", "domains", by="olga").code == 200
    clock.advance(1)
    assert api.ask("GET", "clock").code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eA==", "Basic x", "Bearer " + "x" * 5000])
def test_without_a_good_token_nobody_gets_in(api: Api, header: str) -> None:
    said = api.ask("GET", "domains", by="", headers={"Authorization": header} if header else {})
    assert (said.code, said.kind) == (401, "unauthorized")
    assert said.fields["www-authenticate"].startswith('Bearer realm="mpcontinuity"')


def test_a_token_that_was_removed_ends(api: Api, call: Call) -> None:
    (row,) = call("admin token list", name="olga")
    assert api.ask("GET", "domains", by="olga").code == 200
    call("admin token remove", name="olga", id=row["id"])
    assert api.ask("GET", "domains", by="olga").code == 401


def test_a_token_that_only_reads_changes_nothing(api: Api) -> None:
    api.make_token("rita", scopes=["read"])
    assert api.ask("GET", "users").code == 200
    assert api.ask("POST", "users", BERT).code == 403
    api.make_token("rita", scopes=["users"])
    assert api.ask("POST", "users", BERT).code == 201
    assert api.ask("GET", "queue").code == 403


BODIES = {
    "deep": b'{"address":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a little deep": b'{"address":' + b"[" * 25 + b"]" * 25 + b"}",
    "twice": b'{"address":"b@example.org","address":"c@example.org"}',
    "twice within": b'{"name":"example.org","settings":{"mode":"enabled","mode":"disabled"}}',
    "no JSON": b"address=b@example.org",
    "no UTF-8": b'{"address":"\xff@example.org"}',
    "UTF-16": '{"address":"b@example.org"}'.encode("utf-16"),
    "not a number": b'{"address":NaN}',
    "a huge number": b'{"address":' + b"9" * 10_000 + b"}",
    "an array": b"[]",
    "text": b'"x"',
    "nothing": b"null",
    "unknown": b'{"addres":"b@example.org"}',
    "a wrong type": b'{"address":5}',
    "a list": b'{"address":["b@example.org"]}',
    "null": b'{"address":null}',
    "a NUL": b'{"address":"b@example.org","name":"a\\u0000b"}',
    "half a pair": b'{"address":"b@example.org","name":"\\ud800"}',
    "many": json.dumps({f"x{number}": number for number in range(4_000)}).encode(),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_request_is_a_clear_problem_and_changes_nothing(api: Api, body: str) -> None:
    before = stored(api)
    said = api.ask("POST", "users", body=BODIES[body])
    assert (said.code, said.kind) == (400, "invalid"), said
    assert len(said.json["detail"]) < 500
    after = stored(api)
    assert {name: rows for name, rows in after.items() if "audit" not in name} == {
        name: rows for name, rows in before.items() if "audit" not in name
    }


def test_a_body_of_another_type_or_size_is_refused(api: Api) -> None:
    assert api.ask("POST", "users", BERT, headers={"Content-Type": "text/plain"}).code == 415
    assert api.ask("POST", "users", body=b" " * (LONGEST + 1)).code == 413
    large = api.ask("POST", "users/import", body=b" " * (LONGEST + 1))
    assert (large.code, large.kind) == (413, "invalid")
    assert api.ask("GET", "users").code == 200


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"x{number}=1" for number in range(10_000)),  # which is no line of HTTP any more
        "&".join(f"x{number}" for number in range(1_000)),
        "limit=x",
        "limit=1&limit=2",
        "limit=9999999999999999999999",
        "limit=0",
        "never=maybe",
        "domain=%00",
        "domain=%FF",
        "after=%0D%0AX-Evil:1",
        "unknown=1",
    ],
)
def test_a_query_that_is_none_is_a_clear_problem(api: Api, query: str) -> None:
    said = api.ask("GET", f"users?{query}")
    assert said.code == 400, said
    assert "x-evil" not in said.fields


@pytest.mark.parametrize(
    "name", ["a%0D%0AX-Evil:%201", "%3E%3B%20rel=next", "..%2F..%2Fetc", "%00", "%FF", "a" * 5_000]
)
def test_a_name_in_a_path_leads_to_no_header_and_no_file(api: Api, name: str) -> None:
    said = api.ask("GET", f"domains/{name}")
    assert said.code in (400, 404)
    assert said.kind in ("invalid", "unknown")
    assert "x-evil" not in said.fields


def test_a_name_in_a_link_is_quoted(api: Api) -> None:
    said = api.ask("GET", "users?limit=1&domain=example.org&after=%3E%3B%20@a.example")
    assert said.code in (200, 400)
    assert said.fields.get("link", "").count(">") <= 1


def test_an_argument_is_given_once(api: Api) -> None:
    said = api.ask("PATCH", "users/anna@example.org", {"address": "anna@other.org", "name": "x"})
    assert (said.code, said.json["detail"]) == (400, "address: is in the path already")


def test_what_is_not_there_is_a_problem_too(api: Api) -> None:
    assert (api.ask("GET", "nothing").kind, api.ask("GET", "/api/v2/x").kind) == ("unknown", "unknown")
    said = api.ask("DELETE", "domains")
    assert (said.code, said.fields["allow"], said.kind) == (405, "GET, HEAD, POST", "invalid")
    options = api.ask("OPTIONS", "domains", by="")
    assert (options.code, options.fields["allow"]) == (200, "GET, HEAD, OPTIONS, POST")
    assert "access-control-allow-origin" not in options.fields
    head, whole = api.ask("HEAD", "domains"), api.ask("GET", "domains")
    assert (head.body, head.fields["content-length"]) == (b"", str(len(whole.body)))


def test_a_store_that_is_away_is_said_with_a_time_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*arguments: Any, **named: Any) -> Any:
        raise Temporary("the database is away")

    monkeypatch.setattr(api.administrators, "by_token", away)
    said = api.ask("GET", "domains")
    assert (said.code, said.kind, said.fields["retry-after"]) == (503, "unavailable", "30")


def test_a_failure_tells_nothing_of_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("the inside")

    monkeypatch.setattr(api.administrators, "by_token", broken)
    said = api.ask("GET", "domains")
    assert (said.code, said.kind) == (500, "failed")
    assert b"inside" not in said.body


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@on_both
def test_a_users_program_asks_whether_continuity_is_at_work(api: Api, call: Call) -> None:
    anna = basic("anna@example.org", "anna's own")
    shown = api.ask("GET", "continuity/anna@example.org", by="", headers=anna).json
    assert shown == {
        "mode": "disabled",
        "state": "up",
        "active": False,
        "opt_in": False,
        "submission": {"host": "localhost", "port": 1465, "tls": "implicit"},
    }
    call("domain set", name="example.org", settings={"mode": "optional"})
    chosen = api.ask("PUT", "continuity/anna@example.org", {"opt_in": True}, by="", headers=anna)
    assert (chosen.code, chosen.json["active"], chosen.json["opt_in"]) == (200, True, True)
    assert api.ask("GET", "continuity/anna@example.org").json == chosen.json
    call("domain set", name="example.org", settings={"mode": "enabled"})
    assert api.ask("GET", "continuity/anna@example.org", by="olga").json["active"] is True


def test_nobody_asks_about_others(api: Api) -> None:
    anna = basic("anna@example.org", "anna's own")
    for name in ("anna@other.org", "nobody@example.org", "x"):
        said = api.ask("GET", f"continuity/{name}", by="", headers=anna)
        assert said.code in (400, 403), name
    assert api.ask("GET", "continuity/anna@example.org", by="oscar").code == 403
    wrong = api.ask("GET", "continuity/anna@example.org", by="", headers=basic("anna@example.org", "x"))
    assert (wrong.code, "Basic" in wrong.fields["www-authenticate"]) == (401, True)
    assert api.ask("GET", "users/anna@example.org", by="", headers=anna).code == 401
    for body in ({"opt_in": 1}, {"opt_in": "true"}, {}, {"opt_in": True, "x": 1}):
        assert api.ask("PUT", "continuity/anna@example.org", body, by="", headers=anna).code == 400


def test_an_app_password_is_for_mail_alone(api: Api, call: Call) -> None:
    made = call("user app-password add", address="anna@example.org", name="phone")
    said = api.ask("GET", "continuity/anna@example.org", by="", headers=basic("anna@example.org", made["password"]))
    assert said.code == 401
