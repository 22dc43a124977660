"""What name servers say to mail programs of us."""

from __future__ import annotations

from twisted.names import dns

from mpcontinuity.app.doctor.client_setup import examine
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.model.settings import Outbound, Public, Settings
from mpcontinuity.protocols.discovery.records import records
from tests.app.doctor.test_dns import ADDRESS, HOME, US, NameServer, server

__all__ = ["server"]
DOMAIN = "example.org"
PORTS = {"imaps": 993, "pop3s": 995, "submissions": 465, "web": 443}


def settings(port: int, host: str = US) -> Settings:
    outbound = Outbound(resolvers=(f"127.0.0.1:{port}",))
    return Settings(hostname=US, outbound=outbound, public=Public(host=host, ports=PORTS))


def found(server: NameServer) -> list[Finding]:
    return list(examine(settings(server.port), [DOMAIN]))


def publish(server: NameServer) -> None:
    for record in records(settings(1), DOMAIN):
        if record.type == "SRV":
            priority, weight, port = map(int, record.value.split()[:3])
            server.records[record.name, dns.SRV] = [dns.Record_SRV(priority, weight, port, US)]
        elif record.type == "CNAME":
            server.records[record.name, dns.A] = [dns.Record_A(ADDRESS)]
        else:
            server.records[record.name, dns.TXT] = [dns.Record_TXT(record.value.encode())]


def test_where_nothing_is_published_the_records_are_printed_and_nothing_is_wrong(server: NameServer) -> None:
    [finding] = found(server)
    assert finding.verdict == "good"
    assert finding.text.startswith("mail programs would find this server by _imaps._tcp.example.org. SRV 0 1 993 mx.ex")
    assert '_ua-auto-config.example.org. TXT "v=UAAC1; a=sha256; d=' in finding.text


def test_where_all_is_published_it_says_so(server: NameServer) -> None:
    publish(server)
    [finding] = found(server)
    assert finding.verdict == "good"
    assert finding.text.startswith("mail programs find this server by _imaps._tcp.example.org, _pop3s")
    assert "_ua-auto-config.example.org" in finding.text


def test_records_that_lead_to_the_home_server_are_no_fault(server: NameServer) -> None:
    server.records["_imaps._tcp.example.org", dns.SRV] = [dns.Record_SRV(0, 1, 993, HOME)]
    server.records["autoconfig.example.org", dns.A] = [dns.Record_A("192.0.2.2")]
    [finding] = found(server)
    assert finding.verdict == "good"


def test_a_wrong_port_and_a_digest_of_another_document_are_told_with_what_to_publish(server: NameServer) -> None:
    publish(server)
    server.records["_imaps._tcp.example.org", dns.SRV] = [dns.Record_SRV(0, 1, 1993, US)]
    server.records["_ua-auto-config.example.org", dns.TXT] = [dns.Record_TXT(b"v=UAAC1; a=sha256; d=AAAA")]
    warnings = [each for each in found(server) if each.verdict == "warning"]
    assert [each.text.partition(" ")[0] for each in warnings] == [
        "_imaps._tcp.example.org",
        "_ua-auto-config.example.org",
    ]
    assert warnings[0].advice == "publish _imaps._tcp.example.org. SRV 0 1 993 mx.example.org."


def test_a_server_without_a_name_in_the_world_is_not_looked_for(server: NameServer) -> None:
    publish(server)
    assert list(examine(settings(server.port, "localhost"), [DOMAIN])) == []
