"""What a browser is told that installs webmail."""

from __future__ import annotations

import json
import struct

from tests.access.webmail.office import Office
from tests.admin.portal.browser import Browser


def test_the_manifest_is_for_anybody_and_names_icons_that_are_there(office: Office) -> None:
    stranger = office.browser()
    shown = stranger.get("/manifest.webmanifest")
    assert shown.code == 200
    assert b"application/manifest+json" in shown.head
    told = json.loads(shown.page)
    assert (told["start_url"], told["scope"], told["display"], told["lang"]) == ("/", "/", "standalone", "en")
    assert {icon.get("purpose", "any") for icon in told["icons"]} == {"any", "maskable"}
    for icon in told["icons"]:
        file = stranger.get(icon["src"])
        assert file.code == 200
        if icon["type"] == "image/png":
            raw = file.page.encode("utf-8", "surrogateescape")
            assert raw.startswith(b"\x89PNG\r\n\x1a\n")
            assert "x".join(map(str, struct.unpack(">II", raw[16:24]))) == icon["sizes"]


def test_pages_say_where_the_manifest_is_and_what_may_be_loaded(office: Office, anna: Browser) -> None:
    shown = anna.get("/")
    assert '<link rel="manifest" href="/manifest.webmanifest">' in shown.page
    assert b"manifest-src 'self'" in shown.head
    assert "serviceWorker" not in shown.page
