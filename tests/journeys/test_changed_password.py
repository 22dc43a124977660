"""A password that is changed, and a user who is shut out: sessions of before end at every door, and at every node."""

from __future__ import annotations

import base64
import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import cluster, fresh_database
from tests.journeys.nodes import Nodes, Pair
from tests.journeys.world import CONFIGURATION, World

WITHIN = 1.0  # s, by the contract; on this machine others are at work too
CONFIGURED = CONFIGURATION.replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')


@contextlib.contextmanager
def session(server: Server, door: str, user: str, password: str = "secret") -> Iterator[BinaryIO]:
    """One that is logged in and then says nothing."""
    login = {
        "imap": [f"a LOGIN {user} {password}", "b SELECT INBOX", "c IDLE"],
        "pop3": [f"USER {user}", f"PASS {password}"],
        "submission": ["EHLO pc.example", "AUTH LOGIN", _encoded(user), _encoded(password)],
    }[door]
    with socket.create_connection(("127.0.0.1", server.ports[door]), timeout=60) as client:
        file: Any = client.makefile("rwb")  # a BinaryIO but for what typeshed says of it
        file.readline()
        for line in login:
            file.write(line.encode() + b"\r\n")
            file.flush()
            _read(file, door, line)
        yield file


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _read(file: BinaryIO, door: str, asked: str) -> None:
    """The answer, to its end."""
    while line := file.readline():
        if door != "imap" and line[3:4] != b"-":
            assert not line.startswith((b"-ERR", b"5"))
            return
        if line.startswith((asked[:2].encode(), b"+ ")):
            assert b" NO " not in line
            return


def _end(file: BinaryIO) -> bytes:
    """What is said until the server closes."""
    return file.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    chosen = request.config.getoption("database")
    text = CONFIGURED
    if chosen == "postgresql":
        text += f'\n[store]\ndatabase = "{fresh_database()}"\n'
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


LAST = {"imap": b"* BYE", "pop3": b"-ERR", "submission": b"421 "}


@pytest.mark.parametrize("door", list(LAST))
@pytest.mark.parametrize("how", ["password", "deactivate", "remove"])
def test_sessions_of_before_end(server: Server, home: ScriptedHome, door: str, how: str) -> None:
    world = World(server, home)
    with session(server, door, world.anna) as anna, session(server, door, world.ben) as ben:
        if how == "password":
            changed = server.run("user", "password", world.anna, "--stdin", stdin="another\n")
        else:
            changed = server.run("user", how, world.anna)
        assert changed.returncode == 0, changed.stderr
        begin = time.monotonic()
        last = _end(anna)
        assert time.monotonic() - begin < WITHIN
        assert LAST[door] in last
        assert (b"assword was changed" in last) is (how == "password")
        ben.write({"imap": b"DONE\r\n", "pop3": b"NOOP\r\n", "submission": b"NOOP\r\n"}[door])
        ben.flush()
        assert ben.readline().startswith((b"c OK", b"+OK", b"250"))
    if how == "password":
        with session(server, door, world.anna, "another") as again:
            assert again


def test_an_app_password_opens_every_mail_door_and_its_sessions_end_with_it_alone(
    server: Server, home: ScriptedHome
) -> None:
    world = World(server, home)
    phone, tablet = (world.cli("user", "app-password", "add", world.anna, name) for name in ("phone", "tablet"))
    with contextlib.ExitStack() as stack:
        one = [stack.enter_context(session(server, door, world.anna, phone["password"])) for door in LAST]
        other, own = (
            stack.enter_context(session(server, "imap", world.anna, password))
            for password in (tablet["password"], "secret")
        )
        world.cli("user", "app-password", "remove", world.anna, phone["id"])
        begin = time.monotonic()
        for door, each in zip(LAST, one, strict=True):
            last = _end(each)
            assert LAST[door] in last
            assert b"app password was removed" in last
        assert time.monotonic() - begin < WITHIN
        assert server.run("user", "password", world.anna, "--stdin", stdin="another\n").returncode == 0
        assert LAST["imap"] in _end(own)
        other.write(b"DONE\r\n")
        other.flush()
        assert other.readline().startswith(b"c OK")
    assert [row["name"] for row in world.cli("user", "app-password", "list", world.anna)] == ["tablet"]


def test_sessions_at_another_node_end_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        Nodes(tmp_path_factory.mktemp("nodes"), cluster(), configuration=CONFIGURED) as nodes,
        ScriptedHome() as home,
        contextlib.ExitStack() as stack,
    ):
        pair = Pair(nodes, home)
        sessions = [
            (door, stack.enter_context(session(world.server, door, user)))
            for door in LAST
            for world, user in ((pair.one, pair.one.anna), (pair.other, pair.one.ben))
        ]
        for user in (pair.one.anna, pair.one.ben):
            changed = pair.one.server.run("user", "password", user, "--stdin", stdin="another\n")
            assert changed.returncode == 0, changed.stderr
        begin = time.monotonic()
        for door, each in sessions:
            assert LAST[door] in _end(each)
        assert time.monotonic() - begin < WITHIN
