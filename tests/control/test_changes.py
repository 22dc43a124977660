"""What administrators change is told, with who they are."""

from __future__ import annotations

import json
import os
import pwd
import socket
import syslog
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from mpcontinuity.app.commands.client import connect
from mpcontinuity.control.changes import Change, to_syslog
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.socket import ControlFactory, answer, named
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.hosts import without_password
from mpcontinuity.model.settings import Password, Settings
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result


class Told(list[Change]):
    """What is told of requests."""

    def __init__(self, control: Control) -> None:
        self.control = replace(control, note=self.append)

    def ask(self, operation: str, by: str = "anna", **arguments: Any) -> Any:
        request = {"operation": operation, "arguments": arguments, "by": by}
        return json.loads(result(answer(self.control, json.dumps(request).encode())))


@pytest.fixture
def told(control: Control) -> Told:
    return Told(control)


def test_each_change_is_told_with_who_what_and_how_it_ended(told: Told) -> None:
    told.ask("domain add", name="a.org", home="home.a.org")
    told.ask("domain add", name="a.org", home="home.a.org", by="bert")
    told.ask("domain set", name="a.org", settings={"mode": "enabled"})
    assert [(each.by, each.operation, each.object, each.outcome.partition(":")[0]) for each in told] == [
        ("anna", "domain add", "name=a.org home=home.a.org", "done"),
        ("bert", "domain add", "name=a.org home=home.a.org", "refused"),
        ("anna", "domain set", "name=a.org mode=enabled", "done"),
    ]


def test_a_name_is_told_in_one_line_that_hides_nothing(told: Told) -> None:
    told.ask("domain add", name="a.org", home="home.a.org", by="\x1b[31manna\r\nBcc: \u202ex")
    assert told[0].by == r"\x1b[31manna\r\nBcc: \u202ex"


def test_who_only_looks_is_not_told(told: Told) -> None:
    told.ask("domain add", name="a.org", home="home.a.org")
    told.clear()
    looking = [name for name, operation in OPERATIONS.items() if operation.looks and not operation.audited]
    assert len(looking) > 8
    for operation in looking:
        told.ask(operation, **({"name": "a.org"} if operation in ("domain show", "domain dkim show") else {}))
    assert not told


def test_no_secret_is_told(told: Told) -> None:
    told.ask("domain add", name="a.org", home="home.a.org")
    told.ask("user add", address="anna@a.org", password="s3cret")
    told.ask("user password", address="anna@a.org", password="s3cret")
    told.ask("user import", lines=[{"number": 1, "address": "bert@a.org", "password": "s3cret"}])
    for route in ("smtp://u:s3cret@relay.example", "smtp://u:s3cret@relay.example?tls=maybe"):
        told.ask("domain set", name="a.org", settings={"outbound-route": route})
    told.ask("admin add", name="root", password="s3cret")
    told.ask("webhook add", domain="a.org", url="https://u:s3cret@hooks.example/s3cret")
    assert "s3cret" not in str(list(told))
    assert "bert@a.org" in told[3].object
    assert "outbound-route=smtp://u:…@relay.example" in told[4].object


@pytest.mark.parametrize(
    ("operation", "arguments", "told_of"),
    [
        ("user add", {"address": "anna@a.org", "pasword": "s3cret"}, "address=anna@a.org pasword=…"),
        ("user add", {"address": "anna@a.org", "aliases": [{"password": "s3cret"}]}, "address=anna@a.org aliases=…"),
        ("user import", {"lines": "anna@a.org,,,s3cret"}, "lines=…"),
        ("user import", {"lines": [["anna@a.org", "", "", "s3cret"]]}, "lines=…"),
        ("user import", {"lines": [{"number": 1, "address": "anna@a.org;Anna;;s3cret"}]}, "…"),
        ("admin token remove", {"name": "root", "id": "s3cret" * 8}, "name=root id=…"),
        ("domain set", {"name": "a.org", "settings": ["outbound-route=smtp://u:s3cret@h"]}, "name=a.org settings=…"),
        *(
            (
                "domain set",
                {"name": "a.org", "settings": {"outbound-route": route}},
                f"name=a.org outbound-route={told}",
            )
            for route, told in (
                ("smtp:/u:s3cret@h", "smtp:/u:…@h"),
                ("smtp:u:s3cret@h", "smtp:…@h"),
                ("u:s3cret@h", "u:…@h"),
                ("smtp://u:s3cret", "smtp://u:…"),
                ("smtp://u:x//s3cret:x@s3cret@h", "smtp://u:…@h"),
                ("smtp://u@a.org:s3cret@h", "smtp://u@a.org:…@h"),
            )
        ),
        (
            "domain set",
            {"name": "a.org", "settings": {"outbound-route=smtp://u:s3cret@h": ""}},
            "name=a.org outbound-route=smtp://u:…@h=",
        ),
    ],
)
def test_no_secret_in_the_wrong_place_is_told(
    told: Told, operation: str, arguments: dict[str, Any], told_of: str
) -> None:
    told.ask("domain add", name="a.org", home="home.a.org")
    answer = told.ask(operation, **arguments)
    assert told[-1].object == told_of
    assert "s3cret" not in told[-1].outcome
    assert operation == "user import" or "s3cret" not in str(answer)


@pytest.mark.parametrize(
    "url",
    [
        "mx",
        "smtp://h",
        "smtp://h:25",
        "smtp://h:25?tls=verify",
        "smtp://u@[::1]:25",
        "postgresql://u@h:5432/db",
        "fd00:1::",
    ],
)
def test_what_has_no_password_is_told_as_it_is(url: str) -> None:
    assert without_password(url) == url


def test_what_is_told_is_short_whatever_was_said(told: Told) -> None:
    told.ask("user add", address="x" * 100_000, aliases=["y" * 1000] * 1000, by="z" * 10_000)
    told.ask("domain set", name="a.org", settings={f"key{number}": "x" * 100 for number in range(10_000)})
    told.ask("domain remove", **{f"key{number}": "x" for number in range(10_000)})
    assert [len(str(each)) < 2000 for each in told] == [True] * 3
    assert told[2].object == "key0=… key1=… key2=… key3=…"


def test_the_kernel_says_who_is_at_the_other_end(control: Control) -> None:
    said: list[Change] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        protocol: Any = ControlFactory(replace(control, note=said.append), ManualClock()).buildProtocol(None)

        transport: Any = StringTransport()
        transport.socket = ours
        protocol.makeConnection(transport)
        protocol.dataReceived(b'{"operation": "admin remove", "arguments": {"name": "x"}, "by": "somebody else"}\n')
    (change,) = said
    user = pwd.getpwuid(os.getuid()).pw_name
    assert (change.by, change.origin) == ("somebody else", f"control socket, uid {os.getuid()} ({user})")


def test_a_user_without_a_name_has_a_number() -> None:
    assert named(4_000_000_000) == "uid 4000000000"


def test_a_command_that_opens_the_store_itself_tells_the_systems_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda level, text: said.append(text))
    settings = Settings(data_dir=str(tmp_path / "data"), password=Password(scheme="pbkdf2_sha256"))
    with connect(settings, "anna") as caller:
        caller.call("domain add", name="a.org", home="home.a.org")
        with pytest.raises(Refused):
            caller.call("domain remove", name="\x1b[31m")
    done, refused = said
    assert done == f"anna (command line, {named(os.getuid())}): domain add name=a.org home=home.a.org: done"
    assert "name=\\x1b[31m: refused: " in refused


def test_the_systems_log_may_be_missing() -> None:
    to_syslog(Change("anna", "here", "check", "", "done"))
