"""The records, and the document that one of them vouches for."""

from __future__ import annotations

import base64
import hashlib
import json

from mpcontinuity.model.settings import Public, Settings
from mpcontinuity.protocols.discovery import useragent
from mpcontinuity.protocols.discovery.records import records

HOST = "mx.example.org"
PORTS = {"imaps": 993, "pop3s": 995, "submissions": 465, "web": 443}


def settings(**ports: int) -> Settings:
    return Settings(public=Public(host=HOST, ports={**PORTS, **ports}))


def test_the_document_names_the_host_of_each_protocol() -> None:
    body = useragent.document(settings())
    assert body is not None
    assert json.loads(body) == {
        "protocols": {name: {"host": HOST} for name in ("imap", "pop3", "smtp", "submit")},
        "authentication": {"password": True},
        "info": {"provider": {"name": HOST}, "help": {"documentation": "https://mx.example.org/setup"}},
    }
    assert useragent.document(settings()) == body


def test_there_is_none_for_ports_that_it_cannot_name() -> None:
    assert useragent.document(settings(submissions=1465)) is None
    assert useragent.document(settings(imaps=1993, pop3s=1995)) is None
    assert useragent.document(settings(pop3s=1995)) is not None


def test_dns_says_all_of_it() -> None:
    body = useragent.document(settings())
    assert body is not None
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert [tuple(each) for each in records(settings(), "a.example")] == [
        ("_imaps._tcp.a.example", "SRV", "0 1 993 mx.example.org."),
        ("_pop3s._tcp.a.example", "SRV", "10 1 995 mx.example.org."),
        ("_submissions._tcp.a.example", "SRV", "0 1 465 mx.example.org."),
        ("_autodiscover._tcp.a.example", "SRV", "0 1 443 mx.example.org."),
        ("autoconfig.a.example", "CNAME", "mx.example.org."),
        ("ua-auto-config.a.example", "CNAME", "mx.example.org."),
        ("_ua-auto-config.a.example", "TXT", f"v=UAAC1; a=sha256; d={digest}"),
    ]


def test_pages_at_another_port_are_found_by_those_who_can_be_told_of_it() -> None:
    names = [each.name.partition(".")[0] for each in records(settings(web=8443), "a.example")]
    assert names == ["_imaps", "_pop3s", "_submissions", "_autodiscover"]
