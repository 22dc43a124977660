from __future__ import annotations

import pytest

from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import show
from tests.control.conftest import Call
from tests.queue.ledgers import Books


def test_the_queue_is_listed_released_and_retried(call: Call, books: Books) -> None:
    first, second = books.redirect("anna"), books.redirect("bert")
    assert [row["id"] for row in call("queue list")] == [show(first), show(second)]
    assert [row["id"] for row in call("queue list", domain="example.org")] == [show(first), show(second)]
    assert call("queue remove", ids=[show(first)]) == {"removed": 1}
    assert books.state(first) == "released"
    assert call("queue retry", ids=[show(second)]) == {"retried": 1}
    with pytest.raises(Refused, match="is released already"):
        call("queue retry", ids=[show(first)])
    with pytest.raises(Refused, match="an id has 13 characters"):
        call("queue remove", ids=["x"])
    call("queue retry")
