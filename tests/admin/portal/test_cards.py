"""Set-up cards: what stands on them, for whom, and that a secret is on none that nobody asked for one on."""

from __future__ import annotations

import re
import time
from html import unescape

import msgspec
import pytest

from mpcontinuity.admin.portal import cards
from mpcontinuity.admin.portal.signed_in import Visit
from mpcontinuity.control.users import UserRow
from mpcontinuity.web.answers import Answer, redirect
from tests.admin.portal.browser import Browser
from tests.control.conftest import Call
from tests.fakes.stores import result

CARDS, ANNA = "/admin/users/cards", "/admin/user/anna@x.org/card"


@pytest.fixture
def users(olga: Browser, call: Call) -> None:
    call("user add", address="anna@x.org", name="Anna <b>")
    call("user add", address="bert@x.org", password="bert's own")
    call("user add", address="ina@x.org", inactive=True)
    call("user add", address="carla@y.org")


def shown(text: str) -> list[tuple[str, str]]:
    """Whom the cards of a page are for, and the link on each."""
    found = re.findall(
        r'<article class="card">.*?<code>(.*?)</code>.*?User name</th><td[^>]*>(.*?)</td>', text, re.DOTALL
    )
    return [(unescape(address), unescape(link)) for link, address in found]


@pytest.mark.usefixtures("users")
def test_a_card_says_what_a_user_has_to_know_and_has_no_secret(olga: Browser, call: Call) -> None:
    page = olga.get(ANNA).page
    assert shown(page) == [("anna@x.org", "https://mail.example.net:8443/setup?email=anna@x.org")]
    assert "Anna &lt;b&gt;" in page
    assert "data:image/svg+xml" in page
    for said in ("IMAP, incoming", "SMTP, outgoing", "mail.example.net", "When your usual mailbox does not answer"):
        assert said in page
    assert "/invite/" not in page
    assert "user invite" not in [row["operation"] for row in call("audit")]
    assert olga.get("/admin/user/carla@y.org/card").code == 403
    assert olga.get("/admin/user/nobody@x.org/card").code == 404


@pytest.mark.usefixtures("users")
def test_an_invitation_is_on_a_card_that_was_asked_for_says_its_end_and_is_audited(olga: Browser, call: Call) -> None:
    page = olga.send(ANNA).page
    ((_, link),) = shown(page)
    assert link.startswith("https://mail.example.net:8443/invite/")
    assert "once, until 2026-09-28 14:13 UTC" in page
    assert [(row["by"], row["object"]) for row in call("audit") if row["operation"] == "user invite"] == [
        ("olga", "address=anna@x.org print=True")
    ]
    call("user deactivate", address="bert@x.org")
    assert "is inactive" in olga.get("/admin/user/bert@x.org/card").page


@pytest.mark.usefixtures("users")
def test_cards_are_made_of_what_is_found_but_of_nobody_inactive(rita: Browser, olga: Browser) -> None:
    assert [address for address, _ in shown(olga.get(CARDS).page)] == ["anna@x.org", "bert@x.org"]
    assert [address for address, _ in shown(rita.get(CARDS).page)] == ["anna@x.org", "bert@x.org", "carla@y.org"]
    assert [address for address, _ in shown(olga.get(f"{CARDS}?domain=x.org&search=bert&never=").page)] == [
        "bert@x.org"
    ]
    assert [address for address, _ in shown(olga.get(f"{CARDS}?never=on&search=a").page)] == ["anna@x.org"]
    assert "Nobody fits." in olga.get(f"{CARDS}?search=nobody").page
    assert olga.get(f"{CARDS}?domain=y.org").code == 403
    assert olga.get(f"{CARDS}?search=%00").code == 400


@pytest.mark.usefixtures("users")
def test_invitations_are_for_those_without_a_password_alone(olga: Browser, call: Call) -> None:
    page = olga.send(CARDS).page
    links = dict(shown(page))
    assert "/invite/" in links["anna@x.org"]
    assert "/setup?email=" in links["bert@x.org"]
    assert len([row for row in call("audit") if row["operation"] == "user invite"]) == 1
    token = olga.get("/admin/account").hidden("/admin/account/password")
    assert olga.post(CARDS, {**token, "domain": "y.org"}).code == 403


def test_a_user_who_cannot_be_invited_now_has_a_card_that_says_why(olga: Browser, call: Call) -> None:
    call("user add", address="anna@x.org")
    for _ in range(10):
        call("user invite", address="anna@x.org", print=True)
    refused = olga.send(ANNA)
    assert refused.code == 409
    assert "No invitation: anna@x.org: was invited 10 times in a day" in refused.page
    assert "/setup?email=" in refused.page


def test_a_page_has_so_many_cards_and_leads_to_the_next(
    olga: Browser, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "MOST", 4)
    for number in range(9):
        call("user add", address=f"user{number}@x.org")
    page, seen = olga.get(f"{CARDS}?domain=x.org").page, []
    for _ in range(3):
        seen.append([address for address, _ in shown(page)])
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following:
            page = olga.get(unescape(following[1])).page
    assert seen == [[f"user{n}@x.org" for n in some] for some in ((0, 1, 2, 3), (4, 5, 6, 7), (8,))]
    first = olga.send(CARDS)
    assert "The next cards, with invitations" in first.page
    second = olga.post(CARDS, {**first.hidden(CARDS)})
    assert [address for address, _ in shown(second.page)] == seen[1]


def test_the_cards_of_one_turn_take_less_than_five_milliseconds(
    olga: Browser, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[Visit] = []

    async def noted(visit: Visit, *, invites: bool) -> Answer:
        visits.append(visit)
        return redirect("/admin/")

    call("user add", address=f"{'long.' * 10}name@x.org", name="A name of some length")
    monkeypatch.setattr(cards, "_single", noted)
    olga.get(ANNA)
    (visit,) = visits
    (user,) = [msgspec.convert(row, UserRow) for row in call("user list")]

    async def once() -> float:
        begun = time.process_time()
        for _ in range(cards.AT_ONCE):
            card = await cards._card(visit, user, invites=False)
            visit.services.templates.render("card_printed.html", card=card, **cards._of_all_cards(visit))
        return time.process_time() - begun

    assert min(result(once()) for _ in range(10)) < 0.005
