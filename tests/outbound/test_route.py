"""Which way an alert about a domain takes."""

from __future__ import annotations

import pytest

from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.route import past_home


@pytest.mark.parametrize(
    ("general", "way"),
    [
        ("smtp://home.example.org:25", "mx"),
        ("smtp://HOME.example.org", "mx"),
        ("smtp://home.example.org:587", "smtp://home.example.org:587"),
        ("smtp://relay.example.net", "smtp://relay.example.net:25"),
        ("mx", "mx"),
    ],
)
def test_an_alert_goes_by_no_home_server_but_by_another_port_of_its_host(general: str, way: str) -> None:
    settings = DomainSettings(home=("home.example.org",))
    assert past_home(settings, general, 0).shown == way
    assert past_home(settings, general, 1).shown == "mx"
