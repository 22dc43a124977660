"""Answers without a known end: progress, messages of the archive as files, and what happens as it happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mpcontinuity.accounts import domains, home_history
from mpcontinuity.admin.api.events import HEARTBEAT
from mpcontinuity.admin.api.progress import lines as json_lines
from mpcontinuity.admin.api.reading import LONGEST
from mpcontinuity.control import live
from mpcontinuity.control.heard import Heard
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.queue import progress
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import NewRow, end_of_owed, record_all, reopen_owed
from tests.admin.api.program import Api, read
from tests.archive.archived import archive, text
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

_ARCHIVED = Statement("SELECT id FROM archive WHERE body = :body")
CSV = b"address,name\nbert@example.org,Bert\nx,Nobody\ncarla@other.org,Carla\n"


def lines(octets: bytes) -> list[Any]:
    return [json.loads(line) for line in octets.splitlines()]


def test_a_file_of_users_is_taken_line_by_line(api: Api) -> None:
    headers = {"Content-Type": "text/csv", "Accept": "application/jsonl"}
    said = api.ask("POST", "users/import?domain=example.org", body=CSV, headers=headers)
    assert (said.code, said.fields["content-type"]) == (200, "application/jsonl")
    *told, last = lines(said.body)
    assert [one["progress"]["result"] for one in told] == ["added", "refused", "refused"]
    assert [one["result"] for one in last["result"]] == ["added", "refused", "refused"]
    plain = api.ask("POST", "users/import", body=CSV, headers={"Content-Type": "text/csv"})
    assert [one["result"] for one in plain.json] == ["unchanged", "refused", "added"]
    ours = api.ask("POST", "users/import", body=CSV, by="oscar", headers={"Content-Type": "text/csv"})
    assert [one["result"] for one in ours.json] == ["refused", "refused", "unchanged"]
    latin = api.ask("POST", "users/import", body=b"J\xf6rg@example.org", headers={"Content-Type": "text/csv"})
    assert (latin.json[0]["result"], latin.json[0]["text"]) == (
        "refused",
        "is not in UTF-8; save the file as CSV UTF-8",
    )
    assert api.ask("POST", "users/import", body=b"\xff\xfea\0", headers={"Content-Type": "text/csv"}).code == 400


def test_a_file_of_users_is_looked_at_first(api: Api, call: Call) -> None:
    headers = {"Content-Type": "text/csv"}
    looked = api.ask("POST", "users/import?preview=true", body=CSV, headers=headers)
    assert [one["result"] for one in looked.json] == ["added", "refused", "added"]
    assert [row["address"] for row in call("user list")] == ["anna@example.org", "anna@other.org"]
    for wrong in ("preview=perhaps", "lines=1"):
        assert api.ask("POST", f"users/import?{wrong}", body=CSV, headers=headers).code == 400


def test_a_file_that_is_sent_again_with_its_key_is_not_imported_again(api: Api) -> None:
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "a file"}
    first = api.ask("POST", "users/import", body=CSV, headers=headers)
    again = api.ask("POST", "users/import", body=CSV, headers=headers)
    assert (again.json, again.fields["idempotency-replayed"]) == (first.json, "true")
    assert api.ask("POST", "users/import", body=CSV.replace(b"bert", b"berta"), headers=headers).code == 422


def test_json_beside_files_has_its_own_bound(api: Api) -> None:
    body = b'{"lines": [' + b" " * LONGEST + b"]}"
    said = api.ask("POST", "users/import", body=body, headers={"Content-Type": "application/json"})
    assert (said.code, said.kind) == (413, "invalid")
    lines = json.dumps({"lines": [{"number": 1, "address": "dora@example.org"}]}).encode()
    said = api.ask("POST", "users/import", body=lines, headers={"Content-Type": "application/json"})
    assert said.json[0]["result"] == "added"


def test_a_message_of_the_archive_is_answered_octet_by_octet(api: Api, store: Store, call: Call) -> None:
    octets = text("Long", "From here on\r\n" + "x" * 100_000)
    row = archived(store, octets)
    said = api.ask("GET", f"archive/{row}", headers={"Accept": "message/rfc822"})
    assert (said.code, said.fields["content-type"]) == (200, "message/rfc822")
    assert said.body == octets
    shown = api.ask("GET", f"archive/{row}").json
    assert shown["id"] == row
    (looked, *_) = call("audit", limit=1)
    assert looked["operation"] == "archive show"
    refused = api.ask("GET", f"archive/{show(1)}", headers={"Accept": "message/rfc822"})
    assert (refused.code, refused.kind) == (404, "unknown")


def archived(store: Store, octets: bytes) -> str:
    body = archive(store, octets, recipients=["anna@example.org"], domain=_domain(store))
    return show(int(result(store.read(lambda tx: tx.value(_ARCHIVED, body=body.id)))))


def _domain(store: Store, name: str = "example.org") -> int:
    return int(result(store.read(lambda tx: domains.known(tx, name))).id)


def test_the_archive_is_exported_as_an_mbox(api: Api, store: Store) -> None:
    archived(store, text("First", "From a line\r\n>From another\r\nend"))
    archived(store, text("second"))
    said = api.ask("GET", "archive/export?user=anna@example.org", headers={"Accept": "application/mbox"})
    assert (said.code, said.fields["content-type"]) == (200, "application/mbox")
    found = said.body.split(b"\n\nFrom ")
    assert len(found) == 2
    assert said.body.startswith(b"From ")
    assert b"\n>From a line\n>>From another\nend" in said.body
    assert b"\r" not in said.body
    *told, last = lines(api.ask("GET", "archive/export", headers={"Accept": "application/jsonl"}).body)
    assert told[0] == {"progress": {"found": 2}}
    assert last["result"]["messages"] == 2
    assert api.ask("GET", "archive/export", by="oscar").json["messages"] == 0


def test_a_refusal_that_comes_late_is_the_last_line(control: Control) -> None:
    async def work(control: Control) -> None:
        control.progress({"step": 1})
        raise Refused("no", "conflict")

    running = Heard(control, work)
    result(running.first())
    found: list[bytes] = []

    async def collect() -> None:
        found.extend([line async for line in json_lines(running)])

    result(collect())
    assert [json.loads(line) for line in found][1]["problem"]["kind"] == "conflict"


def test_an_operation_whose_client_is_gone_is_told(control: Control) -> None:
    async def work(control: Control) -> None:
        for step in range(3):
            control.progress(step)
            await control.drained()

    running = Heard(control, work)
    result(running.first())
    pieces = running.pieces()

    async def leave() -> None:
        await anext(pieces)
        await pieces.aclose()

    result(leave())
    assert isinstance(running.failure, Refused)


def events(octets: bytes) -> list[tuple[str, Any]]:
    """The events of a stream by their names, with their data."""
    found = []
    for block in octets.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


class Stream:
    def __init__(self, api: Api, by: str, **headers: str) -> None:
        self.api = api
        self.channel, self.transport = api.send(
            "GET", "/api/v1/events", {"Authorization": f"Bearer {api.tokens[by]}", **headers}
        )

    def heard(self) -> list[tuple[str, Any]]:
        octets = self.transport.value()
        if b"\r\n\r\n" not in octets:
            return []
        parts, found = octets.partition(b"\r\n\r\n")[2], b""
        while parts:
            size, _, parts = parts.partition(b"\r\n")
            found, parts = found + parts[: int(size, 16)], parts[int(size, 16) + 2 :]
        return events(found)


def happen(store: Store, name: str, subject: str) -> None:
    """A message to anna of a domain."""
    domain = _domain(store, name)
    row = NewRow(domain, store.clock.now(), "inbound", "delivered", recipient=f"anna@{name}", subject=subject)
    result(store.run(lambda tx: record_all(tx, [row])))


def test_everybody_hears_what_happens_in_their_domain(api: Api, store: Store, clock: ManualClock) -> None:
    rita, olga, oscar = (Stream(api, name) for name in ("rita", "olga", "oscar"))
    clock.advance(live.EVERY)
    assert rita.heard() == []
    happen(store, "example.org", "ours")
    happen(store, "other.org", "theirs")
    domain = _domain(store)
    result(store.run(lambda tx: progress.note(tx, domain, began=1, done=7, per_minute=7, throttled="")))
    clock.advance(live.EVERY)
    clock.advance(live.EVERY)

    def subjects(stream: Stream) -> list[str]:
        return [data["data"]["subject"] for event, data in stream.heard() if event == "message"]

    assert subjects(rita) == ["ours", "theirs"]
    assert (subjects(olga), subjects(oscar)) == (["ours"], ["theirs"])
    assert [(event, data["domain"]) for event, data in olga.heard()][-1] == ("recovery", "example.org")
    assert [event for event, _ in oscar.heard()] == ["message"]


def test_who_was_cut_off_hears_what_they_missed(api: Api, store: Store, clock: ManualClock) -> None:
    happen(store, "example.org", "first")
    clock.advance(60)
    happen(store, "example.org", "second")
    clock.advance(1)
    first = api.ask("GET", "track?domain=example.org").json[-1]["id"]
    stream = Stream(api, "olga", **{"Last-Event-ID": first})
    clock.advance(live.EVERY)
    assert [data["data"]["subject"] for event, data in stream.heard()] == ["second"]
    clock.advance(3 * 3600)
    late = Stream(api, "olga", **{"Last-Event-ID": first})
    assert [event for event, _ in late.heard()] == ["missed"]
    wrong = read(Stream(api, "olga", **{"Last-Event-ID": "x"}).transport.value())
    assert (wrong.code, wrong.kind) == (400, "invalid")


def owe(store: Store, name: str, number: int) -> None:
    """A message to anna of a domain, which home is owed by the row with that id."""
    domain, now = _domain(store, name), store.clock.now()
    row = NewRow(domain, now, "inbound", "deferred", recipient=f"anna@{name}", outcome="owed", owed=number)
    result(store.run(lambda tx: record_all(tx, [row])))


def end(store: Store, number: int, outcome: str) -> None:
    event = TrackingEvent(store.clock.now(), "home", 250, "2.0.0 Ok")
    result(store.run(lambda tx: end_of_owed(tx, number, outcome, event)))


def test_what_becomes_of_a_message_later_is_told(api: Api, store: Store, clock: ManualClock) -> None:
    first, second = (identifier.first_at(clock.now()) + number for number in (1, 2))
    owe(store, "example.org", first)
    owe(store, "other.org", second)
    clock.advance(60)
    rita, olga = Stream(api, "rita"), Stream(api, "olga")
    clock.advance(live.EVERY)
    end(store, first, "delivered")
    end(store, second, "deleted")
    for _ in range(3):
        clock.advance(live.EVERY)

    def told(stream: Stream) -> list[tuple[str, str, str]]:
        return [(event, data["data"]["id"], data["data"]["outcome"]) for event, data in stream.heard()]

    assert told(olga) == [("outcome", show(first), "delivered")]  # once
    assert sorted(told(rita)) == [("outcome", show(first), "delivered"), ("outcome", show(second), "deleted")]
    assert b"id: " not in rita.transport.value()  # it would have who comes again begin at an older row
    result(store.run(lambda tx: reopen_owed(tx, first, TrackingEvent(clock.now(), "", 0, "Reopened"))))
    clock.advance(live.EVERY)
    assert told(olga)[1:] == [("outcome", show(first), "owed")]


def test_who_was_cut_off_hears_what_became_of_messages(api: Api, store: Store, clock: ManualClock) -> None:
    row = identifier.first_at(clock.now()) + 1
    owe(store, "example.org", row)
    clock.advance(60)
    happen(store, "example.org", "a later one")
    last = api.ask("GET", "track?limit=1").json[0]["id"]
    clock.advance(60)
    end(store, row, "delivered")
    clock.advance(60)
    stream = Stream(api, "olga", **{"Last-Event-ID": last})
    clock.advance(live.EVERY)
    assert [(event, data["data"]["outcome"]) for event, data in stream.heard()] == [("outcome", "delivered")]


def test_a_message_that_ends_before_it_was_told_is_told_once(api: Api, store: Store, clock: ManualClock) -> None:
    stream = Stream(api, "olga")
    clock.advance(live.EVERY)
    row = identifier.first_at(clock.now()) + 1
    owe(store, "example.org", row)
    end(store, row, "delivered")
    for _ in range(3):
        clock.advance(live.EVERY)
    assert [(event, data["data"]["outcome"]) for event, data in stream.heard()] == [("message", "delivered")]


def test_one_reader_looks_for_all_and_stops_with_the_last(
    api: Api, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = home_history.noted

    def counted(tx: Any, **given: Any) -> Any:
        looks.append(1)
        return look(tx, **given)

    monkeypatch.setattr(home_history, "noted", counted)
    streams = [Stream(api, name) for name in ("rita", "rita", "olga", "oscar")]
    for _ in range(3):
        clock.advance(live.EVERY)
    assert len(looks) == 3
    for stream in streams:
        stream.channel.connectionLost()
    clock.advance(HEARTBEAT)
    before = len(looks)
    for _ in range(5):
        clock.advance(live.EVERY)
    assert len(looks) == before
    assert clock.getDelayedCalls() == [] or not api.live._listeners


def test_a_stream_lives_as_long_as_its_token(api: Api, call: Call, clock: ManualClock) -> None:
    stream = Stream(api, "olga")
    clock.advance(HEARTBEAT)
    assert b"\r\n:\n\n\r\n" in stream.transport.value()
    (row,) = call("admin token list", name="olga")
    call("admin token remove", name="olga", id=row["id"])
    clock.advance(HEARTBEAT)
    clock.advance(HEARTBEAT)
    assert stream.transport.value().endswith(b"0\r\n\r\n")


def test_so_many_listen_and_no_more(api: Api, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_EACH", 2)
    streams = [Stream(api, "rita") for _ in range(3)]
    said = read(streams[2].transport.value())
    assert (said.code, said.kind) == (503, "unavailable")
    streams[0].channel.connectionLost()
    clock.advance(HEARTBEAT)
    assert Stream(api, "rita").transport.value().startswith(b"HTTP/1.1 200")


def test_who_takes_nothing_is_told_what_they_missed(
    api: Api, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUEUED", 2)
    listener = result(api.live.listen(api.control.caller))
    for number in range(5):
        happen(store, "example.org", str(number))
    clock.advance(live.EVERY)
    told = result(listener.take(1.0))
    assert [type(one) for one in told[:-1]] == [live.MessageNoticed] * 2
    assert told[-1] == live.Missed(data=live.Unseen(3))
    listener.close()


def test_a_token_for_users_hears_nothing_of_mail(api: Api, store: Store, clock: ManualClock) -> None:
    api.make_token("rita", scopes=["domains"])
    stream = Stream(api, "rita")
    clock.advance(live.EVERY)
    happen(store, "example.org", "x")
    clock.advance(live.EVERY)
    assert stream.heard() == []
