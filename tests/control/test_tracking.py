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
    with pytest.raises(Refused, match="limit: 0: must be 1 to 1000"):
        call("track", limit=0)
    with pytest.raises(Refused, match='"soon": not a time'):
        call("track", since="soon")
