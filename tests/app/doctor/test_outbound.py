"""Whether mail can leave, as `doctor` sees it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import MappingProxyType

from mpcontinuity.app.doctor import outbound
from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.model.settings import Outbound, Settings
from tests.fakes.home import ScriptedHome, say
from tests.fakes.nameserver import SERVFAIL, Nameserver

_NONE: Mapping[str, str] = MappingProxyType({})


def examine(own: Mapping[str, str] = _NONE, **settings: object) -> list[Finding]:
    found = list(outbound.examine(Settings(outbound=Outbound(**settings)), own))  # type: ignore[arg-type]
    assert all(finding.advice for finding in found if finding.verdict != "good")
    assert all(finding.verdict in ("good", "warning") for finding in found)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_name_servers_that_answer_are_good_and_their_silence_is_told() -> None:
    with Nameserver({"": []}) as server:
        (good,) = examine(resolvers=(server.address,))
    assert good.verdict == "good"
    with Nameserver({"": SERVFAIL}) as server:
        (bad,) = examine(resolvers=(server.address,))
    assert (bad.verdict, "no name server answers" in bad.text) == ("warning", True)


def test_a_smarthost_is_greeted_and_logged_in_to() -> None:
    with ScriptedHome() as smart:
        (plain,) = examine(route=f"smtp://{smart.address}")
        assert (plain.verdict, "answers to EHLO" in plain.text) == ("good", True)
        (refused,) = examine(route=f"smtp://me:secret@{smart.address}")
        assert (refused.verdict, "log in" in refused.text) == ("warning", True)
        assert "secret" not in refused.text
        smart.on("greeting", say("554 5.7.1 not you", hang_up=True))
        (away,) = examine(route=f"smtp://{smart.address}")
        assert (away.verdict, "554" in away.text) == ("warning", True)


def test_a_smarthost_that_is_away_is_told_with_the_domain_whose_route_it_is() -> None:
    with ScriptedHome() as smart:
        way = f"smtp://127.0.0.1:{free_port()}"
        good, bad = examine({"a.example": way, "b.example": f"smtp://{smart.address}"}, route=f"smtp://{smart.address}")
    assert good.verdict == "good"
    assert bad.verdict == "warning"
    assert "outbound-route of a.example" in bad.text
