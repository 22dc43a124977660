"""What RCPT is answered."""

import pytest
from twisted.internet.defer import Deferred, fail

from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Full
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Stage
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Gate
from tests.delivery.conftest import Post
from tests.delivery.homes import accepted, failed, refused, temporary
from tests.fakes.stores import result


def answers(post: Post, *recipients: str, sender: str = "eve@example.net") -> list[str]:
    incoming = post.begin(sender)
    return [str(post.rcpt(incoming, recipient)).partition(" ")[0] for recipient in recipients]


def line(post: Post, recipient: str) -> str:
    return str(post.rcpt(post.begin(), recipient))


def test_home_is_asked_and_takes_it(post: Post) -> None:
    assert line(post, "ann@example.org") == "250 2.1.5 Recipient OK"
    assert post.home.transactions[0].recipients == ["ann@example.org"]


def test_home_is_asked_about_unregistered_addresses_too(post: Post) -> None:
    assert answers(post, "nobody@example.org") == ["250"]


def test_homes_own_refusal_goes_to_the_client_and_into_tracking(post: Post) -> None:
    post.home.recipients["ann@example.org"] = refused(Stage.RCPT, 550, "5.2.1")
    assert line(post, "ann@example.org") == "550 5.2.1 no"
    (row,) = post.track()
    assert (row.status, row.code, row.text, row.outcome) == ("rejected", 550, "5.2.1 no", None)
    assert [(event.host, event.code) for event in row.events] == [("home.example:25", 550)]


def test_a_domain_that_is_not_ours_is_denied(post: Post) -> None:
    assert line(post, "ann@elsewhere.example") == "550 5.7.1 Relaying denied"
    assert post.track()[0].status == "rejected"


@pytest.mark.parametrize("address", ["a%b@example.org", "b!a@example.org", '"a@b"@example.org', '"a%b"@example.org'])
def test_addresses_that_relay_are_refused(post: Post, address: str) -> None:
    assert line(post, address).startswith("550 5.1.3")
    assert post.home.transactions == []


@pytest.mark.parametrize("outcome", [temporary(Stage.RCPT), temporary(Stage.MAIL), failed(), failed(Stage.GREETING)])
def test_a_home_that_does_not_serve_loses_no_mail_of_registered_users(post: Post, outcome: Outcome) -> None:
    post.home.recipients.update({"ann@example.org": outcome, "nobody@example.org": outcome})
    assert line(post, "ann@example.org").startswith("250")
    assert line(post, "nobody@example.org").startswith("451 4.4.1")


def test_a_home_known_to_be_down_is_not_asked(post: Post) -> None:
    post.home.decision = Gate.SHUT
    assert answers(post, "ann@example.org", "nobody@example.org") == ["250", "451"]
    assert post.home.transactions == []


def test_a_declared_outage_asks_nobody_until_its_end(post: Post) -> None:
    post.set(mode="enabled", mode_until=post.clock.now() + 60_000_000)
    assert answers(post, "ann@example.org", "nobody@example.org") == ["250", "451"]
    assert post.home.transactions == []
    post.clock.advance(61)
    assert answers(post, "nobody@example.org") == ["250"]


def test_a_pending_user_is_registered_and_an_inactive_one_is_not(post: Post) -> None:
    post.user("pending@example.org", status="pending")
    post.user("inactive@example.org", status="inactive")
    post.home.decision = Gate.SHUT
    assert answers(post, "pending@example.org", "inactive@example.org") == ["250", "451"]


def test_tags_case_quotes_and_aliases_reach_the_user(post: Post) -> None:
    post.user("carl@example.org", aliases=("c@example.org",))
    post.home.decision = Gate.SHUT
    recipients = ["Carl+news@EXAMPLE.org", '"carl"@example.org', "C@example.org", "d@example.org"]
    assert answers(post, *recipients) == ["250", "250", "250", "451"]


def test_one_transaction_holds_domains_of_one_home_server(post: Post) -> None:
    post.domain("example.com", home="other.example:25")
    assert answers(post, "ann@example.org", "x@example.com", "bob@example.org") == ["250", "452", "250"]
    post.domain("example.net")
    assert answers(post, "ann@example.org", "x@example.net", "bob@example.org") == ["250", "250", "250"]
    assert answers(post, "x@example.net", "ann@example.org") == ["250", "250"]


@pytest.mark.parametrize(
    "settings", [{"retention_days": 1}, {"redirect_on": "outage"}, {"home_tls": "off"}, {"continuity": False}]
)
def test_domains_that_are_treated_otherwise_go_separately(post: Post, settings: dict[str, object]) -> None:
    post.domain("example.net")
    post.set("example.net", **settings)
    assert answers(post, "ann@example.org", "x@example.net") == ["250", "452"]


def test_a_refused_first_recipient_binds_nobody_to_its_domain(post: Post) -> None:
    post.domain("example.com")
    post.set("example.com", retention_days=1)
    post.home.recipients["x@example.org"] = refused(Stage.RCPT)
    assert answers(post, "x@example.org", "y@example.com") == ["550", "250"]


def test_one_transaction_holds_one_kind_of_treatment(post: Post) -> None:
    post.home.recipients["bob@example.org"] = temporary(Stage.RCPT, 450, "4.2.0")
    assert answers(post, "ann@example.org", "bob@example.org") == ["250", "452"]
    assert answers(post, "bob@example.org", "ann@example.org") == ["250", "452"]
    assert all(row.status != "rejected" for row in post.track())


def test_too_many_recipients_for_home_go_to_the_client_as_4_5_3(post: Post) -> None:
    post.home.recipients["bob@example.org"] = refused(Stage.RCPT, 552, "")
    incoming = post.begin()
    assert post.rcpt(incoming, "ann@example.org").code == 250
    assert str(post.rcpt(incoming, "bob@example.org")).startswith("452 4.5.3")
    assert str(post.rcpt(post.begin(), "bob@example.org")).startswith("552")


def test_more_recipients_than_the_limit_are_sent_separately(post: Post) -> None:
    post.limits = type(post.limits)(recipients=2)
    post.start()
    assert answers(post, *(f"r{number}@example.org" for number in range(3))) == ["250", "250", "452"]


def test_the_same_recipient_twice_is_one(post: Post) -> None:
    assert answers(post, "ann@example.org", "ANN@example.org") == ["250", "250"]
    assert post.home.transactions[0].recipients == ["ann@example.org"]


def test_continuity_off_is_a_plain_relay(post: Post) -> None:
    post.set(continuity=False)
    post.home.recipients["ann@example.org"] = temporary(Stage.RCPT, 450, "4.2.0")
    post.home.recipients["bob@example.org"] = failed()
    assert line(post, "ann@example.org") == "450 4.2.0 not now"
    assert line(post, "bob@example.org").startswith("451 4.4.1")


def test_redirect_on_outage_leaves_greylisting_to_the_client(post: Post) -> None:
    post.set(redirect_on="outage")
    post.home.recipients["ann@example.org"] = temporary(Stage.RCPT, 450, "4.7.1")
    post.home.recipients["bob@example.org"] = temporary(Stage.RCPT, 450, "4.3.0")
    assert line(post, "ann@example.org") == "450 4.7.1 not now"
    assert line(post, "bob@example.org").startswith("250")


def test_postmaster_and_abuse_are_always_taken(post: Post) -> None:
    post.home.recipients["Postmaster@example.org"] = refused(Stage.RCPT)
    post.home.recipients["abuse@example.org"] = failed()
    assert answers(post, "Postmaster@example.org") == ["250"]
    assert answers(post, "abuse@example.org") == ["250"]
    assert answers(post, "postmaster@MX.example.org") == ["250"]
    assert answers(post, "ann@mx.example.org") == ["550"]


def test_addresses_held_are_those_that_home_took_in_the_last_month(post: Post) -> None:
    post.set(unregistered="hold")
    assert post.send("list@example.org").code == 250
    post.home.decision = Gate.SHUT
    assert answers(post, "list@example.org", "other@example.org") == ["250", "451"]
    post.clock.advance(31 * 86400)
    assert answers(post, "list@example.org") == ["451"]


def test_what_homes_last_ehlo_offered_holds_in_an_outage(post: Post) -> None:
    post.home.decision = Gate.SHUT
    post.home.offers = Offers(size=1000, smtputf8=False)
    post.user("jörg@example.org")
    assert line(post, "jörg@example.org").startswith("553 5.6.7")
    incoming = post.begin(parameters=MailParameters(size=1001))
    assert str(post.rcpt(incoming, "ann@example.org")).startswith("552 5.3.4")
    post.home.offers = Offers(smtputf8=True)
    assert line(post, "jörg@example.org").startswith("250")


def test_it_holds_for_the_first_message_of_an_outage_too(post: Post) -> None:
    post.home.offers = Offers(size=1000, smtputf8=False)
    post.user("jörg@example.org")
    post.home.recipients = {"ann@example.org": failed(), "jörg@example.org": failed()}
    assert line(post, "jörg@example.org").startswith("553 5.6.7")
    incoming = post.begin(parameters=MailParameters(size=1001))
    assert str(post.rcpt(incoming, "ann@example.org")).startswith("552 5.3.4")
    assert line(post, "ann@example.org").startswith("250")


def test_an_address_that_home_cannot_take_does_not_spoil_the_transaction_for_others(post: Post) -> None:
    post.home.recipients["jörg@example.org"] = refused(Stage.RCPT, 553, "5.6.7")
    assert answers(post, "jörg@example.org", "ann@example.org") == ["553", "250"]
    assert post.home.transactions[0].abandoned


def test_a_client_that_leaves_while_home_thinks_leaves_nothing(post: Post) -> None:
    slow: Deferred[Outcome] = Deferred()
    post.home.recipients["ann@example.org"] = slow
    incoming = post.begin()
    Deferred.fromCoroutine(incoming.recipient(parse("ann@example.org"), RcptParameters()))
    incoming.abandon()
    slow.callback(accepted(Stage.RCPT))
    assert post.home.transactions[0].abandoned
    assert post.track() == []


def test_a_slow_client_does_not_hold_homes_session_while_others_wait_for_one(post: Post) -> None:
    post.home.wanted = True
    incoming = post.begin()
    post.rcpt(incoming, "ann@example.org")
    post.clock.advance(3)
    assert post.home.transactions[0].abandoned
    post.rcpt(incoming, "bob@example.org")
    post.data(incoming)
    assert post.home.received[0][2] == ["ann@example.org", "bob@example.org"]


def test_a_slow_client_makes_us_ask_home_once_where_nobody_waits(post: Post) -> None:
    incoming = post.begin()
    post.rcpt(incoming, "ann@example.org")
    post.clock.advance(30)
    post.rcpt(incoming, "bob@example.org")
    post.clock.advance(30)
    assert result(post.data(incoming)).code == 250
    assert len(post.home.transactions) == 1


def asked_twice(post: Post, *recipients: str) -> Incoming:
    """A message of a slow client, whose recipients home has taken once."""
    post.home.wanted = True
    incoming = post.begin()
    for recipient in recipients:
        assert post.rcpt(incoming, recipient).code == 250
    post.clock.advance(3)
    assert post.home.transactions[-1].abandoned
    return incoming


@pytest.mark.parametrize("late", [refused(Stage.RCPT, 550, "5.7.1"), temporary(Stage.RCPT, 450, "4.7.1")])
@pytest.mark.parametrize("second", ["bob@example.org", "stranger@example.org"])
def test_a_recipient_that_home_takes_only_once_is_owed_and_the_others_pass(
    post: Post, second: str, late: Outcome
) -> None:
    incoming = asked_twice(post, "ann@example.org", second)
    post.home.recipients[second] = late
    assert result(post.data(incoming)).code == 250
    assert [recipients for _, _, recipients in post.home.received] == [["ann@example.org"]]
    assert post.owed() == [(second, second == "bob@example.org", "owed")]
    assert len(post.inbox(second)) == (second == "bob@example.org")
    assert sorted((row.recipient, row.status) for row in post.track()) == [
        ("ann@example.org", "delivered"),
        (second, "deferred"),
    ]
    assert post.count("body") == 2


def test_where_home_then_refuses_the_message_nobody_is_owed_it(post: Post) -> None:
    incoming = asked_twice(post, "ann@example.org", "bob@example.org")
    post.home.recipients["bob@example.org"] = refused(Stage.RCPT, 550, "5.7.1")
    post.home.answer = refused(Stage.MESSAGE, 554, "5.6.0")
    assert result(post.data(incoming)).code == 554
    assert post.owed() == []


def test_where_home_takes_nobody_twice_the_message_has_its_refusal(post: Post) -> None:
    incoming = asked_twice(post, "ann@example.org", "bob@example.org")
    for recipient in ("ann@example.org", "bob@example.org"):
        post.home.recipients[recipient] = refused(Stage.RCPT, 550, "5.7.1")
    assert result(post.data(incoming)).code == 550
    assert post.home.received == []
    assert post.owed() == []


def test_a_store_that_fails_meanwhile_has_the_client_send_again_and_home_gets_nothing_twice(post: Post) -> None:
    incoming = asked_twice(post, "ann@example.org", "bob@example.org")
    post.home.recipients["bob@example.org"] = refused(Stage.RCPT, 550, "5.7.1")
    keep_grouped, post.store.keep_grouped = post.store.keep_grouped, lambda *_: fail(Full("no room"))  # type: ignore[method-assign]
    assert result(post.data(incoming)).code == 452
    post.store.keep_grouped = keep_grouped  # type: ignore[method-assign]
    del post.home.recipients["bob@example.org"]
    incoming = post.begin()
    for recipient in ("ann@example.org", "bob@example.org"):
        assert post.rcpt(incoming, recipient).code == 250
    assert result(post.data(incoming)).code == 250
    assert [recipients for _, _, recipients in post.home.received] == [["ann@example.org"], ["bob@example.org"]]
