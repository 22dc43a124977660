"""A child that reads mail dies: mail goes on, and what it was looking at is looked at again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mpcontinuity.message import dkim
from mpcontinuity.message.dkim import BodyHash
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.nameserver import Nameserver, txt
from tests.journeys.world import SENDER, World, configuration

KEY = dkim.load_key(dkim.new_key())
DOMAIN = SENDER.partition("@")[2]
ZONE = {
    DOMAIN: [txt("v=spf1 -all")],
    f"s._domainkey.{DOMAIN}": [txt(*(dkim.record(KEY)[at : at + 250] for at in range(0, 500, 250)))],
}


def _signed(subject: str, body: bytes) -> bytes:
    header = b"From: %b\r\nSubject: %b\r\n" % (SENDER.encode(), subject.encode())
    hashed = BodyHash("relaxed")
    hashed.feed(body)
    field = dkim.sign(header, hashed.digest(), domain=DOMAIN, selector="s", key=KEY, time=1_790_000_000)
    return field + header + b"\r\n" + body


def _children(server: Server) -> list[int]:
    """Of the server, those that read mail."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == server.pid and b"mpcontinuity.children.child" in command:
            found.append(int(folder.name))
    return found


def test_children_killed_at_work_are_replaced_and_mail_goes_on(tmp_path: Path) -> None:
    with Nameserver(ZONE) as dns, ScriptedHome() as home:
        text = configuration() + f'\n[outbound]\nresolvers = ["{dns.address}"]\n'
        with Server(tmp_path, text) as server:
            world = World(server, home)
            home.stop()
            killed: set[int] = set()
            line = (b"x" * 70 + b"\r\n") * 10_000
            for number in range(6):
                with world.smtp() as client:
                    client.sendmail(SENDER, [world.anna], _signed(f"m{number}", line * number))
                for pid in _children(server):
                    if len(killed) < 3 and pid not in killed:
                        killed.add(pid)
                        os.kill(pid, signal.SIGKILL)
            world.wait_for(lambda: server.said(0).count("verdict: ") >= 4, 60, lambda: server.said(0)[-2000:])
            world.wait_for(lambda: bool(_children(server)) or not killed, 20)
            with world.smtp() as client:
                client.sendmail(SENDER, [world.anna], _signed("last", b"Hello.\r\n"))
            world.wait_for(lambda: "dkim=pass" in server.said(0), 60, lambda: server.said(0)[-2000:])
            assert killed
        assert not [pid for pid in killed if Path(f"/proc/{pid}/exe").exists()]
