"""Verdicts on messages that are kept: what becomes a row, and what is left out."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest

from mpcontinuity.message import dkim
from mpcontinuity.message.dkim import BodyHash
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.verdicts import record
from mpcontinuity.verdicts.record import SenderVerdict
from mpcontinuity.verdicts.service import AT_ONCE, DEADLINE, MOST_WAITING, Arrived, Verdicts
from tests.fakes.clock import START, ManualClock
from tests.fakes.jobs import Here
from tests.fakes.stores import result
from tests.verdicts.zone import FakeDns

KEY = dkim.load_key(dkim.new_key())
HEADER = b"From: Bob <bob@far.example>\r\nSubject: x\r\n"
BODY = b"Text\r\n"


def signed(header: bytes = HEADER, body: bytes = BODY, domain: str = "far.example") -> bytes:
    hashed = BodyHash("relaxed")
    hashed.feed(body)
    return dkim.sign(header, hashed.digest(), domain=domain, selector="s1", key=KEY, time=START // 1_000_000) + header


class Desk:
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.dns = FakeDns(
            **{
                "far.example": "v=spf1 ip4:192.0.2.1 -all",
                "s1._domainkey.far.example": dkim.record(KEY),
                "_dmarc.far.example": "v=DMARC1; p=reject",
            }
        )
        self.jobs = Here()
        self.verdicts = Verdicts(store, self.dns, self.jobs, clock, "mx.example.org")

    def keep(self, message: bytes) -> int:
        draft = self.store.bodies.draft()
        draft.write(message)
        number = self.store.identifiers.next()
        result(
            self.store.keep(draft, Head(id=number, time=self.clock.now(), direction="inbound"), lambda tx, body: None)
        )
        return number

    def begin(
        self,
        message: bytes,
        peer: str = "192.0.2.1",
        reverse_path: str = "bob@far.example",
        helo: str = "mx.far.example",
    ) -> int:
        number = self.keep(message)
        self.verdicts.arrived(Arrived(number, peer, helo, reverse_path))
        return number

    def found(self, number: int) -> SenderVerdict | None:
        return result(self.store.read(partial(record.find, body=number)))

    def check(self, message: bytes, **more: Any) -> SenderVerdict:
        verdict = self.found(self.begin(message, **more))
        self.clock.advance(1)
        assert verdict is not None
        return verdict


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    return Desk(store, clock)


def test_good_mail_passes_everything(desk: Desk) -> None:
    verdict = desk.check(signed() + b"\r\n" + BODY)
    assert (verdict.spf, verdict.dkim, verdict.dmarc) == ("pass", "pass", "pass")
    assert verdict.details.split(";\r\n\t") == [
        "mx.example.org",
        "spf=pass smtp.mailfrom=far.example",
        "dkim=pass header.d=far.example header.s=s1 policy.reverse-path=author",
        "dmarc=pass (p=reject) header.from=far.example",
    ]


def test_forged_mail_fails_everything(desk: Desk) -> None:
    verdict = desk.check(signed() + b"\r\nOther\r\n", peer="198.51.100.1")
    assert (verdict.spf, verdict.dkim, verdict.dmarc) == ("fail", "fail", "fail")
    assert "dkim=fail (the body has changed) header.d=far.example" in verdict.details


def test_the_good_signers_are_read_from_what_was_written(desk: Desk) -> None:
    good = desk.check(b"DKIM-Signature: v=1; nonsense\r\n" + signed() + b"\r\n" + BODY)
    assert record.signers(good) == ["far.example"]
    for bad in (signed() + b"\r\nOther\r\n", HEADER + b"\r\n" + BODY):
        assert record.signers(desk.check(bad)) == []


@pytest.mark.parametrize(
    ("header", "reverse_path", "signers"),
    [
        (HEADER, "bob+lists@FAR.example", ["far.example"]),
        (HEADER, "victim@far.example", []),  # a message of bob's that somebody else sends once more
        (b"Sender: victim@far.example\r\n" + HEADER, "victim@far.example", []),
        (HEADER, "", []),
    ],
)
def test_a_signature_is_of_who_sends_only_where_that_is_its_author(
    desk: Desk, header: bytes, reverse_path: str, signers: list[str]
) -> None:
    signature = signed().removesuffix(HEADER)
    verdict = desk.check(signature + header + b"\r\n" + BODY, reverse_path=reverse_path)
    assert verdict.dkim == "pass"
    assert record.signers(verdict) == signers
    several = desk.check(
        signature + b"From: victim@far.example\r\n" + HEADER + b"\r\n" + BODY, reverse_path=reverse_path
    )
    assert not record.signers(several)


def test_forwarded_mail_passes_by_its_signature(desk: Desk) -> None:
    verdict = desk.check(signed() + b"\r\n" + BODY, peer="198.51.100.1", reverse_path="list@other.example")
    assert (verdict.spf, verdict.dkim, verdict.dmarc) == ("none", "pass", "pass")


def test_what_is_not_signed_says_none(desk: Desk) -> None:
    verdict = desk.check(HEADER + b"\r\n" + BODY)
    assert (verdict.spf, verdict.dkim, verdict.dmarc) == ("pass", "none", "pass")


def test_the_null_sender_is_judged_by_the_name_of_the_host(desk: Desk) -> None:
    desk.dns.txt["mx.far.example"] = ["v=spf1 a -all"]
    desk.dns.a["mx.far.example"] = ["192.0.2.1"]
    verdict = desk.check(HEADER + b"\r\n" + BODY, reverse_path="")
    assert verdict.spf == "pass"
    assert "smtp.helo=mx.far.example" in verdict.details


def test_a_key_that_is_not_there_and_one_that_cannot_be_asked_for(desk: Desk) -> None:
    desk.dns.txt.pop("s1._domainkey.far.example")
    assert desk.check(signed() + b"\r\n" + BODY).dkim == "permerror"
    desk.dns.broken.add("s2._domainkey.far.example")
    assert desk.check(signed().replace(b"s=s1;", b"s=s2;") + b"\r\n" + BODY).dkim == "temperror"


def test_one_good_signature_is_enough_and_each_is_told(desk: Desk) -> None:
    good = signed()
    verdict = desk.check(b"DKIM-Signature: v=1; nonsense\r\n" + good + b"\r\n" + BODY)
    assert verdict.dkim == "pass"
    assert verdict.details.count("dkim=") == 2


def test_what_a_stranger_writes_begins_no_result_of_ours(desk: Desk) -> None:
    evil = signed(domain="far.example").replace(b"d=far.example", b"d=x y;z (dkim=pass)")
    verdict = desk.check(
        evil + b"\r\n" + BODY,
        reverse_path="a@b;dkim=pass",
        helo="x\r\nAuthentication-Results: mx.example.org; spf=pass",
    )
    assert "dkim=pass" not in verdict.details
    assert verdict.details.count("Authentication") == 0
    assert len(verdict.details.split("\r\n")) == 4


def test_two_authors_are_nobody(desk: Desk) -> None:
    message = b"From: bob@far.example, eve@evil.example\r\n\r\nText\r\n"
    assert desk.check(message).dmarc == "permerror"


@pytest.mark.parametrize("message", [b"", b"\r\n", b"\xff\xfe", b"DKIM-Signature:\r\n", b"From: \xff@\xff\r\n\r\n"])
def test_any_message_gets_a_verdict(desk: Desk, message: bytes) -> None:
    assert desk.check(message or b" ").dkim in ("none", "permerror")


def test_a_large_message_is_checked_in_pieces(desk: Desk) -> None:
    body = b"line after line\r\n" * 50_000
    assert desk.check(signed(body=body) + b"\r\n" + body).dkim == "pass"


def test_a_silent_dns_leaves_no_row_and_holds_up_nothing(desk: Desk) -> None:
    desk.dns.silent = True
    number = desk.begin(HEADER + b"\r\n" + BODY)
    desk.clock.advance(DEADLINE - 0.1)
    assert desk.verdicts.skipped == 0
    desk.clock.advance(0.2)
    assert desk.verdicts.skipped == 1
    assert desk.found(number) is None
    desk.dns.silent = False
    assert desk.check(HEADER + b"\r\n" + BODY).spf == "pass"


def test_in_a_flood_what_does_not_get_its_turn_is_left_out(desk: Desk) -> None:
    desk.dns.silent = True
    numbers = [desk.begin(HEADER + b"\r\n" + BODY) for _ in range(3 * AT_ONCE)]
    desk.clock.pump([0.1] * 120)
    assert desk.verdicts.skipped == len(numbers)
    assert len(numbers) < MOST_WAITING


def test_what_waits_is_bounded(desk: Desk) -> None:
    desk.dns.silent = True
    number = desk.keep(HEADER + b"\r\n" + BODY)
    for _ in range(MOST_WAITING + 100):
        desk.verdicts.arrived(Arrived(number, "192.0.2.1", "x", "bob@far.example"))
    assert len(desk.verdicts._waiting) == MOST_WAITING


def test_a_stop_ends_what_is_under_way(desk: Desk) -> None:
    desk.dns.silent = True
    number = desk.begin(HEADER + b"\r\n" + BODY)
    desk.verdicts.stop()
    desk.verdicts.arrived(Arrived(number, "192.0.2.1", "x", ""))
    desk.clock.advance(60)
    assert desk.found(number) is None


def test_answers_are_remembered_for_a_while(desk: Desk) -> None:
    desk.check(HEADER + b"\r\n" + BODY)
    asked = len(desk.dns.asked)
    desk.check(HEADER + b"\r\n" + BODY)
    assert len(desk.dns.asked) == asked
    desk.clock.advance(301)
    desk.check(HEADER + b"\r\n" + BODY)
    assert len(desk.dns.asked) > asked


def test_what_comes_by_a_filter_of_ours_is_not_judged_by_its_address(desk: Desk) -> None:
    desk.verdicts = Verdicts(desk.store, desk.dns, desk.jobs, desk.clock, "h", [ip_network("192.0.2.0/24")])
    assert desk.found(desk.begin(HEADER + b"\r\n" + BODY)) is None
    assert desk.check(HEADER + b"\r\n" + BODY, peer="198.51.100.1").spf == "fail"


def test_a_message_that_is_gone_has_no_verdict(desk: Desk) -> None:
    desk.verdicts.arrived(Arrived(12345, "192.0.2.1", "x", "bob@far.example"))
    assert desk.found(12345) is None


def test_a_child_that_dies_is_replaced_once(desk: Desk) -> None:
    desk.jobs.dying = 1
    assert desk.check(signed() + b"\r\n" + BODY).dkim == "pass"
    desk.jobs.dying = 2
    number = desk.begin(signed() + b"\r\n" + BODY)
    assert desk.found(number) is None
    assert desk.verdicts.skipped == 1


def test_a_header_of_any_length_counts_to_its_end(desk: Desk) -> None:
    long = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 500) for number in range(1500))
    assert desk.check(long + b"From: eve@far.example\r\n\r\n" + BODY).details.endswith("header.from=far.example")
    two = HEADER + long + b"From: eve@other.example\r\n\r\n" + BODY
    assert desk.check(two).details.endswith("dmarc=permerror header.from=unknown")
    assert desk.check(signed(HEADER + long) + b"\r\n" + BODY).dkim == "pass"
