from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from mpcontinuity.control.archived import PIECE
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.socket import FIRST_WITHIN, MOST, NEXT_WITHIN, ControlFactory, answer
from mpcontinuity.model.identifier import show
from mpcontinuity.store.statement import Statement
from tests.archive.archived import archive, text
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books


def ask(control: Control, **request: Any) -> Any:
    return json.loads(result(answer(control, json.dumps(request).encode())))


def test_a_result_or_a_refusal(control: Control) -> None:
    assert ask(control, operation="domain list") == {"result": []}
    refused = ask(control, operation="domain show", arguments={"name": "x.org"})
    assert refused == {
        "refused": "x.org: no such domain here",
        "kind": "unknown",
        "hint": {"operation": "domain list", "does": "shows them", "arguments": {}, "domain": "x.org"},
        "field": "name",
    }


@pytest.mark.parametrize(
    ("request_", "why", "field"),
    [
        ({"operation": "domain fly"}, "domain fly: this server has no such operation; is its version older?", ""),
        ({"operation": "domain show"}, "Object missing required field `name`", "name"),
        ({"operation": "domain show", "arguments": {"name": 1}}, "Expected `str`, got `int` - at `$.name`", "name"),
        ({"operation": "domain list", "arguments": {"x": 1}}, "Object contains unknown field `x`", ""),
        ({"operation": 7}, "Expected `str`, got `int` - at `$.operation`", ""),
    ],
)
def test_a_request_that_is_none_is_refused_in_one_line(
    control: Control, request_: dict[str, Any], why: str, field: str
) -> None:
    kind = "unknown" if "no such operation" in why else "invalid"
    assert ask(control, **request_) == {"refused": why, "kind": kind, "hint": None, "field": field}


@pytest.mark.parametrize(
    "line",
    [
        b'{"operation": "domain show", "arguments": {"name": "\xff"}}',
        b'{"operation": "domain show", "arguments": ' + b'{"a": ' * 100_000,
        b'{"operation": "domain show", "arguments": ' + b'{"a": ' * 900 + b"1" + b"}" * 901,
        b'{"operation": "domain remove", "arguments": {"name": ' + b'{"a": ' * 900 + b"1" + b"}" * 902,
    ],
    ids=["no UTF-8", "too deep", "deep", "deep, of a change"],
)
def test_a_hostile_line_is_refused_as_invalid_and_the_connection_goes_on(control: Control, line: bytes) -> None:
    protocol: Any = ControlFactory(control, ManualClock()).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(line + b'\n{"operation": "domain list"}\n')
    refused, listed = (json.loads(each) for each in transport.value().splitlines())
    assert refused["kind"] == "invalid"
    assert listed == {"result": []}


@given(line=st.binary(max_size=60))
def test_any_line_is_answered(control: Control, line: bytes) -> None:
    assert set(json.loads(result(answer(control, line)))) in ({"result"}, {"refused", "kind", "hint", "field"})


def test_requests_on_one_connection_are_answered_in_order(control: Control) -> None:
    protocol: Any = ControlFactory(control, ManualClock()).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    requests = [{"operation": "domain add", "arguments": {"name": "a.org", "home": "h"}}, {"operation": "domain list"}]
    sent = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    protocol.dataReceived(sent[:40])
    protocol.dataReceived(sent[40:])
    first, second = (json.loads(line) for line in transport.value().splitlines())
    assert first["result"]["domain"] == "a.org"
    assert [row["domain"] for row in second["result"]] == ["a.org"]


def test_who_says_nothing_is_cut_and_one_more_than_so_many_is_not_served(control: Control) -> None:
    clock = ManualClock()
    factory = ControlFactory(control, clock)
    held = []
    for _ in range(MOST):
        protocol: Any = factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        held.append((protocol, transport))
    assert factory.buildProtocol(None) is None
    talker, its_transport = held[0]
    talker.dataReceived(b'{"operation": "domain list"}\n')
    assert json.loads(its_transport.value()) == {"result": []}
    clock.advance(FIRST_WITHIN)
    assert [transport.disconnected for _, transport in held] == [False] + [True] * (MOST - 1)
    clock.advance(NEXT_WITHIN)
    assert its_transport.disconnected
    for protocol, _ in held:
        protocol.connectionLost()
    assert not factory.open
    assert not clock.getDelayedCalls()


def test_a_long_answer_waits_until_its_client_has_taken_what_was_said(control: Control, books: Books) -> None:
    content = text("long", "x" * (20 * PIECE))
    body = archive(books.store, content, domain=books.domain.id)
    id_ = Statement("SELECT id FROM archive WHERE body = :body")
    shown = show(books.read(lambda tx: tx.value(id_, body=body.id)))
    protocol: Any = ControlFactory(control, ManualClock()).buildProtocol(None)
    transport: Any = StringTransport()
    protocol.makeConnection(transport)
    write = transport.write

    def full(data: bytes) -> None:  # after each line the kernel takes no more
        write(data)
        if transport.producer is not None:
            transport.producer.pauseProducing()

    transport.write = full
    protocol.dataReceived(json.dumps({"operation": "archive show", "arguments": {"id": shown}}).encode() + b"\n")
    taken = b""
    for _ in range(100):
        said = transport.value()
        transport.clear()
        assert len(said) < 2 * PIECE
        taken += said
        if b'{"result"' in said:
            break
        transport.producer.resumeProducing()
    pieces = [json.loads(line)["progress"]["data"] for line in taken.splitlines() if line.startswith(b'{"progress"')]
    assert b"".join(map(b64decode, pieces)) == content
    assert transport.producer is None


def test_a_long_answer_ends_with_its_client(control: Control, books: Books) -> None:
    body = archive(books.store, text("long", "x" * (20 * PIECE)), domain=books.domain.id)
    id_ = Statement("SELECT id FROM archive WHERE body = :body")
    shown = show(books.read(lambda tx: tx.value(id_, body=body.id)))
    protocol: Any = ControlFactory(control, ManualClock()).buildProtocol(None)
    transport: Any = StringTransport()
    protocol.makeConnection(transport)
    write = transport.write
    transport.write = lambda data: (write(data), transport.producer.pauseProducing())
    protocol.dataReceived(json.dumps({"operation": "archive show", "arguments": {"id": shown}}).encode() + b"\n")
    producer = transport.producer
    protocol.connectionLost()
    producer.stopProducing()
    assert len(transport.value()) < 2 * PIECE
    (row,) = result(OPERATIONS["audit"](control, {}))
    assert row.result == "refused: whoever asked is gone"
