"""Webhooks as a page: added with a secret that is shown once, tested, removed."""

from __future__ import annotations

import re

from tests.admin.portal.browser import Browser
from tests.control.conftest import Call

URL = "https://hooks.example/services/T0/secret-path"


def test_a_webhook_is_added_with_a_secret_that_is_shown_once_and_its_path_never(rita: Browser, call: Call) -> None:
    assert "No webhook is told" in rita.get("/admin/webhooks").page
    shown = rita.send("/admin/webhooks", domain="x.org", url=URL)
    assert shown.code == 200
    secret = re.search(r'<code id="made">([^<]+)</code>', shown.page)
    assert secret is not None
    again = rita.get("/admin/webhooks?domain=x.org").page
    assert "https://hooks.example/…" in again
    assert secret[1] not in again
    assert "secret-path" not in shown.page + again
    assert "hooks.example/" not in rita.get("/admin/webhooks?domain=y.org").page
    assert [row["domain"] for row in call("webhook list")] == ["x.org"]


def test_what_will_not_do_is_said_at_its_field_and_nothing_is_added(rita: Browser, call: Call) -> None:
    for url in ("http://hooks.example/", "nonsense", "https://[::1", "https://hooks.example/" + "x" * 1_000):
        shown = rita.send("/admin/webhooks", domain="x.org", url=url)
        assert shown.code == 400, url
        assert 'id="url-error"' in shown.page
        assert url in shown.page
    shown = rita.send("/admin/webhooks", domain="nowhere.org", url=URL)
    assert 'id="domain-error"' in shown.page
    assert call("webhook list") == []


def test_one_is_told_of_a_test_and_removed(rita: Browser, call: Call) -> None:
    made = call("webhook add", domain="x.org", url=URL)
    assert rita.send("/admin/webhooks/test", "/admin/webhooks").location == "/admin/webhooks"
    assert "is told of a test" in rita.get("/admin/webhooks").page
    assert [row["waiting"] for row in call("webhook list")] == [1]
    assert rita.send("/admin/webhooks/remove", "/admin/webhooks").location == "/admin/webhooks"
    assert call("webhook list") == []
    again = rita.get("/admin/webhooks").hidden("/admin/webhooks")
    assert rita.post("/admin/webhooks/remove", {**again, "id": made["id"]}).code == 404
