"""Readers of what DNS says."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest

from mpcontinuity.outbound.names import as_text, can_exist
from mpcontinuity.protocols import mta_sts
from mpcontinuity.verdicts import dmarc, record, spf
from mpcontinuity.verdicts.dns import Ip
from mpcontinuity.verdicts.record import SenderVerdict
from tests.linear.reader import KIB, Reader


class _Zone:
    """Answers every question with the octets under test."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def texts(self, name: str) -> list[str]:
        return [self._text]

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        return []

    async def exchanges(self, name: str) -> list[str]:
        return []

    async def names(self, address: Ip) -> list[str]:
        return []


def _spf(data: bytes) -> None:
    check = spf.SpfCheck(_Zone(data.decode("latin-1")), ip_address("192.0.2.1"), "ann@" + "a." * 100 + "b", "c.example")
    with pytest.raises(StopIteration):
        check.result("example.com").send(None)


def _dmarc(data: bytes) -> None:
    check = dmarc.check(_Zone(data.decode("latin-1")), "example.com", "example.com", ["example.net"])
    with pytest.raises(StopIteration):
        check.send(None)


def _token(data: bytes) -> None:
    record.token(data.decode("latin-1"))


def _signers(data: bytes) -> None:
    record.signers(SenderVerdict("", "", "", data.decode("latin-1")))


def _name(data: bytes) -> None:
    can_exist(as_text(data))


_DNS = 64 * KIB  # the longest answer


def _mta_sts(data: bytes) -> None:
    mta_sts.identifies(data.decode("latin-1"))
    with suppress(mta_sts.BadPolicy):
        mta_sts.read(data)


POLICIES = {
    "MTA-STS": Reader(_mta_sts, (b"", b"v=STSv1;", b"version: STSv1\nmode: enforce\n"), (b"mx: a\n", b";id=", b":")),
    "spf": Reader(
        _spf,
        (
            b"v=spf1 ",
            b"v=spf1 a:",
            b"v=spf1 a:a.",
            b"v=spf1 redirect=a.",
            b"v=spf1 x=",
            b"v=spf1 exists:%{",
            b"v=spf1 exists:%{s",
            b"v=spf1 a/",
            b"v=spf1 ip4:",
            b"v=spf1 ip6:",
        ),
        (b"%{s}", b"%{sr.}.", b"%{p}", b"ip4:1.2.3.4 ", b"a-", b"-a", b"/1//", b"1.", b"a ", b"%%", b"%{o}.a"),
        (b"", b".example", b"}"),
        _DNS,
    ),
    "dmarc": Reader(_dmarc, (b"v=DMARC1;", b"v"), (b"p=none;", b"np=x;"), (b"", b"=DMARC1"), _DNS),
    "token": Reader(_token, most=_DNS),
    "signers of a verdict": Reader(
        _signers, units=(b"dkim=pass header.d=", b"dkim=pass header.d=a ", b"dkim=pass header.d=a header.s=b ")
    ),
    # Four times the longest name there is (RFC 1035 §2.3.4).
    "names in DNS": Reader(_name, units=(b"\xc3\xa4.", b"\xd9\xa0", b"xn--a.", b"\x1b"), most=KIB),
}
