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


def _is_contact(text: str) -> bool:
    if not text:
        return True
    if not (text.isascii() and text.isprintable()) or " " in text:
        return False
    return text.startswith("https://") or text.count("@") == 1


_PATH = Text("a path", lambda text: bool(text) and "\0" not in text)

SECTIONS: dict[str, str] = {
    "": "",
    "public": "What mail clients are told where it differs from the above, as behind NAT or mapped ports.",
    "store": "Where mail and everything about it is kept.",
    "tls": "If both files are missing, a self-signed certificate is made. Changed files are read again within 10 s.",
    "listen": "Any number of Twisted endpoint strings each; [] turns one off. haproxy:tcp:… expects PROXY headers.",
    "home": "How home servers are reached and watched.",
    "outbound": "How mail of users, reports and alerts go to the world.",
    "retry": "When mail to the world and mail that is owed to home servers is tried again.",
    "limits": "What one client, user or message may take.",
    "password": "How passwords are kept.",
    "web": "The pages and the API, which are served at [listen] web.",
    "log": "What is written to standard error.",
}

KEYS: dict[str, Key] = {
    "hostname": Key(
        Text('a host name, as "mail.example.org"', hosts.is_hostname),
        "The name of this server in greetings, EHLO, Received and reports.",
    ),
    "data_dir": Key(_PATH, "The folder of the database, the messages and the control socket. Its mode is 0700."),
    "public.host": Key(
        Text("a host name, or empty", lambda text: not text or hosts.is_hostname(text)),
        "The name of this server; if it is empty, hostname is used.",
    ),
    "public.ports": Key(
        Ports(DOORS),
        "The ports by door. Doors that are missing here have those of [listen].",
        "{ imaps = 993, submission = 587 }",
    ),
    "store.database": Key(
        Database(),
        "The database: an embedded SQLite under data_dir, or PostgreSQL, which several servers may share.",
        '"postgresql+psycopg://mail:password@db.example.org/mail?sslmode=verify-full"',
    ),
    "store.messages": Key(
        Text('"files" or "database" (S3 is not served by this version)', lambda text: text in ("files", "database")),
        "Where messages are: in pack files under data_dir, or in the database, for servers that share no folder.",
    ),
    "tls.certificate": Key(_PATH, "A PEM file with the certificate and its chain."),
    "tls.private_key": Key(_PATH, "A PEM file with the key. Its mode is 0600."),
    "tls.plaintext_login_networks": Key(
        _NETWORKS,
        "The networks from which login without TLS is allowed; by default there is none, not even loopback.",
        '["127.0.0.0/8"]',
    ),
    "listen.smtp": Key(Endpoints(), "For mail that comes in, and submission after AUTH; in production at port 25."),
    "listen.submission": Key(Endpoints(), "For submission, which needs STARTTLS and AUTH; usually at port 587."),
    "listen.submissions": Key(Endpoints(), "For submission with TLS from the first octet on; usually at port 465."),
    "listen.imap": Key(Endpoints(), "For IMAP with STARTTLS; usually at port 143."),
    "listen.imaps": Key(Endpoints(), "For IMAP with TLS from the first octet on; usually at port 993."),
    "listen.pop3": Key(Endpoints(), "For POP3 with STLS; usually at port 110."),
    "listen.pop3s": Key(Endpoints(), "For POP3 with TLS from the first octet on; usually at port 995."),
    "listen.web": Key(Endpoints(), "For webmail, portal, API and client set-up by HTTPS."),
    "listen.metrics": Key(Endpoints(), "For /metrics, /healthz and /readyz by HTTP."),
    "home.connect_timeout": Key(Duration(0.05, 600), "The time until a connection counts as failed."),
    "home.reply_timeout": Key(Duration(0.05, 600), "The longest time to the greeting or a reply."),
    "home.message_timeout": Key(
        Duration(0.05, 600),
        "The longest time to the reply to a message, which is then redirected 'in doubt'. Exchange needs 45.",
    ),
    "home.patience": Key(
        Duration(0.05, 600),
        "How long a message waits for a free connection to a home server that serves others, before it is redirected. "
        "Many clients give up after 60 s, and the message itself takes its time.",
    ),
    "home.probe_interval": Key(
        Duration(0.05, 86400),
        "The time between probes of a home server that is down. One that is up and idle is probed every 60 s.",
    ),
    "home.recovery_probes": Key(
        Integer(1, 1000),
        "How many probes in a row must be good before mail flows to it again; twice as many after each relapse within "
        "15 minutes.",
    ),
    "home.connections": Key(
        Integer(1, 1000), "How many connections a home server gets at a time, those of redelivery included."
    ),
    "outbound.route": Key(
        Text(hosts.ROUTE, hosts.is_route),
        "Mail goes to the MX hosts of each domain, or through a smarthost; smtps:// is TLS from the first octet "
        'on. TLS is used where it is offered; "?tls=required" demands it, "?tls=verify" a certificate with the '
        "host's name too.",
        '"smtp://user:password@smarthost.example.org:587"',
    ),
    "outbound.port": Key(Integer(1, 65535), "The port of MX hosts."),
    "outbound.resolvers": Key(
        Texts('DNS servers, as ["192.0.2.53"]', values.server),
        'The DNS servers, "host[:port]"; if there is none here, those of the system are used.',
        '["192.0.2.53"]',
    ),
    "outbound.allow_private": Key(Flag(), "Whether MX hosts at loopback or private addresses may be used."),
    "outbound.connect_timeout": Key(Duration(0.05, 600), "The time until a connection counts as failed."),
    "outbound.reply_timeout": Key(
        Duration(0.05, 3600), "The longest time to the greeting or a reply (RFC 5321 §4.5.3.2)."
    ),
    "outbound.message_timeout": Key(
        Duration(0.05, 3600), "The longest time to the reply to a message; if it is too short, messages are sent twice."
    ),
    "outbound.connections": Key(Integer(1, 1000), "How many connections an MX host or smarthost gets at a time."),
    "retry.first": Key(
        Duration(0.05, 86400), "The time after the first failed attempt; it is doubled after each further one."
    ),
    "retry.longest": Key(Duration(0.05, 30 * 86400), "The longest time between attempts."),
    "retry.give_up": Key(
        Duration(0.05, 365 * 86400),
        "The time after which a message is given up. For mail that is owed to a home server, only the time in "
        "which that is up counts.",
    ),
    "retry.delay_notice": Key(
        Duration(1, 365 * 86400),
        "Users whose mail to the world waits this long are told, once. Greylisting and a server that restarts take an "
        "hour or two, and nobody should hear of these.",
    ),
    "limits.message_size": Key(Integer(1, 2**31 - 1), "The size of the largest message, in octets."),
    "limits.line_length": Key(
        Integer(1000, 2**24),
        "The length of the longest line, in octets. Lines within it are passed on, and redelivered, whole.",
    ),
    "limits.recipients": Key(Integer(1, 100_000), "How many recipients a message may have."),
    "limits.connections": Key(
        Integer(1, 1_000_000), "How many connections there may be at a time, at all doors together."
    ),
    "limits.connections_per_host": Key(Integer(1, 1_000_000), "How many of them may be from one client address."),
    "limits.connections_per_minute": Key(
        Integer(1, 10**9),
        "How many connections one client address (IPv6: /64) may make, at all doors together. This and the next "
        "five are for strangers: who has logged in is not counted. A network (/24, IPv6: /48) may take four times "
        "as much. Beyond it clients are told to come again. The defaults are above a newsletter of 1,000 messages "
        "a minute, and above what one host of a large provider sends.",
    ),
    "limits.commands_per_minute": Key(Integer(1, 10**9), "How many commands a client address may give before login."),
    "limits.messages_per_minute": Key(Integer(1, 10**9), "How many messages it may bring, taken or not."),
    "limits.octets_per_minute": Key(Integer(1, 1 << 50), "How many octets these messages may have together."),
    "limits.refusals_per_minute": Key(
        Integer(1, 10**9),
        "How many refusals are in tracking and in the log one by one, and how many sessions that led to nothing "
        "are in the log. Further ones are only counted.",
    ),
    "limits.postmaster_octets_per_hour": Key(
        Integer(1, 1 << 50),
        "How many octets it may bring to postmaster and abuse where no home server takes that mail, so that it is kept "
        "here. Four times as much may come for one domain from anywhere.",
    ),
    "limits.handshake": Key(Duration(0.05, 600), "The longest time of a TLS handshake; then the connection is cut."),
    "limits.login_failures": Key(
        Integer(1, 1000),
        "How often one may fail to log in, by name and client host together. Then comes a growing delay, then a "
        "refusal. A right password is never refused for others' failures.",
    ),
    "limits.login_failures_per_host": Key(
        Integer(1, 1_000_000),
        "How often logins from one client address (IPv6: /64) may fail in 15 minutes, whatever the names. Beyond "
        "it, names that have not logged in from there wait for each other, or are told to come again. Put offices "
        "behind NAT into trusted_networks.",
    ),
    "limits.trusted_networks": Key(
        _NETWORKS,
        "These networks have no limits per host and network: an office behind NAT, or a filter before this "
        "server. SPF is not checked for mail from there.",
        '["192.0.2.0/24"]',
    ),
    "limits.user_recipients_per_hour": Key(Integer(1, 10**9), "How many recipients in the world a user may write to."),
    "limits.user_storage": Key(
        Integer(1 << 20, 1 << 50),
        "How many octets a user may store by IMAP and by sending. Mail that comes in is kept all the same. Domains may "
        "have a `quota` of their own.",
    ),
    "limits.user_messages": Key(Integer(1000, 10**9), "How many messages a user may store, likewise."),
    "limits.user_mailboxes": Key(
        Integer(10, 10_000),
        "How many folders a user may have, names above one included. Domains may have a number of their own.",
    ),
    "limits.spool_size": Key(
        Integer(1 << 20, 1 << 50),
        "How many octets all messages that are being received may have together. Beyond it new ones are told to come "
        "again. By default it is twenty messages of the largest size, so that slow senders cannot fill the disk.",
    ),
    "limits.free_space": Key(
        Integer(0, 1 << 50),
        "How many octets are left free on the disk of data_dir. Below it new messages are told to come again. It "
        "must hold the database's log at its limit, its checkpoint, and what you need to make room.",
    ),
    "password.scheme": Key(
        Text('a hash of passlib\'s that is installed, as "argon2"', values.is_scheme),
        "The scheme by which passwords are hashed, any of passlib's; a fast one needs allow_weak.",
    ),
    "password.allow_weak": Key(
        Flag(), "Whether scheme may be fast. Then whoever gets hold of the database guesses most passwords in a day."
    ),
    "web.require_totp": Key(
        Flag(),
        "Whether nobody gets into the portal without a second factor. Who has none has to set one up at the login "
        "then; by default they are asked to, and may do so later.",
    ),
    "web.trusted_proxies": Key(
        _NETWORKS,
        "The networks of reverse proxies, whose X-Forwarded-For says who the client is. By default there are none.",
        '["127.0.0.1/32"]',
    ),
    "web.security_contact": Key(
        Text("a mail address, a URL that begins with https://, or empty", _is_contact),
        "Whom to tell of a hole in this server (/.well-known/security.txt). By default postmaster of the first domain.",
        '"security@example.org"',
    ),
    "web.languages": Key(
        Text("a path, or empty", lambda text: "\0" not in text),
        "A folder of catalogues of gettext, one for each language, as fr.po or fr.mo, beside English and German.",
        '"/etc/mpcontinuity/languages"',
    ),
    "log.format": Key(
        Text('"text" or "json"', lambda text: text in ("text", "json")),
        "Whether each event is a line for people, or an object in JSON for a collector of logs.",
    ),
}
