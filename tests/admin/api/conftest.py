"""The API on a real store: rita administers all domains, olga example.org, oscar other.org."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpcontinuity.control.operation import Control
from tests.admin.api.program import Api
from tests.control.conftest import Call, books, call, control
from tests.fakes.clock import ManualClock

__all__ = ["books", "call", "control"]


@pytest.fixture
def api(control: Control, call: Call, clock: ManualClock) -> Iterator[Api]:
    for name in ("example.org", "other.org"):
        call("domain add", name=name, home=f"home.{name}")
        call("user add", address=f"anna@{name}", password="anna's own")
    api = Api(control, clock)
    call("admin add", name="rita", password="rita's own")
    call("admin add", name="olga", password="olga's own", domain="example.org")
    call("admin add", name="oscar", password="oscar's own", domain="other.org")
    for name in ("rita", "olga", "oscar"):
        api.make_token(name)
    yield api
    api.end()
