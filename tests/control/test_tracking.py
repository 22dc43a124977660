from __future__ import annotations

import pytest

from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.queue.ledgers import Books


def test_tracking_is_filtered(call: Call, books: Books) -> None:
    books.redirect("anna")
    assert len(call("track")) == 1
    assert call("track", status="rejected") == []
    assert len(call("track", since="1h")) == 1
    books.clock.advance(7200)
    assert call("track", since="1h") == []
    assert len(call("track", until="1h")) == 1
    assert call("track", until="3h") == []
    assert len(call("track", direction="inbound")) == 1
    assert call("track", direction="outbound") == []
    with pytest.raises(Refused, match="limit: 0: must be 1 to 1000"):
        call("track", limit=0)
    with pytest.raises(Refused, match='"soon": not a time'):
        call("track", since="soon")
    with pytest.raises(Refused, match='"later": not a time'):
        call("track", until="later")
    with pytest.raises(Refused, match='direction: "up": must be inbound, outbound'):
        call("track", direction="up")
