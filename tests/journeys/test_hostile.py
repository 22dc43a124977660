"""The worst of what the readers' table has, by real sockets to a running server: no turn of the reactor takes long."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mpcontinuity.app.watch.lag import LONGEST_TURN
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import SENDER, World, configuration

_MIB = 1 << 20
_FILL = 1_000_000  # octets, about: just what a header may have
_PLAIN = b"From: a@b.example\r\n"


def _folded(begin: bytes, unit: bytes, octets: int = _FILL) -> bytes:
    """A field of lines that are short enough."""
    line = unit * (900 // len(unit)) + b"\r\n "
    return begin + line * (octets // len(line)) + b"\r\n"


MESSAGES = {
    "blank lines under a signature": (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=b.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
        + _PLAIN
        + b"\r\n" * 1_500_000
    ),
    "no colon": _PLAIN + b"x" * 900_000 + b"\r\n\r\nbody\r\n",
    "comments of a type": _folded(_PLAIN + b"Content-Type: text/plain; (", b" (") + b"\r\n",
    "commas and blanks": _folded(_PLAIN + b"To: a@b,", b"a@b, ") + b"\r\n",
    "open comments": _folded(_PLAIN + b"To: ", b"((a@b ") + b"\r\n",
    "our own Received": _folded(
        _PLAIN + b"Received: from x by mx.continuity.example (mpcontinuity) with ESMTP id 0123456789abc", b" for <"
    )
    + b"\r\n",
    "short fields": _PLAIN + b"a:\r\n" * (_FILL // 4) + b"\r\nbody\r\n",
    "stars": _PLAIN + _folded(b"Content-Disposition: attachment; a*=", b";a*=*") + b"\r\n",
    "encoded words": _folded(_PLAIN + b"Subject: ", b"=?a?q?b?= ") + b"\r\n",
    "boundaries": _PLAIN
    + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    + b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" * 40_000,
    "messages within messages": _PLAIN + b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
}


@contextmanager
def _server(folder: Path, home: ScriptedHome) -> Iterator[World]:
    text = configuration().replace("metrics = []", 'metrics = ["tcp:0:interface=127.0.0.1"]')
    with Server(folder, text) as server:
        world = World(server, home)
        home.stop()
        yield world


def _turn(world: World) -> float:
    address = f"http://127.0.0.1:{world.server.ports['metrics']}/metrics"
    with urllib.request.urlopen(address, timeout=30) as page:
        text = page.read().decode()
    found = re.search(r"^mpcontinuity_reactor_longest_turn_seconds (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def _say(world: World, door: str, data: bytes, until: bytes, seconds: float = 60) -> bytes:
    """What comes back, up to what ``until`` matches; the server may close, or say nothing."""
    with socket.create_connection(("127.0.0.1", world.server.ports[door]), timeout=seconds) as wire:
        said = bytearray()
        wire.settimeout(0.01)
        begin = time.monotonic()
        view = memoryview(data)
        while time.monotonic() - begin < seconds and not re.search(until, said):
            try:
                if view:
                    view = view[wire.send(view[:65_536]) :]
                got = wire.recv(65_536)
                if not got:
                    break
                said += got
            except TimeoutError:
                continue
            except OSError:
                break
    return bytes(said)


def _message(world: World, content: bytes) -> bytes:
    octets = (
        f"EHLO c\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{world.anna}>\r\nBDAT {len(content)} LAST\r\n".encode() + content
    )
    return _say(world, "smtp", octets, rb"2\.1\.5[^\n]*\n[245][^\n]*\n")


def _imap(world: World, *commands: bytes) -> bytes:
    sent = f"a LOGIN {world.anna} secret\r\nb SELECT INBOX\r\n".encode() + b"".join(commands) + b"z NOOP\r\n"
    return _say(world, "imap", sent, rb"\nz OK|BYE")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ScriptedHome() as home, _server(tmp_path_factory.mktemp("hostile"), home) as world:
        yield world


@pytest.mark.parametrize("name", MESSAGES)
def test_no_message_keeps_others_waiting(world: World, name: str) -> None:
    said = _message(world, MESSAGES[name])
    assert re.search(rb"\n(250 2\.0\.0|55[24])[^\n]*\n$", said), said
    _imap(world, b"c FETCH * (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT TO)])\r\nd SEARCH TEXT zzz\r\n")
    assert _turn(world) < LONGEST_TURN, name


COMMANDS = {
    "literals": b"a" * 60_000 + b"{0+}\r\n" + b"{0+}\r\n" * 9000 + b"\r\n",
    "short commands": b"c NOOP\r\n" * 20_000,
    "patterns": b'c LIST "" (' + b" ".join([b'"%*%*a"'] * 250) + b")\r\n",
    "names of fields": b"c FETCH * BODY.PEEK[HEADER.FIELDS (" + b" ".join(b"x%d" % n for n in range(7000)) + b")]\r\n",
    "keys": b"c SEARCH " + b" ".join([b"NOT SUBJECT a"] * 20) + b"\r\n",
    "numbers": b"c FETCH " + b",".join([b"1:*"] * 15_000) + b" UID\r\n",
    "ranges": b"c UID FETCH " + b",".join(b"%d" % (2 * number) for number in range(1, 12_000)) + b" UID\r\n",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_keeps_others_waiting(world: World, name: str) -> None:
    _imap(world, COMMANDS[name])
    assert _turn(world) < LONGEST_TURN, name


@pytest.mark.parametrize("door", ["smtp", "imap", "pop3"])
@pytest.mark.parametrize("unit", [b"\r\n", b" ", b"EHLO x\r\n", b"CAPA\r\n", b"a CAPABILITY\r\n"])
def test_no_stranger_keeps_others_waiting(world: World, door: str, unit: bytes) -> None:
    _say(world, door, unit * (_MIB // len(unit)), rb"(?!)", seconds=0.7)
    assert _turn(world) < LONGEST_TURN
