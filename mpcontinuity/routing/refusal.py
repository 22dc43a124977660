"""Judges what a 5xx of a home server at redelivery is about: the message, its recipient, or us who bring it.

A client whose message is passed through sees home's own reply and decides for itself. At redelivery the client was told
250 long ago, and a message that counts as refused is bounced. So a refusal counts as one of the message only where
code, enhanced code and text agree on that (contract, 'Recovery'). A reply that names us, our address, our name or the
way that the message took is about us. Whatever is not surely one or the other is UNCLEAR. The functions here are pure.
"""

from __future__ import annotations

import enum
from ipaddress import ip_address

from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict

MOST = 4096  # characters of a reply that are judged: RFC 5321 §4.5.3.1.5 has 512 octets for a line


# Exchange Online: access denied, banned sending IP, and its older form (5.7.511, banned sender, with an IP address).
_BANS = frozenset({"5.7.511", *(f"5.7.{n}" for n in range(606, 650))})
_BANNED = "banned sending"


class About(enum.Enum):
    """What a refusal is about."""

    MESSAGE = "message"  # its content or its size
    MAILBOX = "mailbox"  # which is there, and does not take it
    ADDRESS = "address"  # nobody has it there
    US = "us"  # every message of ours would meet it
    UNCLEAR = "unclear"


# RFC 4954 §6, RFC 3207 §4: what is asked for is authentication or TLS, which no message can help. RFC 7504: 521 and
# 556, no mail is taken here at all.
_US_BY_CODE = frozenset({521, 523, 530, 534, 535, 538, 556})
_OWN_BY_CODE = frozenset({550, 551, 552, 553, 554})

# RFC 3463 and the IANA registry of enhanced status codes.
_ADDRESS = frozenset({"5.1.1", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.7.17"})
_MAILBOX = frozenset({"5.2.2"})
_SIZE = frozenset({"5.2.3", "5.3.4"})
# 5.3.2: takes no messages from the network; 5.3.5: wrongly configured; 5.4.6 and Exchange's 5.4.14: a loop; 5.7.3, .4,
# .8 to .14: authentication and encryption. From 5.7.20 on they are about DKIM, SPF, PTR and the like (RFC 7372), and
# those with three digits about the sending host and its connector (Exchange Online).
_US = frozenset({"5.3.2", "5.3.5", "5.4.6", "5.4.14", "5.7.3", "5.7.4", *(f"5.7.{n}" for n in range(8, 15))})
_FIRST_ABOUT_US = 20  # of 5.7.x
# RFC 7505, the sender's domain takes no mail; Exchange's restrictions of one mailbox or group (RESOLVER.RST).
_NOT_ABOUT_US = frozenset({27, 124, 133, 134, 135, 136})
# A code that leaves it to the text whether the address is known.
_VAGUE = frozenset({"", "5.0.0", "5.1.0", "5.2.0"})


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(f" {line.strip()} " for line in text.strip().splitlines())


# Words that speak of who brings the message and how. One of them is enough for a doubt.
_US_WORDS = _words_of(
    """
    spf dmarc dkim ptr rdns dns helo ehlo tls starttls ssl encryption encrypted certificate relay relaying
    ip ips hostname connector connectors tenant tenantattribution blacklist blacklisted blocklist
    blocklisted denylist rbl dnsbl listed spamhaus spamcop barracuda reputation banned rate greylisted
    authentication authenticate authenticated unauthenticated auth login anonymous authorised authorized
    unauthorised unauthorized spoof spoofed spoofing forged impersonation hop hops loop looping sender
    senders policy policies untrusted
    """
)
# What makes it about us where the enhanced code leaves it open.
_US_PHRASES = _phrases(
    """
    spf
    sender policy framework
    dmarc
    dkim
    client host
    client address
    sending ip
    sending ips
    sending host
    sending server
    banned sending
    not accepted from
    blocked using
    blocklist
    blacklist
    blacklisted
    blocklisted
    your ip
    your host
    your hostname
    your server
    your network
    your mail server
    ip address
    remote host
    ptr
    reverse dns
    rdns
    reverse hostname
    helo
    ehlo
    relay
    relaying
    tls
    starttls
    encryption
    authentication required
    not authenticated
    unauthenticated
    not authorised to send
    not authorized to send
    tenantattribution
    hop count
    too many hops
    mail loop
    reputation
    """
)
_ADDRESS_PHRASES = _phrases(
    """
    user unknown
    unknown user
    unknown local user
    unknown recipient
    recipient unknown
    unknown mailbox
    unknown address
    address unknown
    no such user
    no such mailbox
    no such recipient
    no such address
    no such person
    no such account
    no mailbox
    no mailbox here by that name
    user not found
    recipient not found
    mailbox not found
    account not found
    address not found
    user does not exist
    mailbox does not exist
    recipient does not exist
    account does not exist
    address does not exist
    invalid recipient
    invalid mailbox
    not a valid mailbox
    mailbox unavailable
    mailbox disabled
    account disabled
    user disabled
    recipientnotfound
    """
)
_MAILBOX_PHRASES = _phrases(
    """
    mailbox full
    mailbox is full
    over quota
    quota exceeded
    exceeded storage allocation
    out of storage space
    """
)
# Said after the content was sent; before that, nobody can know.
_CONTENT_PHRASES = _phrases(
    """
    spam
    junk mail
    virus
    malware
    infected
    phishing
    attachment
    attachments
    content rejected
    message content
    its content
    content filter
    content filtering
    """
)
# What sounds like us and is not: Postfix's name of a table of recipients.
_HARMLESS = _phrases("relay recipient table")


def about(outcome: Outcome) -> About:
    """Returns what a refusal is about. Raises ValueError if ``outcome`` has no permanent reply.

    Only the first MOST characters of a reply are read, once for each table.
    """
    reply = outcome.reply
    if reply is None or not reply.permanent:
        raise ValueError("only a 5xx is judged")
    text = _words(reply)
    us = any(phrase in text for phrase in _US_PHRASES)
    named = us or not _US_WORDS.isdisjoint(text.split()) or _has_address_of_host(reply.text[:MOST])
    if outcome.verdict is not Verdict.REFUSED or reply.code in _US_BY_CODE or _is_us(reply.enhanced):
        return About.US  # not REFUSED: a 5xx that outbound does not lay on the message: greeting, EHLO, 53x
    own = _own(outcome.stage, reply, text)
    if own is not None and reply.code in _OWN_BY_CODE:
        return About.UNCLEAR if named and not _sure(reply, own) else own
    about_addresses = reply.enhanced.startswith(("5.1.", "5.2.", "5.6.")) and reply.enhanced not in _VAGUE
    return About.US if us and not about_addresses else About.UNCLEAR


def bans_us(reply: Reply) -> bool:
    """Returns whether a permanent reply bans our own address, whatever the message is.

    It says nothing of the message to its sender, so that it counts as 'does not serve', at pass-through too.
    """
    return reply.permanent and (reply.enhanced in _BANS or _BANNED in reply.text[:MOST].lower())


def _own(stage: Stage, reply: Reply, text: str) -> About | None:
    """What it is about if it is not about us, where code and text name it; None: they do not."""
    enhanced = reply.enhanced
    if enhanced in _SIZE or (enhanced.startswith("5.6.") and (stage is Stage.MESSAGE or enhanced == "5.6.7")):
        return About.MESSAGE
    if stage is Stage.DATA and enhanced == "5.6.11":  # our own: home takes no bare CR or LF
        return About.MESSAGE
    if stage not in (Stage.RCPT, Stage.MESSAGE):
        return None
    if enhanced in _MAILBOX or (enhanced in _VAGUE and any(phrase in text for phrase in _MAILBOX_PHRASES)):
        return About.MAILBOX
    if enhanced in _ADDRESS or (enhanced in _VAGUE and any(phrase in text for phrase in _ADDRESS_PHRASES)):
        return About.ADDRESS
    if stage is Stage.MESSAGE and any(phrase in text for phrase in _CONTENT_PHRASES):
        return About.MESSAGE
    return None


def _sure(reply: Reply, own: About) -> bool:
    """Whether the enhanced code alone is as clear as can be, so that the name of a server in the text is no doubt."""
    return own is About.MESSAGE and (reply.enhanced in _SIZE or reply.enhanced.startswith("5.6."))


def _is_us(enhanced: str) -> bool:
    if enhanced in _US:
        return True
    kind, _, detail = enhanced.rpartition(".")
    if kind != "5.7" or not detail.isdecimal():
        return False
    return int(detail) >= _FIRST_ABOUT_US and int(detail) not in _NOT_ABOUT_US


def _words(reply: Reply) -> str:
    """The text in lower case, words alone, with a blank on either side of each; addresses are left out."""
    words = [word for word in reply.text[:MOST].lower().split() if "@" not in word]
    plain = "".join([character if character.isalnum() else " " for character in " ".join(words)])
    text = f" {' '.join(plain.split())} "
    for harmless in _HARMLESS:
        text = text.replace(harmless, " ")
    return text


def _has_address_of_host(text: str) -> bool:
    """An IP address can only be the one that the message came from."""
    for word in text.split():
        try:
            ip_address(word.strip("[]()<>.,;:'\""))
        except ValueError:
            continue
        return True
    return False
