"""The settings of the server (`mpcontinuity.toml`) and of a domain (in the database), with their defaults.

These are plain structs. `config/` reads, checks and explains them: `config/keys.py` says what each one is for.
Durations are in seconds here, whatever unit the file has.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Literal

import msgspec

Network = IPv4Network | IPv6Network


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the file."""


class Public(Section, frozen=True):
    """The table ``[public]``: what mail clients are told where it differs from ``hostname`` and ``[listen]``."""

    host: str = ""
    ports: dict[str, int] = {}


class Store(Section, frozen=True):
    """The table ``[store]``: where mail and everything about it is kept."""

    database: str = "sqlite"
    messages: str = "files"


class Tls(Section, frozen=True):
    """The table ``[tls]``: the certificate, and where login without TLS is permitted."""

    certificate: str = "certs/server.pem"
    private_key: str = "certs/server.key"
    plaintext_login_networks: tuple[str, ...] = ()


class Listen(Section, frozen=True):
    """The table ``[listen]``: for each door the endpoint strings at which it listens."""

    smtp: tuple[str, ...] = ("tcp:1025:interface=127.0.0.1",)
    submission: tuple[str, ...] = ("tcp:1587:interface=127.0.0.1",)
    submissions: tuple[str, ...] = ("tcp:1465:interface=127.0.0.1",)
    imap: tuple[str, ...] = ("tcp:1143:interface=127.0.0.1",)
    imaps: tuple[str, ...] = ("tcp:1993:interface=127.0.0.1",)
    pop3: tuple[str, ...] = ("tcp:1110:interface=127.0.0.1",)
    pop3s: tuple[str, ...] = ("tcp:1995:interface=127.0.0.1",)
    web: tuple[str, ...] = ("tcp:8443:interface=127.0.0.1",)
    metrics: tuple[str, ...] = ("tcp:9125:interface=127.0.0.1",)


class Home(Section, frozen=True):
    """The table ``[home]``: how home servers are reached and watched."""

    connect_timeout: float = 10
    reply_timeout: float = 10
    message_timeout: float = 10
    patience: float = 45
    probe_interval: float = 15
    recovery_probes: int = 2
    connections: int = 10


class Outbound(Section, frozen=True):
    """The table ``[outbound]``: how mail goes to the world."""

    route: str = "mx"
    port: int = 25
    resolvers: tuple[str, ...] = ()
    allow_private: bool = False
    connect_timeout: float = 30
    reply_timeout: float = 300
    message_timeout: float = 600
    connections: int = 10


class Retry(Section, frozen=True):
    """The table ``[retry]``: when a failed attempt is made again, and when it is given up."""

    first: float = 30
    longest: float = 3600
    give_up: float = 5 * 86400
    delay_notice: float = 4 * 3600


class Limits(Section, frozen=True):
    """The table ``[limits]``: what one client, user or message may take."""

    message_size: int = 52428800
    line_length: int = 1048576
    recipients: int = 1000
    connections: int = 20000
    connections_per_host: int = 200
    connections_per_minute: int = 12_000
    commands_per_minute: int = 200_000
    messages_per_minute: int = 30_000
    octets_per_minute: int = 1 << 30
    refusals_per_minute: int = 300
    postmaster_octets_per_hour: int = 64 << 20
    handshake: float = 30
    login_failures: int = 10
    login_failures_per_host: int = 100
    trusted_networks: tuple[str, ...] = ()
    user_recipients_per_hour: int = 300
    user_storage: int = 10 << 30
    user_messages: int = 1_000_000
    user_mailboxes: int = 1000
    spool_size: int = 1024 << 20
    free_space: int = 256 << 20


class Password(Section, frozen=True):
    """The table ``[password]``: how passwords are hashed."""

    scheme: str = "argon2"
    allow_weak: bool = False


class Web(Section, frozen=True):
    """The table ``[web]``: pages and API."""

    require_totp: bool = False
    trusted_proxies: tuple[str, ...] = ()
    security_contact: str = ""
    languages: str = ""  # a folder


class Log(Section, frozen=True):
    """The table ``[log]``: how the log is written."""

    format: Literal["text", "json"] = "text"


class Settings(Section, frozen=True):
    """All of `mpcontinuity.toml`."""

    hostname: str = "localhost"
    data_dir: str = "data"
    public: Public = Public()
    store: Store = Store()
    tls: Tls = Tls()
    listen: Listen = Listen()
    home: Home = Home()
    outbound: Outbound = Outbound()
    retry: Retry = Retry()
    limits: Limits = Limits()
    password: Password = Password()
    web: Web = Web()
    log: Log = Log()


class DomainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """The settings of one domain.

    On the command line and in the database their names have hyphens instead of underscores.
    """

    home: tuple[str, ...] = ()  # "host:port", in order of preference
    home_tls: Literal["opportunistic", "required", "verify", "off"] = "opportunistic"
    home_tls_name: str = ""  # that the certificate must have; empty: the host's
    home_tls_ca: str = ""  # a file of the authorities that are believed; empty: the system's
    home_tls_certificate: str = ""  # a file with certificate and key; "none"; empty: the server's own
    home_users: tuple[str, ...] = ()  # URLs of its users' side, which are watched
    continuity: bool = True
    mode: Literal["disabled", "optional", "enabled"] = "disabled"
    mode_until: int = 0  # µs; 0: no end
    bounce_policy: Literal["enabled", "disabled", "disabled-on-continuity"] = "enabled"
    relay_check: bool = False
    relay_check_days: int = 365  # without mail, until whom it has found is forgotten
    redirect_on: Literal["any", "outage"] = "any"
    unregistered: Literal["defer", "hold"] = "defer"
    notify_users: bool = False
    sent_to_home: bool = True
    pop3_delete: Literal["keep", "delete"] = "keep"
    retention_days: int = 90
    kept_days: int = 14  # in the mailbox here after home has got it
    alert_hour: int = 0
    alert_day: int = 0
    outbound_route: str = ""
    home_networks: tuple[str, ...] = ()
    quota: int = 0  # octets per user; 0: [limits] user_storage
    mailboxes: int = 0  # per user; 0: [limits] user_mailboxes
    total_quota: int = 0  # octets of all users together; 0: no limit
    home_imap: str = ""  # an IMAP URL with a login (model/imapurl.py); empty: mail goes home by SMTP alone
    home_imap_oauth: str = ""  # how tokens for it are got (model/oauth.py)
    home_tenant: str = ""  # X-OriginatorOrg of a home server that many tenants share
