"""What name servers say of us, asked of one that says what the test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns

from mpcontinuity.app.doctor.dns import examine, system_servers
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.message import dkim
from mpcontinuity.model.settings import Outbound, Settings

US, HOME = "mx.example.org", "home.example.org"
ADDRESS = "192.0.2.1"
DOMAINS = [("example.org", [f"{HOME}:25"])]


class NameServer:
    """Answers from ``records``; a name that is not there does not exist."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Any]] = {
            (US, dns.A): [dns.Record_A(ADDRESS)],
            (ip_address(ADDRESS).reverse_pointer, dns.PTR): [dns.Record_PTR(US)],
            ("example.org", dns.MX): [dns.Record_MX(10, US)],
            (HOME, dns.A): [dns.Record_A("192.0.2.2")],
        }
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            query = dns.Message()
            query.fromStr(data)
            [asked] = query.queries
            found = self.records.get((str(asked.name), asked.type), [])
            code = dns.OK if any(name == str(asked.name) for name, _ in self.records) else dns.ENAME
            answer = dns.Message(id=query.id, answer=1, rCode=code)
            answer.answers = [dns.RRHeader(str(asked.name), asked.type, payload=payload) for payload in found]
            self.socket.sendto(answer.toStr(), peer)


@pytest.fixture
def server() -> Iterator[NameServer]:
    running = NameServer()
    yield running
    running.socket.close()


def settings(*ports: int, hostname: str = US) -> Settings:
    return Settings(hostname=hostname, outbound=Outbound(resolvers=tuple(f"127.0.0.1:{port}" for port in ports)))


def warnings(server: NameServer, hostname: str = US) -> list[Finding]:
    found = list(examine(settings(server.port, hostname=hostname), DOMAINS))
    assert all(finding.advice for finding in found if finding.verdict != "good")
    assert not any(finding.verdict == "wrong" for finding in found)
    return [finding for finding in found if finding.verdict == "warning"]


def test_names_that_are_right_are_good(server: NameServer) -> None:
    assert warnings(server) == []


def test_an_mx_that_is_another_name_of_our_address_is_good(server: NameServer) -> None:
    server.records[("example.org", dns.MX)] = [dns.Record_MX(10, "other.example.org")]
    server.records[("other.example.org", dns.A)] = [dns.Record_A(ADDRESS)]
    assert warnings(server) == []


@pytest.mark.parametrize(
    ("key", "records", "text"),
    [
        (("example.org", dns.MX), [], "has no MX record"),
        (("example.org", dns.MX), [dns.Record_MX(10, HOME)], f"its MX is {HOME}, not {US}"),
        (
            ("example.org", dns.MX),
            [dns.Record_MX(10, US), dns.Record_MX(20, HOME)],
            f"names the home server {HOME} too",
        ),
        ((US, dns.A), [], "has no address"),
        ((ip_address(ADDRESS).reverse_pointer, dns.PTR), [], f"{ADDRESS} has no name, not {US}"),
        ((ip_address(ADDRESS).reverse_pointer, dns.PTR), [dns.Record_PTR("x.example")], f"{ADDRESS} is x.example, not"),
        (
            (ip_address(ADDRESS).reverse_pointer, dns.PTR),
            [dns.Record_PTR(b"\xfc.example")],
            f"{ADDRESS} is \\252.example",
        ),
        (("example.org", dns.MX), [dns.Record_MX(10, b"mx.\xff" + b"x" * 60)], "its MX is mx.\\255xxx"),
    ],
)
def test_names_that_are_wrong_are_warnings(
    server: NameServer, key: tuple[str, int], records: list[object], text: str
) -> None:
    server.records[key] = records
    assert any(text in finding.text for finding in warnings(server))


def test_the_next_name_server_is_asked_where_one_does_not_answer(server: NameServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    found = list(examine(settings(port, server.port), DOMAINS))
    assert {finding.verdict for finding in found} == {"good"}
    [finding] = examine(settings(port), DOMAINS)
    assert (finding.verdict, finding.text) == ("warning", "no name server answers")


def test_a_server_without_a_name_in_the_world_is_told_once_it_has_domains() -> None:
    assert list(examine(settings(1, hostname="localhost"), [])) == []
    [finding] = examine(settings(1, hostname="localhost"), DOMAINS)
    assert "nobody in the world can find this server" in finding.text


def test_the_name_servers_of_the_system_are_read(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 192.0.2.9\nnameserver 192.0.2.53\n nameserver 2001:db8::53\nnameserver fe80::1%eth0\n"
    )
    assert system_servers(path) == ["192.0.2.53", "[2001:db8::53]"]
    assert system_servers(tmp_path / "missing") == []


def test_the_keys_that_sign_our_mail_are_looked_for(server: NameServer) -> None:
    ours = dkim.record(dkim.load_key(dkim.new_key()))
    other = dkim.record(dkim.load_key(dkim.new_key()))
    halves = [ours[:250].encode(), ours[250:].encode()]
    server.records["good._domainkey.example.org", dns.TXT] = [dns.Record_TXT(*halves)]
    server.records["other._domainkey.example.org", dns.TXT] = [
        dns.Record_TXT(other[:250].encode(), other[250:].encode())
    ]
    settings = Settings(hostname=US, outbound=Outbound(resolvers=(f"127.0.0.1:{server.port}",)))
    keys = [{"name": f"{name}._domainkey.example.org", "value": ours} for name in ("good", "other", "none")]
    found = list(examine(settings, DOMAINS, keys))[-3:]
    assert [(each.verdict, each.text.partition(" ")[2]) for each in found] == [
        ("good", "has our key"),
        ("warning", "has another key than ours"),
        ("warning", "has no key: what we sign cannot be verified"),
    ]
    assert all("mpcontinuity domain dkim example.org" in each.advice for each in found[1:])
