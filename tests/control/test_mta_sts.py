"""The MTA-STS policy of a domain is fetched as a stranger's URL is, and has to name this server."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mpcontinuity.control.mta_sts import judge
from mpcontinuity.outbound.https import Answer, HttpsClient, Unanswered
from tests.fakes.stores import result

HOST = "mx.provider.example"
RECORD = ["v=STSv1; id=1"]


class Site:
    """Answers every request in the same way, and keeps the URLs."""

    def __init__(self, body: str, status: int = 200, kind: str = "text/plain; charset=utf-8") -> None:
        self.answer = Answer(status, {"content-type": kind}, body.encode())
        self.asked: list[tuple[str, str]] = []

    async def ask(self, method: str, url: str, *, within: float, most: int) -> Answer:
        self.asked.append((method, url))
        assert within <= 5
        assert most <= 64 << 10
        return self.answer


def policy(mx: str, mode: str = "enforce") -> str:
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"


def judged(site: Any, texts: list[str] = RECORD) -> tuple[str, list[str], str]:
    answer: tuple[str, list[str], str] = result(Deferred.fromCoroutine(judge(site, "example.org", HOST, texts)))
    return answer


def test_a_policy_that_names_this_server_is_right_and_shown() -> None:
    site = Site(policy("*.provider.example"))
    assert judged(site) == ("right", [*RECORD, "mode: enforce", "mx: *.provider.example"], "")
    assert site.asked == [("GET", "https://mta-sts.example.org/.well-known/mta-sts.txt")]


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (Site(policy("mx.other.example")), "those who heed it send nothing here; add the line `mx: mx.provider.ex"),
        (Site(policy("mx.other.example", "testing")), "others report a failure for each mail"),
        (Site(policy(HOST), 301), "is answered 301"),
        (Site(policy(HOST), 404), "is answered 404"),
        (Site(policy(HOST), kind="text/html"), "is not sent as text/plain"),
        (Site("<html>"), "has no line `version: STSv1`"),
    ],
)
def test_a_policy_that_does_not_name_this_server_or_does_not_count_is_different(site: Site, said: str) -> None:
    state, _, note = judged(site)
    assert state == "different"
    assert said in note


def test_mode_none_binds_nobody() -> None:
    assert judged(Site(policy("mx.other.example", "none")))[0] == "right"


def test_two_records_or_one_without_an_id_are_different_and_nothing_is_fetched() -> None:
    site = Site(policy(HOST))
    assert judged(site, RECORD * 2)[0] == "different"
    assert judged(site, ["v=STSv1"])[0] == "different"
    assert not site.asked


def test_a_policy_inside_our_own_network_is_not_fetched() -> None:
    async def addresses(host: str) -> list[str]:
        assert host == "mta-sts.example.org"
        return ["10.0.0.1", "127.0.0.1", "::1"]

    async def connect(*_: Any) -> None:
        raise AssertionError("connects")

    nothing: Any = None
    parts: dict[str, Any] = {"addresses": addresses, "connect": connect, "secure": nothing, "timer": Clock()}
    state, found, note = judged(HttpsClient(**parts, allow_private=False))
    assert (state, found) == ("unknown", RECORD)
    assert "private addresses only" in note
    assert f"mx: {HOST}" in note


def test_a_site_that_does_not_answer_is_unknown() -> None:
    class Away(Site):
        async def ask(self, method: str, url: str, *, within: float, most: int) -> Answer:
            raise Unanswered("mta-sts.example.org:443: no answer within 5 s")

    state, _, note = judged(Away(""))
    assert state == "unknown"
    assert "no answer within 5 s" in note
