"""Which cookies of a request are taken for ours."""

from __future__ import annotations

import pytest

from mpcontinuity.web.cookies import read_cookies, set_cookie


def test_a_cookie_is_read_as_it_was_set() -> None:
    sent = set_cookie("who", "aZ09-_.", max_age=1)[1].decode().partition(";")[0]
    assert read_cookies(f"theme=dark; {sent}; __Secure-more=x") == {"who": "aZ09-_.", "more": "x"}


@pytest.mark.parametrize("value", ["\xe9", "a b", "a\x7f", 'a"', "a,b", "a\nb", "a=b", "\r\nSet-Cookie: x=y"])
def test_a_value_that_this_server_never_sets_is_none_of_ours(value: str) -> None:
    assert read_cookies(f"__Host-who={value}; __Host-other=good") == {"other": "good"}
