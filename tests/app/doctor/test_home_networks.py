"""Whose mail comes from home-networks, as `doctor` sees it."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.app.doctor import home_networks
from mpcontinuity.app.doctor.finding import Finding

_REFUSAL = "5.7.1 The home server of a.example sends in the name of its own domain only"


class Tracking:
    def __init__(self, *texts: str) -> None:
        self._rows = [{"sender": "eve@world.example", "text": text} for text in texts]

    def call(self, name: str, **arguments: Any) -> list[dict[str, str]]:
        assert (name, arguments["status"]) == ("track", "rejected")
        return self._rows


def examine(networks: str, *refusals: str, tenant: str = "") -> list[Finding]:
    row = {"domain": "a.example", "home-networks": networks, "home-tenant": tenant}
    found = list(home_networks.examine(Tracking(*refusals), [row]))
    assert all(finding.advice for finding in found if finding.verdict != "good")
    return found


def test_without_networks_there_is_nothing_to_say() -> None:
    assert examine("") == []


def test_addresses_of_ones_own_are_good() -> None:
    (found,) = examine("192.0.2.0/28,2001:db8::/64", "5.7.1 Relaying denied")
    assert found.verdict == "good"


@pytest.mark.parametrize("networks", ["40.92.0.0/15", "192.0.2.0/28,52.101.8.0/24", "2a01:111:f400::/48", "0.0.0.0/0"])
def test_addresses_that_many_tenants_send_from_are_wrong_without_a_tenant(networks: str) -> None:
    assert examine(networks)[0].verdict == "wrong"
    assert examine(networks, tenant="a.example")[0].verdict == "good"


def test_strangers_mail_that_came_from_there_is_told() -> None:
    (found,) = examine("192.0.2.0/28", _REFUSAL)
    assert (found.verdict, "eve@world.example" in found.text) == ("wrong", True)
    assert examine("192.0.2.0/28", _REFUSAL.replace("a.example", "b.example"))[0].verdict == "good"
