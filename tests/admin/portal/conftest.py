"""The portal on a real store, in two tastes: with a second factor demanded, and without."""

from __future__ import annotations

import pytest

from mpcontinuity.control.operation import Control
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call, call, control
from tests.fakes.clock import ManualClock

__all__ = ["call", "control"]


@pytest.fixture
def portal(control: Control, call: Call, clock: ManualClock) -> Portal:
    """The portal without a second factor; ``rita`` administers all domains, ``olga`` x.org."""
    for name in ("x.org", "y.org"):
        call("domain add", name=name, home=f"home.{name}")
    call("admin add", name="rita", password="rita's own")
    call("admin add", name="olga", password="olga's own", domain="x.org")
    call("admin add", name="oscar", password="oscar's own", domain="y.org")
    return Portal(control, clock)


@pytest.fixture
def rita(portal: Portal) -> Browser:
    """A browser where rita is signed in."""
    browser = Browser(portal)
    assert browser.log_in("rita", "rita's own").location == "/admin/"
    return browser


@pytest.fixture
def olga(portal: Portal) -> Browser:
    """A browser where olga is signed in."""
    browser = Browser(portal)
    assert browser.log_in("olga", "olga's own").location == "/admin/"
    return browser
