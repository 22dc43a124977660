"""The page of senders whose pictures from elsewhere are shown: addresses and domains, a page at a time, and bounded."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.mailbox import trusted_senders
from mpcontinuity.store.transaction import Transaction
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser, Shown
from tests.conftest import DATABASES
from tests.fakes.stores import result

PATH = "/settings/pictures"
IDN = "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"


def add(browser: Browser, sender: str) -> Shown:
    return browser.send(f"{PATH}/add", PATH, sender=sender)


def trusts(office: Office, sender: str, address: str = "") -> bool:
    account = office.user(address).id if address else office.user().id
    return result(office.store.read(partial(trusted_senders.trusts, account=account, address=sender)))


def fill(office: Office, number: int) -> None:
    account = office.user().id

    def many(tx: Transaction) -> None:
        for each in range(number):
            trusted_senders.add(tx, account, f"{each:04}@b.example", 1)

    result(office.store.run(many))


@pytest.mark.parametrize("database", DATABASES, indirect=True)
def test_an_address_and_a_domain_are_added_listed_and_removed(office: Office, anna: Browser) -> None:
    assert "There is none." in anna.get(PATH).page
    assert add(anna, "Bob@Far.Example").location == PATH
    assert add(anna, " example.net ").location == PATH
    page = anna.get(PATH).page
    assert "bob@far.example" in page
    assert "@example.net" in page
    found = [trusts(office, each) for each in ("BOB@far.example", "eve@far.example", "x@EXAMPLE.net")]
    assert found == [True, False, True]
    assert not trusts(office, "x@sub.example.net")
    assert not trusts(office, "bob@far.example", BERT)
    assert anna.send(f"{PATH}/remove", PATH, sender="@example.net").location == PATH
    assert "@example.net" not in anna.get(PATH).page.partition("<table")[2]
    assert not trusts(office, "x@example.net")


def test_a_domain_of_other_letters_is_the_one_that_mail_comes_from(office: Office, anna: Browser) -> None:
    add(anna, f"@{IDN}")
    assert trusts(office, "anna@xn--bcher-kva.example")
    assert trusts(office, f"anna@{IDN}")


@pytest.mark.parametrize("typed", ["", "@", "a b", "x@", "@a@b.example", "<script>", "x" * 2000, "a@b@c"])
def test_what_is_no_sender_is_said_at_its_field(office: Office, anna: Browser, typed: str) -> None:
    shown = add(anna, typed)
    assert shown.code == 400
    assert 'id="sender-error" role="alert"' in shown.page
    assert "<script>" not in shown.page
    assert not result(office.store.read(partial(trusted_senders.listing, account=office.user().id)))


def test_one_more_than_there_may_be_is_refused_and_none_is_dropped(office: Office, anna: Browser) -> None:
    fill(office, trusted_senders.MOST)
    shown = add(anna, "one@more.example")
    assert shown.code == 400
    assert "already" in shown.page
    assert trusts(office, "0000@b.example")
    assert add(anna, "0000@b.example").location == PATH  # which is there


def test_a_long_list_is_shown_a_page_at_a_time(office: Office, anna: Browser) -> None:
    fill(office, 150)
    page = anna.get(PATH).page
    assert "0099@b.example" in page
    assert "0100@b.example" not in page
    more = anna.get(f"{PATH}?after=0099%40b.example").page
    assert "0100@b.example" in more
    assert 'rel="next"' not in more
