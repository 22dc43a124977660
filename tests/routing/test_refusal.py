"""What a 5xx at redelivery is about, by replies that real servers give.

Sources: the lists of NDR and SMTP errors that Microsoft (Exchange Online), Google (Gmail SMTP errors), Yahoo, Mimecast
and Proofpoint publish; the sources of Postfix (smtpd_check.c, smtpd.c, cleanup), Sendmail, Exim's default
configuration, Dovecot's LMTP, rspamd (and mailcow with it), amavisd, OpenDMARC and pypolicyd-spf.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.routing.refusal import MOST, About, about

# Exchange Online names whom it knows no better way; Gmail begins with the address it saw.
US = [
    ("rcpt", "Exchange", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    ("rcpt", "Exchange", "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus"),
    ("rcpt", "Exchange", "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched"),
    ("rcpt", "Exchange", "550 5.7.64 TenantAttribution; Relay Access Denied"),
    ("rcpt", "Exchange", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"),
    ("rcpt", "Exchange", "550 5.7.708 Access denied, traffic not accepted from this IP"),
    ("rcpt", "Exchange", "550 5.7.57 Client not authenticated to send mail"),
    ("message", "Exchange", "550 5.7.509 Access denied, sending domain b.example does not pass DMARC verification"),
    ("message", "Exchange", "554 5.4.14 Hop count exceeded - possible mail loop ATTR34"),
    ("message", "Exchange", "550 5.4.6 Hop count exceeded - possible mail loop"),
    ("rcpt", "Exchange", "550 5.7.10 Encryption needed"),
    ("rcpt", "Exchange", "550 5.7.3 Requested action aborted; user not authenticated"),
    ("rcpt", "Gmail", "550 5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup"),
    ("message", "Gmail", "550 5.7.26 This mail has been blocked because the sender is unauthenticated."),
    (
        "message",
        "Gmail",
        "550 5.7.26 Unauthenticated email from b.c is not accepted due to domain's DMARC policy",
    ),
    ("message", "Gmail", "550 5.7.27 This mail has been blocked because SPF did not pass"),
    ("message", "Gmail", "550 5.7.1 [192.0.2.1] The IP you're using to send mail is not authorized to send email"),
    (
        "message",
        "Gmail",
        "550 5.7.1 [192.0.2.1 12] We have detected an unusual rate of mail from your IP address",
    ),
    ("rcpt", "Postfix", "550 5.7.1 <mx.example>: Helo command rejected: Host not found"),
    ("rcpt", "Postfix", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname"),
    ("rcpt", "Postfix", "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied"),
    ("rcpt", "Postfix", "550 5.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"),
    ("rcpt", "Postfix", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    ("rcpt", "Postfix", "554 5.7.1 <anna@example.org>: Relay access denied"),
    ("mail", "Postfix", "530 5.7.0 Must issue a STARTTLS command first"),
    ("message", "Postfix", "554 5.4.0 Error: too many hops"),
    ("rcpt", "Sendmail", "550 5.7.1 <anna@example.org>... Relaying denied. IP name lookup failed [192.0.2.1]"),
    ("message", "Sendmail", "554 5.4.6 Too many hops 26 (25 max): from <a@b.example>"),
    ("rcpt", "Exim", "550 relay not permitted"),
    ("rcpt", "Exim", "550 192.0.2.1 is in a blacklist at zen.spamhaus.org"),
    ("rcpt", "Exim", "550 A TLS encrypted session is required: TLS is not used"),
    ("message", "rspamd", "554 5.7.1 Action set by DMARC"),
    ("message", "OpenDMARC", "550 5.7.1 rejected by DMARC policy for b.example"),
    ("rcpt", "pypolicyd-spf", "550 5.7.23 Message rejected due to: SPF fail - not authorized."),
    ("rcpt", "Mimecast", "550 SPF Sender Invalid - envelope rejected"),
    ("rcpt", "Mimecast", "550 DMARC Sender Invalid - envelope rejected"),
    ("rcpt", "Mimecast", "550 csi.mimecast.org Poor Reputation Sender"),
    ("message", "Yahoo", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because your ip is listed"),
    ("message", "Yahoo", "554 5.7.9 Message not accepted for policy reasons."),
    ("rcpt", "RFC 7504", "556 5.1.10 Recipient address has null MX"),
    ("rcpt", "RFC 7504", "521 5.3.2 host.example does not accept mail"),
]
ADDRESS = [
    (
        "rcpt",
        "Postfix",
        "550 5.1.1 <a@b.c>: Recipient address rejected: User unknown in local recipient table",
    ),
    ("rcpt", "Postfix", "550 5.1.1 <a@b.c>: Recipient address rejected: User unknown in relay recipient table"),
    ("rcpt", "Postfix", "550 5.1.1 <spf@tls.relay>: Recipient address rejected: User unknown in virtual mailbox table"),
    ("rcpt", "Sendmail", "550 5.1.1 <anna@example.org>... User unknown"),
    ("rcpt", "Exchange", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    (
        "rcpt",
        "Gmail",
        "550 5.1.1 The email account that you tried to reach does not exist.\nPlease try again",
    ),
    ("rcpt", "Gmail", "550 5.2.1 The email account that you tried to reach is inactive."),
    ("rcpt", "Dovecot", "550 5.1.1 <anna@example.org> User doesn't exist: anna@example.org"),
    ("rcpt", "Exim", "550 Unknown user"),
    ("rcpt", "Mimecast", "550 Invalid Recipient"),
    ("rcpt", "RFC 5321", "550 Requested action not taken: mailbox unavailable"),
    ("rcpt", "RFC 7293", "550 5.7.17 Mailbox owner has changed"),
    ("message", "LMTP behind SMTP", "550 5.1.1 no such user"),
]
MAILBOX = [
    ("message", "Dovecot", "552 5.2.2 <anna@example.org> Quota exceeded (mailbox for user is full)"),
    ("rcpt", "Gmail", "552 5.2.2 The email account that you tried to reach is over quota."),
    ("rcpt", "Exim", "552 Mailbox is full"),
]
MESSAGE = [
    ("mail", "Postfix", "552 5.3.4 Message size exceeds fixed limit"),
    ("message", "Exchange", "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"),
    ("message", "Exchange", "550 5.7.1 Message rejected as spam by Content Filtering."),
    ("message", "Postfix", "550 5.7.1 message content rejected"),
    ("message", "rspamd", "554 5.7.1 Spam message rejected"),
    ("message", "amavisd", "554 5.7.0 Reject, id=01234-05 - INFECTED: Eicar-Test-Signature"),
    ("message", "Exim", "550 This message contains malware (Eicar-Test-Signature)."),
    ("message", "Gmail", "552 5.7.0 This message was blocked because its content presents a potential security issue"),
    ("message", "RFC 3463", "554 5.6.0 Other or undefined media error"),
    ("rcpt", "our own", "553 5.6.7 The home server does not take addresses with non-ASCII characters"),
    ("data", "our own", "550 5.6.11 The home server does not offer CHUNKING"),
]
UNCLEAR = [
    ("rcpt", "anybody", "550 no"),
    ("rcpt", "anybody", "550 5.7.1 not any more"),
    ("rcpt", "anybody", "554 5.7.1 spam"),  # before the content was sent
    ("rcpt", "anybody", "550 5.1.1 relay: no such user"),
    ("rcpt", "anybody", "550 5.1.1 User unknown, says our SPF check"),
    ("rcpt", "anybody", "550 5.1.1 [2001:db8::1] is nobody here"),
    ("message", "anybody", "554 5.7.1 Spam, sent by an IP that sends little else"),
    ("message", "anybody", "550 5.7.1 Message contains a virus, as all from 192.0.2.1"),
    ("rcpt", "Exchange", "550 5.4.1 Recipient address rejected: Access denied"),
    ("rcpt", "Exchange", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup"),
    ("rcpt", "Exim", "550 Administrative prohibition"),
    ("rcpt", "Exim", "550 Sender verify failed"),
    ("rcpt", "Exim", "550 Unrouteable address"),
    ("rcpt", "Postfix", "550 5.1.8 <a@b.example>: Sender address rejected: Domain not found"),
    ("mail", "Exchange", "550 5.1.8 Access denied, bad outbound sender"),
    ("message", "Proofpoint", "554 5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1"),
    ("message", "Mimecast", "554 Email rejected due to security policies"),
    ("message", "amavisd", "554 5.7.0 Reject, id=01234-05 - BANNED: application/x-msdownload,.exe"),
    ("message", "RFC 3463", "550 5.7.1 Delivery not authorized, message refused"),
    ("rcpt", "RFC 7505", "550 5.7.27 Sender address has null MX"),
    ("data", "anybody", "554 5.5.1 No valid recipients"),
    ("rcpt", "anybody", "555 5.5.4 Unsupported option: NOTIFY"),
]
TABLE = [
    (kind, *row)
    for kind, rows in (
        (About.US, US),
        (About.ADDRESS, ADDRESS),
        (About.MAILBOX, MAILBOX),
        (About.MESSAGE, MESSAGE),
        (About.UNCLEAR, UNCLEAR),
    )
    for row in rows
]
STAGES = {"mail": Stage.MAIL, "rcpt": Stage.RCPT, "data": Stage.DATA, "message": Stage.MESSAGE}


def refused(stage: Stage, line: str) -> Outcome:
    code, _, text = line.partition(" ")
    first, _, rest = text.partition(" ")
    enhanced = first if first.count(".") == 2 and first[0] == "5" and first.replace(".", "").isdigit() else ""
    return Outcome(Verdict.REFUSED, stage, Reply(int(code), enhanced, rest if enhanced else text))


@pytest.mark.parametrize(("kind", "stage", "who", "line"), TABLE, ids=lambda value: str(value)[:40])
def test_what_real_replies_are_about(kind: About, stage: str, who: str, line: str) -> None:
    assert about(refused(STAGES[stage], line)) is kind


def test_a_5xx_before_anybody_is_named_is_about_us() -> None:
    greeting = Outcome(Verdict.TEMPORARY, Stage.GREETING, Reply(554, "", "no service"))
    assert about(greeting) is About.US


def test_of_a_reply_no_more_is_read_than_a_reply_may_have() -> None:
    assert about(refused(Stage.RCPT, "550 5.1.1 " + "x" * (MOST - 9) + " spf")) is About.UNCLEAR
    assert about(refused(Stage.RCPT, "550 5.1.1 " + "x " * MOST + " spf")) is About.ADDRESS


@given(
    st.sampled_from(list(STAGES.values())),
    st.integers(500, 599),
    st.sampled_from(["", "5.1.1", "5.2.2", "5.7.1", "5.7.23", "5.7.٣", "5.7.", "5.6.0", "5.999.999"]),
    st.text(),
)
def test_every_reply_is_about_something_and_only_a_few_codes_are_a_messages_own(
    stage: Stage, code: int, enhanced: str, text: str
) -> None:
    kind = about(Outcome(Verdict.REFUSED, stage, Reply(code, enhanced, text)))
    if code not in (550, 551, 552, 553, 554):
        assert kind in (About.US, About.UNCLEAR)
