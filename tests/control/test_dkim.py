"""The keys of a domain as its administrators make, see and change them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import dkim as table
from mpcontinuity.accounts import domains
from mpcontinuity.message import dkim
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.store import Store
from tests.control.conftest import Call
from tests.fakes.stores import result


@pytest.fixture
def domain(call: Call) -> Any:
    return call("domain add", name="example.org", home="home.example.org")


def keys(store: Store) -> Any:
    domain = result(store.read(partial(domains.known, name="example.org")))
    return result(store.read(partial(table.find, domain=domain.id)))


def test_the_first_call_makes_a_key_and_the_next_ones_show_it(call: Call, domain: Any, store: Store) -> None:
    (record,) = call("domain dkim", name="Example.org")["records"]
    assert record["name"] == "mpc1._domainkey.example.org"
    assert record["state"] == "signs"
    assert dkim.same_key(record["value"], dkim.load_key(keys(store).key))
    assert call("domain dkim", name="example.org")["records"] == [record]


def test_a_zone_line_has_strings_of_at_most_255_octets_that_make_the_value(call: Call, domain: Any) -> None:
    (record,) = call("domain dkim", name="example.org", selector="Mail.2026")["records"]
    assert record["selector"] == "mail.2026"
    strings = record["zone"].split('"')[1::2]
    assert len(strings) == 2
    assert "".join(strings) == record["value"]
    assert all(len(string) <= 255 for string in strings)


@pytest.mark.parametrize("selector", ["", "a b", "-a", "a..b", "a;b", "ü"])
def test_what_is_no_selector_is_refused(call: Call, domain: Any, selector: str) -> None:
    with pytest.raises(Refused, match="not a selector"):
        call("domain dkim", name="example.org", selector=selector)


def test_a_second_key_waits_while_the_first_signs(call: Call, domain: Any, store: Store) -> None:
    call("domain dkim", name="example.org")
    first, second = call("domain dkim", name="example.org", rotate=True)["records"]
    assert (first["selector"], first["state"]) == ("mpc1", "signs")
    assert (second["selector"], second["state"]) == ("mpc2", "takes over when DNS has it")
    assert keys(store).selector == "mpc1"
    with pytest.raises(Refused, match="mpc2 waits to take over"):
        call("domain dkim", name="example.org", rotate=True)


def test_a_waiting_key_takes_over_when_it_is_told_to(call: Call, domain: Any, store: Store) -> None:
    call("domain dkim", name="example.org")
    waiting = call("domain dkim", name="example.org", rotate=True)["records"][1]
    (record,) = call("domain dkim", name="example.org", now=True)["records"]
    assert record["value"] == waiting["value"]
    assert keys(store).next_selector == ""
    with pytest.raises(Refused, match="no key waits"):
        call("domain dkim", name="example.org", now=True)


def test_another_selector_is_refused_without_rotation_and_the_same_one_with_it(call: Call, domain: Any) -> None:
    call("domain dkim", name="example.org")
    with pytest.raises(Refused, match="has the key mpc1"):
        call("domain dkim", name="example.org", selector="other")
    with pytest.raises(Refused, match="selector of the present key"):
        call("domain dkim", name="example.org", selector="mpc1", rotate=True)


def test_a_removed_key_is_gone(call: Call, domain: Any, store: Store) -> None:
    call("domain dkim", name="example.org")
    assert call("domain dkim", name="example.org", remove=True)["records"] == []
    assert keys(store) is None
    with pytest.raises(Refused, match="has no key"):
        call("domain dkim", name="example.org", remove=True)


def test_a_domain_with_a_key_can_be_removed(call: Call, domain: Any) -> None:
    call("domain dkim", name="example.org")
    assert call("domain remove", name="example.org")["removed"]


def test_a_domain_that_is_not_there_has_none(call: Call) -> None:
    with pytest.raises(Refused, match="no such domain"):
        call("domain dkim", name="example.org")
