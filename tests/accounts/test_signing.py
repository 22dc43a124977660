"""Which mail our domains sign, with which key, and when another key takes over."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import dkim as table
from mpcontinuity.accounts import domains
from mpcontinuity.accounts.rotation import take_over
from mpcontinuity.accounts.signing import Signer
from mpcontinuity.message import dkim
from mpcontinuity.message.dkim import BodyHash
from mpcontinuity.model.body import InMemory
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

PEMS = [dkim.new_key() for _ in range(2)]
MESSAGE = b"From: Anna <anna@example.org>\r\nSubject: x\r\n\r\nText\r\n"


class Signing:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.domains = {
            name: self.run(domains.add, name=name, settings=DomainSettings()).id
            for name in ("example.org", "example.net", "keyless.example")
        }
        for name, pem in zip(("example.org", "example.net"), PEMS, strict=True):
            self.run(table.add, domain=self.domains[name], selector="mpc1", key=pem)
        self.signer = Signer(store, "mx.example.org")
        self._bodies = 0

    def run(self, work: Any, **parameters: Any) -> Any:
        return result(self.store.run(partial(work, **parameters)))

    def sign(self, message: bytes, domain: str = "example.org", *, trusted: bool = True, body: int = 0) -> str:
        """``d=`` of a signature that was found good; empty where there is none."""
        self._bodies += 1
        field = result(self.signer.sign(self.domains[domain], body or self._bodies, InMemory(message), trusted=trusted))
        if not field:
            return ""
        header, _, text = message.partition(b"\r\n\r\n")
        present = dkim.fields(field + header)
        signature = dkim.read(present[0], 0)
        hashed = BodyHash(signature.body)
        hashed.feed(text)
        assert hashed.digest() == signature.body_hash
        pem = PEMS[1] if signature.selector == "mpc2" else PEMS[("example.org", "example.net").index(signature.domain)]
        assert dkim.verify(signature, present, dkim.record(dkim.load_key(pem)))
        return f"{signature.selector} {signature.domain}"


@pytest.fixture
def signing(store: Store) -> Signing:
    return Signing(store)


def test_a_domain_with_a_key_signs_what_its_users_send(signing: Signing) -> None:
    assert signing.sign(MESSAGE) == "mpc1 example.org"


def test_a_domain_without_a_key_does_not(signing: Signing) -> None:
    assert signing.sign(MESSAGE.replace(b"example.org", b"keyless.example"), "keyless.example") == ""


def test_an_alias_in_another_domain_of_ours_is_signed_by_that_one(signing: Signing) -> None:
    message = MESSAGE.replace(b"example.org", b"Example.NET")
    assert signing.sign(message) == "mpc1 example.net"
    assert signing.sign(message, trusted=False) == ""


@pytest.mark.parametrize("author", [b"eve@elsewhere.example", b"eve@sub.example.org", b"", b"nonsense"])
def test_what_is_not_in_our_name_is_not_signed(signing: Signing, author: bytes) -> None:
    assert signing.sign(MESSAGE.replace(b"Anna <anna@example.org>", author)) == ""


def test_our_reports_are_signed_by_the_domain_that_this_host_lies_in(signing: Signing) -> None:
    report = MESSAGE.replace(b"anna@example.org", b"postmaster@mx.example.org")
    assert signing.sign(report, trusted=False) == "mpc1 example.org"
    assert signing.sign(report, "example.net", trusted=False) == ""


def test_a_large_message_is_hashed_in_pieces(signing: Signing) -> None:
    assert signing.sign(MESSAGE + b"many words \t in a  line \r\n" * 20_000) == "mpc1 example.org"


def test_a_message_without_an_end_of_its_header_is_not_signed(signing: Signing) -> None:
    assert signing.sign(b"From: anna@example.org\r\n" + b"X-Long: x\r\n" * 120_000) == ""


def test_a_header_of_any_length_that_is_taken_is_signed(signing: Signing) -> None:
    to = b"To: " + b",\r\n ".join(b"Somebody %d <user%d@example.com>" % (n, n) for n in range(15_000)) + b"\r\n"
    assert signing.sign(to + MESSAGE) == "mpc1 example.org"


def test_a_from_of_more_than_anybody_writes_as_is_not_signed(signing: Signing) -> None:
    assert signing.sign(MESSAGE.replace(b"From: ", b"From: " + b"a@example.org," * 4000)) == ""


def test_a_message_is_signed_once_for_all_its_destinations_and_anew_after_an_hour(
    signing: Signing, clock: ManualClock
) -> None:
    def field() -> bytes:
        made = result(signing.signer.sign(signing.domains["example.org"], 7, InMemory(MESSAGE), trusted=True))
        assert isinstance(made, bytes)
        return made

    first = field()
    clock.advance(3599)
    assert field() == first
    clock.advance(1)
    assert field() != first


class Dns:
    def __init__(self, texts: Sequence[str] | None) -> None:
        self._texts = texts
        self.asked: list[str] = []

    async def texts(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if self._texts is None:
            raise NoAnswer("silence")
        return self._texts


def test_a_key_takes_over_when_dns_has_it_and_not_before(signing: Signing) -> None:
    signing.run(table.rotate, domain=signing.domains["example.org"], selector="mpc2", key=PEMS[1])
    old, new = (dkim.record(dkim.load_key(pem)) for pem in PEMS)
    for published in (None, [], [old], ["nonsense"]):
        dns: Any = Dns(published)
        result(take_over(signing.store, dns))
        assert dns.asked == ["mpc2._domainkey.example.org"]
        assert signing.sign(MESSAGE) == "mpc1 example.org"
    has: Any = Dns(["v=spf1 -all", new.replace("; p=", "; t=s;p= ")])
    result(take_over(signing.store, has))
    assert signing.sign(MESSAGE) == "mpc2 example.org"
    silent: Any = Dns(None)
    result(take_over(signing.store, silent))
    assert not silent.asked


def test_a_key_that_is_removed_signs_no_more(signing: Signing) -> None:
    assert signing.sign(MESSAGE)
    signing.run(table.remove, domain=signing.domains["example.org"])
    assert signing.sign(MESSAGE, body=1) == ""


def test_a_damaged_key_signs_nothing_and_stops_no_mail(signing: Signing) -> None:
    domain = signing.domains["keyless.example"]
    signing.run(table.add, domain=domain, selector="mpc1", key="damaged")
    assert signing.sign(MESSAGE.replace(b"example.org", b"keyless.example"), "keyless.example") == ""
    assert signing.sign(MESSAGE) == "mpc1 example.org"
