"""Subscribers hear of a domain that has trouble: by real SMTP past the broken home server, in the continuity mailbox,
once though the server is killed; and the link in the mail does what it says."""

from __future__ import annotations

import email
import re
import signal
from collections.abc import Iterator
from email import policy
from pathlib import Path
from typing import Any

import pytest

from tests.app.running import Server
from tests.fakes.home import Received, ScriptedHome, say
from tests.fakes.nameserver import Nameserver, a, mx
from tests.journeys.world import Site, configuration

ONCALL = "oncall@far.example"
PUBLIC = '\n[public]\nhost = "continuity.example"\nports = { web = 443 }\n'


@pytest.fixture
def far() -> Iterator[ScriptedHome]:
    with ScriptedHome() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, database: str, far: ScriptedHome) -> Iterator[Server]:
    with Nameserver({"far.example": [mx(10, "mx.far.example")], "mx.far.example": [a("127.0.0.1")]}) as dns:
        text = configuration(database) + PUBLIC
        text += f'\n[outbound]\nport = {far.port}\nresolvers = ["{dns.address}"]\nallow_private = true\n'
        with Server(tmp_path, text) as running:
            yield running
            assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


def about(far: ScriptedHome, subject: str) -> list[Received]:
    return [each for each in far.messages if subject in each.subject]


def text_of(message: Received) -> str:
    content: Any = email.message_from_bytes(message.data, policy=policy.SMTP)
    return str(content.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_from_the_first_failure_to_the_report(server: Server, home: ScriptedHome, far: ScriptedHome) -> None:
    site = Site(server, home)
    for subscriber in (ONCALL, site.anna, "gone@far.example"):
        site.cli("alert", "add", site.domain, subscriber)
    site.cli("domain", "set", site.domain, "alert-hour=2", f"outbound-route=smtp://{home.address}")
    far.on("rcpt", say("550 5.1.1 nobody of that name"), recipient="gone@far.example")
    home.stop()
    for subject in ("one", "two"):
        assert site.send(subject).code == 250

    # Past the broken domain
    server.wait_for(lambda: len(about(far, "2 or more messages failed")) == 1)
    (alert,) = about(far, "2 or more messages failed")
    assert (alert.sender, alert.recipients) == ("", [ONCALL])
    assert alert.headers["Auto-Submitted"] == "auto-generated"
    text = text_of(alert)
    assert f"to <{site.anna}>" in text
    server.wait_for(lambda: f"{site.domain}: 2 or more messages failed within an hour" in site.subjects())
    assert site.report()["owed"] == 2  # but not what was put into INBOX
    server.wait_for(lambda: [row["last_status"] for row in site.cli("alert", "list", site.domain)].count("failed") == 1)

    # Killed, it neither repeats nor forgets
    server.stop(signal.SIGKILL)
    server.start()

    # The link
    (link,) = re.findall(r"https://continuity\.example/outage/\w+", text)
    assert server.json("outage", "redeem", "--stdin", stdin=f"{link}\n")["to"] == ONCALL
    assert (
        "declared until"
        in server.json("outage", "redeem", "start", "--stdin", "--for", "1h", stdin=f"{link}\n")["done"]
    )
    assert site.cli("status", site.domain)[0]["mode"] == "enabled"
    server.wait_for(lambda: "declared" in site.cli("outage", "list", site.domain)[0]["causes"])
    altered = server.run("outage", "redeem", "stop", "--stdin", stdin=f"{link[:-2]}aa\n")
    assert altered.returncode == 1
    assert "no such link" in altered.stderr
    server.json("outage", "redeem", "stop", "--stdin", stdin=f"{link}\n")
    assert f"{ONCALL} by a link" in {row["by"] for row in site.cli("audit")}

    # The report
    home.start()
    server.wait_for(lambda: len(about(far, "report of the outage")) == 1, 120)
    (report,) = about(far, "report of the outage")
    assert "2 kept, 2 delivered home, 0 open" in report.subject
    assert f"{site.anna}: 2 kept, 2 delivered" in text_of(report)
    (outage,) = [row for row in site.cli("outage", "list", site.domain) if row["taken_in"]]
    assert (outage["delivered"], outage["failed"], outage["open"]) == (2, 0, 0)
    assert set(outage["causes"]) == {"down", "declared"}
    assert site.cli("outage", "show", outage["id"])["longest_wait"] > 0
    server.wait_for(lambda: len(home.received(report.subject)) == 1)  # anna's
    assert len(about(far, "2 or more messages failed")) == 1
    assert not [each for each in home.messages if ONCALL in each.recipients or "failed within" in each.subject]
