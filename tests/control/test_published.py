"""What DNS is to say of a domain, and what Microsoft 365 is to be told, by what there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.control import published
from mpcontinuity.control.microsoft import quoted
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.outbound.lookup import NoAnswer
from tests.control.conftest import Call
from tests.fakes.certificates import Authority
from tests.fakes.stores import result
from tests.queue.ledgers import Books

HOST, OURS = "mx.provider.example", "192.0.2.1"
Ask = Callable[..., dict[str, Any]]


class Names:
    """DNS, by kind and name; what is not in it is not there."""

    def __init__(self, zone: dict[tuple[str, str], list[Any]]) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self.running = True

    async def _of(self, kind: str, name: str) -> list[Any]:
        self.asked.append((kind, name))
        if self.silent:
            raise NoAnswer(f"DNS does not tell about {name}")
        return self.zone.get((kind, name), [])

    async def texts(self, name: str) -> list[Any]:
        return await self._of("TXT", name)

    async def addresses(self, name: str, *, version: int) -> list[Any]:
        return [ip_address(text) for text in await self._of("A" if version == 4 else "AAAA", name)]

    async def exchanges(self, name: str) -> list[Any]:
        return await self._of("MX", name)

    async def services(self, name: str) -> list[Any]:
        return await self._of("SRV", name)

    async def associations(self, name: str) -> list[Any]:
        return await self._of("TLSA", name)

    async def names(self, address: Any) -> list[Any]:
        return []


@pytest.fixture
def names() -> Names:
    return Names({("A", HOST): [OURS]})


@pytest.fixture
def ask(control: Control, books: Books, names: Names, tmp_path: Path) -> Ask:
    """Calls an operation of a server that is called HOST, about example.org."""
    certificate = Authority(tmp_path).issue(HOST)
    public = msgspec.structs.replace(
        control.settings.public, host=HOST, ports={"imaps": 993, "submissions": 465, "web": 443}
    )
    tls = msgspec.structs.replace(control.settings.tls, certificate=str(certificate))
    settings = msgspec.structs.replace(control.settings, public=public, tls=tls)
    dns: Any = names
    asked = replace(control, settings=settings, lookup=lambda: dns)

    def ask(operation: str, **arguments: Any) -> dict[str, Any]:
        row: dict[str, Any] = msgspec.to_builtins(
            result(OPERATIONS[operation](asked, {"name": "example.org", **arguments}))
        )
        return row

    return ask


def of(ask: Ask, what: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = ask("domain dns")["records"]
    (row,) = [row for row in rows if row["what"] == what]
    return row


def state(ask: Ask, what: str) -> tuple[str, str]:
    row = of(ask, what)
    return row["state"], row["note"]


def test_what_is_not_published_yet_is_missing_with_a_line_to_copy(ask: Ask) -> None:
    said = ask("domain dns")
    assert (said["domain"], said["host"]) == ("example.org", HOST)
    lines = {(row["what"], row["name"]): (row["state"], row["zone"]) for row in said["records"]}
    assert lines["address", HOST][0] == "right"
    assert lines["MX", "example.org"] == ("missing", f"example.org. IN MX 10 {HOST}.")
    assert lines["SPF", "example.org"] == ("missing", f'example.org. IN TXT "v=spf1 a:{HOST} ~all"')
    assert lines["DMARC", "_dmarc.example.org"][0] == "missing"
    assert lines["DKIM", "mpc1._domainkey.example.org"] == ("missing", "")
    assert lines["mail programs", "_imaps._tcp.example.org"] == (
        "missing",
        f"_imaps._tcp.example.org. IN SRV 0 1 993 {HOST}.",
    )
    assert lines["mail programs", "autoconfig.example.org"] == ("missing", f"autoconfig.example.org. IN CNAME {HOST}.")
    assert {"MTA-STS", "TLSA"}.isdisjoint(what for what, _ in lines)


@pytest.mark.parametrize(
    ("targets", "expected", "note"),
    [
        ([HOST], "right", ""),
        (["alias.example"], "right", ""),
        (["other.example"], "different", f"until an MX record points to {HOST}"),
        ([HOST, "127.0.0.1"], "different", "names the home server 127.0.0.1 too"),
        ([HOST, "backup.example"], "right", "mail for backup.example does not come here"),
    ],
)
def test_an_mx_leads_here_by_name_or_by_address_and_not_past_us(
    ask: Ask, names: Names, targets: list[str], expected: str, note: str
) -> None:
    names.zone |= {
        ("MX", "example.org"): targets,
        ("A", "alias.example"): [OURS],
        ("A", "other.example"): ["192.0.2.9"],
    }
    found, said = state(ask, "MX")
    assert found == expected
    assert note in said


@pytest.mark.parametrize(
    ("texts", "expected", "value"),
    [
        (["v=spf1 a:mx.provider.example -all", "other"], "right", "v=spf1 a:mx.provider.example -all"),
        (["v=spf1 include:spf.provider.example -all"], "right", "v=spf1 include:spf.provider.example -all"),
        (["v=spf1 ip4:192.0.2.9 -all"], "different", "v=spf1 a:mx.provider.example ip4:192.0.2.9 -all"),
        (["v=spf1 -all", "v=spf1 ~all"], "different", "v=spf1 a:mx.provider.example ~all"),
        (["v=spf10 -all"], "missing", "v=spf1 a:mx.provider.example ~all"),
    ],
)
def test_spf_is_judged_as_a_recipient_would_judge_it(
    ask: Ask, names: Names, texts: list[str], expected: str, value: str
) -> None:
    names.zone |= {("TXT", "example.org"): texts, ("TXT", "spf.provider.example"): [f"v=spf1 ip4:{OURS} -all"]}
    row = of(ask, "SPF")
    assert (row["state"], row["value"]) == (expected, value)


def test_where_mail_leaves_by_a_smarthost_its_operator_knows_the_spf(ask: Ask, books: Books, names: Names) -> None:
    domain = books.run(domains.known, name="example.org")
    settings = msgspec.structs.replace(domain.settings, outbound_route="smtp://u:secret@relay.example")
    books.run(domains.change, domain=domain, settings=settings)
    names.zone["TXT", "example.org"] = ["v=spf1 -all"]
    row = of(ask, "SPF")
    assert (row["state"], row["value"], row["need"]) == ("unknown", "", "advised")
    assert "relay.example" in row["note"]
    assert "secret" not in str(row)


def test_dkim_is_right_with_our_key_whatever_else_the_record_says(ask: Ask, call: Call, names: Names) -> None:
    (key,) = call("domain dkim", name="example.org")["records"]
    assert state(ask, "DKIM")[0] == "missing"
    names.zone["TXT", key["name"]] = [key["value"].replace("k=rsa;", "t=y; k=rsa;")]
    assert state(ask, "DKIM")[0] == "right"
    names.zone["TXT", key["name"]] = ["v=DKIM1; p=AAAA"]
    row = of(ask, "DKIM")
    assert (row["state"], row["zone"]) == ("different", key["zone"])


def test_dmarc_of_a_name_above_is_the_domain_s_too(ask: Ask, names: Names) -> None:
    names.zone["TXT", "_dmarc.example.org"] = ["v=DMARC1; p=reject"]
    assert state(ask, "DMARC") == ("right", "")
    names.zone["TXT", "_dmarc.example.org"] = ["v=DMARC1; p=reject", "v=DMARC1; p=none"]
    assert state(ask, "DMARC")[0] == "different"


def test_mta_sts_and_tlsa_are_told_of_where_they_are_used(ask: Ask, names: Names) -> None:
    names.zone["TXT", "_mta-sts.example.org"] = ["v=STSv1; id=1"]
    assert f"mx: {HOST}" in state(ask, "MTA-STS")[1]
    names.zone["TLSA", f"_25._tcp.{HOST}"] = [bytes([3, 1, 1]) + b"x" * 32]
    row = of(ask, "TLSA")
    assert row["state"] == "different"
    kind, data = row["value"].rsplit(" ", 1)
    assert kind == "3 1 1"
    names.zone["TLSA", f"_25._tcp.{HOST}"] += [bytes([3, 1, 1]) + bytes.fromhex(data)]
    assert state(ask, "TLSA")[0] == "right"


def test_clients_are_led_here_by_srv_and_autoconfig_only_where_these_name_us(ask: Ask, names: Names) -> None:
    names.zone |= {
        ("SRV", "_imaps._tcp.example.org"): [("home.example", 993)],
        ("SRV", "_submissions._tcp.example.org"): [(HOST, 465)],
        ("A", "autoconfig.example.org"): [OURS],
        ("A", "ua-auto-config.example.org"): ["192.0.2.9"],
    }
    states = {row["name"]: row["state"] for row in ask("domain dns")["records"] if row["need"] == "optional"}
    assert states["_imaps._tcp.example.org"] == "different"
    assert states["_submissions._tcp.example.org"] == "right"
    assert states["autoconfig.example.org"] == "right"
    assert states["ua-auto-config.example.org"] == "different"


def test_dns_that_does_not_tell_is_unknown_and_no_fault(ask: Ask, names: Names) -> None:
    names.silent = True
    rows = [row for row in ask("domain dns")["records"] if row["what"] != "DKIM"]
    assert {row["state"] for row in rows} == {"unknown"}


def test_what_a_stranger_publishes_costs_so_many_questions_only_and_is_shown_in_part(
    ask: Ask, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "MOST_QUESTIONS", 20)
    names.zone["MX", "example.org"] = [f"mx{number}.example" for number in range(1_000)]
    names.zone["TXT", "_dmarc.example.org"] = [f"v=DMARC1; {'x' * 5_000}"] * 200
    rows = ask("domain dns")["records"]
    assert len(names.asked) == 20
    assert max(len(row["found"]) for row in rows) <= 5
    assert max(len(text) for row in rows for text in row["found"]) <= 500


def test_a_server_without_a_name_in_the_world_or_one_that_does_not_run_refuses(
    call: Call, control: Control, books: Books
) -> None:
    with pytest.raises(Refused, match="only a running server can ask DNS"):
        call("domain dns", name="example.org")
    dns: Any = Names({})
    nameless = replace(control, lookup=lambda: dns)
    with pytest.raises(Refused, match="nobody in the world can find this server"):
        result(OPERATIONS["domain dns"](nameless, {"name": "example.org"}))


# Microsoft 365


def test_the_steps_have_the_domain_s_own_values(ask: Ask) -> None:
    said = ask("domain microsoft-365")
    assert (said["host"], said["certificate"], said["names"]) == (HOST, HOST, [HOST])
    assert (said["expected_home"], said["online"]) == ("example-org.mail.protection.outlook.com", False)
    assert "self-signed" not in " ".join(said["notes"])
    lines = [line for step in said["steps"] for line in step["powershell"]]
    (inbound,) = [line for line in lines if line.startswith("New-InboundConnector")]
    assert f"-TlsSenderCertificateName '{HOST}'" in inbound
    assert inbound.endswith("-Enabled $false")
    (outbound,) = [line for line in lines if line.startswith("New-OutboundConnector")]
    assert f"-SmartHosts '{HOST}'" in outbound
    for wanted in ("EFSkipLastIP $true", "NDREnabled $true", "RejectDirectSend $true", "'example.org'"):
        assert any(wanted in line for line in lines), wanted
    here = [line for step in said["steps"] for line in step["here"]]
    assert "mpcontinuity domain test example.org" in here


def test_every_value_in_a_line_is_a_literal_of_powershell(ask: Ask) -> None:
    for step in ask("domain microsoft-365")["steps"]:
        for line in [*step["powershell"], *step["check"]]:
            if line.startswith("mpcontinuity "):
                continue
            bare = re.sub(r"'(?:[^']|'')*'", "", line)
            assert "example.org" not in bare
            assert HOST not in bare


@pytest.mark.parametrize("quote", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_each_kind_of_single_quote_is_doubled(quote: str) -> None:
    assert quoted(f"a{quote}; Remove-Mailbox x #") == f"'a{quote}{quote}; Remove-Mailbox x #'"
    assert quoted("$(x) `n \u201d") == "'$(x) `n \u201d'"


def test_the_name_of_a_connector_is_never_longer_than_exchange_takes(ask: Ask, call: Call) -> None:
    name = f"{'x' * 60}.{'y' * 60}.example"
    call("domain add", name=name, home="home.example")
    lines = [line for step in ask("domain microsoft-365", name=name)["steps"] for line in step["powershell"]]
    names = re.findall(r"(?:-Name|-Identity) '(mpcontinuity [^']*)'", " ".join(lines))
    assert len(names) >= 4
    assert {len(each) for each in names} == {64}
