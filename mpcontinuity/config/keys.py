"""Every key of mpcontinuity.toml: what it may hold, and what it is for. The example file is made from this."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mpcontinuity.config import values
from mpcontinuity.config.values import Database, Duration, Endpoints, Flag, Integer, Ports, Text, Texts, ValueKind
from mpcontinuity.model import hosts
from mpcontinuity.model.settings import Listen

DOORS = tuple(field.name for field in msgspec.structs.fields(Listen))


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file. ``about`` explains it, and ``example`` is a value in TOML that the explanation shows."""

    kind: ValueKind
    about: str
    example: str = ""  # TOML, shown in the comment


_NETWORKS = Texts('networks, as ["192.0.2.0/24"]', hosts.network)
_PATH = Text("a path", lambda text: bool(text) and "\0" not in text)

SECTIONS: dict[str, str] = {
    "": "",
    "public": "What mail clients are told, where it differs (NAT, port mapping).",
    "store": "Where mail and everything about it is kept.",
    "tls": "Made self-signed at first start when both files are missing; re-read within 10 s of a change on disk.",
    "listen": "Twisted endpoint strings, any number in each; [] turns one off. haproxy:tcp:…: behind PROXY headers.",
    "home": "How home servers are reached and watched.",
    "outbound": "Mail of users to the world, reports and alerts.",
    "retry": "Outbound and redelivery.",
    "limits": "What one client, user or message may take.",
    "password": "How passwords are kept.",
    "log": "What is written to standard error.",
}

KEYS: dict[str, Key] = {
    "hostname": Key(
        Text('a host name, as "mail.example.org"', hosts.is_hostname), "In greetings, EHLO, Received and reports."
    ),
    "data_dir": Key(_PATH, "The database, the messages and the control socket. Mode 0700."),
    "public.host": Key(
        Text("a host name, or empty", lambda text: not text or hosts.is_hostname(text)), "Empty: hostname."
    ),
    "public.ports": Key(Ports(DOORS), "What is missing: as in [listen].", "{ imaps = 993, submission = 587 }"),
    "store.database": Key(
        Database(),
        "An embedded SQLite under data_dir, or PostgreSQL, which several servers may share.",
        '"postgresql+psycopg://mail:password@db.example.org/mail?sslmode=verify-full"',
    ),
    "store.messages": Key(
        Text('"files" or "database" (S3 is not served by this version)', lambda text: text in ("files", "database")),
        "Message bodies: pack files under data_dir, or the database: for nodes that share no folder.",
    ),
    "tls.certificate": Key(_PATH, "PEM: the certificate and its chain."),
    "tls.private_key": Key(_PATH, "PEM. Mode 0600."),
    "tls.plaintext_login_networks": Key(
        _NETWORKS, "Where login without TLS is allowed; nowhere by default, loopback neither.", '["127.0.0.0/8"]'
    ),
    "listen.smtp": Key(Endpoints(), "Port 25 in production: inbound, and submission after AUTH."),
    "listen.submission": Key(Endpoints(), "587: STARTTLS, then AUTH required."),
    "listen.submissions": Key(Endpoints(), "465: implicit TLS."),
    "listen.imap": Key(Endpoints(), "143: STARTTLS."),
    "listen.imaps": Key(Endpoints(), "993: implicit TLS."),
    "listen.pop3": Key(Endpoints(), "110: STLS."),
    "listen.pop3s": Key(Endpoints(), "995: implicit TLS."),
    "listen.web": Key(Endpoints(), "HTTPS: webmail, portal, API, client set-up."),
    "listen.metrics": Key(Endpoints(), "HTTP: /metrics, /healthz, /readyz."),
    "home.connect_timeout": Key(Duration(0.05, 600), "Until a connection counts as failed."),
    "home.reply_timeout": Key(Duration(0.05, 600), "To the greeting or a reply."),
    "home.message_timeout": Key(
        Duration(0.05, 600), "To the reply to a message before it is redirected 'in doubt'. Exchange: 45."
    ),
    "home.patience": Key(
        Duration(0.05, 600),
        "A message waits so long for a free connection to a home server that serves others, before it is redirected."
        " Many clients give up after 60 s, and the message itself takes its time.",
    ),
    "home.probe_interval": Key(
        Duration(0.05, 86400), "Between probes of a home server that is down; an idle one is probed every 60 s."
    ),
    "home.recovery_probes": Key(
        Integer(1, 1000),
        "Good probes in a row before mail flows to it again; doubled per relapse within 15 minutes.",
    ),
    "home.connections": Key(Integer(1, 1000), "Per home server, redelivery included."),
    "outbound.route": Key(
        Text(hosts.ROUTE, hosts.is_route),
        "To the MX of each domain, or through a smarthost; smtps:// is TLS from the first octet on. TLS is used where "
        'it is offered; "?tls=required" demands it, "?tls=verify" a certificate with the host\'s name too.',
        '"smtp://user:password@smarthost.example.org:587"',
    ),
    "outbound.port": Key(Integer(1, 65535), "Of MX hosts."),
    "outbound.resolvers": Key(
        Texts('DNS servers, as ["192.0.2.53"]', values.server),
        'DNS servers, "host[:port]"; empty: the system\'s.',
        '["192.0.2.53"]',
    ),
    "outbound.allow_private": Key(Flag(), "Whether MX hosts at loopback or private addresses are used."),
    "outbound.connect_timeout": Key(Duration(0.05, 600), "Until a connection counts as failed."),
    "outbound.reply_timeout": Key(Duration(0.05, 3600), "To the greeting or a reply; RFC 5321 §4.5.3.2."),
    "outbound.message_timeout": Key(
        Duration(0.05, 3600), "To the reply to a message; too short a time sends it twice."
    ),
    "outbound.connections": Key(Integer(1, 1000), "Per MX host or smarthost."),
    "retry.first": Key(Duration(0.05, 86400), "After the first failed attempt; doubled after each further one."),
    "retry.longest": Key(Duration(0.05, 30 * 86400), "The longest time between attempts."),
    "retry.give_up": Key(
        Duration(0.05, 365 * 86400), "Of redelivery, only time in which the home server is up is counted."
    ),
    "retry.delay_notice": Key(
        Duration(1, 365 * 86400),
        "Users whose mail to the world waits this long are told, once; an hour or two is what greylisting and a "
        "restarted server take, and nobody should hear of these.",
    ),
    "limits.message_size": Key(Integer(1, 2**31 - 1), "Bytes."),
    "limits.line_length": Key(Integer(1000, 2**24), "Bytes; lines within it pass, and are redelivered, whole."),
    "limits.recipients": Key(Integer(1, 100_000), "Per message."),
    "limits.connections": Key(Integer(1, 1_000_000), "To all listeners together."),
    "limits.connections_per_host": Key(Integer(1, 1_000_000), "From one client address."),
    "limits.connections_per_minute": Key(
        Integer(1, 10**9),
        "From one client address (IPv6: /64), at all doors; the same for the next five. A network (/24, IPv6: /48) has "
        "four times as much. Beyond it clients are told to come again; who has logged in is not counted. The defaults "
        "are above a newsletter of 1,000 messages a minute and what one host of a large provider sends.",
    ),
    "limits.commands_per_minute": Key(Integer(1, 10**9), "Before login."),
    "limits.messages_per_minute": Key(Integer(1, 10**9), "Messages of strangers, taken or not."),
    "limits.octets_per_minute": Key(Integer(1, 1 << 50), "Of such messages."),
    "limits.refusals_per_minute": Key(
        Integer(1, 10**9),
        "Refusals that are in tracking and in the log one by one, and so many sessions that led to nothing; "
        "others are counted.",
    ),
    "limits.postmaster_octets_per_hour": Key(
        Integer(1, 1 << 50),
        "Of mail to postmaster and abuse that is kept here since no home server takes it; four times as much for each "
        "domain, from anywhere.",
    ),
    "limits.handshake": Key(
        Duration(0.05, 600), "From the beginning of a TLS handshake to its end; then the connection is cut."
    ),
    "limits.login_failures": Key(
        Integer(1, 1000),
        "Per address and client host together, then a growing delay, then a refusal; a right password is never "
        "refused for others' failures.",
    ),
    "limits.login_failures_per_host": Key(
        Integer(1, 1_000_000),
        "From one client address (IPv6: /64) in 15 minutes, whatever the names: beyond it, names that have not logged "
        "in from there wait for each other, or are told to come again. Offices behind NAT: trusted_networks.",
    ),
    "limits.trusted_networks": Key(
        _NETWORKS,
        "Exempt from limits per host and network (an office behind NAT, a filter before this server). Senders of mail "
        "from there are not looked into (SPF).",
        '["192.0.2.0/24"]',
    ),
    "limits.user_recipients_per_hour": Key(Integer(1, 10**9), "Outbound, per user."),
    "limits.user_storage": Key(
        Integer(1 << 20, 1 << 50),
        "Bytes that a user may store by IMAP and by sending; mail that comes in is kept all the same. Domains may have "
        "a `quota` of their own.",
    ),
    "limits.user_messages": Key(Integer(1000, 10**9), "That a user may store, likewise."),
    "limits.user_mailboxes": Key(
        Integer(10, 10_000), "Folders of a user, names above one included. Domains may have a number of their own."
    ),
    "limits.spool_size": Key(
        Integer(1 << 20, 1 << 50),
        "Bytes of all messages that are being received at a time, above which new ones are told to come again: twenty "
        "of the largest size by default, so that slow senders cannot fill the disk.",
    ),
    "limits.free_space": Key(
        Integer(0, 1 << 50),
        "Bytes left free on the disk of data_dir, below which new messages are told to come again: the database's log "
        "at its limit, its checkpoint, and what you need to make room.",
    ),
    "password.scheme": Key(
        Text('a hash of passlib\'s that is installed, as "argon2"', values.is_scheme),
        "Any of passlib's; a fast one needs allow_weak.",
    ),
    "password.allow_weak": Key(
        Flag(), "Whether scheme may be fast: whoever gets hold of the database guesses most passwords in a day then."
    ),
    "log.format": Key(
        Text('"text" or "json"', lambda text: text in ("text", "json")),
        "A line per event: for people, or an object for a collector of logs.",
    ),
}
