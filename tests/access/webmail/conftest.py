"""Webmail beside the operations."""

from __future__ import annotations

import pytest

from mpcontinuity.control.operation import Control
from tests.access.webmail.office import ANNA, BERT, PASSWORD, Office
from tests.admin.portal.browser import Browser
from tests.control.conftest import Call, call, control
from tests.fakes.clock import ManualClock

__all__ = ["call", "control"]


@pytest.fixture
def office(control: Control, clock: ManualClock, call: Call) -> Office:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address=ANNA, password=PASSWORD)
    call("user add", address=BERT, password=PASSWORD)
    return Office(control, clock)


@pytest.fixture
def anna(office: Office) -> Browser:
    """A browser in which Anna is signed in."""
    return office.browser(ANNA)
